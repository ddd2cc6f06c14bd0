"""The metastore: its schema in a real PostgreSQL, the service's own settings in a real Hive
Metastore, and what is told when it is not reached.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hive_metastore.ttypes import Database, MetaException
from storeavail_deploy.environment import ROOT
from storeavail_deploy.metastore import (
    SCHEMA_VERSION,
    check_database,
    check_metastore,
    dsn_of,
    plan_init,
)
from storeavail_deploy.plan import NOTHING_TO_DO, PENDING

from storeavail_platform.config import HiveCatalogConfig, Platform, load_text
from storeavail_platform.domain.errors import ConfigError, DeploymentFailed, WarehouseError
from storeavail_platform.domain.tables.declarations import STORES
from storeavail_platform.pipeline.observe import Observing
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.pipeline.window import WindowRun, run_window
from storeavail_platform.upkeep import update_views
from storeavail_platform_tests.deploy.aws import configuration, done
from storeavail_platform_tests.deploy.enforced import EnforcedS3
from storeavail_platform_tests.deploy.test_country import run_psql
from storeavail_platform_tests.deploy.test_roles import policies
from storeavail_platform_tests.pipeline.test_confirm import DOCUMENTS, STORE_ROWS, WINDOW
from storeavail_testing.clock import SetClock
from storeavail_testing.metastore import DATABASE, SCHEMA, HiveMetastore, unpacked
from storeavail_testing.postgres import PASSWORD, PostgresServer
from storeavail_testing.processes import free_port, maven, service_folder
from storeavail_testing.s3 import S3Server
from storeavail_testing.spark_jars import s3a_settings

SITE = ROOT / "deploy" / "metastore_service" / "metastore-site.xml"
EXTRA_JARS = ("org.apache.hive:hive-exec:3.1.3", "javax.servlet:javax.servlet-api:3.1.0")
"""What storage-based authorisation needs beside the standalone metastore."""
CONFIG = """
warehouse: {warehouse}
catalog: {{type: hive, uri: "{uri}"}}
partitions_start: 2026-01-01
countries:
  BR: {{timezone: America/Sao_Paulo, postgres: {{dsn: "{dsn}"}}, online_index: {{path: ./index}}}}
"""


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The official schema file, as it is distributed."""
    return unpacked(tmp_path_factory.mktemp("metastore")) / SCHEMA


@pytest.fixture
def dsn(postgres_server: PostgresServer) -> str:
    return postgres_server.create("deploy_metastore", "SELECT 1")


def at(platform: Platform, uri: str) -> Platform:
    return platform.model_copy(update={"catalog": HiveCatalogConfig(type="hive", uri=uri)})


def test_the_schema_is_loaded_once_and_whole(dsn: str, schema: Path) -> None:
    """A dry run loads nothing; then the version is right; a second run changes nothing.

    A broken file leaves the database empty.
    """
    assert check_database(dsn).message.startswith("its schema is missing")
    broken = schema.with_name("broken.sql")
    broken.write_text(schema.read_text()[:20_000] + "\nCREATE NONSENSE;")
    with pytest.raises(
        DeploymentFailed, match=r"did not take the schema, and is as it was: (?s:.*)NONSENSE"
    ):
        done(plan_init(dsn, broken))
    assert done(plan_init(dsn, schema), dry_run=True)[0] == PENDING
    code, said = done(plan_init(dsn, schema))
    assert (code, PASSWORD in said) == (0, False)
    assert done(plan_init(dsn, schema)) == (0, NOTHING_TO_DO)
    assert check_database(dsn).level == "ok"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "CREATE TABLE orders (id int)",
            "has 1 tables and no metastore schema: give the metastore an empty database of its own",
        ),
        (
            """CREATE TABLE "VERSION" ("SCHEMA_VERSION" text); INSERT INTO "VERSION" VALUES ('4.0.0')""",
            rf"has the metastore schema 4\.0\.0, and {SCHEMA_VERSION} is needed",
        ),
    ],
    ids=["in use", "another version"],
)
def test_a_database_of_something_else_is_left_alone(
    postgres_server: PostgresServer, sql: str, said: str
) -> None:
    """Neither another's tables nor another version of Hive is touched."""
    with pytest.raises(ConfigError, match=said):
        plan_init(postgres_server.create("deploy_metastore", sql), None)


def test_a_database_that_is_not_reached_is_explained(postgres_server: PostgresServer) -> None:
    """Wrong password, nothing listening, a name that does not resolve: each in its own words,
    and never the password.
    """
    cases = {
        postgres_server.dsn(
            "postgres", password="secret-word"
        ): "the secret's user, password or database is wrong",
        f"host=127.0.0.1 port={free_port()} dbname=x password=secret-word": (
            "no PostgreSQL listens there"
        ),
        "host=nowhere.invalid dbname=x password=secret-word": "the name does not resolve here",
    }
    for wrong, said in cases.items():
        finding = check_database(wrong)
        assert finding.level == "error"
        assert said in finding.message
        assert "secret-word" not in finding.message
    with pytest.raises(ConfigError, match=r"countries\.BR\.deploy\.metastore\.dsn is missing"):
        dsn_of(configuration(["BR"]).country("BR"))


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of something that accepts connections and closes them."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_a_metastore_that_is_not_reached_is_explained(silent: int) -> None:
    """DNS, a refused port, one that is no metastore: each with its likely cause; every address
    of the setting is tried.
    """
    uris = f"thrift://nowhere.invalid:9083,thrift://127.0.0.1:{free_port()},thrift://127.0.0.1:{silent}"
    findings = list(check_metastore(at(configuration(["BR"]), uris)))
    assert [finding.level for finding in findings] == ["error"] * 3
    for finding, said in zip(
        findings,
        (
            "peering does not resolve names of the other VPC",
            "nothing listens there",
            "accepts connections and does not answer",
        ),
        strict=True,
    ):
        assert said in finding.message


@dataclass(frozen=True)
class Service:
    """A real metastore with what the image has: its settings, its environment, its jars.

    Attributes:
        door: how it reaches S3, which enforces a role.
    """

    server: HiveMetastore
    door: EnforcedS3
    folder: Path

    def runtime(self, warehouse: str, dsn: str) -> Runtime:
        """A company of one country, whose catalog this is."""
        (self.folder / "index").mkdir(exist_ok=True)
        lines = b"\n".join(map(orjson.dumps, DOCUMENTS))
        (self.folder / "index" / f"{WINDOW.key}.ndjson").write_bytes(lines)
        text = CONFIG.format(warehouse=f"{warehouse}/warehouse", uri=self.server.uri, dsn=dsn)
        platform = load_text(text, base=self.folder, origin="test.yaml")
        return build_runtime(platform, clock=SetClock(WINDOW.middle() - datetime.now(UTC)))


@pytest.fixture(scope="module")
def service(schema: Path) -> Iterator[Service]:
    """On a database that `init` loaded, of its own: the shared one may be in use."""
    door = EnforcedS3()
    door.start()
    with service_folder("postgres") as place, service_folder("metastore") as folder:
        postgres = PostgresServer(place)
        postgres.start()
        server = HiveMetastore(folder, postgres, door)
        postgres.execute("postgres", "CREATE ROLE hive LOGIN PASSWORD 'first'")
        postgres.create(DATABASE, "ALTER SCHEMA public OWNER TO hive", "OWNER hive")
        done(plan_init(postgres.dsn(DATABASE, user="hive", password="first"), schema))
        # its password was changed since: it works by its second login
        rotate = (ROOT / "deploy" / "rotate_user.sql").read_text()
        run_psql(postgres, DATABASE, rotate, role="hive", turn="_b", password="second")
        there = {
            name: value
            for name, value in s3a_settings(door.endpoint).items()
            if not name.endswith((".key", ".provider"))
        }
        # where the stand-in is; all else is production's
        more = "".join(
            f"<property><name>{name}</name><value>{value}</value></property>"
            for name, value in there.items()
        )
        site = SITE.read_text().replace("</configuration>", f"{more}</configuration>")
        (folder / "conf" / "metastore-site.xml").write_text(site)
        jars = [
            str(maven(artifact, f"{artifact.split(':')[1]}-{artifact.split(':')[2]}.jar"))
            for artifact in EXTRA_JARS
        ]
        server.server.command = [
            word if "*" not in word else ":".join([word, *jars]) for word in server.server.command
        ]
        server.server.env |= {
            "METASTORE_JDBC_URL": f"jdbc:postgresql://127.0.0.1:{postgres.port}/{DATABASE}",
            "METASTORE_USER": "hive_b",
            "METASTORE_PASSWORD": "second",
            "METASTORE_WAREHOUSE": str(folder / "warehouse"),
        }
        server.start()
        yield Service(server, door, folder)
        server.kill()
        postgres.kill()
    door.stop()


@pytest.mark.metastore
@pytest.mark.postgres
def test_the_service_works_with_its_settings_and_asks_the_storage(service: Service) -> None:
    """With metastore-site.xml it answers, and refuses a folder that its caller may not write."""
    server = service.server
    (finding,) = check_metastore(at(configuration(["BR"]), server.uri))
    assert (finding.level, "databases: default" in finding.message) == ("ok", True)
    closed = service.folder / "closed"
    closed.mkdir(mode=0o700)
    with server.client() as client:
        client.set_ugi("analyst", [])
        with pytest.raises(MetaException, match=r"Permission denied|not allowed"):
            client.create_database(
                Database(name="x", locationUri=f"file://{closed}/x", ownerName="analyst")
            )


@pytest.mark.metastore
@pytest.mark.postgres
def test_a_countrys_first_window_needs_each_statement_of_the_metastores_role(
    service: Service, s3: S3Server, postgres_server: PostgresServer
) -> None:
    """With its generated role on an S3 that enforces, the first window of a country is committed,
    the views of all are made, and nothing is refused. Without any one of its statements not even a
    namespace and a table are.
    """
    dsn = postgres_server.create("metastore_role")
    postgres_server.execute("metastore_role", STORE_ROWS)

    def refused(without: str | None, work: Callable[[Runtime], object]) -> list[str]:
        bucket = s3.create_bucket()
        runtime = service.runtime(bucket, dsn)
        with service.door.role([{"Statement": statements(bucket, without)}]) as found:
            work(runtime)
        service.server.forget("storeavail*")
        return list(found)

    def whole(runtime: Runtime) -> None:
        window = WindowRun("BR", WINDOW, "run", frozenset({STORES.name}))
        list(run_window(runtime, window, observing=Observing(timedelta(minutes=2))))
        assert update_views(runtime) == [STORES.name]

    def table(runtime: Runtime) -> None:
        with pytest.raises(WarehouseError, match=r"the metastore at .* refused: .*AccessDenied"):
            runtime.warehouse.ensure("BR", STORES)

    assert refused(None, whole) == []
    for each in statements("s3://any"):
        if each["Effect"] == "Allow":
            assert refused(each["Sid"], table), each["Sid"]


def statements(bucket: str, without: str | None = None) -> list[dict[str, Any]]:
    """Of the metastore's role, for a warehouse in that bucket."""
    found = policies(configuration(bucket=bucket.removeprefix("s3://")))
    (policy,) = found["storeavail-metastore"]
    return [each for each in policy["Statement"] if each["Sid"] != without]
