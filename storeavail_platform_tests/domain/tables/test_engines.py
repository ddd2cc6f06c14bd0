"""One SQL, two engines: on the same landed rows DuckDB and Spark give the same tables, row for
row, and files that either reads.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storeavail_platform.domain.hours import local_start
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.compute import check_contract, run_check
from storeavail_platform.warehouse.engine import Engine
from storeavail_platform_tests.domain.tables.harness import (
    Inputs,
    Row,
    computed,
    document,
    rows_of,
    special,
    store,
    weekly,
)

STORE_COUNT = 600
ZONES = [
    None,
    "",
    " America/Sao_Paulo ",
    "America/Santiago",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Mars/X",
]
WINDOWS = [
    "2026-11-23T1300",
    "2018-11-04T0300",
    "2022-10-30T0715",
    "2018-02-18T0145",
    "2026-04-04T1515",
    "2026-09-06T0400",
]
FEW = 3
"""The others are more of the same kinds, and `long`."""


def dirty_company(window: Window, seed: int) -> Inputs:
    """Random stores, hours and documents of a window, with every kind of dirty row among them."""
    random = Random(seed)
    inputs = Inputs(
        window, always_open=random.random() < 0.5, observed_minute=random.choice([None, *range(15)])
    )
    inputs.stale_before = datetime(2026, 1, 1, tzinfo=UTC)
    inputs.baseline = {
        "window_start": window.next(-1).start,
        "listed": 10_000,
        "missing_share": 0.01,
        "active_stores": random.choice([10_000, 100, None]),
        "weekly_hours_share": 0.99,
        "rogue_share": 0.0,
        "no_hours_share": 0.0,
        "coverage_without_edge": 1.0,
    }
    ids = [
        *range(STORE_COUNT),
        "007",
        "12 ",
        "9223372036854775807",
        "9223372036854775808",
        "-5",
        "x",
        "",
        None,
        3,
        4,
    ]
    for number in ids:
        timezone = random.choice(ZONES)
        columns = {
            "timezone": timezone,
            "is_active": random.choice([True, True, True, False, None]),
        }
        columns |= {
            "name": random.choice(["Ünï", "a'b", '"', None]),
            "city": random.choice(["A", "B", None]),
            "brand": random.choice(["X", None]),
        }
        inputs.stores.append(
            store(number, has_weekly_hours=random.choice([True, True, False, None]), **columns)
        )
        if number is not None:
            inputs.hours += hours(random, window, number)
        if random.random() < 0.8:
            inputs.documents.append(a_document(random, number, window))
    inputs.documents += [
        document(99_999, "true"),
        document(99_998, "false"),
        document(5, "true"),
        document(5, "true"),
    ]
    return inputs


def hours(random: Random, window: Window, number: int | str) -> list[Row]:
    today, _ = local_start(window, "America/Sao_Paulo")
    rows: list[Row] = []
    for back in (0, 1):
        day = today - timedelta(days=back)
        for _ in range(random.choice([0, 1, 1, 2])):
            rows.append(
                weekly(
                    number,
                    day,
                    random.choice([0, 480, 600, 1320, None]),
                    random.choice([0, 120, 605, 1320, 1440, None]),
                )
            )
        if random.random() < 0.2:
            rows.append(
                special(number, day, random.choice([None, 600]), random.choice([None, 120, 900]))
            )
    if random.random() < 0.05:
        rows.append(weekly(number, None, 480, 600, random.choice([None, 0, 8])))
    return rows


def a_document(random: Random, number: int | str | None, window: Window) -> Row:
    updated = random.choice(
        [None, window.start, datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]
    )
    text = None if updated is None and random.random() < 0.5 else "read"
    return document(
        number,
        random.choice(["true", "true", "TRUE", "false", "", "yes", None]),
        updated_at=updated,
        updated_at_text=text,
    )


@pytest.mark.parametrize(
    "key", [*WINDOWS[:FEW], *(pytest.param(key, marks=pytest.mark.long) for key in WINDOWS[FEW:])]
)
def test_rows_are_equal(engines: tuple[Engine, Engine], tmp_path: Path, key: str) -> None:
    """Every table, every row, every type; checks and contracts judge alike.

    DST days and dirty rows included.
    """
    inputs = dirty_company(Window.parse(key), seed=WINDOWS.index(key))
    answers = []
    for engine in engines:
        with computed(engine, inputs, folder=tmp_path) as session:
            answers.append(
                {
                    table.name: (
                        session.schema(table.name),
                        check_contract(session, table),
                        [run_check(session, table, check) for check in table.checks],
                        rows_of(session, table),
                    )
                    for table in TABLES
                }
            )
    by_duckdb, by_spark = answers
    for table in TABLES:
        assert by_spark[table.name] == by_duckdb[table.name], table.name
        assert by_spark[table.name][0] == table.computed_schema()
    assert len(by_duckdb["store_availability"][3]) > STORE_COUNT


def test_files_are_equal(engines: tuple[Engine, Engine], tmp_path: Path) -> None:
    """Both engines write the declared columns and types, sorted, with timestamps in UTC
    microseconds.
    """
    window = Window.parse("2026-11-23T1300")
    inputs = dirty_company(window, seed=7)
    constants = {"country": "BR", "window_start": window.start, "run_id": "r"}
    written = []
    for engine in engines:
        with computed(engine, inputs, folder=tmp_path) as session:
            files = [
                session.write(
                    table.name,
                    table.stored_schema(),
                    constants,
                    table.order_by,
                    f"{engine.name}/{table.name}",
                )
                for table in TABLES
            ]
        written.append([pq.read_table([file.path for file in group]) for group in files])
        assert all(file.size > 0 for group in files for file in group)
    for table, by_duckdb, by_spark in zip(TABLES, *written, strict=True):
        for rows in (by_duckdb, by_spark):
            assert dict(zip(rows.schema.names, rows.schema.types, strict=True)) == dict(
                zip(table.stored_schema().names, table.stored_schema().types, strict=True)
            )
        assert by_spark.num_rows == by_duckdb.num_rows
        for column in table.order_by:
            assert by_spark.column(column).to_pylist() == by_duckdb.column(column).to_pylist()
    assert date.fromisoformat("2026-11-23") in written[1][4].column("local_date").to_pylist()


def test_the_driver_takes_no_rows(engines: tuple[Engine, Engine], tmp_path: Path) -> None:
    """200,000 stores pass although results of more than a megabyte are refused by the driver."""
    window = Window.parse("2026-11-23T1300")
    inputs = Inputs(
        window,
        stores=[store(number) for number in range(200_000)],
        documents=[document(number) for number in range(200_000)],
    )
    _, spark = engines
    with computed(spark, inputs, folder=tmp_path) as session:
        files = session.write(
            "store_availability",
            TABLES[4].stored_schema(),
            {"country": "BR", "window_start": window.start, "run_id": "r"},
            ["store_id"],
            "large",
        )
    assert sum(file.rows for file in files) == 200_000


def test_a_landed_column_that_is_missing_is_null_on_spark(
    engines: tuple[Engine, Engine], tmp_path: Path
) -> None:
    """A reading of another release lacks a column in some of its files, or in all. DuckDB's own
    test is in `engines/test_duckdb.py`.
    """
    schema = pa.schema([("source_id", pa.string()), ("of_later", pa.int64()), ("flag", pa.bool_())])
    rows = [{"source_id": "1", "of_later": 5, "flag": True}]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "whole.parquet")
    pq.write_table(pa.table({"source_id": ["2"]}), tmp_path / "narrow.parquet")
    whole, narrow = str(tmp_path / "whole.parquet"), str(tmp_path / "narrow.parquet")
    lacking = {"source_id": "2", "of_later": None, "flag": None}
    _, spark = engines
    for paths, expected in (([narrow], [lacking]), ([whole, narrow], [*rows, lacking])):
        with spark.session() as session:
            session.add_files("landed", schema, paths)
            session.create("copied", "SELECT * FROM landed")
            assert session.schema("copied") == schema
            assert session.rows("SELECT * FROM copied ORDER BY source_id") == expected
