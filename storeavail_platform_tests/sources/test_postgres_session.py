"""PostgreSQL directly, behind a pooler, on a standby, and as it dies: one snapshot, or an error that
is tried again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from storeavail_platform.domain.errors import SourceRejected, SourceUnavailable
from storeavail_platform.domain.source import Counted, Split
from storeavail_platform.sources.postgres import PostgresSource
from storeavail_platform.sources.postgres_session import read_only, startup_settings
from storeavail_platform_tests.sources.test_postgres import WINDOW, read, source
from storeavail_testing.pgbouncer import PgBouncer
from storeavail_testing.postgres import SCHEMA, PostgresServer
from storeavail_testing.processes import service_folder
from storeavail_testing.standby import Standby
from storeavail_testing.waiting import wait_for

STORE = "INSERT INTO stores VALUES (1, 'a', NULL, 'c', 'b', NULL, true);"
HOURS = "INSERT INTO store_weekly_hours VALUES (1, 1, '08:00', '22:00');"
SHOP = f"CREATE SCHEMA shop; SET search_path = shop; {SCHEMA} {STORE}"
SLOW = "ALTER TABLE stores RENAME TO s; CREATE VIEW stores AS SELECT s.* FROM s, pg_sleep(60);"


@pytest.fixture
def pooler(postgres_server: PostgresServer) -> Iterator[Callable[..., PgBouncer]]:
    """Starts PgBouncer before the server."""
    started: list[PgBouncer] = []
    with service_folder("pgbouncer") as folder:

        def start(**settings: Any) -> PgBouncer:
            started.append(PgBouncer(folder, postgres_server, **settings))
            started[-1].start()
            return started[-1]

        yield start
        for each in started:
            each.kill()


def counts(postgres: PostgresSource, between: Callable[[], None]) -> dict[str, int]:
    """Rows by relation, read after something happened, and how many came over the one connection."""
    found = {"one_connection": 0}
    with postgres.open(WINDOW) as snapshot:
        between()
        for split in snapshot.splits:
            reading = Counted(postgres.read(split))
            found[split.relation] = sum(batch.num_rows for batch in reading)
            found["one_connection"] += reading.counts["one_connection"]
    return found


@pytest.mark.parametrize("pool_size", [5, 1])
def test_a_pooler_in_transaction_mode_gives_one_snapshot(
    postgres_server: PostgresServer, pooler: Callable[..., PgBouncer], pool_size: int
) -> None:
    """Nothing is asked of the connection that the pooler refuses, and what is written later is not
    seen; where it has no second connection, stores and hours come over the first, and `check` says
    so.
    """
    postgres_server.create("pooled", SCHEMA + STORE + HOURS)
    dsn = pooler(pool_size=pool_size, wait_seconds=1).dsn("pooled")
    later = (
        "INSERT INTO stores VALUES (2); INSERT INTO store_weekly_hours SELECT 2, 1, '0:0', '9:0'"
    )
    is_alone = pool_size == 1
    assert counts(source(dsn), lambda: postgres_server.execute("pooled", later)) == {
        "one_connection": 2 * is_alone,
        "raw_stores": 1,
        "raw_store_hours": 1,
    }
    levels = [finding.level for finding in source(dsn).check()]
    assert levels == ["ok"] * 4 + ["warning"] * is_alone


def test_a_slow_query_is_ended_behind_a_pooler(
    postgres_server: PostgresServer, pooler: Callable[..., PgBouncer]
) -> None:
    """`statement_timeout` acts there too, and is nobody else's afterwards."""
    postgres_server.create("slow", SCHEMA + STORE + SLOW)
    behind = pooler(pool_size=2)
    with pytest.raises(SourceUnavailable, match=r"raise postgres\.statement_timeout"):
        read(source(behind.dsn("slow"), statement_timeout=timedelta(seconds=1)), "raw_stores")
    with psycopg2.connect(behind.dsn("slow")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout'), current_setting('jit')")
        assert cursor.fetchone() == ("0", "on")


def test_a_pooler_without_a_free_connection_is_not_waited_for_without_end(
    postgres_server: PostgresServer, pooler: Callable[..., PgBouncer]
) -> None:
    """It may pass: another client gives one back."""
    postgres_server.create("occupied", SCHEMA)
    dsn = pooler(pool_size=1).dsn("occupied")
    second, limit = timedelta(seconds=60), timedelta(milliseconds=300)
    with (
        read_only(dsn, second, "first"),
        pytest.raises(SourceUnavailable, match=r"begin within 0\.3 s: a pooler without a free"),
        read_only(dsn, second, "second", begins_within=limit),
    ):
        pass


def test_a_pooler_in_statement_mode_is_told_as_a_cause(
    postgres_server: PostgresServer, pooler: Callable[..., PgBouncer]
) -> None:
    """It ends a connection that begins a transaction, and the client is told no more than that."""
    postgres_server.create("statements", SCHEMA)
    dsn = pooler(pool_size=2, mode="statement").dsn("statements")
    with pytest.raises(SourceUnavailable, match="pool_mode = transaction"):
        read(source(dsn), "raw_stores")


@pytest.mark.parametrize("way", ["dsn", "service", "environment"])
@pytest.mark.parametrize("is_pooled", [False, True])
def test_options_are_kept(
    postgres_server: PostgresServer,
    pooler: Callable[..., PgBouncer],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    way: str,
    is_pooled: bool,
) -> None:
    """`search_path` counts wherever libpq takes `options` from, behind a pooler that takes none
    too.
    """
    direct = postgres_server.create("in_schema", SHOP)
    dsn = pooler(pool_size=3).dsn("in_schema") if is_pooled else direct
    options = "-c search_path=nowhere,shop --work-mem=8MB"
    if way == "dsn":
        dsn += f" options='{options}'"
    elif way == "service":
        (tmp_path / "services").write_text(f"[other]\nport=1\n[br]\n# ours\noptions={options}\n")
        monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
        dsn += " service=br"
    else:
        monkeypatch.setenv("PGOPTIONS", options)
    (tmp_path / "dsn").write_text(dsn)
    assert len(read(source(f"file:{tmp_path}/dsn"), "raw_stores")) == 1


def test_an_option_that_cannot_be_set_is_named(postgres_server: PostgresServer) -> None:
    """By its name, with the way out, and not as something that passes."""
    dsn = postgres_server.create("options", SCHEMA)
    for name in ("shared_buffers", "no_such"):
        with pytest.raises(SourceRejected, match=f"{name} of the connection string's options"):
            read(source(f"{dsn} options='-c {name}=1'"), "raw_stores")


def test_options_are_cut_as_the_server_cuts_them() -> None:
    """A backslash keeps a blank; what is no setting is handed on."""
    settings, others = startup_settings(r"-c search_path=a,\ b -cjit=on --work-mem=8MB -d 3")
    assert settings == {"search_path": "a, b", "jit": "on", "work_mem": "8MB"}
    assert others == "-d 3"


def test_a_standby_is_read_and_its_conflicts_may_pass() -> None:
    """A snapshot of a standby is shared as one of a primary; what recovery cancels is worth another
    try, which reads the new state.
    """
    # a standby copies all databases of its primary: not those of the other tests
    with service_folder("primary") as own, service_folder("standby") as folder:
        primary = PostgresServer(own)
        primary.start()
        standby = Standby(folder, primary)
        try:
            primary.create("followed", SCHEMA + STORE + HOURS)
            standby.start()
            standby.catch_up()
            dsn = standby.dsn("followed")
            assert counts(source(dsn), lambda: None)["one_connection"] == 0
            primary.execute("followed", SLOW)
            standby.catch_up()
            errors: list[BaseException] = []

            def slow() -> None:
                try:
                    read(source(dsn), "raw_stores")
                except SourceUnavailable as error:
                    errors.append(error)

            reading = threading.Thread(target=slow)
            reading.start()
            wait_for("the slow query", lambda: is_copying(standby))
            primary.execute("followed", "DELETE FROM s; DROP VIEW stores")
            primary.execute("followed", "ALTER TABLE s RENAME TO stores")
            reading.join()
            assert "conflict with recovery" in str(errors[0])
            assert "max_standby_streaming_delay" in str(errors[0])
            standby.catch_up()
            assert read(source(dsn), "raw_stores") == []
        finally:
            standby.kill()
            primary.kill()


def is_copying(server: PostgresServer) -> bool:
    with server.connect("postgres") as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE query LIKE 'COPY (WITH%' AND state ="
            " 'active' AND wait_event = 'PgSleep'"
        )
        return bool(cursor.fetchone()[0])


def test_a_server_that_dies_in_the_middle_of_copy_may_pass(tmp_path: Path) -> None:
    """It says no SQLSTATE and no word any more: unreachable, not refused."""
    (tmp_path / "stores.sql").write_text(
        "SELECT i AS store_id, repeat('x', 200) AS name, '' AS city, '' AS brand, '' AS timezone,"
        " true AS is_active, true AS has_weekly_hours FROM generate_series(1, 3000000) i"
    )
    with service_folder("mortal") as folder:
        server = PostgresServer(folder)
        server.start()
        postgres = source(server.create("mortal", SCHEMA), base=tmp_path, stores_query="stores.sql")
        with postgres.open(WINDOW) as snapshot:
            batches = iter(postgres.read(snapshot.splits[0]))
            next(batches)
            server.kill()
            with pytest.raises(SourceUnavailable):
                list(batches)
        with pytest.raises(SourceUnavailable, match="check host and port"):
            read(postgres, "raw_stores")


def test_a_snapshot_of_another_server_is_read_by_its_own_connection(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """As where a pooler has several servers behind it; only in the process that holds it. A failure
    there is told for what is read after it, too, and not that the transaction is over.
    """

    def elsewhere(split: Split, **arguments: str) -> Split:
        changed = {"snapshot": "00000003-0000001B-1", **arguments}
        return replace(split, arguments={**split.arguments, **changed})

    dsn = postgres_server.create("elsewhere", SCHEMA + STORE + HOURS)
    postgres = source(dsn)
    with postgres.open(WINDOW) as snapshot:
        reading = Counted(postgres.read(elsewhere(snapshot.splits[0])))
        assert sum(batch.num_rows for batch in reading) == 1
        assert reading.counts["one_connection"] == 1
        with pytest.raises(SourceRejected, match="snapshot"):
            list(postgres.read(elsewhere(snapshot.splits[0], held="by another process")))
    (tmp_path / "stores.sql").write_text("SELECT *, 1 / 0 AS has_weekly_hours FROM stores")
    postgres = source(dsn, tmp_path, stores_query="stores.sql")
    with postgres.open(WINDOW) as snapshot:
        for split in snapshot.splits:
            with pytest.raises(SourceRejected, match="division by zero"):
                list(postgres.read(elsewhere(split)))
