"""The databases that a company has beside the warehouse, as docs/operations.md says it: passwords
that are changed while everything goes on, and a copy that is brought to another server.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import dagster as dg
import psycopg2
import pytest
from storeavail_deploy.environment import ROOT
from storeavail_deploy.metastore import check_database, plan_init

from storeavail_platform_tests.deploy.aws import done
from storeavail_platform_tests.deploy.test_country import assert_speaks_for_itself_alone
from storeavail_platform_tests.deploy.test_metastore import schema
from storeavail_testing.postgres import PACKAGE, PASSWORD, PostgresServer
from storeavail_testing.processes import service_folder
from storeavail_testing.waiting import wait_for

__all__ = ["schema"]

DEPLOY = ROOT / "deploy"
OWNER = "dagster"
EVENT = "INSERT INTO event_logs (run_id, event, timestamp) VALUES (%s, '{}', now())"
OLD, NEW, NEWER = "battery staple", "horse battery", "staple correct"


@contextmanager
def own_server() -> Iterator[PostgresServer]:
    """As on RDS: an administrator that makes roles and is no superuser, a database of Dagster's
    with an owner. One of its own, because logins are a server's, not a database's.
    """
    with service_folder("postgres") as folder:
        server = PostgresServer(folder)
        server.start()
        try:
            server.execute(
                "postgres",
                f"CREATE ROLE administrator LOGIN CREATEROLE PASSWORD '{PASSWORD}';"
                " SET ROLE administrator;"
                f" CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD '{OLD}'",
            )
            server.create("dagster", "SELECT 1", f"OWNER {OWNER}")
            yield server
        finally:
            server.kill()


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with own_server() as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A $DAGSTER_HOME as the image has it."""
    (tmp_path / "dagster.yaml").write_bytes((DEPLOY / "dagster.yaml").read_bytes())
    return tmp_path


def script(dsn: str, name: str, **variables: str) -> None:
    """Run one of deploy/'s SQL files."""
    psql(dsn, "--file", str(DEPLOY / name), **variables)


def psql(dsn: str, *arguments: str, **variables: str) -> None:
    settings = [f"--set={name}={value}" for name, value in variables.items()]
    command = [str(PACKAGE / "pginstall18" / "bin" / "psql"), dsn, "-q", "--set=ON_ERROR_STOP=1"]
    ended = subprocess.run(
        [*command, *settings, *arguments], capture_output=True, text=True, check=False
    )
    if ended.returncode != 0:
        raise psycopg2.DatabaseError(ended.stderr)


@contextmanager
def dagster(
    server: PostgresServer, home: Path, user: str, password: str
) -> Iterator[dg.DagsterInstance]:
    """Production's Dagster, as a user of its database."""
    values = {"HOST": "127.0.0.1", "PORT": str(server.port), "DB": "dagster"}
    values |= {"USER": user, "PASSWORD": password}
    with pytest.MonkeyPatch.context() as patched:
        for name, value in values.items():
            patched.setenv(f"DAGSTER_POSTGRES_{name}", value)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            yield instance


def a_run(instance: dg.DagsterInstance, country: str) -> str:
    definitions = dg.Definitions(assets=[dg.AssetSpec("a")], jobs=[dg.define_asset_job("windows")])
    return instance.create_run_for_job(
        definitions.resolve_job_def("windows"),
        tags={"dagster/partition/country": country},
        status=dg.DagsterRunStatus.STARTED,
    ).run_id


@contextmanager
def writing(dsn: str, run: str) -> Iterator[list[Exception]]:
    """A code server whose run writes events meanwhile, each with a connection of its own as
    Dagster's are; gives what failed.
    """
    failed, ended, begun = list[Exception](), threading.Event(), threading.Event()

    def write() -> None:
        while not ended.is_set():
            try:
                with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
                    cursor.execute(EVENT, (run,))
                    connection.commit()
            except psycopg2.Error as error:
                failed.append(error)
                break
            finally:
                begun.set()

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait()
    try:
        yield failed
    finally:
        ended.set()
        thread.join()


def refuses(dsn: str) -> bool:
    try:
        psycopg2.connect(dsn).close()
    except psycopg2.OperationalError:
        return True
    return False


def test_passwords_are_changed_while_runs_go_on(server: PostgresServer, home: Path) -> None:
    """Two logins in turn: both work until the first is retired, which is refused while somebody is
    connected with it. What a login may does not change with it: the country's user speaks for the
    country alone, the owner's makes and changes its tables.
    """
    administrator = server.dsn("postgres", user="administrator", password=PASSWORD)

    def login(name: str, password: str) -> str:
        return server.dsn("dagster", user=name, password=password)

    owner, old, new = login(OWNER, OLD), login("dagster_cl", OLD), login("dagster_cl_b", NEW)
    with dagster(server, home, OWNER, OLD) as instance:
        run = a_run(instance, "CL")
        script(owner, "dagster_country.sql", country="cl", password=OLD)
        with writing(old, run) as failed:
            script(owner, "rotate_user.sql", role="dagster_cl", turn="_b", password=NEW)
            with (
                writing(new, run) as failed_too,
                closing(psycopg2.connect(old)),
                pytest.raises(psycopg2.Error, match=r"dagster_cl still has \d connections"),
            ):
                script(owner, "retire_user.sql", role="dagster_cl", turn="")
        assert (failed, failed_too) == ([], [])
        retire(owner, role="dagster_cl", turn="")
        assert refuses(old)
        # after Dagster's next migration, without a password
        script(owner, "dagster_country.sql", country="cl")
        assert_speaks_for_itself_alone(instance, run, new)
        # the next time it is the first one's turn again
        script(owner, "rotate_user.sql", role="dagster_cl", turn="", password=NEWER)
        retire(owner, role="dagster_cl", turn="_b")
        assert [refuses(each) for each in (new, login("dagster_cl", NEWER))] == [True, False]

        # webservers and daemon, whose user owns the tables
        server.execute("postgres", f"ALTER ROLE {OWNER} SET lock_timeout = '70s'")
        script(administrator, "rotate_user.sql", role=OWNER, turn="_b", password=NEW)
        with dagster(server, home, f"{OWNER}_b", NEW) as other:
            assert other.get_run_by_id(run) is not None
            other.upgrade()
            assert a_run(other, "CL") in {each.run_id for each in instance.get_runs()}
    second = login(f"{OWNER}_b", NEW)
    psql(second, "--command", "CREATE TABLE made (a int)")
    with closing(psycopg2.connect(second)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_setting('lock_timeout')")
        assert cursor.fetchone() == (OWNER, "70s"), "a login has the other's settings"
    retire(administrator, role=OWNER, turn="")
    assert [refuses(each) for each in (owner, second)] == [True, False]
    server.execute(
        "dagster", f"ALTER TABLE made OWNER TO {OWNER}; SET ROLE {OWNER}; DROP TABLE made"
    )


def retire(dsn: str, **variables: str) -> None:
    """Once those who were connected are gone: a server takes a moment to see it."""
    wait_for("a login that nobody uses", lambda: _is_retired(dsn, **variables))


def _is_retired(dsn: str, **variables: str) -> bool:
    try:
        script(dsn, "retire_user.sql", **variables)
    except psycopg2.Error as error:
        if "connections: restart" not in str(error):
            raise
        return False
    return True


def tool(name: str, *arguments: str, password: str = PASSWORD) -> None:
    environment = {**os.environ, "PGPASSWORD": password}
    program = str(PACKAGE / "pginstall18" / "bin" / name)
    subprocess.run([program, *arguments], env=environment, check=True, capture_output=True)


def test_databases_are_copied_and_brought_to_another_server(
    server: PostgresServer, home: Path, schema: Path, tmp_path: Path
) -> None:
    """A copy is made while it is written to. Restored as the runbook says, on a server that knows
    no role of it, Dagster goes on with its runs, a country's user may what it may, and the
    metastore's schema is whole.
    """
    metastore = server.create("metastore", "SELECT 1")
    done(plan_init(metastore, schema))
    owner, dumped = server.dsn("dagster", user=OWNER, password=OLD), "--format=custom"
    with dagster(server, home, OWNER, OLD) as instance:
        run = a_run(instance, "CL")
        script(owner, "dagster_country.sql", country="cl", password=OLD)
        own = server.dsn("dagster", user="dagster_cl", password=OLD)
        with writing(own, run) as failed:
            tool("pg_dump", dumped, f"--file={tmp_path / 'dagster'}", f"--dbname={owner}")
            tool("pg_dump", dumped, f"--file={tmp_path / 'metastore'}", f"--dbname={metastore}")
        assert failed == []

    with own_server() as newer:
        restored = newer.dsn("dagster", user=OWNER, password=OLD)
        # the policies of the copy name it
        psql(restored, "--command", "CREATE ROLE dagster_country NOLOGIN")
        options = ("--exit-on-error", "--no-owner", "--no-acl", "--single-transaction")
        tool("pg_restore", *options, f"--dbname={restored}", str(tmp_path / "dagster"))
        copied = newer.create("metastore", "SELECT 1")
        tool("pg_restore", *options, f"--dbname={copied}", str(tmp_path / "metastore"))
        script(restored, "dagster_country.sql", country="cl", password=NEW)
        assert check_database(copied).level == "ok"
        with dagster(newer, home, OWNER, OLD) as instance:
            instance.upgrade()
            assert [each.run_id for each in instance.get_runs()] == [run]
            later = a_run(instance, "CL")
            own = newer.dsn("dagster", user="dagster_cl", password=NEW)
            assert_speaks_for_itself_alone(instance, later, own)
