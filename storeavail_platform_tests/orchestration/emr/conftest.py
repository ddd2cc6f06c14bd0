"""A stand-in EMR and a company on it, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storeavail_platform.orchestration.emr.code_zip import build_code_zip
from storeavail_platform_tests.end_to_end.world import world
from storeavail_testing.company import Company
from storeavail_testing.emr import EmrStandIn
from storeavail_testing.metastore import HiveMetastore
from storeavail_testing.postgres import PostgresServer
from storeavail_testing.s3 import S3Server

__all__ = ["world"]


@pytest.fixture
def emr(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Iterator[EmrStandIn]:
    """A running stand-in. It ends with the test: moto's clusters are the process's, and the agent
    would run the steps of other modules' clusters too.
    """
    stand_in = EmrStandIn(tmp_path_factory.mktemp("emr"), s3_server)
    stand_in.start()
    yield stand_in
    stand_in.stop()


@pytest.fixture(scope="session")
def code_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code zip, as it is deployed."""
    path = tmp_path_factory.mktemp("code") / "code.zip"
    build_code_zip(path)
    return path


@pytest.fixture
def company(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    s3: S3Server,
    emr: EmrStandIn,
    postgres_server: PostgresServer,
    metastore: HiveMetastore,
    code_zip: Path,
) -> Company:
    """A company without countries yet; its code is deployed."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    made = Company(tmp_path, emr, postgres_server, metastore, s3.create_bucket())
    made.put(made.code, code_zip.read_bytes())
    return made
