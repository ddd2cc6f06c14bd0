"""The metastore: its schema in a real PostgreSQL, the service's own settings in a real Hive
Metastore, and what is told when it is not reached.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

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
from storeavail_deploy.network import needs
from storeavail_deploy.plan import NOTHING_TO_DO, PENDING

from storeavail_platform.config import HiveCatalogConfig, Platform
from storeavail_platform.domain.errors import ConfigError, DeploymentFailed
from storeavail_platform_tests.deploy.aws import DEPLOY, configuration, done
from storeavail_platform_tests.deploy.test_country import run_psql
from storeavail_testing.metastore import DATABASE, SCHEMA, HiveMetastore, unpacked
from storeavail_testing.postgres import PASSWORD, PostgresServer
from storeavail_testing.processes import free_port, maven, service_folder

SITE = ROOT / "deploy" / "metastore_service" / "metastore-site.xml"
EXTRA_JARS = ("org.apache.hive:hive-exec:3.1.3", "javax.servlet:javax.servlet-api:3.1.0")
"""What storage-based authorisation needs beside the standalone metastore."""


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


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """Not the tests' shared one: the metastore's database has one name, and may be in use there."""
    with service_folder("postgres") as folder:
        server = PostgresServer(folder)
        server.start()
        yield server
        server.kill()


@pytest.mark.metastore
@pytest.mark.postgres
def test_the_service_works_with_its_settings_and_asks_the_storage(
    own_postgres: PostgresServer, schema: Path
) -> None:
    """A real metastore with metastore-site.xml, on a database that `init` loaded, by the second
    login of its user: it answers, and refuses a folder that its caller may not write.
    """
    with service_folder("metastore") as folder:
        server = HiveMetastore(folder, own_postgres)
        # what the image has in its environment; `init` makes the schema that the service wants
        own_postgres.execute("postgres", "CREATE ROLE hive LOGIN PASSWORD 'first'")
        own_postgres.create(DATABASE, "ALTER SCHEMA public OWNER TO hive", "OWNER hive")
        done(plan_init(own_postgres.dsn(DATABASE, user="hive", password="first"), schema))
        rotate = (ROOT / "deploy" / "rotate_user.sql").read_text()
        run_psql(own_postgres, DATABASE, rotate, role="hive", turn="_b", password="second")
        (folder / "conf" / "metastore-site.xml").write_text(SITE.read_text())
        jars = [
            str(maven(artifact, f"{artifact.split(':')[1]}-{artifact.split(':')[2]}.jar"))
            for artifact in EXTRA_JARS
        ]
        command = [
            word if "*" not in word else ":".join([word, *jars]) for word in server.server.command
        ]
        server.server.command = command
        server.server.env = {
            "METASTORE_JDBC_URL": f"jdbc:postgresql://127.0.0.1:{own_postgres.port}/{DATABASE}",
            "METASTORE_USER": "hive_b",
            "METASTORE_PASSWORD": "second",
            "METASTORE_WAREHOUSE": str(folder / "warehouse"),
        }
        server.start()
        try:
            (finding,) = check_metastore(at(configuration(["BR"]), server.uri))
            assert (finding.level, "1 databases: default" in finding.message) == ("ok", True)
            with server.client() as client:
                client.create_database(Database(name="made", locationUri=f"file://{folder}/made"))
            closed = folder / "closed"
            closed.mkdir(mode=0o700)
            with server.client() as client:
                client.set_ugi("analyst", [])
                with pytest.raises(MetaException, match=r"Permission denied|not allowed"):
                    client.create_database(
                        Database(name="x", locationUri=f"file://{closed}/x", ownerName="analyst")
                    )
        finally:
            server.kill()


def test_the_network_plan_names_every_part() -> None:
    """Peering, routes both ways, DNS, groups, endpoints; what is missing to say so is told at
    once.
    """
    peers = (
        "[{name: metastore, vpc: vpc-0b, cidr: 10.9.0.0/16, port: 9083, security_group: sg-0c},"
        " {name: stores-db, cidr: 172.16.0.0/16, port: 5432}]"
    )
    platform = configuration(
        ["BR"],
        deploy=DEPLOY.replace(
            "subnets:",
            f"route_tables: [rtb-0a], node_group: sg-0a, service_group: sg-0b, peers: {peers},"
            " subnets:",
        ),
    )
    text = "\n".join(needs(platform, platform.country("BR")))
    for phrase in (
        "gateway   com.amazonaws.sa-east-1.s3 in rtb-0a",
        "interface com.amazonaws.sa-east-1.secretsmanager",
        "interface com.amazonaws.sa-east-1.execute-api",
        "the VPC where EMR makes these groups, have the tag",
        "peering   vpc-0a1b2c3d with vpc-0b, accepted, DNS resolution allowed on both sides",
        "route     10.9.0.0/16 to the peering, in rtb-0a",
        "route     10.20.0.0/16 to the peering, in the route tables of metastore",
        "group     sg-0c: in 9083 from 10.20.0.0/16",
        "group     the security group of stores-db: in 5432 from 10.20.0.0/16",
        "sg-0b: in 9443 from sg-0a",
        "storeavail-deploy --country BR metastore check",
    ):
        assert phrase in text
    with pytest.raises(ConfigError) as refused:
        list(needs(platform, configuration(["BR"], deploy="{}").country("BR")))
    assert [line.strip() for line in str(refused.value).splitlines()[1:]] == [
        f"countries.BR.deploy.network.{name}: is required" for name in ("vpc", "cidr", "subnets")
    ]
