"""Upkeep as scheduled: what a commit costs after a month of windows with it, and what compaction
and a query of a compacted day take.

`python -m benchmarks.upkeep` commits 3,000 windows of a small file each to a table of windows and,
rolled up after each of them, to one of local dates, with upkeep every night, on a clock of its own;
then it compacts a day of 12,000 stores and queries it. Whole windows are `growth.py`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from freezegun import freeze_time
from rich.console import Console
from rich.table import Table

from benchmarks.days import facts
from storeavail_platform.config import load_text
from storeavail_platform.domain.tables.daily import DAILY_STORE_AVAILABILITY
from storeavail_platform.domain.tables.declarations import STORE_AVAILABILITY
from storeavail_platform.domain.tables.table import Table as Declaration
from storeavail_platform.domain.windows import WINDOW_LENGTH, Window
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.reading.query import query
from storeavail_platform.upkeep import maintain
from storeavail_platform.upkeep.compaction import compact
from storeavail_platform.warehouse.engine import WrittenFile

COUNTRY = "BR"
FIRST = datetime(2026, 10, 1, tzinfo=UTC)
DAY_WINDOWS = 96
NIGHT = timedelta(hours=6)
"""UTC hour of upkeep on the country's clock."""
AROUND = 5
"""Commits before and after the one that is looked at, whose median it is."""
EMPTY: dict[str, object] = {"text": "x", "bigint": 0, "int": 0, "double": 0.0, "boolean": False}
"""What a column of a type has that a row says nothing by."""
MARKS = (30, 96, 300, 672, 800, 1000, 2000, 3000)
CONFIG = """
warehouse: ./warehouse
countries:
  BR: {timezone: America/Sao_Paulo, postgres: {dsn: "env:DSN"}, online_index: {path: ./index.ndjson}}
"""
GOAL_RATIO = 1.3
GOAL_COMPACT_SECONDS = 5.0
GOAL_QUERY_SECONDS = 0.5
CONSOLE = Console(width=110, highlight=False)


def made(folder: str) -> Runtime:
    (Path(folder) / "warehouse").mkdir()
    return build_runtime(load_text(CONFIG, base=Path(folder), origin="bench.yaml"))


def commit(runtime: Runtime, table: Declaration, window: Window, rows: pa.Table) -> float:
    """CPU seconds that the commit of a window takes, or of its local date: on a local disk it
    waits for little else.
    """
    partition = window.start.date() if table.is_daily else window
    path = runtime.warehouse.location(
        COUNTRY, table.name, "data", str(partition), window.key, "part-0.parquet"
    )
    with runtime.storage.open_output(path) as stream:
        pq.write_table(rows, stream, compression="zstd")
    started = time.process_time()
    runtime.warehouse.commit(
        COUNTRY,
        table,
        partition,
        [WrittenFile(runtime.storage.path(path), rows.num_rows, 1)],
        "run",
    )
    return time.process_time() - started


def few_rows(table: Declaration, window: Window) -> pa.Table:
    """Five rows that say which partition of the table they are, and nothing else of use."""
    inputs = {"window_start": window.start, "local_date": window.start.date(), "country": COUNTRY}
    filled = {
        column.name: EMPTY[column.type] for column in table.all_columns if column.type in EMPTY
    } | inputs
    return pa.Table.from_pylist(
        [filled | {"store_id": str(store)} for store in range(5)], schema=table.stored_schema()
    )


def measure_growth(table: Declaration, windows: int) -> tuple[list[float], list[float]]:
    """CPU seconds of each of so many commits, and seconds of each night's upkeep."""
    seconds, nights = [], []
    # snapshots are as old as this clock says; it goes on by itself, so that it can be measured by
    with tempfile.TemporaryDirectory() as folder, freeze_time(FIRST, tick=True) as clock:
        runtime = made(folder)
        for number in range(windows):
            window = Window(FIRST + number * WINDOW_LENGTH)
            clock.move_to(window.end)
            seconds.append(commit(runtime, table, window, few_rows(table, window)))
            if window.start.time() == (datetime.min + NIGHT).time():
                started = time.perf_counter()
                for done in maintain(runtime, COUNTRY, window.end):
                    if done.is_error:
                        raise RuntimeError(str(done))
                nights.append(time.perf_counter() - started)
    return seconds, nights


def around(seconds: list[float], number: int) -> float:
    return statistics.median(seconds[max(0, number - 1 - AROUND) : number + AROUND])


def measure_day(stores: int) -> None:
    """Compaction and queries of one day."""
    day = date(2026, 11, 21)
    with tempfile.TemporaryDirectory() as folder:
        runtime = made(folder)
        rows = facts(day, stores, 1)
        for number in range(DAY_WINDOWS):
            window = Window(
                datetime.combine(day, datetime.min.time(), UTC) + number * WINDOW_LENGTH
            )
            commit(
                runtime,
                STORE_AVAILABILITY,
                window,
                rows.filter(pa.compute.equal(rows["window_start"], pa.scalar(window.start))),
            )
        sql = (
            "SELECT city, SUM(available_minutes) / SUM(expected_minutes - unknown_minutes) AS availability FROM store_availability "
            f"WHERE window_start >= '{day}' AND window_start < '{day + timedelta(days=1)}' GROUP BY city"
        )
        before = timed_query(runtime, sql)
        started = time.perf_counter()
        (done,) = compact(
            runtime,
            COUNTRY,
            STORE_AVAILABILITY,
            datetime.combine(day + timedelta(days=2), datetime.min.time(), UTC),
        )
        seconds = time.perf_counter() - started
        after = timed_query(runtime, sql)
    shown = Table(
        "what",
        "seconds",
        "goal",
        title=f"a day of {stores:,} stores, {done.rows:,} rows in {done.files} files",
    )
    shown.add_row("compaction", f"{seconds:.2f}", f"under {GOAL_COMPACT_SECONDS}")
    shown.add_row("query of the day, before", f"{before:.2f}", "")
    shown.add_row("query of the day, compacted", f"{after:.2f}", f"under {GOAL_QUERY_SECONDS}")
    CONSOLE.print(shown)


def timed_query(runtime: Runtime, sql: str) -> float:
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        query(runtime, sql)
        best = min(best, time.perf_counter() - started)
    return best


def measure(windows: int = 3000, stores: int = 12_000) -> None:
    """Measure and print all of it."""
    for table in (STORE_AVAILABILITY, DAILY_STORE_AVAILABILITY):
        seconds, nights = measure_growth(table, windows)
        shown = Table(
            "window",
            "CPU milliseconds",
            "ratio to the 30th",
            title=f"commits of {table.name}, upkeep every night",
        )
        for mark in (mark for mark in MARKS if mark <= windows):
            shown.add_row(
                str(mark),
                f"{around(seconds, mark) * 1000:.0f}",
                f"{around(seconds, mark) / around(seconds, 30):.2f}",
            )
        CONSOLE.print(shown)
        CONSOLE.print(
            f"upkeep of the table: {nights[-1]:.1f} s in the last night, at most {max(nights):.1f} s"
        )
    CONSOLE.print(f"goal: at most {GOAL_RATIO} at {windows}")
    measure_day(stores)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upkeep")
    parser.add_argument("--windows", type=int, default=3000)
    arguments = parser.parse_args()
    measure(arguments.windows)
