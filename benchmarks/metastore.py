"""Commits through a Hive Metastore: what one costs after 30 windows and after 3,000 with upkeep.

`python -m benchmarks.metastore` (`--sqlite` for the other catalog) commits small files to a table
of windows and to one of local dates, on a clock of its own, for a country on its first day and one
a month old. Of a day that is over upkeep leaves one file, so one commit is made for it; of the last
eight, whose states are kept, four. At the same hour of the day both countries then take turns.
Whole windows are `growth.py`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
from freezegun import freeze_time
from rich.console import Console
from rich.table import Table

from benchmarks.growth import GOAL_RATIO, MEASURED_AT, OLD, YOUNG, running_metastore
from benchmarks.history import DAY_WINDOWS, KEPT_DAYS, QUARTER, ZONE
from benchmarks.upkeep import FIRST, few_rows
from storeavail_platform.config import load_text
from storeavail_platform.domain.tables.daily import DAILY_STORE_AVAILABILITY
from storeavail_platform.domain.tables.declarations import STORE_AVAILABILITY
from storeavail_platform.domain.tables.table import Table as Declaration
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.upkeep import maintain
from storeavail_platform.warehouse.engine import WrittenFile

DAYS = 31
MEASURED = 11
SOURCES = "postgres: {dsn: 'env:DSN'}, online_index: {path: ./index.ndjson}"
CONSOLE = Console(width=110, highlight=False)


@dataclass
class Commits:
    """A country's table and its commits, as many windows as the day has so far.

    Attributes:
        number: the window that is next, counted from the country's first.
    """

    runtime: Runtime
    set_clock: Callable[[datetime], None]
    country: str
    table: Declaration
    number: int

    def one(self, step: int = 1) -> tuple[float, float]:
        """Commit so many windows at once; gives seconds, and CPU seconds of this process."""
        window = Window(FIRST).next(self.number + step - 1)
        self.set_clock(window.end)
        partition = window.start.date() if self.table.is_daily else window
        warehouse, storage = self.runtime.warehouse, self.runtime.storage
        path = warehouse.location(
            self.country, self.table.name, "data", str(partition), window.key, "part-0.parquet"
        )
        rows = few_rows(self.table, window)
        with storage.open_output(path) as stream:
            pq.write_table(rows, stream, compression="zstd")
        files = [WrittenFile(storage.path(path), rows.num_rows, 1)]
        started, cpu = time.perf_counter(), time.process_time()
        warehouse.commit(self.country, self.table, partition, files, "run")
        seconds = time.perf_counter() - started, time.process_time() - cpu
        self.number += step
        return seconds

    def grow(self, end: int) -> None:
        """Commit windows until there are so many, with upkeep each night."""
        while self.number < end:
            left = end - self.number
            if left <= DAY_WINDOWS:
                self.one()
            else:
                self.one(DAY_WINDOWS if left > KEPT_DAYS * DAY_WINDOWS else QUARTER)
            if self.number % DAY_WINDOWS == QUARTER:
                self.upkeep()

    def upkeep(self) -> None:
        now: datetime = Window(FIRST).next(self.number).start
        self.set_clock(now + timedelta(minutes=1))
        for done in maintain(self.runtime, self.country, now):
            if done.is_error and done.what == self.table.name:
                raise RuntimeError(str(done))


def measure(days: int = DAYS, uri: str | None = None) -> None:
    """Let both countries take turns, and print the medians.

    Args:
        days: how old the old country is.
        uri: of the metastore; None: a catalog in SQLite.
    """
    shown = Table("table", "after windows", "CPU ms", "ratio", "ms", "ratio", title="A commit")
    countries = "".join(f"  {code}: {{timezone: {ZONE}, {SOURCES}}}\n" for code in (YOUNG, OLD))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "warehouse").mkdir()
        catalog = f"catalog: {{type: hive, uri: '{uri}'}}\n" if uri else ""
        text = f"warehouse: ./warehouse\n{catalog}countries:\n{countries}"
        runtime = build_runtime(load_text(text, base=Path(folder), origin="bench.yaml"))
        with freeze_time(FIRST, tick=True) as clock:
            for table in (STORE_AVAILABILITY, DAILY_STORE_AVAILABILITY):
                young = Commits(runtime, clock.move_to, YOUNG, table, days * DAY_WINDOWS)
                old = Commits(runtime, clock.move_to, OLD, table, 0)
                old.grow(days * DAY_WINDOWS + MEASURED_AT - MEASURED // 2)
                young.grow(days * DAY_WINDOWS + MEASURED_AT - MEASURED // 2)
                found = [(young.one(), old.one()) for _ in range(MEASURED)]
                report(shown, table, days, found)
    CONSOLE.print(shown)
    CONSOLE.print(f"goal: at most {GOAL_RATIO}")


def report(
    shown: Table,
    table: Declaration,
    days: int,
    found: list[tuple[tuple[float, float], tuple[float, float]]],
) -> None:
    medians = [
        [statistics.median(pair[country][kind] for pair in found) * 1000 for kind in (1, 0)]
        for country in (0, 1)
    ]
    for numbers, windows in zip(
        medians, (MEASURED_AT, days * DAY_WINDOWS + MEASURED_AT), strict=True
    ):
        cells = [
            text
            for number, first in zip(numbers, medians[0], strict=True)
            for text in (f"{number:.1f}", f"{number / first:.2f}")
        ]
        shown.add_row(table.name, f"{windows:,}", *cells)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.metastore")
    parser.add_argument("--days", type=int, default=DAYS, help="how old the old country is")
    parser.add_argument("--sqlite", action="store_true", help="a catalog in SQLite instead")
    arguments = parser.parse_args()
    if arguments.sqlite:
        measure(arguments.days)
    else:
        with running_metastore() as uri:
            measure(arguments.days, uri)


if __name__ == "__main__":
    main()
