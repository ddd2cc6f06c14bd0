"""PostgreSQL: one snapshot, values as they are, and every refusal in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from storeavail_platform.config import Postgres, load_text
from storeavail_platform.config.values import Loading
from storeavail_platform.domain.errors import SourceRejected, SourceUnavailable
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.postgres import PostgresSource
from storeavail_testing.clock import SetClock
from storeavail_testing.postgres import PASSWORD, SCHEMA, PostgresServer
from storeavail_testing.processes import free_port

WINDOW = Window.parse("2026-11-23T1300")  # Monday 10:00 in Sao Paulo


def source(dsn: str, base: Path | None = None, **settings: Any) -> PostgresSource:
    """A country's source; query files lie in the folder `base`."""
    config = Postgres.model_validate({"dsn": dsn, **settings}, context=Loading(base=str(base)))
    return PostgresSource(config, "America/Sao_Paulo")


def read(postgres: PostgresSource, relation: str) -> list[dict[str, Any]]:
    with postgres.open(WINDOW) as snapshot:
        (split,) = [split for split in snapshot.splits if split.relation == relation]
        return [row for batch in postgres.read(split) for row in batch.to_pylist()]


@pytest.fixture
def database(postgres_server: PostgresServer, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Makes a database of this test's own and gives its DSN."""

    def make(*statements: str, schema: str = SCHEMA) -> str:
        name = f"t{abs(hash(request.node.name)) % 10**8}"
        return postgres_server.create(name, ";\n".join([schema.rstrip().rstrip(";"), *statements]))

    return make


def test_values_arrive_as_they_are(database: Callable[..., str]) -> None:
    """NULL differs from empty text; line breaks, quotes and other alphabets survive; ids come
    as text.
    """
    dsn = database(
        """INSERT INTO stores VALUES (1, E'a "b"\\nc', '', 'São Paulo', NULL, '  ', NULL), (NULL, 'no id', NULL, NULL, NULL, NULL, false)"""
    )
    rows = sorted(read(source(dsn), "raw_stores"), key=lambda row: str(row["source_id"]))
    assert rows == [
        {"store_id": "1", "source_id": "1", "name": 'a "b"\nc', "address": "", "city": "São Paulo", "brand": None, "timezone": "", "is_active": None, "has_weekly_hours": False, "unreadable": None},
        {"store_id": None, "source_id": None, "name": "no id", "address": None, "city": None, "brand": None, "timezone": None, "is_active": False, "has_weekly_hours": False, "unreadable": None},
    ]  # fmt: skip


def test_an_empty_table_has_the_types_of_a_full_one(database: Callable[..., str]) -> None:
    """No rows is not an error."""
    assert read(source(database()), "raw_stores") == []


def test_only_hours_that_can_matter_leave_postgres(database: Callable[..., str]) -> None:
    """Weekly rows that touch the window, special rows of its two business dates, and every
    invalid row; 24:00 is 1440, seconds round up.
    """
    dsn = database(
        "INSERT INTO stores VALUES (1, 'a', NULL, 'c', 'b', NULL, true)",
        """INSERT INTO store_weekly_hours VALUES
          (1, 1, '08:00', '24:00'), (1, 1, '09:59:30', '10:00:01'), (1, 1, '11:00', '12:00'), (1, 2, '08:00', '22:00'),
          (1, 7, '22:00', '10:05'), (1, 7, '22:00', '10:00'), (1, 9, '08:00', '22:00'), (1, 4, NULL, '10:00')""",
        """INSERT INTO store_special_hours VALUES
          (1, '2026-11-23', NULL, NULL), (1, '2026-11-22', '20:00', '02:00'), (1, '2026-11-24', '08:00', '09:00'), (1, '2026-12-24', '08:00', NULL)""",
    )
    rows = read(source(dsn), "raw_store_hours")
    seen = {
        (
            row["kind"],
            row["weekday"],
            str(row["business_date"]),
            row["opens_minute"],
            row["closes_minute"],
            row["is_closed"],
        )
        for row in rows
    }
    assert seen == {
        ("weekly", 1, "2026-11-23", 480, 1440, False),
        ("weekly", 1, "2026-11-23", 600, 601, False),
        ("weekly", 7, "2026-11-22", 1320, 605, False),
        ("weekly", 9, "None", 480, 1320, False),
        ("weekly", 4, "None", None, 600, False),
        ("special", None, "2026-11-23", None, None, True),
        ("special", None, "2026-11-22", 1200, 120, False),
        ("special", None, "2026-12-24", 480, None, False),
    }
    assert len(rows) == len(seen)


def test_stores_and_hours_come_from_one_snapshot(
    database: Callable[..., str], postgres_server: PostgresServer
) -> None:
    """What is written after the snapshot was opened is not seen by any of its splits."""
    dsn = database("INSERT INTO stores VALUES (1, 'a', NULL, 'c', 'b', NULL, true)")
    name = dsn.split("dbname=")[1].split()[0]
    postgres = source(dsn)
    with postgres.open(WINDOW) as snapshot:
        postgres_server.execute(
            name,
            "INSERT INTO stores VALUES (2, 'b', NULL, 'c', 'b', NULL, true); INSERT INTO"
            " store_weekly_hours VALUES (1, 1, '08:00', '22:00')",
        )
        rows = {
            split.relation: sum(batch.num_rows for batch in postgres.read(split))
            for split in snapshot.splits
        }
    assert rows == {"raw_stores": 1, "raw_store_hours": 0}


def test_huge_text_and_impossible_dates_do_not_break_the_reading(
    database: Callable[..., str],
) -> None:
    """A 10 MB name is cut, an infinite date is NULL; the other rows are untouched."""
    dsn = database(
        "INSERT INTO stores VALUES (1, repeat('x', 10000000), NULL, 'c', 'b', NULL, true), (2, 'b',"
        " NULL, 'c', 'b', NULL, true)",
        "INSERT INTO store_special_hours VALUES (2, 'infinity', '08:00', NULL)",
    )
    names = {row["source_id"]: row["name"] for row in read(source(dsn), "raw_stores")}
    assert names == {"1": "x" * 10_000, "2": "b"}
    assert [row["business_date"] for row in read(source(dsn), "raw_store_hours")] == [None]


def test_a_table_without_address_is_read(database: Callable[..., str]) -> None:
    """`address` may be absent; it is NULL then."""
    schema = SCHEMA.replace("address text, ", "")
    dsn = database("INSERT INTO stores VALUES (1, 'a', 'c', 'b', NULL, true)", schema=schema)
    assert read(source(dsn), "raw_stores")[0]["address"] is None


def test_another_schema_is_mapped_by_queries(database: Callable[..., str], tmp_path: Path) -> None:
    """Two SQL files replace the default queries; they may start with WITH and join
    local_windows.
    """
    (tmp_path / "stores.sql").write_text(
        "WITH s AS (SELECT * FROM shops) SELECT code AS store_id, title AS name, town AS city,"
        " chain AS brand, zone AS timezone, true AS is_active, true AS has_weekly_hours FROM s;"
    )
    (tmp_path / "hours.sql").write_text(
        "SELECT code AS store_id, 'weekly' AS kind, w.weekday, w.business_date, 480 AS"
        " opens_minute, 1320 AS closes_minute, false AS is_closed FROM shops JOIN local_windows w"
        " ON w.timezone = zone WHERE w.window_minute < 1440"
    )
    dsn = database(
        "INSERT INTO shops VALUES ('s-7', 'Shop', 'Town', 'Chain', 'America/Sao_Paulo')",
        schema="CREATE TABLE shops (code text, title text, town text, chain text, zone text);",
    )
    text = f"""
countries:
  BR:
    timezone: America/Sao_Paulo
    postgres: {{dsn: "{dsn}", stores_query: ./stores.sql, hours_query: ./hours.sql}}
    online_index: {{path: ./index.ndjson}}
"""
    config = load_text(text, base=tmp_path, origin="test.yaml").country("BR").postgres
    postgres = PostgresSource(config, "America/Sao_Paulo")
    assert [row["source_id"] for row in read(postgres, "raw_stores")] == ["s-7"]
    (row,) = read(postgres, "raw_store_hours")
    assert (row["weekday"], str(row["business_date"]), row["opens_minute"]) == (
        1,
        "2026-11-23",
        480,
    )


def test_writing_is_impossible(database: Callable[..., str]) -> None:
    """The session is read-only, whatever a query tries."""
    dsn = database(
        "INSERT INTO stores VALUES (1); ALTER TABLE stores RENAME TO s; CREATE FUNCTION grow()"
        " RETURNS bigint LANGUAGE sql AS 'INSERT INTO s(store_id) VALUES (9) RETURNING store_id';"
        " CREATE VIEW stores AS SELECT grow() AS store_id, name, address, city, brand, timezone,"
        " is_active FROM s"
    )
    with pytest.raises(SourceRejected, match="read-only transaction"):
        read(source(dsn), "raw_stores")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda dsn: dsn.replace(PASSWORD, "wrong"),
            "password authentication failed.*correct user and password",
        ),
        (
            lambda dsn: dsn.replace("dbname=t", "dbname=nothing"),
            'database "nothing.*correct the database',
        ),
    ],
)
def test_a_wrong_dsn_says_what_to_change(
    database: Callable[..., str], spoil: Callable[[str], str], message: str
) -> None:
    """Wrong password and wrong database are told apart, and no password is repeated."""
    with pytest.raises(SourceRejected, match=message) as caught:
        read(source(spoil(database())), "raw_stores")
    assert PASSWORD not in str(caught.value)
    assert "wrong" not in str(caught.value)


def test_a_server_that_is_down_may_pass() -> None:
    """A refused connection names host and port, and is worth another try."""
    port = free_port()
    with pytest.raises(SourceUnavailable, match=f"127.0.0.1:{port}.*check host and port"):
        read(source(f"host=127.0.0.1 port={port} dbname=br user=u"), "raw_stores")


def test_a_slow_query_is_ended(database: Callable[..., str]) -> None:
    """`statement_timeout` ends a query that takes too long, and the message names the setting."""
    dsn = database(
        "ALTER TABLE stores RENAME TO s; CREATE VIEW stores AS SELECT s.* FROM s, pg_sleep(30)"
    )
    with pytest.raises(SourceUnavailable, match=r"postgres\.statement_timeout"):
        read(source(dsn, statement_timeout=timedelta(milliseconds=200)), "raw_stores")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "DROP TABLE store_weekly_hours",
            'relation "store_weekly_hours" does not exist.*stores_query',
        ),
        (
            "ALTER TABLE stores DROP COLUMN city",
            'the default stores query: column "city" does not exist.*stores_query',
        ),
    ],
)
def test_a_missing_table_or_column_is_named(
    database: Callable[..., str], statement: str, message: str
) -> None:
    """The message names what is missing and how another schema is mapped."""
    with pytest.raises(SourceRejected, match=message):
        read(source(database(statement)), "raw_stores")


def test_check_finds_what_is_there_and_what_is_wrong(database: Callable[..., str]) -> None:
    """`check` counts rows; an empty table is an error, and so is what the server refuses."""
    findings = source(database()).check()
    assert [finding.level for finding in findings] == ["ok", "ok", "error", "ok"]
    (finding,) = source(database("DROP TABLE stores")).check()
    assert finding.level == "error"
    assert "stores" in finding.message


@pytest.mark.parametrize(("minutes", "level"), [(1, "ok"), (60, "error"), (-60, "error")])
def test_the_database_says_what_time_it_is(
    database: Callable[..., str], minutes: int, level: str
) -> None:
    """With the snapshot comes by how much the clock of the reading differs from the server's,
    whatever the session's zone is; `check` says what that means.
    """
    dsn = database() + " options='-c timezone=Asia/Kathmandu'"
    wrong = timedelta(minutes=minutes)
    config = Postgres.model_validate({"dsn": dsn})
    postgres = PostgresSource(config, "America/Sao_Paulo", clock=SetClock(wrong=wrong))
    with postgres.open(Window.parse("2026-11-23T1300")) as snapshot:
        assert snapshot.clock_offset is not None
        assert abs(snapshot.clock_offset - wrong) < timedelta(seconds=30)
    (found,) = (finding for finding in postgres.check() if finding.what == "clock")
    assert found.level == level
    assert f"{'behind' if minutes < 0 else 'ahead of'} that of PostgreSQL" in found.message


def test_relations_have_the_declared_types(database: Callable[..., str]) -> None:
    """Batches have the relation's schema whatever the values."""
    postgres = source(database("INSERT INTO stores VALUES (1, NULL, NULL, NULL, NULL, NULL, NULL)"))
    with postgres.open(WINDOW) as snapshot:
        for split in snapshot.splits:
            for batch in postgres.read(split):
                assert pa.schema(batch.schema) == postgres.relations[split.relation]
