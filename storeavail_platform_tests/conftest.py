"""Fixtures that every test may use: the real servers, started when first needed, once a session."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from storeavail_platform.domain.masking import forget
from storeavail_platform_tests.materialised import materialised
from storeavail_testing.elasticsearch import ElasticsearchServer
from storeavail_testing.index_server import IndexServer
from storeavail_testing.metastore import HiveMetastore
from storeavail_testing.opensearch import OpenSearchServer, can_run
from storeavail_testing.postgres import PostgresServer
from storeavail_testing.processes import service_folder
from storeavail_testing.s3 import S3Server

__all__ = ["materialised"]

SHARED = {
    "metastore_server": "jvm",
    "emr": "jvm",
    "spark_settings": "jvm",
    "each_engine": "jvm",
    "elasticsearch_server": "elasticsearch",
    "index_server": "elasticsearch",
}
"""Fixtures that are costly to start twice, and the group of the tests that use them."""
SLOW = ("faults", "end_to_end", "orchestration", "zeppelin", "deploy", "upkeep")
"""Folders whose modules take longest, and begin first where tests run in several processes: what
begins last is what one of them waits for.
"""
SERVICES = {
    "postgres_server": "postgres",
    "elasticsearch_server": "elasticsearch",
    "metastore_server": "metastore",
    "s3_server": "s3",
    "spark_settings": "spark",
    "emr": "spark",
    "browser": "browser",
}
"""Fixtures that start a service, and its marker.

What starts one by itself, or asks for the fixture only as it runs, has the marker written on it.
"""
BEHIND = {"metastore": ("postgres", "s3")}
"""Services without which another one does not start."""
LONG = "long"
TESTS = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests by the services that they use, and leave the long ones to `-m`."""
    _stay_together(items)
    for item in items:
        for service in {SERVICES[fixture] for fixture in SERVICES.keys() & _fixtures(item)}:
            for marker in (service, *BEHIND.get(service, ())):
                item.add_marker(marker)
    if LONG not in config.getoption("-m"):
        config.hook.pytest_deselected(
            items=[item for item in items if item.get_closest_marker(LONG)]
        )
        items[:] = [item for item in items if not item.get_closest_marker(LONG)]


def _fixtures(item: pytest.Item) -> set[str]:
    """The fixtures that a test names, and those of the services that are written on it."""
    written = {name for name, marker in SERVICES.items() if item.get_closest_marker(marker)}
    return written.union(getattr(item, "fixturenames", ()))


def _stay_together(items: list[pytest.Item]) -> None:
    """Say what stays together when tests run in several processes (`-n`): a module, and the
    modules that share a costly server; and what begins first (`--no-loadscope-reorder` keeps to
    it).
    """
    ranks: dict[pytest.Item, tuple[int, ...]] = {}
    used = defaultdict[Path, set[str]](set)
    for item in items:
        used[item.path] |= _fixtures(item)
    for item in items:
        module = item.nodeid.partition("::")[0]
        group = next((SHARED[fixture] for fixture in SHARED if fixture in used[item.path]), module)
        item.add_marker(pytest.mark.xdist_group(group))
        ranks[item] = _rank(item.path, group)
    items.sort(key=ranks.__getitem__)


def _rank(path: Path, group: str) -> tuple[int, ...]:
    """Where a group begins: those of costly servers first, then the slow folders, then the rest."""
    servers = list(dict.fromkeys(SHARED.values()))
    if group in servers:
        return (0, servers.index(group))
    folder = path.relative_to(TESTS).parts[0]
    return (1, SLOW.index(folder)) if folder in SLOW else (2,)


@pytest.fixture(autouse=True)
def no_secrets_of_other_tests() -> Iterator[None]:
    """What one test's secrets were is no secret in the next."""
    yield
    forget()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running PostgreSQL; each test makes databases of its own."""
    with service_folder("postgres") as folder:
        server = PostgresServer(folder)
        server.start()
        yield server
        server.kill()


@pytest.fixture(scope="session")
def elasticsearch_server() -> Iterator[ElasticsearchServer]:
    """A running Elasticsearch; each test makes indices of its own."""
    with service_folder("elasticsearch") as folder:
        server = ElasticsearchServer(folder)
        server.start()
        yield server
        server.kill()


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("Elasticsearch", marks=pytest.mark.elasticsearch),
        pytest.param("OpenSearch 2", marks=pytest.mark.opensearch),
        pytest.param("OpenSearch 3", marks=pytest.mark.opensearch),
    ],
)
def index_server(request: pytest.FixtureRequest) -> Iterator[IndexServer]:
    """A running server of each product with an index, one after another; each test makes indices
    of its own.
    """
    product, _, major = request.param.partition(" ")
    if product == "Elasticsearch":
        yield request.getfixturevalue("elasticsearch_server")
        return
    if not can_run(major):
        pytest.skip(f"OpenSearch {major} needs a newer Java than this machine has")
    with service_folder(f"opensearch-{major}") as folder:
        server = OpenSearchServer(folder, major)
        server.start()
        yield server
        server.kill()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A running stand-in for S3; each test makes buckets of its own.

    Use `s3` to have clients find it.
    """
    server = S3Server()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The stand-in, with everything that AWS's clients read pointing at it and nothing at the
    account of whoever runs the tests.
    """
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture(scope="session")
def spark_settings() -> dict[str, str]:
    """Settings for Spark in the tests' process, whose one JVM knows Iceberg and S3 from its
    start.
    """
    from storeavail_testing.spark_jars import ICEBERG_EXTENSIONS, iceberg_jar, s3a_jars

    os.environ["PYSPARK_SUBMIT_ARGS"] = (
        f"--driver-class-path {':'.join(map(str, (iceberg_jar(), *s3a_jars())))} pyspark-shell"
    )
    return {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.driver.maxResultSize": "1m",
        "spark.sql.extensions": ICEBERG_EXTENSIONS,
    }


@pytest.fixture(scope="session")
def metastore_server(
    postgres_server: PostgresServer, s3_server: S3Server
) -> Iterator[HiveMetastore]:
    """A running Hive Metastore; use `metastore`."""
    with service_folder("metastore") as folder:
        server = HiveMetastore(folder, postgres_server, s3_server)
        server.start()
        yield server
        server.kill()


@pytest.fixture
def metastore(
    request: pytest.FixtureRequest, metastore_server: HiveMetastore
) -> Iterator[HiveMetastore]:
    """The metastore, running and without the platform's namespaces; a test may kill it."""
    assert request.node.get_closest_marker("metastore"), "mark the parameter that asks for it"
    yield metastore_server
    if metastore_server.server.process is None:
        metastore_server.start()
    metastore_server.forget("storeavail*")
