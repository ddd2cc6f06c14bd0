"""Raw PostgreSQL for analysts: what the database allows their user, within limits, and
everything noted.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest

from storeavail_platform import analyst
from storeavail_platform.config import Platform, load_text
from storeavail_platform.domain.errors import (
    ConfigError,
    QueryRefused,
    QueryStopped,
    SourceRejected,
    SourceUnavailable,
)
from storeavail_platform_tests.end_to_end.world import World
from storeavail_platform_tests.reading.analyst.conftest import PASSWORD
from storeavail_platform_tests.reading.analyst.test_tables import noted
from storeavail_platform_tests.test_docs import page, sql_blocks


def test_rows_with_their_types(world: World) -> None:
    """As Arrow where it has the type; times of day, 24:00 among them, and the rest as text."""
    rows = analyst.raw.postgres(
        "BR", "SELECT store_id, name, is_active FROM stores ORDER BY store_id"
    )
    assert (rows.num_rows, rows.to_pylist()[0]) == (
        50,
        {"store_id": 1, "name": "Store 1", "is_active": True},
    )
    (hours,) = analyst.raw.postgres(
        "BR", "SELECT weekday, opens_at, closes_at FROM store_weekly_hours"
    ).to_pylist()
    assert hours == {"weekday": 1, "opens_at": "08:00:00", "closes_at": "24:00:00"}
    odd = analyst.raw.postgres(
        "BR",
        "SELECT 1.5::numeric AS n, '{1,2}'::int[] AS a, '{}'::jsonb AS j, timestamptz '2026-11-23"
        " 10:00-03' AS t, NULL::time AS x",
    )
    assert odd.to_pylist() == [
        {"n": 1.5, "a": "{1,2}", "j": "{}", "t": datetime(2026, 11, 23, 13, tzinfo=UTC), "x": None}
    ]
    assert analyst.raw.postgres("BR", "SELECT name FROM stores WHERE false").schema.names == [
        "name"
    ]
    assert len(analyst.raw.postgres("BR", "SELECT * FROM stores", form="pandas")) == 50
    assert noted(world)[0].country == "BR"


def test_a_user_without_the_right_is_refused(world: World) -> None:
    """By the database, and noted."""
    with pytest.raises(SourceRejected, match="permission denied for table customers"):
        analyst.raw.postgres("BR", "SELECT * FROM customers")
    (entry,) = noted(world)
    assert (entry.who, entry.kind, entry.country, entry.what, entry.rows) == (
        "ana",
        "postgres",
        "BR",
        "SELECT * FROM customers",
        None,
    )
    assert "permission denied" in str(entry.error)


@pytest.mark.parametrize(
    "write",
    [
        "DELETE FROM stores",
        "DELETE FROM stores RETURNING store_id",
        "WITH gone AS (DELETE FROM stores RETURNING store_id) SELECT * FROM gone",
        "CREATE TABLE mine AS SELECT 1 AS one",
        "UPDATE stores SET name = 'x'",
        "GRANT SELECT ON customers TO ana",
    ],
)
def test_a_write_is_refused(world: World, write: str) -> None:
    """By the database; nothing is changed, and it is noted."""
    with pytest.raises(SourceRejected):
        analyst.raw.postgres("BR", write)
    (entry,) = noted(world)
    assert (entry.what, entry.rows) == (write, None)
    assert analyst.raw.postgres(
        "BR", "SELECT COUNT(*) AS n FROM stores WHERE name LIKE 'Store%'"
    ).to_pylist() == [{"n": 50}]


def test_a_second_statement_is_refused(world: World) -> None:
    """It could undo the limits of the first; the database is not even asked."""
    with pytest.raises(QueryRefused, match="exactly one statement"):
        analyst.raw.postgres("BR", "SET statement_timeout = 0; SELECT 1")


def test_a_runaway_query_is_stopped(world: World) -> None:
    """At its limit of time or rows; the server no longer works on it, and both are noted."""
    with pytest.raises(QueryStopped, match=r"longer than its limit of 0\.5 s"):
        analyst.raw.postgres("BR", "SELECT pg_sleep(3600)", timeout=timedelta(seconds=0.5))
    with pytest.raises(QueryStopped, match="more than 1,000 rows"):
        analyst.raw.postgres("BR", "SELECT generate_series(1, 100000000000)", max_rows=1000)
    with world.postgres.connect("postgres") as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE usename = 'ana' AND state = 'active'"
        )
        assert cursor.fetchone() == (0,)
    assert [str(entry.error).split(":")[0] for entry in noted(world)] == [
        "the query took longer than its limit of 0.5 s",
        "there are more than 1,000 rows, the limit",
    ]


def test_a_limit_of_nothing_is_refused(world: World) -> None:
    """To PostgreSQL a time of 0 would be no limit at all."""
    for limits in (
        {"timeout": timedelta()},
        {"timeout": timedelta(microseconds=1)},
        {"max_rows": 0},
    ):
        with pytest.raises(QueryRefused, match="at least 1 row and 1 ms"):
            analyst.raw.postgres("BR", "SELECT 1", **limits)


def test_the_database_knows_who_asks(world: World) -> None:
    """The connection carries the person's name, so that the database's own log has it."""
    (row,) = analyst.raw.postgres(
        "BR", "SELECT current_setting('application_name') AS name"
    ).to_pylist()
    assert row == {"name": "storeavail analyst ana"}


def test_no_secret_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in an error nor in the log."""
    monkeypatch.setenv(
        "BR_ANALYST_DSN", world.environment["BR_ANALYST_DSN"].replace("user=ana", "user=bob")
    )
    with pytest.raises(SourceRejected) as caught:
        analyst.raw.postgres("BR", "SELECT 1")
    log = "".join(
        path.read_text() for path in (world.folder / "warehouse" / "audit").rglob("*.json")
    )
    for text in (str(caught.value), log):
        assert "own" not in text.replace("known", "")
        assert PASSWORD not in text


def test_a_database_that_is_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told as such."""
    monkeypatch.setenv("BR_ANALYST_DSN", "host=127.0.0.1 port=1 dbname=x user=ana")
    with pytest.raises(SourceUnavailable, match="check host and port"):
        analyst.raw.postgres("BR", "SELECT 1")


def test_a_country_without_analysts(world: World) -> None:
    """The platform's own user is never taken instead."""
    world.add_country("CL", "America/Santiago", "{path: ./index/CL}")
    analyst.connect()
    with pytest.raises(ConfigError, match=r"countries\.CL\.analyst\.postgres is not configured"):
        analyst.raw.postgres("CL", "SELECT 1")
    with pytest.raises(
        ConfigError, match=r"countries\.BR\.analyst\.online_index is not configured"
    ):
        analyst.raw.elasticsearch("BR")


def test_the_documented_role_reads_and_does_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The role of docs/analysts.md, made as it stands, reads the stores; it neither writes nor
    reads another table.
    """
    (role,) = sql_blocks(page("analysts.md"))
    database = world.environment["BR_DSN"].split("dbname=")[1].split()[0]
    world.postgres.execute(database, role.replace("DATABASE stores_br", f"DATABASE {database}"))
    dsn = world.postgres.dsn(database, user="storeavail_analysts_br", password="change me too")
    monkeypatch.setenv("BR_ANALYST_DSN", dsn)
    try:
        assert analyst.raw.postgres("BR", "SELECT * FROM stores").num_rows == 50
        for refused in ("SELECT * FROM customers", "DELETE FROM stores"):
            with pytest.raises(SourceRejected):
                analyst.raw.postgres("BR", refused)
        with contextlib.closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
            connection.set_session(readonly=False)
            with pytest.raises(psycopg2.Error, match="permission denied for table stores"):
                cursor.execute("DELETE FROM stores")
    finally:
        world.postgres.execute(
            database, "DROP OWNED BY storeavail_analysts_br; DROP ROLE storeavail_analysts_br"
        )


def configured(analyst_block: str) -> Platform:
    text = (
        "countries:\n  BR:\n    timezone: America/Sao_Paulo\n    postgres: {dsn:"
        " 'aws:br/platform#dsn'}\n    online_index: {url: 'env:ES', index: stores, api_key:"
        f" 'env:ES_KEY'}}\n    analyst: {analyst_block}\n"
    )
    return load_text(text, base="/etc", origin="storeavail.yaml")


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("{postgres: {dsn: 'aws:br/platform#dsn'}}", "postgres.dsn is the secret of postgres.dsn"),
        ("{postgres: {dsn: 'aws:br/platform#analyst'}}", "postgres.dsn is the secret of postgres.dsn"),
        ("{online_index: {url: 'env:OTHER', index: stores, api_key: 'env:ES_KEY'}}", "online_index.api_key is the secret of online_index.api_key"),
        ("{online_index: {url: 'env:ES', index: stores, api_key: 'env:KEY'}}", "online_index.url is the secret of online_index.url"),
    ],
)  # fmt: skip
def test_the_platforms_secrets_are_not_the_analysts(block: str, said: str) -> None:
    """The configuration is refused: whoever may read the analysts' secret must not have the
    platform's, nor a part of it.
    """
    with pytest.raises(ConfigError, match=said):
        configured(block)
    assert configured("{postgres: {dsn: 'aws:br/analysts#dsn'}}").country("BR").analyst is not None
