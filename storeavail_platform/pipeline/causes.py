"""What a window's causes are judged by besides its own counts: the usual rates, the windows right
before it, and what was open in them. All of it is read by pointer, as it is when the window is
computed.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import date, timedelta

import pyarrow as pa
from pyiceberg.table import StaticTable

from storeavail_platform.domain.addresses import engine_path
from storeavail_platform.domain.causes.incidents import CALM_WINDOWS
from storeavail_platform.domain.causes.search import LONGEST_POOL
from storeavail_platform.domain.hours import local_start
from storeavail_platform.domain.tables.causes import USUAL_RATES, WINDOW_CAUSES
from storeavail_platform.domain.tables.declarations import AVAILABILITY_SUMMARY
from storeavail_platform.domain.tables.queries import (
    CAUSE_ROWS,
    CHOSEN_CAUSES,
    CHOSEN_SUMMARIES,
    CHOSEN_WINDOWS,
    RATE_ROWS,
    SUMMARY_ROWS,
    WINDOW_RATES,
    WINDOW_SLOTS,
)
from storeavail_platform.domain.windows import WINDOW_MINUTES, Window
from storeavail_platform.pipeline.files import from_until, planned_paths
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.warehouse.engine import Session
from storeavail_platform.warehouse.iceberg import data_files, partition_date
from storeavail_platform.warehouse.trust import Trust

LOOKED_BACK = 96
"""Windows looked back for those that were judged: what was open a day before is open no more."""
OLD_RATES = timedelta(days=7)
"""How old usual rates may be where those of the date could not be made."""


def add_cause_relations(session: Session, runtime: Runtime, country: str, window: Window) -> None:
    """Make `window_rates`, `recent_summaries` and `recent_causes` known to the session.

    Raises:
        WarehouseError: a table cannot be read.
    """
    _add_rates(session, runtime, country, window)
    right_before, judged = _windows_before(runtime, country, window)
    summaries = _files(runtime, country, AVAILABILITY_SUMMARY.name, right_before)
    session.add_files("summary_rows", SUMMARY_ROWS, summaries)
    session.add_table("chosen_windows", _chosen(right_before))
    session.create("recent_summaries", CHOSEN_SUMMARIES.sql)
    causes = _files(runtime, country, WINDOW_CAUSES.name, judged)
    session.add_files("cause_rows", CAUSE_ROWS, causes)
    session.add_table("chosen_windows", _chosen(judged))
    session.create("recent_causes", CHOSEN_CAUSES.sql)


def _add_rates(session: Session, runtime: Runtime, country: str, window: Window) -> None:
    """The usual rates of the window and of those that it is looked at with."""
    timezone = runtime.country(country).timezone
    windows = [window.next(-back) for back in range(LONGEST_POOL)]
    local = [(each.start, *local_start(each, timezone)) for each in windows]
    days = [day for _, day, _ in local]
    files = rate_files(
        runtime.warehouse.load(country, USUAL_RATES.name), min(days) - OLD_RATES, max(days)
    )
    slots = [
        {"window_start": start, "local_date": made, "local_slot": minute // WINDOW_MINUTES}
        for start, day, minute in local
        if (made := max((other for other in files if other <= day), default=None)) is not None
    ]
    used = {slot["local_date"] for slot in slots}
    session.add_table("window_slots", pa.Table.from_pylist(slots, schema=WINDOW_SLOTS))
    paths = [path for day, paths in files.items() if day in used for path in paths]
    session.add_files("rate_rows", RATE_ROWS, paths)
    session.create(WINDOW_RATES.name, WINDOW_RATES.sql)


def rate_files(rates: StaticTable | None, first: date, last: date) -> dict[date, list[str]]:
    """The files of `usual_rates` by date, as engines take them."""
    found: dict[date, list[str]] = {}
    between = f"local_date >= '{first.isoformat()}' AND local_date <= '{last.isoformat()}'"
    for file in () if rates is None else data_files(rates.scan(row_filter=between)):
        day = partition_date(file.partition[0])
        found.setdefault(day, []).append(engine_path(file.file_path))
    return found


def _windows_before(
    runtime: Runtime, country: str, window: Window
) -> tuple[list[Window], list[Window]]:
    """The good windows right before a window; and those that say what was open: the last two judged
    ones that are evidence, with what lies between.
    """
    verdicts = Trust(runtime.storage).verdicts(country)
    right_before: list[Window] = []
    judged: list[Window] = []
    evidence, is_pooled = 0, True
    for marker in itertools.islice(runtime.markers.latest(country, before=window), LOOKED_BACK):
        found, is_good = Window.parse(marker.window), verdicts.is_good(marker)
        is_pooled = is_pooled and is_good and found == window.next(-1 - len(right_before))
        if is_pooled:
            right_before.append(found)
            is_pooled = len(right_before) < LONGEST_POOL - 1
        is_judged = marker.observed_at is not None and WINDOW_CAUSES.name in marker.tables
        if is_judged and evidence < CALM_WINDOWS:
            judged.append(found)
            evidence += is_good
        if not is_pooled and evidence >= CALM_WINDOWS:
            break
    return right_before, judged


def _files(runtime: Runtime, country: str, table: str, windows: Sequence[Window]) -> Sequence[str]:
    """The files that can hold rows of some windows."""
    if not windows:
        return []
    between = from_until(min(windows).start, max(windows).end)
    return planned_paths(runtime.warehouse.load(country, table), between)


def _chosen(windows: Sequence[Window]) -> pa.Table:
    rows = [{"window_start": window.start} for window in windows]
    return pa.Table.from_pylist(rows, schema=CHOSEN_WINDOWS)
