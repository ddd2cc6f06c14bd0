"""`storeavail-deploy metastore`: the schema in the metastore's PostgreSQL, and whether the
metastore is reached, with the likely cause in words.

AWS initialises nothing by itself: a Hive Metastore in front of an empty RDS database starts, and
fails with the first commit. The service itself is `metastore_service/` (an image) and
compose.metastore.yaml.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import psycopg2
from thrift.Thrift import TException

from storeavail_deploy.cli import Deployment, end_with
from storeavail_deploy.plan import Change
from storeavail_deploy.release import deployer
from storeavail_platform.config import Country, Platform, effective_parts, encryption
from storeavail_platform.domain.errors import ConfigError, DeploymentFailed
from storeavail_platform.domain.finding import Finding
from storeavail_platform.warehouse.hive import CONNECT_SECONDS, MetastoreClient

DISTRIBUTION = "org.apache.hive:hive-standalone-metastore:3.1.3:tar.gz:bin"
ARCHIVE = "hive-standalone-metastore-3.1.3-bin.tar.gz"
SCHEMA = "scripts/metastore/upgrade/postgres/hive-schema-3.1.0.postgres.sql"
SCHEMA_VERSION = "3.1.0"
"""Of the metastore 3.1.3, which Spark's and pyiceberg's clients need."""
GONE_FROM_POSTGRES = "SET default_with_oids = false;"
"""A setting in the official schema that PostgreSQL 12 and later do not know."""
UNREACHED = {
    "could not translate host name": (
        "the name does not resolve here: is it the instance's endpoint?"
    ),
    "timeout expired": "a security group does not let this network in, or a route is missing",
    "refused": "the machine is reached and no PostgreSQL listens there",
}
"""Likely cause by PostgreSQL's words."""
HAS_VERSION = "SELECT to_regclass('public.\"VERSION\"')"
VERSION = 'SELECT "SCHEMA_VERSION" FROM public."VERSION"'
TABLE_COUNT = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'"


ONE = "the metastore is every country's: choose the one by whose rights it is looked at"

commands = click.Group(help="The Hive Metastore: its schema, and whether it is reached.")


@commands.command(epilog="Example:  storeavail-deploy --country BR metastore init")
@click.option(
    "--schema",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help=(
        "The official schema for PostgreSQL, hive-schema-3.1.0.postgres.sql.  [default: Maven"
        " Central's]"
    ),
)
@click.pass_obj
def init(deployment: Deployment, schema: Path | None) -> None:
    """Load the schema into the metastore's empty database, by the rights and the
    `deploy.metastore.dsn` of the one chosen country.
    """
    deployment.carry_out(plan_init(dsn_of(deployment.only(ONE)), schema))


@commands.command(epilog="Example:  storeavail-deploy --country BR metastore check")
@click.pass_obj
def check(deployment: Deployment) -> None:
    """Try the metastore's addresses, and its database where `deploy.metastore.dsn` is given; exit
    code 1 if something is wrong.

    Reachability is that of the machine it runs on: run it where the runs are, and a new cluster
    does the same before it is used.
    """
    settings = deployment.only(ONE)
    findings = check_metastore(deployment.platform)
    if settings.deploy.metastore.dsn is not None:
        findings.append(check_database(dsn_of(settings)))
    end_with(findings)


def _find(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding("ok", what, look())
    except DeploymentFailed as error:
        return Finding("error", what, str(error))


def dsn_of(settings: Country) -> str:
    """The connection string of the metastore's database; beyond this machine it is encrypted unless
    it says otherwise.

    Raises:
        ConfigError: it is not configured.
    """
    secret = settings.deploy.metastore.dsn
    if secret is None:
        raise ConfigError(
            f"countries.{settings.code}.deploy.metastore.dsn is missing: a secret with the"
            " connection string of its PostgreSQL"
        )
    dsn = secret.resolve(deployer(settings.aws))
    try:
        encrypted = encryption(effective_parts(dsn))
    except ConfigError:
        raise ConfigError(f"{secret}: is not a libpq connection string") from None
    return psycopg2.extensions.make_dsn(dsn, **encrypted) if encrypted else dsn


def plan_init(dsn: str, schema: Path | None) -> list[Change]:
    """What is missing until the database has the schema.

    Raises:
        ConfigError: it has another version's, or is used for something else.
        DeploymentFailed: it is not reached.
    """
    with _database(dsn) as cursor:
        version, tables = _version(cursor), _value(cursor, TABLE_COUNT)
    name = _named(dsn)
    if version == SCHEMA_VERSION:
        return []
    if version is not None:
        raise ConfigError(
            f"{name} has the metastore schema {version}, and {SCHEMA_VERSION} is needed: a newer"
            " one is of a newer Hive, an older one is brought up to it by Hive's own schematool"
        )
    if tables:
        raise ConfigError(
            f"{name} has {tables} tables and no metastore schema: give the metastore an empty"
            " database of its own"
        )
    return [
        Change("create", name, f"metastore schema {SCHEMA_VERSION}", partial(_load, dsn, schema))
    ]


def _load(dsn: str, schema: Path | None) -> None:
    """Load the schema in one transaction: all of it is there afterwards, or nothing."""
    text = schema.read_text(encoding="utf-8") if schema is not None else official_schema()
    with _database(dsn) as cursor:
        try:
            cursor.execute(text.replace(GONE_FROM_POSTGRES, ""))
        except psycopg2.Error as error:
            raise DeploymentFailed(
                f"{_named(dsn)} did not take the schema, and is as it was: {str(error).strip()}"
            ) from None
        loaded = _version(cursor)
        if loaded != SCHEMA_VERSION:
            raise ConfigError(
                f"{schema or ARCHIVE} is not the schema {SCHEMA_VERSION} (it says {loaded});"
                f" {_named(dsn)} is as it was"
            )
        cursor.connection.commit()


def official_schema() -> str:
    """The schema, out of the distribution on Maven Central.

    Raises:
        DeploymentFailed: Maven is not there, or could not fetch it.
    """
    with tempfile.TemporaryDirectory(prefix="storeavail-metastore-") as folder:
        fetch = [
            "mvn",
            "-q",
            "-B",
            "dependency:copy",
            f"-Dartifact={DISTRIBUTION}",
            f"-DoutputDirectory={folder}",
        ]
        try:
            subprocess.run(fetch, check=True, cwd=folder, capture_output=True, text=True)
        except FileNotFoundError:
            raise DeploymentFailed(
                f"mvn is not there to fetch {DISTRIBUTION}: install Maven, or give the file with"
                " --schema"
            ) from None
        except subprocess.CalledProcessError as error:
            raise DeploymentFailed(
                f"mvn could not fetch {DISTRIBUTION}: {error.stdout[-500:]}; or give the file with"
                " --schema"
            ) from None
        with tarfile.open(Path(folder) / ARCHIVE) as files:
            member = next(name for name in files.getnames() if name.endswith(SCHEMA))
            found = files.extractfile(member)
            assert found is not None
            return found.read().decode()


def check_database(dsn: str) -> Finding:
    """Whether the metastore's database is reached and has the schema."""

    def look() -> str:
        with _database(dsn) as cursor:
            version = _version(cursor)
        if version != SCHEMA_VERSION:
            raise DeploymentFailed(
                f"its schema is {version or 'missing'}, and {SCHEMA_VERSION} is needed:"
                " `storeavail-deploy metastore init`"
            )
        return f"has the schema {version}"

    return _find(_named(dsn), look)


def check_metastore(platform: Platform) -> list[Finding]:
    """Whether each address of `catalog.uri` is reached and answers; what is wrong with its
    likely cause.
    """
    if platform.catalog.type != "hive":
        return [Finding("error", "catalog", "catalog.type is sql: there is no metastore")]
    addresses = [uri.removeprefix("thrift://") for uri in platform.catalog.uri.split(",")]
    return [_find(f"metastore {address}", partial(_reach, address)) for address in addresses]


def _reach(address: str) -> str:
    """Resolve, connect, ask: the first that fails says where to look."""
    host, _, port = address.rpartition(":")
    try:
        found = {
            str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        }
    except socket.gaierror as error:
        raise DeploymentFailed(
            f"its name does not resolve here ({error.strerror}): the name is wrong, or the peering"
            " does not resolve names of the other VPC (allow DNS resolution on both sides), or the"
            " private hosted zone is not associated with this VPC"
        ) from None
    shown = f"{host} is {', '.join(sorted(found))}"
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except TimeoutError:
        raise DeploymentFailed(
            f"{shown}: no answer at all: a security group does not let this network in on {port},"
            " or a route to the peering is missing on one side; see `storeavail-deploy network"
            " plan`"
        ) from None
    except ConnectionRefusedError:
        raise DeploymentFailed(
            f"{shown}: refused: the machine is reached and nothing listens there: start the"
            " metastore, or correct the port"
        ) from None
    except OSError as error:
        raise DeploymentFailed(
            f"{shown}: {error.strerror or error}: no route to it: the peering, or its route, is"
            " missing"
        ) from None
    try:
        with MetastoreClient(f"thrift://{address}") as client:
            databases = client.get_all_databases()
    except (TException, OSError) as error:
        raise DeploymentFailed(
            f"{shown}: it accepts connections and does not answer: its database is not reached, or"
            " its schema is missing (`storeavail-deploy metastore init`), or this is not a"
            f" metastore ({type(error).__name__})"
        ) from None
    return f"{shown}; {len(databases)} databases: {', '.join(databases)}"


@contextlib.contextmanager
def _database(dsn: str) -> Iterator[Any]:
    """A cursor; what is not committed is gone when the context ends.

    Raises:
        DeploymentFailed: it is not reached, or refuses.
    """
    try:
        connection = psycopg2.connect(dsn, connect_timeout=int(CONNECT_SECONDS))
    except psycopg2.OperationalError as error:
        text = " ".join(str(error).split())
        causes = (cause for phrase, cause in UNREACHED.items() if phrase in text)
        cause = next(causes, "the secret's user, password or database is wrong")
        raise DeploymentFailed(f"{_named(dsn)} is not reached: {cause} ({text})") from None
    with contextlib.closing(connection):
        yield connection.cursor()


def _version(cursor: Any) -> str | None:
    version: str | None = _value(cursor, VERSION) if _value(cursor, HAS_VERSION) else None
    return version


def _value(cursor: Any, sql: str) -> Any:
    """The first value that a query gives; None where it gives no row."""
    cursor.execute(sql)
    return next(iter(cursor.fetchone() or ()), None)


def _named(dsn: str) -> str:
    """The database in words: without user and password."""
    parts = effective_parts(dsn)
    return f"database {parts.get('dbname', 'postgres')} on {parts.get('host', 'this machine')}"
