"""Why a store has the status that it has in a window: from the fact back to its row, its hours and
its document, and the rule that made the one of the others. Found by pointer; the catalog may be
down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.dataset as ds

from storeavail_platform.domain.tables.declarations import (
    EXPECTED_SCHEDULES,
    ONLINE_INDEX,
    STORE_AVAILABILITY,
    STORE_HOURS,
    STORES,
)
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.text import neutralised
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.datasets import committed_files, dataset_of
from storeavail_platform.warehouse.iceberg import rows_of
from storeavail_platform.warehouse.trust import Trust

TABLES = (STORE_AVAILABILITY, EXPECTED_SCHEDULES, STORES, STORE_HOURS, ONLINE_INDEX)
RULES = {
    ("available", None): "It should be open, and the index says online.",
    ("missing", "offline"): "It should be open when the index was read, which says offline.",
    ("missing", "absent"): "It should be open when the index was read, which does not list it.",
    ("rogue", "outside_hours"): "The index says online, outside its opening hours.",
    ("rogue", "no_hours"): "The index says online, and it has no opening hours.",
    ("rogue", "inactive"): "The index says online, and PostgreSQL says that it is not active.",
    ("rogue", "not_in_stores"): "The index says online, and PostgreSQL does not know it.",
    ("unknown", "not_observed"): "Nobody read the sources in this window.",
    ("unknown", "invalid_store"): "Its row in PostgreSQL is wrong, so nothing is said of it.",
    ("unknown", "invalid_observation"): "Its document is there twice, or has no usable flag.",
    ("unknown", "invalid_hours"): "The hours in force are wrong, so nothing is expected of it.",
    ("unknown", "edge"): "It was closed when the index was read, so being offline says nothing.",
    ("closed", "outside_hours"): "It is outside its opening hours, and not online.",
    ("closed", "no_hours"): "It has no opening hours, and is not online.",
    ("closed", "inactive"): "PostgreSQL says that it is not active, and it is not online.",
}
"""The rule of each status and reason, in words (sql/store_availability.sql)."""
NOTHING = "-"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Why:
    """A store in a window.

    Attributes:
        status, reason: of the fact.
        lines: what it comes from, as (heading, words).
    """

    country: str
    window: Window
    status: str
    reason: str | None
    lines: Sequence[tuple[str, str]]


def why(runtime: Runtime, country: str, store_id: str, window: Window) -> Why | None:
    """Why a store has its status in a window; None: the window has no row of it.

    Raises:
        TableDamaged, WarehouseMoved: a table cannot be read.
    """
    rows = {table.name: _rows(runtime, country, table, store_id, window) for table in TABLES}
    judged = rows[STORE_AVAILABILITY.name]
    if not judged:
        return None
    row = judged[0]
    stores = rows[STORES.name]
    zone = next((row["timezone"] for row in stores if row["timezone"]), None)
    clock = ZoneInfo(zone or runtime.country(country).timezone)
    verdict = Trust(runtime.storage).verdicts(country).of(window.key)
    lines = [
        ("rule", RULES.get((row["status"], row["reason"]), NOTHING)),
        ("window", _window(window, clock)),
        ("store", _many(_store(row) for row in stores) or "PostgreSQL does not know it"),
        ("hours", _hours(rows[STORE_HOURS.name], rows[EXPECTED_SCHEDULES.name], row)),
        (
            "document",
            _many(_document(row, clock) for row in rows[ONLINE_INDEX.name]) or "not listed",
        ),
        ("read", _local(row["observed_at"], clock)),
        ("minutes", _minutes(row)),
    ]
    if verdict is not None:
        lines.append(("people", str(verdict)))
    return Why(country, window, row["status"], row["reason"], lines)


def _rows(
    runtime: Runtime, country: str, table: Table, store_id: str, window: Window
) -> list[dict[str, Any]]:
    found = runtime.warehouse.load(country, table.name)
    if found is None:
        return []
    scan = found.scan(row_filter=rows_of(window))
    is_it = (ds.field("store_id") == store_id) & (ds.field("window_start") == window.start)
    with runtime.warehouse.errors():
        dataset = dataset_of(runtime.storage, table.stored_schema(), committed_files(scan))
        rows: list[dict[str, Any]] = dataset.to_table(filter=is_it).to_pylist()
    return rows


def _window(window: Window, clock: ZoneInfo) -> str:
    start, end = window.start.astimezone(clock), window.end.astimezone(clock)
    return f"{window.key}: {start:%a %Y-%m-%d %H:%M} to {end:%H:%M} ({clock.key})"


def _store(row: Row) -> str:
    names = [row["name"], row["address"], row["city"], row["brand"]]
    phrases = [neutralised(name) for name in names if name]
    phrases.append("active" if row["is_active"] else "not active")
    if row["problem"]:
        phrases.append(f"problem: {row['problem']}")
    return ", ".join(phrases)


def _hours(hours: Sequence[Row], schedules: Sequence[Row], row: Row) -> str:
    """The hours that touch the window, and how many of its minutes the store should be open."""
    texts = [_interval(row) for row in hours]
    kind = schedules[0]["hours_kind"] if schedules else "none"
    if not texts:
        texts = ["none that touch this window" if kind != "none" else "none at all"]
    return f"{'; '.join(texts)}: should be open for {row['expected_minutes']} of 15 minutes"


def _interval(row: Row) -> str:
    day: date | None = row["business_date"]
    when = f"{day:%a %Y-%m-%d}" if day is not None else "no weekday"
    if row["problem"]:
        return f"{row['kind']} of {when} ({row['problem']})"
    if row["is_closed"]:
        return f"{row['kind']} of {when}: closed all day"
    return f"{row['kind']} of {when}: {_clock(row['opens_minute'])}-{_clock(row['closes_minute'])}"


def _document(row: Row, clock: ZoneInfo) -> str:
    flag = {True: "online", False: "offline", None: "without a usable flag"}[row["is_online"]]
    phrases = [flag, f"updated {_local(row['updated_at'], clock)}"]
    if row["problem"]:
        phrases.append(f"problem: {row['problem']}")
    return ", ".join(phrases)


def _minutes(row: Row) -> str:
    names = ("expected", "available", "missing", "rogue", "unknown")
    return ", ".join(f"{name} {row[f'{name}_minutes']}" for name in names)


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _local(moment: datetime | None, clock: ZoneInfo) -> str:
    return "never" if moment is None else f"{moment.astimezone(clock):%a %H:%M:%S}"


def _many(texts: Any) -> str:
    return "; and again: ".join(texts)
