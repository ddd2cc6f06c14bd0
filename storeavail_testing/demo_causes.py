"""The demo's countries day by day, from no past: their windows as counts, judged by the functions that
make `usual_rates` and `window_causes`, against what the simulator knows. No engine, no server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storeavail_platform.demo.countries import COUNTRIES
from storeavail_platform.demo.simulator import documents, is_down, is_open, planned_observation
from storeavail_platform.demo.stores import demo_stores
from storeavail_platform.domain.causes.counted import COUNTED, MINUTES
from storeavail_platform.domain.causes.incidents import CALM_WINDOWS
from storeavail_platform.domain.causes.judge import window_causes
from storeavail_platform.domain.causes.past import RateMaker
from storeavail_platform.domain.causes.scopes import BRAND, SINGLE_STORES
from storeavail_platform.domain.causes.search import LONGEST_POOL
from storeavail_platform.domain.hours import local_start
from storeavail_platform.domain.tables.causes import USUAL_RATES, WINDOW_CAUSES
from storeavail_platform.domain.tables.relations import (
    CITY_ZONES,
    RECENT_CAUSES,
    RECENT_SUMMARIES,
    WINDOW_RATES,
)
from storeavail_platform.domain.windows import WINDOW_LENGTH, WINDOW_MINUTES, Window

FIRST = date(2026, 11, 23)
WINDOWS_A_DAY = 96
Row = dict[str, Any]
Cause = tuple[str, str, str | None, str | None]
"""Kind, scope, city, brand."""


@dataclass(frozen=True)
class DemoDays:
    """What was found in a country's days.

    Attributes:
        outage_windows: those of an outage of the brand that goes down, from its second on.
        named: of these, how many were told as the brand and nothing else.
        false_openings: causes that began and are not the brand while it is down.
    """

    outage_windows: int
    named: int
    false_openings: tuple[tuple[Window, Cause], ...]


def demo_days(code: str, days: int) -> DemoDays:
    """The days of a country of the demo, judged from the first window on."""
    demo = COUNTRIES[code]
    down = ("missing", BRAND, None, demo.down_brand)
    outage, named, opened = 0, 0, list[tuple[Window, Cause]]()
    last: list[set[Cause]] = [set() for _ in range(CALM_WINDOWS)]
    for window, found in judged_days(code, days):
        causes = {(row["kind"], row["scope"], row["city"], row["brand"]) for row in found}
        if is_down(demo, window) and is_down(demo, window.next(-1)):
            outage += 1
            named += {each for each in causes if each[0] == "missing"} == {down}
        # half recovered stores may be told for one window more
        truth = {down} if is_down(demo, window) or down in last[-1] else set()
        opened += [(window, each) for each in causes - truth - last[0].union(*last[1:])]
        last = [*last[1:], causes]
    return DemoDays(outage, named, tuple(opened))


def judged_days(code: str, days: int) -> Iterator[tuple[Window, list[Row]]]:
    """Each window with its causes, single stores left out."""
    demo = COUNTRIES[code]
    zones = {city.name: city.timezone for city in demo.cities}
    city_zones = pa.table([list(zones), list(zones.values())], schema=CITY_ZONES)
    past: dict[date, list[pa.Table]] = {}
    causes: dict[datetime, list[Row]] = {}
    rates, rates_date = USUAL_RATES.computed_schema().empty_table(), FIRST
    first = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)
    windows = [Window(first + number * WINDOW_LENGTH) for number in range(days * WINDOWS_A_DAY)]
    for window in windows:
        day, _ = local_start(window, demo.timezone)
        if day != rates_date and past:
            rates, rates_date = _rates(code, day, past, causes, city_zones), day
        rows = pa.Table.from_pylist(_summary(code, window), schema=_SUMMARY)
        before = [table for tables in past.values() for table in tables][1 - LONGEST_POOL :]
        inputs = {
            "availability_summary": rows,
            "observation": pa.table({"is_observed": [True]}),
            "window_settings": pa.table({"window_start": [window.start]}),
            "window_rates": _window_rates(code, window, rates, rates_date),
            "recent_summaries": pa.concat_tables([RECENT_SUMMARIES.empty_table(), *before]),
            "recent_causes": _recent(causes, window),
        }
        found = window_causes(inputs, WINDOW_CAUSES.computed_schema()).to_pylist()
        causes[window.start] = found
        past.setdefault(day, []).append(rows.select(RECENT_SUMMARIES.names))
        yield window, [row for row in found if row["scope"] != SINGLE_STORES]


_SUMMARY = pa.schema([*RECENT_SUMMARIES, *(pa.field(name, pa.int64()) for name in MINUTES)])


def _summary(code: str, window: Window) -> list[Row]:
    """Rows of `availability_summary`, by what hours and documents say."""
    observed_at = planned_observation(code, window)
    minute = window.observed_minute(observed_at)
    online = {
        row["store_id"]
        for row in documents(code, window, observed_at)
        if row.get("online") is True and isinstance(row.get("store_id"), int | str)
    }
    counted: dict[tuple[str, str], Counter[str]] = {}
    for store in demo_stores(code):
        by_hours = store.is_active and is_open(replace(store, late=0), window, minute)
        status = ("available", "missing") if by_hours else ("rogue", "closed")
        counts = counted.setdefault((store.city, store.brand), Counter())
        counts[f"stores_{status[store.store_id not in online]}"] += 1
    return [
        {
            "window_start": window.start,
            "city": city,
            "brand": brand,
            **{name: counts[name] for name in COUNTED},
            **{name: WINDOW_MINUTES * counts[f"stores_{name.split('_')[0]}"] for name in MINUTES},
        }
        for (city, brand), counts in counted.items()
    ]


def _rates(
    code: str,
    day: date,
    past: dict[date, list[pa.Table]],
    causes: dict[datetime, list[Row]],
    city_zones: pa.Table,
) -> pa.Table:
    newest = pa.concat_tables(past[max(past)])
    maker = RateMaker(day, COUNTRIES[code].timezone, newest, city_zones)
    for before, tables in past.items():
        rows = pa.concat_tables(tables)
        starts = set(rows["window_start"].to_pylist())
        named = [
            {**row, "window_start": start}
            for start, found in causes.items()
            if start in starts
            for row in found
        ]
        maker.add(before, rows, pa.Table.from_pylist(named, schema=RECENT_CAUSES))
    return maker.rows(USUAL_RATES.computed_schema())


def _window_rates(code: str, window: Window, rates: pa.Table, day: date) -> pa.Table:
    found = []
    for back in range(LONGEST_POOL):
        start = window.next(-back)
        _, minute = local_start(start, COUNTRIES[code].timezone)
        rows = rates.filter(pc.equal(rates["local_slot"], minute // WINDOW_MINUTES))
        constants = {"window_start": start.start, "local_date": day}
        for name, value in constants.items():
            kind = WINDOW_RATES.field(name).type
            rows = rows.append_column(name, pa.repeat(pa.scalar(value, kind), rows.num_rows))
        found.append(rows.select(WINDOW_RATES.names).cast(WINDOW_RATES))
    return pa.concat_tables(found)


def _recent(causes: dict[datetime, list[Row]], window: Window) -> pa.Table:
    starts = [window.start - back * timedelta(minutes=WINDOW_MINUTES) for back in (2, 1)]
    rows = [{**row, "window_start": start} for start in starts for row in causes.get(start, ())]
    return pa.Table.from_pylist(rows, schema=RECENT_CAUSES)
