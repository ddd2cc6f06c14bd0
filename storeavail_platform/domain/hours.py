"""Local time and the opening-hours rule in plain Python: a window on every zone's wall clock, and
which of its minutes are open.

SQL never computes local time: `local_windows` gives it to every engine, so that all machines agree.
`expected_schedule` is the
reference for the SQL of `expected_schedules`: it goes minute by minute and shares nothing with the
SQL's formula. Zones come from the `tzdata` wheel.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

import pyarrow as pa

from storeavail_platform.domain.tables.relations import LOCAL_WINDOWS
from storeavail_platform.domain.windows import WINDOW_MINUTES, Window

DAY_MINUTES = 24 * 60
COUNTRY_ZONE = ""
"""What stands for the country's zone in `local_windows`: a store's blank time zone."""
HoursKind = Literal["weekly", "special", "none"]


@dataclass(frozen=True)
class WeeklyHours:
    """A weekly row as read: ISO weekday, minutes after midnight (24:00 is 1440)."""

    weekday: int | None
    opens_minute: int | None
    closes_minute: int | None


@dataclass(frozen=True)
class SpecialHours:
    """A row of special hours as read; both ends None: closed all day."""

    business_date: date
    opens_minute: int | None
    closes_minute: int | None

    @property
    def is_closed(self) -> bool:
        return self.opens_minute is None and self.closes_minute is None


@dataclass(frozen=True)
class ExpectedSchedule:
    """When a store should be open in a window.

    Attributes:
        open_mask: bit i is set where minute i of the window is open; None where the hours in force
            are invalid.
        hours_kind: what rules the local date.
        local_date, local_minute: where the window starts on the store's wall clock, minutes after
            midnight.
    """

    open_mask: int | None
    hours_kind: HoursKind
    local_date: date
    local_minute: int

    @property
    def expected_minutes(self) -> int:
        return 0 if self.open_mask is None else self.open_mask.bit_count()


@cache
def zones() -> Mapping[str, ZoneInfo]:
    """Every IANA zone of the wheel by name, in order.

    Kept: `ZoneInfo` remembers eight, and reads the others anew each time.
    """
    return {name: ZoneInfo(name) for name in sorted(available_timezones())}


@cache
def tzdata_version() -> str:
    """Version of the time zone data, for example `2026.1`."""
    return importlib.metadata.version("tzdata")


def local_start(window: Window, timezone: str) -> tuple[date, int]:
    """The date and minute of the day on a zone's wall clock when the window starts."""
    local = window.start.astimezone(ZoneInfo(timezone))
    return local.date(), local.hour * 60 + local.minute


def local_windows(window: Window, country_timezone: str) -> pa.Table:
    """The relation `local_windows`: the window seen from today and yesterday, for every zone
    and for `''` (the country's).
    """
    rows = []
    for name, timezone in [(COUNTRY_ZONE, country_timezone), *((zone, zone) for zone in zones())]:
        today, minute = local_start(window, timezone)
        for back in (0, 1):
            business_date = today - timedelta(days=back)
            rows.append(
                (name, business_date, business_date.isoweekday(), minute + back * DAY_MINUTES)
            )
    columns = [
        pa.array(values, field.type)
        for values, field in zip(zip(*rows, strict=True), LOCAL_WINDOWS, strict=True)
    ]
    return pa.table(columns, schema=LOCAL_WINDOWS)


def expected_schedule(
    window: Window,
    timezone: str,
    weekly: Sequence[WeeklyHours],
    special: Sequence[SpecialHours],
    *,
    always_open: bool = False,
) -> ExpectedSchedule:
    """The opening-hours rule, minute by minute.

    A minute of business date D is open if it lies in one of D's intervals; one that closes when or
    before it opens ends on D + 1. Special hours of a date replace its weekly hours. Invalid rows of
    the hours that rule the local date make all of it unknown.

    Args:
        always_open: a store without weekly rows is open 00:00-24:00 on every weekday.
    """
    today, minute = local_start(window, timezone)
    if not weekly and always_open:
        weekly = [WeeklyHours(weekday, 0, DAY_MINUTES) for weekday in range(1, 8)]
    todays_special = [row for row in special if row.business_date == today]
    kind: HoursKind = "special" if todays_special else "weekly" if weekly else "none"
    if _is_invalid_special(todays_special) or (
        kind == "weekly" and _is_invalid_weekly(weekly, today)
    ):
        return ExpectedSchedule(None, kind, today, minute)
    mask = 0
    for bit in range(WINDOW_MINUTES):
        moments = ((today, minute + bit), (today - timedelta(days=1), minute + bit + DAY_MINUTES))
        if any(
            opens <= at < closes
            for day, at in moments
            for opens, closes in _intervals(day, weekly, special)
        ):
            mask |= 1 << bit
    return ExpectedSchedule(mask, kind, today, minute)


def _intervals(
    day: date, weekly: Sequence[WeeklyHours], special: Sequence[SpecialHours]
) -> Iterator[tuple[int, int]]:
    """The usable intervals of a business date, in minutes after its midnight; ends beyond 1440
    lie on the next day.
    """
    dated = [row for row in special if row.business_date == day]
    if any(row.is_closed for row in dated):
        return  # closed all day, or a contradiction: neither opens a minute
    rows: Sequence[WeeklyHours | SpecialHours] = dated or [
        row for row in weekly if row.weekday == day.isoweekday()
    ]
    for row in rows:
        if row.opens_minute is not None and row.closes_minute is not None:
            closes = (
                row.closes_minute
                if row.closes_minute > row.opens_minute
                else row.closes_minute + DAY_MINUTES
            )
            yield row.opens_minute, closes


def _is_invalid_special(rows: Sequence[SpecialHours]) -> bool:
    closed = [row.is_closed for row in rows]
    return any((row.opens_minute is None) != (row.closes_minute is None) for row in rows) or (
        any(closed) and not all(closed)
    )


def _is_invalid_weekly(rows: Sequence[WeeklyHours], day: date) -> bool:
    """A row without a usable weekday could be any day's, so that it matters on every one."""
    return any(
        row.weekday not in range(1, 8)
        or (
            row.weekday == day.isoweekday()
            and (row.opens_minute is None or row.closes_minute is None)
        )
        for row in rows
    )
