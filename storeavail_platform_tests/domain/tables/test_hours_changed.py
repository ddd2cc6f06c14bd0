"""The view `hours_changed`: what differs from the same weekday a week before, told by rows as
windows read them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storeavail_platform.domain.hours import local_start
from storeavail_platform.domain.tables.declarations import EXPECTED_SCHEDULES, STORE_HOURS
from storeavail_platform.domain.tables.views import HOURS_CHANGED
from storeavail_platform.domain.windows import Window
from storeavail_platform.warehouse.engine import Engine

ZONE = "America/Sao_Paulo"
BEFORE, DATE = date(2026, 11, 10), date(2026, 11, 17)
"""Two Tuesdays."""
Interval = tuple[int | None, int | None]
Hours = Callable[[date, int], list[tuple[str, Interval]]]
"""From a date and a minute of it to what PostgreSQL holds of the date: kind, opens and closes."""


def weekly(*before: Interval) -> Callable[..., Hours]:
    """Weekly hours of a week before, and others since."""

    def then(*after: Interval, at: int = 0) -> Hours:
        def of(day: date, minute: int) -> list[tuple[str, Interval]]:
            is_new = day > DATE or (day == DATE and minute >= at)
            return [("weekly", each) for each in (after if is_new else before)]

        return of

    return then


def special(opens: int | None, closes: int | None) -> Hours:
    """Weekly hours from 9 to 22, and special ones on the date."""

    def of(day: date, minute: int) -> list[tuple[str, Interval]]:
        found: list[tuple[str, Interval]] = [("weekly", (540, 1320))]
        return [*found, ("special", (opens, closes))] if day == DATE else found

    return of


STORES: dict[str, Hours] = {
    "same": weekly((540, 1320))((540, 1320)),
    "later": weekly((540, 1320))((660, 1320)),
    "at noon": weekly((540, 1320))((660, 1320), at=720),
    "night": weekly((1080, 120))((1080, 180)),
    "break": weekly((540, 720), (840, 1320))((540, 780), (840, 1320)),
    "closed": weekly((540, 1320))(),
    "new": weekly()((540, 1320)),
    "holiday": special(None, None),
    "special": special(600, 1320),
}
EXPECTED = {
    "later": ("opens later", "weekly", 660, 1320),
    "at noon": ("opens later", "weekly", 660, 1320),
    "night": ("closes later", "weekly", 1080, 1620),
    "break": ("other breaks", "weekly", 540, 1320),
    "closed": ("closed", None, None, None),
    "new": ("open", "weekly", 540, 1320),
    "holiday": ("closed", "special", None, None),
    "special": ("opens later", "special", 600, 1320),
}


def windows(day: date) -> Iterator[Window]:
    """Those of a date, by UTC: three hours before it on the stores' clock."""
    window = Window(datetime.fromisoformat(f"{day}T03:00:00+00:00"))
    for number in range(96):
        yield window.next(number)


def hours_rows(name: str, window: Window) -> Iterator[dict[str, Any]]:
    """The rows of `store_hours` that a window reads of a store: weekly ones that touch it."""
    day, minute = local_start(window, ZONE)
    for business_date, offset in ((day, 0), (day - timedelta(days=1), 1440)):
        for kind, (opens, closes) in STORES[name](business_date, minute + offset):
            touches = False
            if opens is not None and closes is not None:
                end = closes if closes > opens else closes + 1440
                touches = opens < minute + offset + 15 and end > minute + offset
            if kind == "special" or touches:
                yield {
                    "country": "BR",
                    "window_start": window.start,
                    "run_id": "run",
                    "store_id": name,
                    "business_date": business_date,
                    "kind": kind,
                    "opens_minute": opens,
                    "closes_minute": closes,
                    "is_closed": opens is None,
                    "source": None,
                    "problem": None,
                }


def schedules(name: str, window: Window) -> Iterator[dict[str, Any]]:
    """The row of `expected_schedules`."""
    day, minute = local_start(window, ZONE)
    yield {
        "country": "BR",
        "window_start": window.start,
        "run_id": "run",
        "store_id": name,
        "open_mask": 0,
        "expected_minutes": 0,
        "hours_kind": "weekly",
        "local_date": day,
        "local_minute": minute,
    }


def changed(engine: Engine, folder: Path, lost: int = 0) -> dict[str, dict[str, Any]]:
    """The view's rows by store.

    Args:
        folder: for the tables' files.
        lost: windows of the date, the last ones, in which nothing was read.
    """
    read = [*windows(BEFORE), *list(windows(DATE))[: 96 - lost]]
    with engine.session() as session:
        for table, rows in (
            (STORE_HOURS, [row for w in read for name in STORES for row in hours_rows(name, w)]),
            (
                EXPECTED_SCHEDULES,
                [row for w in read for name in STORES for row in schedules(name, w)],
            ),
        ):
            path = str(folder / f"{table.name}-{lost}.parquet")
            pq.write_table(pa.Table.from_pylist(rows, schema=table.stored_schema()), path)
            session.add_files(table.name, table.stored_schema(), [path])
        found = session.rows(
            HOURS_CHANGED.sql(recent={name: name for name in HOURS_CHANGED.recent})
        )
    assert all(list(row) == [column.name for column in HOURS_CHANGED.columns] for row in found)
    return {row["store_id"]: dict(row) for row in found}


def test_hours_are_held_against_those_of_a_week_before(each_engine: Engine, tmp_path: Path) -> None:
    """Special hours rule their date; hours that change during a date count as they were read last;
    a closing after midnight belongs to its date. What did not change has no row.
    """
    found = changed(each_engine, tmp_path)
    shown = {
        name: (row["change"], row["kind"], row["opens_minute"], row["closes_minute"])
        for name, row in found.items()
    }
    assert shown == EXPECTED
    assert {row["business_date"] for row in found.values()} == {DATE}
    later = found["later"]
    assert (later["opens_minute_before"], later["open_minutes_before"]) == (540, 780)


def test_a_date_with_many_lost_windows_says_nothing(engine: Engine, tmp_path: Path) -> None:
    """Hours of the lost time were not read, which is not that they are gone."""
    assert changed(engine, tmp_path, lost=7) == {}
    assert set(changed(engine, tmp_path, lost=6)) == set(EXPECTED)
