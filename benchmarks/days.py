"""A local date's roll-up: N stores, a date in progress of one file a window, and nine dates before
it that upkeep has compacted.

`python -m benchmarks.days` prints the seconds of the first roll-up in a process and of the ones
after it.
"""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from storeavail_platform.config import load_text
from storeavail_platform.domain.tables.declarations import STORE_AVAILABILITY
from storeavail_platform.domain.windows import WINDOW_LENGTH, Window
from storeavail_platform.pipeline.local_dates import changed_dates, roll_up
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.warehouse.engine import WrittenFile

COUNTRY = "BR"
TODAY = date(2026, 11, 23)
DAYS_BEFORE = 9
WINDOWS = 96
CONFIG = """
warehouse: ./warehouse
countries:
  BR: {timezone: Etc/UTC, postgres: {dsn: "env:DSN"}, online_index: {path: ./index.ndjson}}
"""
GOAL_SECONDS = 3.0
MEASURED = 4
CONSOLE = Console(width=110, highlight=False)


def facts(day: date, stores: int, seed: int) -> pa.Table:
    """A date's facts sorted by store and window: open from 8 to 22, one store in twelve missing
    for some hours.
    """
    random = np.random.default_rng(seed)
    rows = stores * WINDOWS
    window = np.tile(np.arange(WINDOWS), stores)
    store = np.repeat(np.arange(stores), WINDOWS)
    is_open = (window >= 32) & (window < 88)
    starts, lengths = random.integers(20, 90, stores), random.integers(1, 30, stores)
    is_down = (
        np.repeat(random.random(stores) < 1 / 12, WINDOWS)
        & (window >= starts[store])
        & (window < (starts + lengths)[store])
    )
    status = np.where(is_open & is_down, "missing", np.where(is_open, "available", "closed"))
    minutes = np.where(is_open, 15, 0).astype(np.int32)
    midnight = np.datetime64(day, "us")
    start = midnight + window * np.timedelta64(15, "m")
    columns = {
        "country": pa.array(np.full(rows, COUNTRY)),
        "window_start": pa.array(start),
        "run_id": pa.array(np.full(rows, f"run-{day}")),
        "store_id": store.astype(str),
        "status": status,
        "reason": pa.array(
            np.where(status == "missing", "offline", "outside_hours"), mask=status == "available"
        ),
        "expected_minutes": minutes,
        "available_minutes": np.where(status == "available", minutes, 0),
        "missing_minutes": np.where(status == "missing", minutes, 0),
        "rogue_minutes": np.zeros(rows, np.int32),
        "unknown_minutes": np.zeros(rows, np.int32),
        "open_at_observation": is_open,
        "is_online": status == "available",
        "observed_at": pa.array(start + np.timedelta64(7, "m")),
        "name": pa.array(np.char.add("Store ", store.astype(str))),
        "city": pa.array(np.char.add("City ", (store % 40).astype(str))),
        "brand": pa.array(np.char.add("Brand ", (store % 60).astype(str))),
        "local_date": pa.array(np.full(rows, np.datetime64(day, "D"))),
        "local_minute": (window * 15).astype(np.int32),
    }
    missing = pa.nulls(rows)
    return pa.table(
        {
            field.name: pa.chunked_array([pa.array(columns.get(field.name, missing))]).cast(
                field.type
            )
            for field in STORE_AVAILABILITY.stored_schema()
        }
    )


def fill(runtime: Runtime, stores: int) -> None:
    """Commit the dates before as a file each, and the date in progress window by window."""
    for back in range(DAYS_BEFORE, 0, -1):
        day = TODAY - timedelta(days=back)
        commit(
            runtime,
            Window(datetime.combine(day, datetime.min.time(), UTC)),
            facts(day, stores, back),
            f"day-{back}",
        )
    today = facts(TODAY, stores, 0)
    for number in range(WINDOWS):
        window = Window(datetime.combine(TODAY, datetime.min.time(), UTC) + number * WINDOW_LENGTH)
        commit(
            runtime,
            window,
            today.filter(pa.compute.equal(today["window_start"], pa.scalar(window.start))),
            f"window-{number}",
        )


def commit(runtime: Runtime, window: Window, rows: pa.Table, run: str) -> None:
    path = runtime.warehouse.location(
        COUNTRY, STORE_AVAILABILITY.name, "data", window.key, run, "part-0.parquet"
    )
    with runtime.storage.open_output(path) as stream:
        pq.write_table(rows, stream, compression="zstd", row_group_size=120_000)
    files = [WrittenFile(runtime.storage.path(path), rows.num_rows, 1)]
    runtime.warehouse.commit(COUNTRY, STORE_AVAILABILITY, window, files, run)


def measure(stores: int = 12_000) -> None:
    """Roll a date up several times, and print where the time goes."""
    with tempfile.TemporaryDirectory() as folder:
        runtime = build_runtime(load_text(CONFIG, base=Path(folder), origin="bench.yaml"))
        fill(runtime, stores)
        shown = Table(
            "roll-up",
            "changed dates",
            "store_outages",
            "daily_store_availability",
            "commits",
            "total",
            title=f"{stores:,} stores",
        )
        last = Window(datetime.combine(TODAY, datetime.min.time(), UTC)).next(WINDOWS - 1)
        for number in range(MEASURED):
            started = time.perf_counter()
            changed_dates(runtime, COUNTRY, last)
            found = time.perf_counter() - started
            _, outages, days = roll_up(runtime, COUNTRY, [TODAY], f"bench-{number}")
            total = time.perf_counter() - started
            commits = outages.commit_seconds + days.commit_seconds
            figures = (found, outages.computed.seconds, days.computed.seconds, commits, total)
            shown.add_row(str(number + 1), *(f"{seconds:.2f}" for seconds in figures))
        CONSOLE.print(shown)
        CONSOLE.print(
            f"{outages.computed.rows:,} outages, {days.computed.rows:,} stores; goal: under"
            f" {GOAL_SECONDS} s"
        )


if __name__ == "__main__":
    measure()
