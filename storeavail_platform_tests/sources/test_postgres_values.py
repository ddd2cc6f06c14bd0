"""Values and types of real databases: one bad value is a row that says so, and what would be
shifted in silence is refused with what to write.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from storeavail_platform.domain.errors import SourceRejected
from storeavail_platform.domain.windows import Window
from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.sources.postgres import PostgresSource
from storeavail_platform.sources.postgres_values import zone_names
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform_tests.domain.tables.harness import Inputs, computed
from storeavail_platform_tests.sources.test_postgres import source
from storeavail_testing.postgres import PostgresServer

WINDOW = Window.parse("2026-11-23T1300")
Row = dict[str, Any]


def read(postgres: PostgresSource) -> dict[str, list[Row]]:
    with postgres.open(WINDOW) as snapshot:
        return {
            split.relation: pa.Table.from_batches(
                postgres.read(split), postgres.relations[split.relation]
            ).to_pylist()
            for split in snapshot.splits
        }


def judged(folder: Path, raw: dict[str, list[Row]], table: str) -> list[Row]:
    """What a table makes of what was read."""
    inputs = Inputs(WINDOW, stores=raw["raw_stores"], hours=raw["raw_store_hours"])
    with computed(DuckDBEngine(LocalStorage(folder)), inputs) as session:
        return session.rows(f"SELECT * FROM {table}")


@pytest.fixture
def database(postgres_server: PostgresServer, request: pytest.FixtureRequest) -> str:
    name = re.sub("[^a-z0-9]+", "_", request.node.name.lower())[-50:]
    postgres_server.create(name)
    return name


FLAGS: dict[str, list[tuple[str, bool | None]]] = {
    "smallint": [("1", True), ("0", False), ("2", None)],
    "text": [("true", True), (" N ", False), ("", None), ("S", None), ("yes", True)],
    "char(1)": [("Y", True), ("f", False), ("?", None)],
    "numeric": [("1", True), ("0", False), ("0.5", None)],
    "numeric(3,1)": [("1", True), ("0", False), ("0.5", None)],
}


@pytest.mark.parametrize("kind", FLAGS)
def test_flags_of_any_type(
    postgres_server: PostgresServer, database: str, tmp_path: Path, kind: str
) -> None:
    """Flags of other types are read; a value that is none is the row's problem, with what was
    read, and every other row is there.
    """
    cases = FLAGS[kind]
    postgres_server.execute(
        database, f"ALTER TABLE stores ALTER is_active TYPE {kind} USING is_active::text::{kind}"
    )
    postgres_server.execute(
        database,
        "INSERT INTO stores(store_id, name, is_active) VALUES (%s, 'S', %s)",
        [(number, text) for number, (text, _) in enumerate(cases)],
    )
    rows = judged(tmp_path, read(source(postgres_server.dsn(database))), "stores")
    found = {int(row["store_id"]): row for row in rows}
    for number, (_, flag) in enumerate(cases):
        row = found[number]
        assert row["problem"] == (None if flag is not None else "unreadable value")
        if flag is not None:
            assert row["is_active"] is flag
        else:
            assert row["source"].startswith("is_active '")


def test_a_byte_that_is_not_utf_8_is_the_rows_problem(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """A database without an encoding: names in another one are told, ids of such bytes are no ids;
    the other rows are as they are.
    """
    dsn = postgres_server.create(
        "ascii", options="TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    postgres_server.execute("ascii", "ALTER TABLE stores ALTER store_id TYPE text")
    postgres_server.execute(
        "ascii",
        r"INSERT INTO stores(store_id, name, is_active) VALUES ('1', E'caf\xe9', true),"
        r" (E'\xe9', 'x', true), ('3', E'caf\xc3\xa9', true)",
    )
    for table in ("store_weekly_hours", "store_special_hours"):
        postgres_server.execute("ascii", f"ALTER TABLE {table} ALTER store_id TYPE text")
    rows = judged(tmp_path, read(source(dsn)), "stores")
    assert {(row["store_id"], row["problem"]) for row in rows} == {
        ("1", "unreadable value"),
        (None, "not a store id"),
        ("3", None),
    }
    assert {row["name"] for row in rows} == {"caf\N{REPLACEMENT CHARACTER}", "x", "café"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("store_weekly_hours ALTER opens_at TYPE timetz", r"store_weekly_hours\.opens_at is of type timetz, .*opens_at::time\) / 60\)::int AS opens_minute"),
        ("store_weekly_hours ALTER closes_at TYPE text", r"store_weekly_hours\.closes_at is of type text, .*AS closes_minute"),
        ("store_special_hours ALTER opens_at TYPE timestamp USING '2026-11-23'::date + opens_at", r"store_special_hours\.opens_at is of type timestamp, .*AS opens_minute"),
        ("store_weekly_hours ALTER weekday TYPE text", r"store_weekly_hours\.weekday is of type text, .*weekday::int AS weekday"),
        ("store_special_hours ALTER business_date TYPE text", r"store_special_hours\.business_date is of type text, .*business_date::date AS business_date"),
    ],
)  # fmt: skip
def test_hours_of_another_type_are_refused_with_what_to_write(
    postgres_server: PostgresServer, database: str, change: str, message: str
) -> None:
    """Hours with a zone would be shifted, moments would vanish: named with column, type and the
    expression.
    """
    postgres_server.execute(database, f"ALTER TABLE {change}")
    with pytest.raises(SourceRejected, match=message):
        read(source(postgres_server.dsn(database)))


OWN = (
    "SELECT 7 AS store_id, 'weekly' AS kind, 1 AS weekday, DATE '2026-11-23' AS business_date,"
    " {} AS opens_minute, 1320 AS closes_minute, false AS is_closed"
)


@pytest.mark.parametrize("value", ["TIME '08:00'", "TIMETZ '08:00-03'", "TIMESTAMP '2026-11-23 08:00'", "INTERVAL '8 hours'", "now()"])  # fmt: skip
def test_minutes_of_an_own_query_are_minutes(
    postgres_server: PostgresServer, database: str, tmp_path: Path, value: str
) -> None:
    """A time in their place is refused with the expression; the expression is taken."""
    (tmp_path / "hours.sql").write_text(OWN.format(value))
    postgres = source(postgres_server.dsn(database), tmp_path, hours_query="hours.sql")
    with pytest.raises(SourceRejected, match="has to be minutes after midnight; write CEIL") as no:
        read(postgres)
    expression = str(no.value).partition("write ")[2].partition(" AS ")[0]
    (tmp_path / "hours.sql").write_text(OWN.format(expression.replace("...", f"({value})")))
    (row,) = read(source(postgres_server.dsn(database), tmp_path, hours_query="hours.sql"))[
        "raw_store_hours"
    ]
    assert value == "now()" or row["opens_minute"] == 480


def test_bad_rows_of_hours_are_not_folded_together(
    postgres_server: PostgresServer, database: str, tmp_path: Path
) -> None:
    """200 of them are 200 rows, each with what was read; rows that say the same well are one."""
    postgres_server.execute(
        database,
        "INSERT INTO store_weekly_hours SELECT NULL, 1, '08:00', '22:00' FROM"
        " generate_series(1, 200); INSERT INTO store_weekly_hours SELECT 7, 8, '08:00', '22:00'"
        " FROM generate_series(1, 3); INSERT INTO stores(store_id) VALUES (8);"
        " INSERT INTO store_weekly_hours SELECT 8, 1, '08:00', '22:00' FROM generate_series(1, 3)",
    )
    rows = judged(tmp_path, read(source(postgres_server.dsn(database))), "store_hours")
    assert Counter((row["store_id"], row["problem"]) for row in rows) == {
        (None, "not a store id"): 200,
        ("7", "invalid weekday"): 3,
        ("8", None): 1,
    }
    (text,) = {row["source"] for row in rows if row["store_id"] == "7"}
    assert text == (
        "store_id 7, kind weekly, weekday 8, business_date NULL, opens_minute 480, closes_minute"
        " 1320"
    )
    assert {row["source"] for row in rows if row["store_id"] == "8"} == {None}


def test_text_of_an_own_query_is_read_or_told(
    postgres_server: PostgresServer, database: str, tmp_path: Path
) -> None:
    """Numbers and dates that are text are read; what is none is the row's problem alone."""
    values = [("480", "2026-11-23"), ("8h", "2026-11-23"), (" 600 ", "23/11/2026"), ("99999999999", "2026-11-23")]  # fmt: skip
    rows = ", ".join(f"({i}, '{m}', '{d}')" for i, (m, d) in enumerate(values))
    (tmp_path / "hours.sql").write_text(
        "SELECT i AS store_id, 'special' AS kind, NULL AS weekday, d AS business_date, m AS"
        f" opens_minute, '1320' AS closes_minute, false AS is_closed FROM (VALUES {rows}) v(i, m, d)"
    )
    raw = read(source(postgres_server.dsn(database), tmp_path, hours_query="hours.sql"))
    found = {row["store_id"]: row for row in judged(tmp_path, raw, "store_hours")}
    assert {store: row["problem"] for store, row in found.items()} == {
        "0": None,
        "1": "invalid hours",
        "2": "invalid hours",
        "3": "invalid hours",
    }
    assert found["1"]["source"].endswith("; not read: opens_minute '8h'")
    assert found["2"]["opens_minute"] == 600


def test_ids_that_are_floats_are_exact_or_none(
    postgres_server: PostgresServer, database: str
) -> None:
    """Beyond 2^53 (2^24 for real) a float stands for several whole numbers."""
    for kind, limit in (("real", 2**24), ("double precision", 2**53)):
        postgres_server.execute(
            database, f"TRUNCATE stores; ALTER TABLE stores ALTER store_id TYPE {kind}"
        )
        postgres_server.execute(
            database,
            "INSERT INTO stores(store_id) VALUES (%s)",
            [(7,), (1.5,), (limit - 1,), (limit,), ("NaN",), ("-3",)],
        )
        with source(postgres_server.dsn(database)).open(WINDOW) as snapshot:
            rows = pa.Table.from_batches(
                source(postgres_server.dsn(database)).read(snapshot.splits[0])
            ).to_pylist()
        ids = [row["store_id"] for row in rows]
        assert ids == ["7", None, str(limit - 1), None, None, "-3"]
        assert all(row["source_id"] for row in rows)


def test_zones_are_found_whatever_is_around_them_and_in_any_case(
    postgres_server: PostgresServer, database: str, tmp_path: Path
) -> None:
    """Blanks, tabs and line ends do not count, nor does the case: the store's hours are read in its
    zone, not in the country's.
    """
    zones = ["america/manaus", " America/Manaus\n", "\tAMERICA/MANAUS ", "America/Manaus"]
    assert zone_names(pa.array([*zones, "Mars/Olympus ", None, " "])).to_pylist() == [
        *["America/Manaus"] * 4,
        "Mars/Olympus",
        None,
        "",
    ]
    postgres_server.execute(
        database,
        "INSERT INTO stores(store_id, timezone) VALUES (%s, %s)",
        list(enumerate(zones)),
    )
    postgres_server.execute(
        database,
        "INSERT INTO store_weekly_hours VALUES (%s, 1, '09:00', '09:05')",
        [(number,) for number in range(len(zones))],
    )
    rows = judged(tmp_path, read(source(postgres_server.dsn(database))), "expected_schedules")
    # 13:00 UTC is 9:00 in Manaus and 10:00 in Sao Paulo
    assert [row["expected_minutes"] for row in rows] == [5] * len(zones)
