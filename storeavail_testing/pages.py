"""Countries with committed history, made at once: chains that open late in the morning, some stores
that are often down, a suspect window and gaps.

Facts by quarter hour and opening hours are there for the last days alone; the days before have
their summary and their daily rows. The dates that are shown as outages are rolled up by the platform itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storeavail_platform.config import load_text
from storeavail_platform.dashboard.relations import DAYS
from storeavail_platform.domain.hours import local_start
from storeavail_platform.domain.tables.causes import WINDOW_CAUSES
from storeavail_platform.domain.tables.daily import DAILY_STORE_AVAILABILITY
from storeavail_platform.domain.tables.declarations import (
    AVAILABILITY_SUMMARY,
    STORE_AVAILABILITY,
    STORE_HOURS,
    STORES,
    WINDOW_QUALITY,
)
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.local_dates import roll_up
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.warehouse.engine import WrittenFile
from storeavail_platform.warehouse.markers import Figures, Marker

LAST = Window.parse("2026-11-23T1815")
"""The newest complete window: Monday 15:15 in Sao Paulo."""
NOW = datetime(2026, 11, 23, 18, 24, tzinfo=UTC)
SUSPECT = LAST.next(-30)
RECORDED_GAP = LAST.next(-80)
"""A window in opening hours whose gap was recorded: every store unknown."""
DOWN_SINCE = LAST.next(-6)
"""The first window in which a brand that is down is missing: 13:45 in Sao Paulo."""
GAP = LAST.next(-70)
"""A window that has no rows at all."""
NO_DATE = date(2020, 1, 1)
"""A local date without rows: replacing it adds files and removes none."""
FACT_DAYS = 4
HOUR_DAYS = timedelta(days=9)
ZONES = {
    "BR": "America/Sao_Paulo",
    "CL": "America/Santiago",
    "AR": "America/Argentina/Buenos_Aires",
}
CITIES = (
    "São Paulo",
    "Rio de Janeiro",
    "Belo Horizonte",
    "Curitiba",
    "Recife",
    "Porto Alegre",
    "Salvador",
    "Manaus",
)
BRANDS = (
    "Burger House",
    "Pão & Cia",
    "Sushi Kai",
    "Pizza Nona",
    "Açaí Point",
    "Café Central",
    "Taco Loco",
    "Grill 42",
    "Wok Box",
)
STREETS = (
    "Centro",
    "Jardins",
    "Praça Sé",
    "Estação",
    "Shopping",
    "Avenida",
    "Mercado",
    "Parque",
    "Porto",
    "Universidade",
)
CONFIG = """
warehouse: ./warehouse
partitions_start: 2026-09-01
dashboard: {brands: [Pão & Cia, Grill 42]}
countries:
  BR: {timezone: America/Sao_Paulo, postgres: {dsn: "env:DSN"}, online_index: {path: ./index.ndjson}}
  CL: {timezone: America/Santiago, postgres: {dsn: "env:DSN"}, online_index: {path: ./index.ndjson}}
  AR: {timezone: America/Argentina/Buenos_Aires, postgres: {dsn: "env:DSN"}, online_index: {path: ./index.ndjson}}
"""
AVAILABLE, MISSING, ROGUE, UNKNOWN, CLOSED = range(5)
STATUSES = ("available", "missing", "rogue", "unknown", "closed")
REASONS = (None, "offline", "outside_hours", "not_observed", "outside_hours")
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Stores:
    """Who the stores of a country are; `city` and `brand` are NULL for one in a hundred."""

    ids: Ints
    names: Sequence[str | None]
    cities: Sequence[str | None]
    brands: Sequence[str | None]

    @property
    def opens(self) -> Ints:
        """The hour of the day at which each opens, for twelve hours."""
        return 9 + self.ids % 3

    @cached_property
    def groups(self) -> tuple[list[tuple[str | None, str | None]], Ints]:
        """The pairs of city and brand, and each store's place among them."""
        pairs = list(zip(self.cities, self.brands, strict=True))
        known = sorted(set(pairs), key=str)
        places = {pair: place for place, pair in enumerate(known)}
        return known, np.array([places[pair] for pair in pairs])


def runtime_in(folder: Path) -> Runtime:
    """An empty warehouse of three countries."""
    (folder / "warehouse").mkdir(parents=True)
    return build_runtime(load_text(CONFIG, base=folder, origin="test.yaml"))


def make_stores(count: int, seed: int, names: Mapping[int, str]) -> Stores:
    """Stores 1..count, most of them in the first cities; `names` gives names of some."""
    random = np.random.default_rng(seed)
    weights = 1 / np.arange(2, len(CITIES) + 2)
    cities = random.choice(len(CITIES), count, p=weights / weights.sum())
    brands = random.integers(0, len(BRANDS), count)
    ids = np.arange(1, count + 1)
    return Stores(
        ids=ids,
        names=[
            names.get(i) or f"{BRANDS[brands[i - 1]]} {STREETS[i % len(STREETS)]} {i}"
            for i in ids.tolist()
        ],
        cities=[None if i % 101 == 0 else CITIES[cities[i - 1]] for i in ids.tolist()],
        brands=[None if i % 101 == 0 else BRANDS[brands[i - 1]] for i in ids.tolist()],
    )


def fill(
    runtime: Runtime,
    country: str,
    stores: Stores,
    *,
    seed: int = 7,
    last: Window = LAST,
    days: int = DAYS,
    first: Window | None = None,
    is_calm: bool = False,
    down: str | None = None,
) -> None:
    """Commit a country's history up to its newest window.

    Args:
        down: a brand whose stores are all missing since DOWN_SINCE, and known to be the cause; the
            windows before are not judged.
        first: the oldest window, where these are added to a history; by default that of `days`.
        is_calm: nothing is suspect and nothing was missed to observe.
    """
    random = np.random.default_rng(seed)
    first = first or last.next(1 - days * 96)
    by_date = defaultdict[date, list[Window]](list)
    window = first
    while window <= last:
        by_date[local_start(window, ZONES[country])[0]].append(window)
        window = window.next()
    facts_from = last.start - timedelta(days=FACT_DAYS)
    proneness = random.pareto(1.6, len(stores.ids)) * 0.035
    carried = np.zeros(len(stores.ids), bool)
    rows = defaultdict[Table, list[pa.Table]](list)
    sums: dict[Window, dict[str, int]] = {}
    for local_date, windows in sorted(by_date.items()):
        status, expected, carried = _states(
            random, stores, local_date, windows, country, proneness, carried
        )
        if not is_calm:
            _disturb(random, windows, status, expected)
        _take_down(stores, down, windows, status, expected)
        shown = [number for number, window in enumerate(windows) if is_calm or window != GAP]
        windows, status, expected = (
            [windows[number] for number in shown],
            status[:, shown],
            expected[:, shown],
        )
        rows[AVAILABILITY_SUMMARY].append(_summary(country, stores, windows, status, expected))
        rows[WINDOW_QUALITY].append(_quality(country, len(stores.ids), windows, is_calm))
        rows[DAILY_STORE_AVAILABILITY].append(
            _daily(country, stores, local_date, windows, status, expected)
        )
        is_known = np.array([window.start >= last.start - HOUR_DAYS for window in windows])
        rows[STORE_HOURS].append(_hours(country, stores, local_date, windows, expected * is_known))
        recent = [number for number, window in enumerate(windows) if window.start >= facts_from]
        if recent:
            kept = [windows[number] for number in recent]
            rows[STORE_AVAILABILITY].append(
                _facts(country, stores, local_date, kept, status[:, recent], expected[:, recent])
            )
        for number, window in enumerate(windows):
            if window.start >= facts_from:
                sums[window] = {
                    name: int(expected[:, number][status[:, number] == code].sum())
                    for code, name in enumerate(STATUSES)
                } | {"stores_missing": int((status[:, number] == MISSING).sum())}
    rows[STORES].append(_places(country, stores, last))
    for table, committed in rows.items():
        write(runtime, country, table, pa.concat_tables(committed), f"made-{last}")
    if down is not None:
        write(runtime, country, WINDOW_CAUSES, _causes(country, stores, down, windows, expected))
    today = local_start(last, ZONES[country])[0]
    list(roll_up(runtime, country, [today - timedelta(days=1), today], "roll-up"))
    for window, figures in sums.items():
        _mark(runtime, country, window, figures, is_calm)


def _states(
    random: np.random.Generator,
    stores: Stores,
    local_date: date,
    windows: Sequence[Window],
    country: str,
    proneness: npt.NDArray[np.float64],
    carried: npt.NDArray[np.bool_],
) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """Status and expected minutes of each store in each window of a date, and which of them
    stay down over night.
    """
    count = len(stores.ids)
    hour = np.array([local_start(window, ZONES[country])[1] // 60 for window in windows])
    opens, closes = stores.opens, stores.opens + 12
    is_holiday = (stores.ids % 10 == 0) & (local_date.isoweekday() == 1)
    is_open = (hour >= opens[:, None]) & (hour < closes[:, None]) & ~is_holiday[:, None]
    # dinner is when stores are switched off
    begins = np.where(
        random.random(count) < 0.5, random.integers(72, 92, count), random.integers(36, 92, count)
    )
    lasts = random.integers(1, 12, count) + np.where(random.random(count) < 0.04, 30, 0)
    is_hit = random.random(count) < np.minimum(proneness, 0.9)
    quarter = np.array([local_start(window, ZONES[country])[1] // 15 for window in windows])
    is_down = is_hit[:, None] & (quarter >= begins[:, None]) & (quarter < (begins + lasts)[:, None])
    is_down |= carried[:, None] & (quarter < 44)
    is_forgotten = (stores.ids % 97 == 0)[:, None] & ~is_open & (hour >= 12)
    status = np.where(
        is_open, np.where(is_down, MISSING, AVAILABLE), np.where(is_forgotten, ROGUE, CLOSED)
    )
    return status, np.where(is_open, 15, 0), is_hit & (begins + lasts > 90)


def _disturb(
    random: np.random.Generator, windows: Sequence[Window], status: Ints, expected: Ints
) -> None:
    """A window in which a third of the stores is gone, and one that nobody observed."""
    for number, window in enumerate(windows):
        if window == SUSPECT:
            gone = (status[:, number] == AVAILABLE) & (random.random(len(status)) < 0.3)
            status[gone, number] = MISSING
        elif window == RECORDED_GAP:
            status[:, number] = UNKNOWN


def _take_down(
    stores: Stores, brand: str | None, windows: Sequence[Window], status: Ints, expected: Ints
) -> None:
    """Since DOWN_SINCE a brand is missing; None: none is."""
    is_of = np.array([brand is not None and each == brand for each in stores.brands])
    for number, window in enumerate(windows):
        if window >= DOWN_SINCE:
            status[is_of & (expected[:, number] > 0), number] = MISSING


def _causes(
    country: str, stores: Stores, brand: str, windows: Sequence[Window], expected: Ints
) -> pa.Table:
    """What is known of a brand that is down, window by window, while its stores should be open.

    Args:
        windows: of the newest date.
        expected: minutes of each store in each of them.
    """
    is_of = np.array([each == brand for each in stores.brands])
    of_brand = {"scope": "brand", "brand": brand, "kind": "missing", "share_explained": 0.97}
    rows = []
    for number, window in enumerate(windows):
        if window < DOWN_SINCE:
            continue
        is_open = expected[:, number] > 0
        raised, known = int((is_of & is_open).sum()), int(is_open.sum())
        common = {"country": country, "window_start": window.start, "run_id": "made"}
        common |= {"minutes": 15 * raised, "past_days": 28}
        rows += [{**common, **cause} for cause in _single_stores(known)]
        if raised:
            counts = {"known": raised, "raised": raised, "usual": 1.2, "excess": raised - 1.2}
            rows.append({**common, **of_brand, **counts, "since": DOWN_SINCE.start})
    return pa.Table.from_pylist(rows, schema=WINDOW_CAUSES.stored_schema())


def _single_stores(known: int) -> list[dict[str, Any]]:
    single = {"scope": "single_stores", "raised": 2, "usual": 2.0, "excess": 0.0, "known": known}
    return [{**single, "kind": kind} for kind in ("missing", "rogue", "unknown")]


def as_usual(country: str, window: Window) -> pa.Table:
    """A window in which nothing is beyond the usual, for WINDOW_CAUSES."""
    common = {"country": country, "window_start": window.start, "run_id": "made"}
    minutes = {"minutes": 30, "past_days": 28}
    rows = [{**common, **minutes, **cause} for cause in _single_stores(100)]
    return pa.Table.from_pylist(rows, schema=WINDOW_CAUSES.stored_schema())


def _column(values: Sequence[str | None], places: Ints) -> pa.Array:
    return pa.array(values, pa.string()).take(pa.array(places))


def _starts(windows: Sequence[Window]) -> pa.Array:
    return pa.array([window.start for window in windows], pa.timestamp("us", tz="UTC"))


def _facts(
    country: str,
    stores: Stores,
    local_date: date,
    windows: Sequence[Window],
    status: Ints,
    expected: Ints,
) -> pa.Table:
    count, width = len(stores.ids), len(windows)
    store, window = np.tile(np.arange(count), width), np.repeat(np.arange(width), count)
    codes, minutes = status.T.reshape(-1), expected.T.reshape(-1)
    is_online = np.isin(codes, (AVAILABLE, ROGUE))
    minute = np.array([local_start(window, ZONES[country])[1] for window in windows])
    observed = [
        None if window == RECORDED_GAP and UNKNOWN in codes else window.middle()
        for window in windows
    ]
    return _table(
        STORE_AVAILABILITY,
        {
            "country": pa.repeat(country, len(codes)),
            "window_start": _starts(windows).take(pa.array(window)),
            "run_id": pa.repeat("made", len(codes)),
            "store_id": stores.ids[store].astype(str),
            "status": _column(STATUSES, codes),
            "reason": _column(REASONS, codes),
            "expected_minutes": minutes,
            **{
                f"{name}_minutes": np.where(codes == code, minutes, 0)
                for code, name in enumerate(STATUSES)
                if code not in (ROGUE, CLOSED)
            },
            "rogue_minutes": np.where(codes == ROGUE, 15, 0),
            "open_at_observation": minutes > 0,
            "is_online": is_online,
            "observed_at": pa.array(observed, pa.timestamp("us", tz="UTC")).take(pa.array(window)),
            "name": _column(stores.names, store),
            "city": _column(stores.cities, store),
            "brand": _column(stores.brands, store),
            "local_date": pa.repeat(pa.scalar(local_date), len(codes)),
            "local_minute": minute[window],
        },
    )


def _hours(
    country: str, stores: Stores, local_date: date, windows: Sequence[Window], expected: Ints
) -> pa.Table:
    """The opening hours that touch each window."""
    window, store = np.nonzero(expected.T)
    count = len(store)
    return _table(
        STORE_HOURS,
        {
            "country": pa.repeat(country, count),
            "window_start": _starts(windows).take(pa.array(window)),
            "run_id": pa.repeat("made", count),
            "store_id": stores.ids[store].astype(str),
            "business_date": pa.repeat(pa.scalar(local_date), count),
            "kind": pa.repeat("weekly", count),
            "opens_minute": stores.opens[store] * 60,
            "closes_minute": (stores.opens[store] + 12) * 60,
            "is_closed": np.full(count, False),
        },
    )


def _places(country: str, stores: Stores, last: Window) -> pa.Table:
    """Where stores are, in the newest window."""
    count = len(stores.ids)
    return _table(
        STORES,
        {
            "country": pa.repeat(country, count),
            "window_start": _starts([last]).take(pa.array(np.zeros(count, int))),
            "run_id": pa.repeat("made", count),
            "store_id": stores.ids.astype(str),
            "address": pa.array(
                [
                    f"Rua {STREETS[id % len(STREETS)]} {id * 7919 % 3001}"
                    for id in stores.ids.tolist()
                ]
            ),
            "is_active": np.full(count, True),
            "has_weekly_hours": np.full(count, True),
        },
    )


def _summary(
    country: str, stores: Stores, windows: Sequence[Window], status: Ints, expected: Ints
) -> pa.Table:
    groups, place = stores.groups
    width = len(windows)
    cell = place[:, None] * width + np.arange(width)

    def counted(weights: Any) -> Ints:
        return np.bincount(
            cell.reshape(-1), np.asarray(weights, float).reshape(-1), len(groups) * width
        ).astype(np.int64)

    minutes = {
        "expected": counted(expected),
        "available": counted(expected * (status == AVAILABLE)),
        "missing": counted(expected * (status == MISSING)),
        "rogue": counted(15 * (status == ROGUE)),
        "unknown": counted(expected * (status == UNKNOWN)),
    }
    group, window = np.repeat(np.arange(len(groups)), width), np.tile(np.arange(width), len(groups))
    return _table(
        AVAILABILITY_SUMMARY,
        {
            "country": pa.repeat(country, len(group)),
            "window_start": _starts(windows).take(pa.array(window)),
            "run_id": pa.repeat("made", len(group)),
            "city": _column([city for city, _ in groups], group),
            "brand": _column([brand for _, brand in groups], group),
            **{f"stores_{name}": counted(status == code) for code, name in enumerate(STATUSES)},
            **{f"{name}_minutes": values for name, values in minutes.items()},
            **_shares(minutes),
        },
    )


def _shares(minutes: Mapping[str, Ints]) -> dict[str, pa.Array]:
    known = minutes["expected"] - minutes["unknown"]
    return {
        "availability": pa.array(minutes["available"] / np.maximum(known, 1), mask=known == 0),
        "coverage": pa.array(
            1 - minutes["unknown"] / np.maximum(minutes["expected"], 1),
            mask=minutes["expected"] == 0,
        ),
    }


def _daily(
    country: str,
    stores: Stores,
    local_date: date,
    windows: Sequence[Window],
    status: Ints,
    expected: Ints,
) -> pa.Table:
    count = len(stores.ids)
    minutes = {
        "expected": expected.sum(axis=1),
        "available": (expected * (status == AVAILABLE)).sum(axis=1),
        "missing": (expected * (status == MISSING)).sum(axis=1),
        "rogue": (15 * (status == ROGUE)).sum(axis=1),
        "unknown": (expected * (status == UNKNOWN)).sum(axis=1),
    }
    nothing = pa.nulls(count, pa.timestamp("us", tz="UTC"))
    return _table(
        DAILY_STORE_AVAILABILITY,
        {
            "country": pa.repeat(country, count),
            "local_date": pa.repeat(pa.scalar(local_date), count),
            "run_id": pa.repeat("made", count),
            "store_id": stores.ids.astype(str),
            "name": pa.array(stores.names, pa.string()),
            "city": pa.array(stores.cities, pa.string()),
            "brand": pa.array(stores.brands, pa.string()),
            **{f"{name}_minutes": values for name, values in minutes.items()},
            **_shares(minutes),
            "longest_outage_minutes": minutes["missing"],
            "first_online_at": nothing,
            "last_online_at": nothing,
            "window_count": np.full(count, len(windows)),
            "is_provisional": np.full(count, False),
        },
    )


def _quality(country: str, stores: int, windows: Sequence[Window], is_calm: bool) -> pa.Table:
    suspect = [not is_calm and window == SUSPECT for window in windows]
    gap = [not is_calm and window == RECORDED_GAP for window in windows]
    count = len(windows)
    observed = pa.array(
        [None if g else w.middle() for w, g in zip(windows, gap, strict=True)],
        pa.timestamp("us", tz="UTC"),
    )
    columns = {
        "country": pa.repeat(country, count),
        "window_start": _starts(windows),
        "run_id": pa.repeat("made", count),
        "observed_at": observed,
        "stores": np.full(count, stores),
        "stores_with_problem": np.zeros(count, int),
        "hours_with_problem": np.zeros(count, int),
        "documents_with_problem": np.zeros(count, int),
        "suspect": pa.array(suspect),
        "suspect_reason": pa.array(
            ["missing share rose" if s else None for s in suspect], pa.string()
        ),
    }
    return _table(WINDOW_QUALITY, columns)


def _table(table: Table, columns: Mapping[str, Any]) -> pa.Table:
    """Columns as the table stores them; one that is not given is NULL."""
    schema = table.stored_schema()
    size = len(columns["country"])
    return pa.table(
        {
            f.name: (
                pa.array(columns[f.name]).cast(f.type)
                if f.name in columns
                else pa.nulls(size, f.type)
            )
            for f in schema
        },
        schema,
    )


def write(
    runtime: Runtime, country: str, table: Table, rows: pa.Table, run_id: str = "made"
) -> None:
    """Commit rows, of windows later than all before, as one file for each of the table's
    partitions, in one transaction.
    """
    if not rows.num_rows:
        return
    days = rows["local_date"] if table.is_daily else rows["window_start"].cast(pa.date32())
    files = []
    for day in days.unique():
        found = rows.filter(pc.equal(days, day)).sort_by(
            [
                (name, "ascending")
                for name in (*(() if table.is_daily else ("window_start",)), *table.key)
            ]
        )
        path = runtime.warehouse.location(
            country, table.name, "data", f"{day}", run_id, "part-0.parquet"
        )
        with runtime.storage.open_output(path) as stream:
            pq.write_table(found, stream, compression="zstd", row_group_size=120_000)
        files.append(WrittenFile(runtime.storage.path(path), found.num_rows, 1))
    newest = NO_DATE if table.is_daily else Window(pc.max(rows["window_start"]).as_py())
    runtime.warehouse.commit(country, table, newest, files, run_id)


def _mark(
    runtime: Runtime, country: str, window: Window, figures: Mapping[str, int], is_calm: bool
) -> None:
    is_gap = not is_calm and window == RECORDED_GAP
    is_suspect = not is_calm and window == SUSPECT
    is_asked = not is_calm and window == LAST
    runtime.markers.write(
        Marker(
            country=country,
            window=window.key,
            run_id="made",
            observed_at=None if is_gap else window.middle(),
            completed_at=window.middle() + timedelta(minutes=1),
            figures=Figures(
                expected_minutes=figures["available"] + figures["missing"] + figures["unknown"],
                available_minutes=figures["available"],
                missing_minutes=figures["missing"],
                unknown_minutes=figures["unknown"],
                rogue_minutes=0,
                stores_missing=figures["stores_missing"],
                stores_rogue=0,
                listed=None,
                missing_share=None,
                suspect=is_suspect,
                suspect_reason="missing share rose" if is_suspect else None,
                stores_asked=36 if is_asked else None,
                stores_confirmed=31 if is_asked else None,
                stores_contradicted=3 if is_asked else None,
            ),
            tables={},
        )
    )
