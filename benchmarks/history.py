"""A country's history, made in less time than it takes: windows whose rows are those of a computed
one with another time, committed one by one or many at once, with upkeep every night.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.table import snapshots
from rich.console import Console

from benchmarks.readings import PHASE_WINDOWS, PHASES, land, phase
from storeavail_platform.dashboard import write_country_page, write_overview
from storeavail_platform.dashboard.kept import folder_of
from storeavail_platform.domain.hours import local_start
from storeavail_platform.domain.tables.daily import ROLLED_UP
from storeavail_platform.domain.tables.table import Table as Declaration
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.catch_up import find_work
from storeavail_platform.pipeline.compute import Computed
from storeavail_platform.pipeline.events import Marked, Postponed
from storeavail_platform.pipeline.local_dates import roll_up
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.pipeline.window import WindowRun, run_window
from storeavail_platform.upkeep import maintain
from storeavail_platform.warehouse.engine import WrittenFile

TEMPLATE = "PE"
"""The country whose rows stand for others'."""
DAY_WINDOWS = 96
QUARTER = 24
"""Windows of six hours; upkeep runs after the first ones of a day."""
KEPT_DAYS = 8
"""Days for which states and readings are kept (`retention`), and the one in progress."""
PARTS = ("tables", "dates", "page", "catch-up")
ZONE = "Etc/UTC"
CONSOLE = Console(width=110, highlight=False)


class Clock:
    """What the time is for the platform, and for pyiceberg where it dates a snapshot."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        self.moment += timedelta(milliseconds=2)
        return self.moment

    @contextlib.contextmanager
    def dating_snapshots(self) -> Iterator[None]:
        module = vars(snapshots)
        real = module["time"]
        module["time"] = SimpleNamespace(time=lambda: self().timestamp())
        try:
            yield
        finally:
            module["time"] = real


@contextlib.contextmanager
def nothing_kept(runtime: Runtime, country: str) -> Iterator[None]:
    """What pages of a country have kept is put aside meanwhile."""
    kept = Path(runtime.storage.path(folder_of(country)))
    aside = kept.rename(kept.with_name(".aside")) if kept.exists() else None
    try:
        yield
    finally:
        runtime.storage.delete_tree(folder_of(country))
        if aside is not None:
            aside.rename(kept)


def tables_of(runtime: Runtime) -> tuple[Declaration, ...]:
    """What every window or its date has rows of: usual rates are made of dates before."""
    return (*runtime.tables, *ROLLED_UP)


@dataclass
class History:
    """A country and its windows.

    Attributes:
        rows: by table and phase, the rows of a window that was computed.
        number: how many windows there are.
        landed_from: the first that is landed: upkeep would have removed the readings before.
    """

    runtime: Runtime
    clock: Clock
    country: str
    stores: int
    first: Window
    rows: dict[tuple[str, int], pa.Table] = field(default_factory=dict)
    number: int = 0
    landed_from: int = 0

    @property
    def window(self) -> Window:
        """The next one."""
        return self.first.next(self.number)

    def whole(self) -> list[float]:
        """Run the next window as it is run; gives CPU seconds by PARTS."""
        runtime, window = self.runtime, self.window
        land(runtime, self.country, window, self.stores)
        self.clock.moment = window.middle()
        tables = frozenset(table.name for table in runtime.tables)
        run = WindowRun(self.country, window, f"run-{window.key}", tables)
        marks = [time.process_time()]

        def pages(country: str) -> Iterator[object]:
            marks.append(time.process_time())
            yield write_country_page(runtime, country, self.clock())
            yield write_overview(runtime, self.clock())

        for event in run_window(runtime, run, after=[pages]):
            if isinstance(event, Computed | Postponed) and event.error is not None:
                raise event.error
            if isinstance(event, Marked):
                marks.append(time.process_time())
        marks.append(time.process_time())
        find_work(runtime, self.country, self.clock(), after=window.next(-1).key)
        marks.append(time.process_time())
        self.number += 1
        return [later - earlier for earlier, later in itertools.pairwise(marks)]

    def page_without_kept(self) -> float:
        """CPU seconds of the page, written again as if nothing were kept of before."""
        with nothing_kept(self.runtime, self.country):
            started = time.process_time()
            write_country_page(self.runtime, self.country, self.clock())
            return time.process_time() - started

    def learn(self) -> None:
        """Compute a window of each phase, whose rows then stand for those of others."""
        for _ in range(PHASES):
            window = self.window
            self.whole()
            for table in tables_of(self.runtime):
                found = self.runtime.warehouse.load(self.country, table.name)
                assert found is not None
                part = local_start(window, ZONE)[0] if table.is_daily else window.start
                column = "local_date" if table.is_daily else "window_start"
                scan = found.scan(row_filter=f"{column} = '{part.isoformat()}'")
                rows = scan.to_arrow().cast(table.stored_schema())
                self.rows[table.name, phase(window)] = rows
            self.number += PHASE_WINDOWS - 1

    def commit(self, count: int = 1) -> None:
        """Land, commit and mark so many windows at once, with the rows of computed ones."""
        windows = [self.first.next(self.number + step) for step in range(count)]
        runtime, last = self.runtime, windows[-1]
        run = f"run-{last.key}"
        self.clock.moment = last.middle()
        states = {}
        for table in tables_of(runtime):
            day = local_start(last, ZONE)[0]
            part: Window | date = day if table.is_daily else last
            stamped = [self._stamped(table, window) for window in windows]
            rows = pa.concat_tables(stamped[-1:] if table.is_daily else stamped)
            path = runtime.warehouse.location(
                self.country, table.name, "data", str(part), run, "part-0.parquet"
            )
            with runtime.storage.open_output(path) as stream:
                pq.write_table(rows, stream, compression="zstd")
            files = [WrittenFile(runtime.storage.path(path), rows.num_rows, 1)]
            states[table.name] = runtime.warehouse.commit(self.country, table, part, files, run)
        known = next(runtime.markers.latest(TEMPLATE))
        for window in windows:
            if self.first.next(self.landed_from) <= window:
                land(runtime, self.country, window, self.stores)
            marker = replace(known, country=self.country, window=window.key, run_id=run)
            marked = {table.name: states[table.name] for table in runtime.tables}
            moment = window.middle()
            runtime.markers.write(
                replace(marker, observed_at=moment, completed_at=moment, tables=marked)
            )
        self.number += count

    def _stamped(self, table: Declaration, window: Window) -> pa.Table:
        rows = self.rows[table.name, phase(window)]
        day, minute = local_start(window, ZONE)
        values: dict[str, Any] = {
            "country": self.country,
            "window_start": window.start,
            "run_id": f"run-{window.key}",
            "local_date": day,
            "local_minute": minute,
            "observed_at": window.middle(),
        }
        for place, kind in enumerate(rows.schema):
            if kind.name in values:
                value = pa.scalar(values[kind.name], kind.type)
                rows = rows.set_column(place, kind, pa.repeat(value, rows.num_rows))
        return rows

    def upkeep(self) -> None:
        """The night's upkeep, after the dates have been rolled up."""
        now = self.window.start
        self.clock.moment = now
        days = [local_start(self.window.next(-step), ZONE)[0] for step in (1, 1 + QUARTER)]
        list(roll_up(self.runtime, self.country, days, "night"))
        for done in maintain(self.runtime, self.country, now):
            if done.is_error:
                raise RuntimeError(str(done))

    def grow(self, end: int) -> None:
        """Windows until there are so many."""
        while self.number < end:
            left = end - self.number
            if left <= DAY_WINDOWS + QUARTER:
                self.commit()
            else:
                self.commit(DAY_WINDOWS if left > KEPT_DAYS * DAY_WINDOWS else QUARTER)
            if self.number % DAY_WINDOWS == QUARTER:
                self.upkeep()
                CONSOLE.print(f"{self.country}: {self.number:,} windows")
