"""Facts for the tests of daily tables, and what a date's rows are by the rules alone: plain
Python that shares nothing with the SQL.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storeavail_platform.domain.hours import local_start
from storeavail_platform.domain.tables.declarations import STORE_AVAILABILITY
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.files import WindowFile
from storeavail_platform.warehouse.catalog import Warehouse

Row = dict[str, Any]
DAY = timedelta(days=1)
COUNTRY = "BR"
ZONE = "America/Sao_Paulo"
REASONS = {
    "available": None,
    "missing": "offline",
    "rogue": "outside_hours",
    "unknown": "edge",
    "closed": "outside_hours",
}


def fact(
    store: int | str,
    window: Window,
    status: str,
    *,
    reason: str | None = None,
    minutes: int = 15,
    zone: str = ZONE,
    **columns: Any,
) -> Row:
    """A row of `store_availability`; `minutes` are expected unless the store is rogue or closed."""
    local_date, local_minute = local_start(window, zone)
    expected = 0 if status in ("rogue", "closed") else minutes
    is_observed = reason != "not_observed"
    row: Row = {
        "window_start": window.start,
        "store_id": str(store),
        "status": status,
        "reason": reason or REASONS[status],
        "expected_minutes": expected,
        "available_minutes": expected if status == "available" else 0,
        "missing_minutes": expected if status == "missing" else 0,
        "rogue_minutes": 15 if status == "rogue" else 0,
        "unknown_minutes": expected if status == "unknown" else 0,
        "open_at_observation": status != "closed" if is_observed else None,
        "is_online": status in ("available", "rogue") if is_observed else None,
        "observed_at": window.middle() if is_observed else None,
        "name": f"Store {store}",
        "city": "City",
        "brand": "Brand",
        "local_date": local_date,
        "local_minute": local_minute,
    }
    return row | columns


def windows(first: str, count: int) -> list[Window]:
    """Successive windows from a key on."""
    start = Window.parse(first)
    return [start.next(number) for number in range(count)]


def random_facts(
    random: Random, span: Sequence[Window], zones: Sequence[str], *, stores: int
) -> Iterator[Row]:
    """Stores that stay in a state for a while, with windows nobody computed, recorded gaps, and
    stores that come, go and change.
    """
    absent = {window for window in span if random.random() < 0.02}
    gaps = {window for window in span if random.random() < 0.03}
    for store in range(stores):
        zone = zones[store % len(zones)]
        status, there, inactive, named = "available", random.random() < 0.9, False, True
        for window in span:
            if random.random() < 0.08:
                status = random.choices(
                    ["available", "missing", "rogue", "unknown", "closed"], [3, 4, 1, 2, 5]
                )[0]
                inactive = status == "closed" and random.random() < 0.1
                there, named = random.random() < 0.97, random.random() < 0.8
            if window in absent or not there:
                continue
            names = {} if named else dict.fromkeys(("name", "city", "brand"))
            if window in gaps:
                yield fact(
                    store,
                    window,
                    "unknown",
                    reason="not_observed",
                    minutes=random.choice([0, 15]),
                    zone=zone,
                    **names,
                )
            else:
                reason = "inactive" if inactive else None
                yield fact(
                    store,
                    window,
                    status,
                    reason=reason,
                    minutes=random.choice([1, 7, 15]),
                    zone=zone,
                    **names,
                )


def commit_facts(warehouse: Warehouse, rows: Iterable[Row], run: str = "facts") -> None:
    """Commit facts window by window, as every window's are."""
    from storeavail_platform.engines.duckdb import DuckDBEngine

    by_window = defaultdict[datetime, list[Row]](list)
    for row in rows:
        by_window[row["window_start"]].append(row)
    for start, found in sorted(by_window.items()):
        commit_window(DuckDBEngine(warehouse.storage), warehouse, Window(start), found, run)


def commit_window(
    engine: Any, warehouse: Warehouse, window: Window, rows: Sequence[Row], run: str
) -> None:
    """Replace one window's facts."""
    schema = STORE_AVAILABILITY.stored_schema()
    with engine.session() as session:
        session.add_table(
            "given", pa.Table.from_pylist(list(rows), schema=STORE_AVAILABILITY.computed_schema())
        )
        files = session.write(
            "given",
            schema,
            {"country": COUNTRY, "window_start": window.start, "run_id": run},
            ("store_id",),
            warehouse.location(COUNTRY, STORE_AVAILABILITY.name, "data", window.key, run),
        )
    warehouse.commit(COUNTRY, STORE_AVAILABILITY, window, files, run)


def fact_files(
    rows: Iterable[Row],
    folder: Path,
    part: Callable[[datetime], object] = datetime.date,
) -> Iterator[WindowFile]:
    """Facts in files: by default one a day of UTC, as upkeep leaves them.

    Args:
        part: what the windows of a file have in common.
    """
    schema = pa.schema([STORE_AVAILABILITY.stored_schema().field("window_start")])
    schema = pa.unify_schemas([schema, STORE_AVAILABILITY.computed_schema()])
    ordered = sorted(rows, key=lambda row: row["window_start"])
    for number, (_, of) in enumerate(
        itertools.groupby(ordered, lambda row: part(row["window_start"]))
    ):
        found, path = list(of), folder / f"facts-{number}.parquet"
        pq.write_table(pa.Table.from_pylist(found, schema=schema), path)
        yield WindowFile(str(path), found[0]["window_start"], found[-1]["window_start"])


def expected_outages(rows: Sequence[Row], day: date, suspect: Collection[Window] = ()) -> list[Row]:
    """The rows of `store_outages` of a local date, window by window and store by store."""
    no_evidence = {window.start for window in suspect}
    until = datetime.combine(day + 8 * DAY, datetime.min.time(), UTC)
    known = sorted({row["window_start"] for row in rows if row["window_start"] < until})
    by_store = defaultdict[str, dict[datetime, Row]](dict)
    for row in rows:
        by_store[row["store_id"]][row["window_start"]] = row
    found: list[Row] = []
    for store, at in by_store.items():
        outages: list[tuple[list[Row], datetime | None]] = []
        current: list[Row] = []
        for start in known:
            seen = at.get(start)
            if seen is not None and seen["local_date"] < day - 8 * DAY:
                continue
            if start in no_evidence:
                if seen is not None and seen["status"] == "missing":
                    current.append(seen)
            elif (
                seen is None
                or seen["status"] in ("available", "rogue")
                or seen["reason"] == "inactive"
            ):
                outages.append((current, start))
                current = []
            elif seen["status"] == "missing":
                current.append(seen)
        outages.append((current, None))
        for missed, ended_at in outages:
            today = [row for row in missed if row["local_date"] == day]
            if today:
                counted = [row for row in missed if day - 7 * DAY <= row["local_date"] <= day]
                found.append(
                    {
                        "store_id": store,
                        **named(at.values(), day),
                        "started_at": counted[0]["window_start"],
                        "ended_at": ended_at,
                        "missed_minutes": sum(row["missing_minutes"] for row in today),
                        "missed_minutes_total": sum(row["missing_minutes"] for row in counted),
                        "is_started_before": missed[0]["local_date"] < day - 7 * DAY,
                        "cause": None,
                    }
                )
    return sorted(found, key=lambda row: (row["store_id"], row["started_at"]))


def expected_days(
    rows: Sequence[Row], day: date, suspect: Collection[Window] = (), *, is_provisional: bool
) -> list[Row]:
    """The rows of `daily_store_availability` of a local date."""
    longest = defaultdict[str, int](int)
    for outage in expected_outages(rows, day, suspect):
        longest[outage["store_id"]] = max(longest[outage["store_id"]], outage["missed_minutes"])
    found = []
    for store in sorted({row["store_id"] for row in rows}):
        own = [row for row in rows if row["store_id"] == store and row["local_date"] == day]
        if own:
            minutes = {
                name: sum(row[name] for row in own) for name in own[0] if name.endswith("_minutes")
            }
            expected, unknown = minutes["expected_minutes"], minutes["unknown_minutes"]
            online = [row["observed_at"] for row in own if row["is_online"]]
            found.append(
                {
                    "store_id": store,
                    **named(own, day),
                    **minutes,
                    "availability": (
                        minutes["available_minutes"] / (expected - unknown)
                        if expected > unknown
                        else None
                    ),
                    "coverage": 1 - unknown / expected if expected else None,
                    "longest_outage_minutes": longest[store],
                    "first_online_at": min(online, default=None),
                    "last_online_at": max(online, default=None),
                    "window_count": len(own),
                    "is_provisional": is_provisional,
                }
            )
    return found


def named(rows: Iterable[Row], day: date) -> Row:
    """Name, city and brand of the last window of a date that has any of them."""
    names = ("name", "city", "brand")
    having = [
        row
        for row in rows
        if row["local_date"] == day and any(row[name] is not None for name in names)
    ]
    return {
        name: max(having, key=lambda row: row["window_start"])[name] if having else None
        for name in names
    }
