"""Fixtures that every test may use: the real servers, started when first needed, once a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storeavail_platform_tests.services.elasticsearch import ElasticsearchServer
from storeavail_platform_tests.services.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A running PostgreSQL; each test makes databases of its own."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def elasticsearch_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ElasticsearchServer]:
    """A running Elasticsearch; each test makes indices of its own."""
    server = ElasticsearchServer(tmp_path_factory.mktemp("elasticsearch"))
    server.start()
    yield server
    server.kill()
