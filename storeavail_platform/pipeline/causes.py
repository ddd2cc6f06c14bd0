"""What a window's causes are judged by besides its own counts: the usual rates, the windows right
before it, and what was open in them. All of it is read by pointer, as it is when the window is
computed, and handed to the function as it is: no engine has a part in it.
"""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from storeavail_platform.domain.addresses import engine_path
from storeavail_platform.domain.causes.incidents import CALM_WINDOWS
from storeavail_platform.domain.causes.search import LONGEST_POOL
from storeavail_platform.domain.hours import local_start
from storeavail_platform.domain.tables.causes import USUAL_RATES, WINDOW_CAUSES
from storeavail_platform.domain.tables.declarations import AVAILABILITY_SUMMARY
from storeavail_platform.domain.tables.relations import (
    RECENT_CAUSES,
    RECENT_SUMMARIES,
    WINDOW_RATES,
)
from storeavail_platform.domain.windows import WINDOW_MINUTES, Window
from storeavail_platform.pipeline.files import dates_from_to, rows_of_files, rows_of_windows
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.warehouse.iceberg import data_files, partition_date
from storeavail_platform.warehouse.trust import Trust

LOOKED_BACK = 96
"""Windows looked back for those that were judged: what was open a day before is open no more."""
OLD_RATES = timedelta(days=7)
"""How old usual rates may be where those of the date could not be made."""
RATE_ROWS = pa.schema(
    [
        pa.field("local_slot", pa.int32()),
        *(field for field in WINDOW_RATES if field.name != "window_start"),
    ]
)


def given_relations(
    runtime: Runtime, country: str, window: Window, rates: pa.Table | None = None
) -> dict[str, pa.Table]:
    """`window_rates`, `recent_summaries` and `recent_causes`.

    Args:
        rates: what `window_rates` gives, where it has been read.

    Raises:
        WarehouseError: a table cannot be read.
    """
    right_before, judged = _windows_before(runtime, country, window)
    load = runtime.warehouse.load
    summaries = load(country, AVAILABILITY_SUMMARY.name) if right_before else None
    causes = load(country, WINDOW_CAUSES.name) if judged else None
    return {
        "window_rates": window_rates(runtime, country, window) if rates is None else rates,
        "recent_summaries": rows_of_windows(runtime, summaries, RECENT_SUMMARIES, right_before),
        "recent_causes": rows_of_windows(runtime, causes, RECENT_CAUSES, judged),
    }


def window_rates(runtime: Runtime, country: str, window: Window) -> pa.Table:
    """The usual rates of a window and of those that it is looked at with: `WINDOW_RATES`.

    Raises:
        WarehouseError: they cannot be read.
    """
    timezone = runtime.country(country).timezone
    windows = [window.next(-back) for back in range(LONGEST_POOL)]
    local = [(each, *local_start(each, timezone)) for each in windows]
    days = [day for _, day, _ in local]
    files = _rate_files(runtime, country, min(days) - OLD_RATES, max(days))
    found = []
    for made, asked in itertools.groupby(
        local, lambda each: max((day for day in files if day <= each[1]), default=None)
    ):
        if made is None:
            continue
        slots = {each: minute // WINDOW_MINUTES for each, _, minute in asked}
        is_asked = ds.field("local_slot").isin(list(slots.values()))
        rows = rows_of_files(runtime, files[made], RATE_ROWS, is_asked)
        for each, slot in slots.items():
            own = rows.filter(pc.equal(rows["local_slot"], slot))
            start = pa.repeat(pa.scalar(each.start, WINDOW_RATES.field(0).type), own.num_rows)
            found.append(own.append_column("window_start", start).select(WINDOW_RATES.names))
    return pa.concat_tables([WINDOW_RATES.empty_table(), *found])


def _rate_files(runtime: Runtime, country: str, first: date, last: date) -> dict[date, list[str]]:
    """The files of `usual_rates` by date."""
    rates = runtime.warehouse.load(country, USUAL_RATES.name)
    found: dict[date, list[str]] = {}
    between = dates_from_to(first, last)
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
