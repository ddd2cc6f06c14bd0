"""The usual rates of a local date: made of the dates before it, before its first window.

They stay as they are, so that a rerun of a window is judged by the same; where more of the past has
been computed since, they are made again. They are made in this process by DuckDB, whatever the
engine: they are counts.
"""

from __future__ import annotations

import bisect
import itertools
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.table import StaticTable

from storeavail_platform.domain.causes.past import RateMaker
from storeavail_platform.domain.causes.rates import PAST_DAYS
from storeavail_platform.domain.hours import local_start, zones
from storeavail_platform.domain.tables.causes import USUAL_RATES, WINDOW_CAUSES
from storeavail_platform.domain.tables.declarations import (
    AVAILABILITY_SUMMARY,
    STORES,
    WINDOW_QUALITY,
)
from storeavail_platform.domain.tables.queries import (
    CHANGED_WINDOW,
    CITY_ZONES_OF,
    OBSERVED_WINDOWS,
    QUALITY_ROWS,
    WINDOW_STORES,
)
from storeavail_platform.domain.tables.relations import RECENT_CAUSES, RECENT_SUMMARIES
from storeavail_platform.domain.windows import Window
from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.pipeline.commit import commit
from storeavail_platform.pipeline.compute import Computed, check_contract, require
from storeavail_platform.pipeline.events import RolledUp
from storeavail_platform.pipeline.files import from_until, planned_paths, rows_of_windows
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.warehouse.engine import Session
from storeavail_platform.warehouse.iceberg import rows_of
from storeavail_platform.warehouse.trust import Trust

DAY = timedelta(days=1)
MOST_ROWS = 30_000_000
"""Rows of `availability_summary` that are read: where a date has very many, fewer dates."""


def make_missing_rates(
    runtime: Runtime, country: str, window: Window, run_id: str, rates: pa.Table
) -> Iterator[RolledUp]:
    """Make the usual rates of a window's date, where there are none or more of the past is there.

    The commit is tried once: where the catalog is down, the window's own tables wait for it.

    Args:
        rates: those that there are (`WINDOW_RATES`).

    Raises:
        WarehouseError: the past cannot be read, or the commit failed.
        TableError: the rows break the declaration.
    """
    local_date, _ = local_start(window, runtime.country(country).timezone)
    of_date = pc.filter(rates["seen_days"], pc.equal(rates["local_date"], local_date))
    seen = (of_date[0].as_py() or 0) if len(of_date) else 0
    if seen < PAST_DAYS and seen < _days_before(runtime, country, local_date):
        yield from make_rates(
            runtime, country, local_date, run_id, without_past=False, patience=timedelta()
        )


def make_rates(
    runtime: Runtime,
    country: str,
    local_date: date,
    run_id: str,
    *,
    without_past: bool = True,
    patience: timedelta | None = None,
) -> Iterator[RolledUp]:
    """Make the usual rates of a date anew.

    Args:
        without_past: note too that there is no past to make them of.
        patience: how long the commit is tried; None: as every commit.

    Raises: as `make_missing_rates`.
    """
    started = time.perf_counter()
    constants = {"country": country, "local_date": local_date, "run_id": run_id}
    parts = ("data", local_date.isoformat(), run_id, uuid.uuid4().hex)
    directory = runtime.warehouse.location(country, USUAL_RATES.name, *parts)
    with DuckDBEngine(runtime.storage).session() as session:
        past = _Past(session, runtime, country, local_date)
        if not past.dates and not without_past:
            return
        session.add_table(USUAL_RATES.name, past.rates(_days_before(runtime, country, local_date)))
        contract = check_contract(session, USUAL_RATES)
        require(contract, USUAL_RATES, constants)
        files = session.write(
            USUAL_RATES.name,
            USUAL_RATES.stored_schema(),
            constants,
            USUAL_RATES.order_by,
            directory,
        )
    seconds = time.perf_counter() - started
    computed = Computed(USUAL_RATES, (contract,), tuple(files), seconds)
    done = commit(runtime, country, local_date, computed, run_id, patience)
    yield RolledUp(
        country, local_date, computed, done.state, done.commit_seconds, is_provisional=False
    )


def _days_before(runtime: Runtime, country: str, local_date: date) -> int:
    """How many of the dates before one have complete windows."""
    zone = runtime.country(country).timezone
    dates = [local_date - back * DAY for back in range(PAST_DAYS, -1, -1)]
    begins = [Window.containing(midnight(day, zone)) for day in dates]
    keys = runtime.markers.complete(country, after=begins[0].next(-1).key)
    places = [bisect.bisect_left(keys, begin.key) for begin in begins]
    return sum(first < until for first, until in itertools.pairwise(places))


class _Past:
    """The windows of the dates before one that are evidence, and their rows.

    Attributes:
        dates: with their windows, oldest first.
    """

    def __init__(self, session: Session, runtime: Runtime, country: str, local_date: date) -> None:
        self.session, self.runtime, self.local_date = session, runtime, local_date
        self.timezone = runtime.country(country).timezone
        load = runtime.warehouse.load
        self.summaries = load(country, AVAILABILITY_SUMMARY.name)
        self.causes = load(country, WINDOW_CAUSES.name)
        self.stores = load(country, STORES.name)
        quality = load(country, WINDOW_QUALITY.name)
        between = from_until(
            midnight(local_date - PAST_DAYS * DAY, self.timezone),
            midnight(local_date, self.timezone),
        )
        session.add_files("quality_rows", QUALITY_ROWS, planned_paths(quality, between))
        verdicts = Trust(runtime.storage).verdicts(country)
        self.dates: dict[date, list[Window]] = {}
        for row in session.rows(OBSERVED_WINDOWS.sql):
            window = Window(row["window_start"].astimezone(UTC))
            day, _ = local_start(window, self.timezone)
            judged = "suspect" if row["suspect"] else None
            is_past = local_date - PAST_DAYS * DAY <= day < local_date
            if is_past and verdicts.suspicion(window.key, judged) is None:
                self.dates.setdefault(day, []).append(window)
        self.dates = dict(sorted(self.dates.items()))

    def rates(self, seen_days: int) -> pa.Table:
        """The rows of `usual_rates`."""
        if not self.dates:
            return USUAL_RATES.computed_schema().empty_table()
        newest = max(self.dates)
        rows = self._rows(self.summaries, RECENT_SUMMARIES, newest)
        maker = RateMaker(self.local_date, self.timezone, rows, self._city_zones(newest))
        most = max(1, MOST_ROWS // max(1, rows.num_rows))
        for day in list(self.dates)[-most:]:
            maker.add(
                day,
                self._rows(self.summaries, RECENT_SUMMARIES, day),
                self._rows(self.causes, RECENT_CAUSES, day),
            )
        maker.seen_days = seen_days
        return maker.rows(USUAL_RATES.computed_schema())

    def _rows(self, table: StaticTable | None, schema: pa.Schema, day: date) -> pa.Table:
        """A table's rows of the windows of a date."""
        return rows_of_windows(self.runtime, table, schema, self.dates[day])

    def _city_zones(self, day: date) -> pa.Table:
        window = max(self.dates[day])
        self.session.add_files(
            "window_stores", WINDOW_STORES, planned_paths(self.stores, rows_of(window))
        )
        self.session.add_table(
            "changed_window",
            pa.Table.from_pylist([{"window_start": window.start}], schema=CHANGED_WINDOW),
        )
        found = self.session.table(CITY_ZONES_OF.sql)
        known = pa.array(sorted(zones()), pa.string())
        return found.filter(pc.is_in(found["timezone"], value_set=known))


def midnight(day: date, zone: str) -> datetime:
    """When a date begins in a zone, UTC."""
    return datetime.combine(day, time_of_day(), ZoneInfo(zone)).astimezone(UTC)
