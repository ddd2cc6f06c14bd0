"""`storeavail-deploy metastore`: the schema in the metastore's PostgreSQL, and whether the metastore is reached, with the likely cause in words.

AWS initialises nothing by itself: a Hive Metastore in front of an empty RDS database starts, and fails with the first commit. The service
itself is `metastore_service/` (an image) and compose.metastore.yaml.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import psycopg2
from psycopg2.extensions import parse_dsn

from storeavail_deploy.cli import Deployment
from storeavail_deploy.plan import Change
from storeavail_deploy.reach import Finding, check_metastore
from storeavail_deploy.release import deployer
from storeavail_platform.config import Country, is_loopback_dsn
from storeavail_platform.domain.errors import ConfigError, DeploymentFailed
from storeavail_platform.warehouse.hive import CONNECT_SECONDS

DISTRIBUTION = "org.apache.hive:hive-standalone-metastore:3.1.3:tar.gz:bin"
ARCHIVE = "hive-standalone-metastore-3.1.3-bin.tar.gz"
SCHEMA = "scripts/metastore/upgrade/postgres/hive-schema-3.1.0.postgres.sql"
SCHEMA_VERSION = "3.1.0"
"""Of the metastore 3.1.3, which Spark's and pyiceberg's clients need."""
GONE_FROM_POSTGRES = "SET default_with_oids = false;"
"""A setting in the official schema that PostgreSQL 12 and later do not know."""
HAS_VERSION = "SELECT to_regclass('public.\"VERSION\"')"
VERSION = 'SELECT "SCHEMA_VERSION" FROM public."VERSION"'


@click.group()
def commands() -> None:
    """The Hive Metastore: its schema, and whether it is reached."""


@commands.command(epilog="Example:  storeavail-deploy --country BR metastore init")
@click.option(
    "--schema",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The official schema for PostgreSQL, hive-schema-3.1.0.postgres.sql.  [default: Maven Central's]",
)
@click.pass_obj
def init(deployment: Deployment, schema: Path | None) -> None:
    """Load the schema into the metastore's empty database, by the rights and the `deploy.metastore.dsn` of the one chosen country."""
    deployment.carry_out(plan_init(dsn_of(one(deployment)), schema))


@commands.command(epilog="Example:  storeavail-deploy --country BR metastore check")
@click.pass_obj
def check(deployment: Deployment) -> None:
    """Try the metastore's addresses, and its database where `deploy.metastore.dsn` is given; exit code 1 if something is wrong.

    Reachability is that of the machine it runs on: run it where the runs are, and a new cluster does the same before it is used.
    """
    country = one(deployment)
    findings = list(check_metastore(deployment.platform))
    if country.deploy.metastore.dsn is not None:
        findings += check_database(dsn_of(country))
    for finding in findings:
        click.echo(f"{finding.level:<8}{finding.what}: {finding.message}")
    sys.exit(int(any(finding.level == "error" for finding in findings)))


def one(deployment: Deployment) -> Country:
    """The one chosen country.

    Raises:
        click.UsageError: none or several were chosen.
    """
    chosen = deployment.chosen
    if len(chosen) != 1:
        raise click.UsageError("the metastore is every country's: choose the one by whose rights it is looked at: --country CODE")
    return deployment.platform.country(chosen[0])


def dsn_of(country: Country) -> str:
    """The connection string of the metastore's database; beyond this machine it is encrypted unless it says otherwise.

    Raises:
        ConfigError: it is not configured.
    """
    secret = country.deploy.metastore.dsn
    if secret is None:
        raise ConfigError(
            f"countries.{country.code}.deploy.metastore.dsn is missing: a secret with the connection string of its PostgreSQL"
        )
    dsn = secret.resolve(deployer(country.aws))
    try:
        parts = parse_dsn(dsn)
    except psycopg2.ProgrammingError:
        # not chained: it repeats the text
        raise ConfigError(f"{secret}: is not a libpq connection string") from None
    return dsn if is_loopback_dsn(dsn) or "sslmode" in parts else psycopg2.extensions.make_dsn(dsn, sslmode="require")


def plan_init(dsn: str, schema: Path | None) -> list[Change]:
    """What is missing until the database has the schema.

    Raises:
        ConfigError: it has another version's, or is used for something else.
        DeploymentFailed: it is not reached.
    """
    with _database(dsn) as connection:
        version, tables = _version(connection), _tables(connection)
    name = _named(dsn)
    if version == SCHEMA_VERSION:
        return []
    if version is not None:
        raise ConfigError(
            f"{name} has the metastore schema {version}, and {SCHEMA_VERSION} is needed: a newer one is of a newer Hive, an older one is brought "
            "up to it by Hive's own schematool"
        )
    if tables:
        raise ConfigError(f"{name} has {tables} tables and no metastore schema: give the metastore an empty database of its own")
    return [Change("create", name, f"metastore schema {SCHEMA_VERSION}", partial(_load, dsn, schema))]


def _load(dsn: str, schema: Path | None) -> None:
    """Load the schema in one transaction: all of it is there afterwards, or nothing."""
    text = schema.read_text(encoding="utf-8") if schema is not None else official_schema()
    with _database(dsn) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(text.replace(GONE_FROM_POSTGRES, ""))
        except psycopg2.Error as error:
            raise DeploymentFailed(f"{_named(dsn)} did not take the schema, and is as it was: {str(error).strip()}") from None
        loaded = _version(connection)
        if loaded != SCHEMA_VERSION:
            raise ConfigError(
                f"{schema or ARCHIVE} is not the schema {SCHEMA_VERSION} (it says {loaded}); {_named(dsn)} is as it was"
            )
        connection.commit()


def official_schema() -> str:
    """The schema, out of the distribution on Maven Central.

    Raises:
        DeploymentFailed: Maven is not there, or could not fetch it.
    """
    with tempfile.TemporaryDirectory(prefix="storeavail-metastore-") as folder:
        fetch = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={DISTRIBUTION}", f"-DoutputDirectory={folder}"]
        try:
            subprocess.run(fetch, check=True, cwd=folder, capture_output=True, text=True)
        except FileNotFoundError:
            raise DeploymentFailed(
                f"mvn is not there to fetch {DISTRIBUTION}: install Maven, or give the file with --schema"
            ) from None
        except subprocess.CalledProcessError as error:
            raise DeploymentFailed(
                f"mvn could not fetch {DISTRIBUTION}: {error.stdout[-500:]}; or give the file with --schema"
            ) from None
        with tarfile.open(Path(folder) / ARCHIVE) as files:
            member = next(name for name in files.getnames() if name.endswith(SCHEMA))
            found = files.extractfile(member)
            assert found is not None
            return found.read().decode()


def check_database(dsn: str) -> list[Finding]:
    """Whether the metastore's database is reached and has the schema."""
    name = _named(dsn)
    try:
        with _database(dsn) as connection:
            version = _version(connection)
    except DeploymentFailed as error:
        return [Finding("error", name, str(error))]
    if version != SCHEMA_VERSION:
        return [
            Finding(
                "error",
                name,
                f"its schema is {version or 'missing'}, and {SCHEMA_VERSION} is needed: `storeavail-deploy metastore init`",
            )
        ]
    return [Finding("ok", name, f"has the schema {version}")]


@contextlib.contextmanager
def _database(dsn: str) -> Iterator[Any]:
    """A connection; what is not committed is gone when the context ends.

    Raises:
        DeploymentFailed: it is not reached, or refuses.
    """
    try:
        connection = psycopg2.connect(dsn, connect_timeout=int(CONNECT_SECONDS))
    except psycopg2.OperationalError as error:
        text = " ".join(str(error).split())
        cause = (
            "the name does not resolve here: is it the instance's endpoint?"
            if "could not translate host name" in text
            else "a security group does not let this network in, or a route is missing"
            if "timeout expired" in text
            else "the machine is reached and no PostgreSQL listens there"
            if "refused" in text
            else "the secret's user, password or database is wrong"
        )
        raise DeploymentFailed(f"{_named(dsn)} is not reached: {cause} ({text})") from None
    try:
        yield connection
    finally:
        connection.close()


def _version(connection: Any) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(HAS_VERSION)
        if cursor.fetchone()[0] is None:
            return None
        cursor.execute(VERSION)
        row = cursor.fetchone()
        return None if row is None else str(row[0])


def _tables(connection: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'")
        return int(cursor.fetchone()[0])


def _named(dsn: str) -> str:
    """The database as it is told: without user and password."""
    parts = parse_dsn(dsn)
    return f"database {parts.get('dbname', 'postgres')} on {parts.get('host', 'this machine')}"
