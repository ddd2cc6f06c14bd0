"""The stores of a simulated country: who they are, their opening hours, their habits. The same at
every call; no clock, no I/O.

What PostgreSQL says of them is `rows.py`; what the online index says of them in a window is
`simulator.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Literal

from storeavail_platform.demo.countries import COUNTRIES
from storeavail_platform.domain.hours import DAY_MINUTES, WeeklyHours

SPOILED_STORES = 40
"""The first stores of a country have no faults of their own: dirty rows are made of them
(`dirty.py`), one fault each.
"""

Week = tuple[WeeklyHours, ...]
Habit = Literal["regular", "flapping", "never_closes", "not_listed"]
HABITS: dict[Habit, float] = {
    "regular": 0.975,
    "flapping": 0.015,
    "never_closes": 0.007,
    "not_listed": 0.003,
}
LATE_MINUTES = {0: 0.94, 20: 0.03, 35: 0.02, 50: 0.01}
"""How late a store opens each day, and the share of stores that do."""
INACTIVE_SHARE = 0.02
SPECIAL_SHARE = 0.1
SPECIAL_LAST_DAY = 28
"""Special hours recur every month on the same days, which every month has."""

WEEKS: dict[tuple[str, ...], int] = {
    ("1234567 10:00-22:00",): 24,
    ("12345 09:00-21:00", "67 10:00-20:00"): 16,
    ("1234567 11:00-15:00", "1234567 18:00-23:00"): 16,  # split shifts
    ("23456 11:30-14:45", "234567 17:30-23:30"): 9,  # and closed on Mondays
    ("1234 18:00-01:00", "567 18:00-03:00"): 10,  # overnight
    ("1234567 22:00-06:00",): 5,
    ("1234567 00:00-00:00",): 5,  # 24 hours, written in two ways
    ("1234567 00:00-24:00",): 2,
    ("123456 06:30-14:00",): 6,
    ("12345 07:00-19:00",): 4,
    (
        "1234567 10:10-21:50",
    ): 2,  # not on quarter hours: closed in the middle of its first and last window
    (): 1,  # no hours
}
"""Weeks (ISO weekdays, opening and closing time) and how common each is."""
SPECIAL_INTERVALS: tuple[str | None, ...] = (None, "12:00-17:00", "20:00-04:00")
"""What is special about a day: closed, short, or into the night."""


@dataclass(frozen=True, slots=True)
class DemoStore:
    """A store as it really is.

    Attributes:
        stored_timezone: as PostgreSQL has it; blank or None where it is the country's.
        week: its weekly hours; empty where it has none.
        special: special hours by day of the month, in minutes; None: closed all day.
        late: minutes that it opens after its hours say so.
    """

    store_id: int | str
    name: str
    address: str
    city: str
    brand: str
    timezone: str
    stored_timezone: str | None
    is_active: bool
    week: Week
    special: Mapping[int, tuple[int, int] | None]
    habit: Habit
    late: int


@cache
def demo_stores(code: str) -> tuple[DemoStore, ...]:
    """The good stores of a country, by their places."""
    country = COUNTRIES[code]
    random = Random(f"stores of {code}")
    count = country.stores
    cities = random.choices(country.cities, [city.weight for city in country.cities], k=count)
    brands = random.choices(
        [name for name, _ in country.brands], [weight for _, weight in country.brands], k=count
    )
    weeks = random.choices([parse_week(week) for week in WEEKS], list(WEEKS.values()), k=count)
    habits = random.choices(list(HABITS), list(HABITS.values()), k=count)
    lateness = random.choices(list(LATE_MINUTES), list(LATE_MINUTES.values()), k=count)
    stores = []
    for number in range(count):
        city, spoiled = cities[number], number < SPOILED_STORES
        timezone = city.timezone or country.timezone
        district = random.choice(country.districts)
        stores.append(
            DemoStore(
                store_id=country.store_id(number),
                name=f"{brands[number]} {district}",
                address=country.street.format(
                    street=random.choice(country.streets), number=random.randint(1, 2400)
                ),
                city=city.name,
                brand=brands[number],
                timezone=timezone,
                stored_timezone=_stored(timezone, country.timezone, random.random()),
                is_active=random.random() >= INACTIVE_SHARE or spoiled,
                week=parse_week(next(iter(WEEKS))) if spoiled else weeks[number],
                special={} if spoiled else _special(random),
                habit="regular" if spoiled else habits[number],
                late=0 if spoiled else lateness[number],
            )
        )
    return tuple(stores)


def _stored(timezone: str, country_timezone: str, draw: float) -> str | None:
    """How PostgreSQL has the zone: for some stores of the country's own zone blank or NULL,
    which means the same.
    """
    if timezone != country_timezone or draw >= 0.08:
        return timezone
    return None if draw < 0.06 else ""


def _special(random: Random) -> dict[int, tuple[int, int] | None]:
    if random.random() >= SPECIAL_SHARE:
        return {}
    days = random.sample(range(1, SPECIAL_LAST_DAY + 1), len(SPECIAL_INTERVALS))
    return {
        day: None if text is None else parse_interval(text)
        for day, text in zip(days, SPECIAL_INTERVALS, strict=True)
    }


@cache
def parse_week(lines: tuple[str, ...]) -> Week:
    """Weekly hours written as `12345 09:00-21:00`: ISO weekdays and an interval."""
    return tuple(
        WeeklyHours(int(weekday), *parse_interval(interval))
        for weekdays, interval in map(str.split, lines)
        for weekday in weekdays
    )


def parse_interval(text: str) -> tuple[int, int]:
    """`18:00-02:00` in minutes after midnight."""
    opens, closes = (int(clock[:2]) * 60 + int(clock[3:]) for clock in text.split("-"))
    return opens, closes


@cache
def opening_late(week: Week, minutes: int) -> Week:
    """The week as a store keeps it that opens late.

    Stores that never close have nothing to open late.
    """
    if not minutes:
        return week
    return tuple(
        (
            row
            if row.opens_minute is None or row.opens_minute in (0, DAY_MINUTES)
            else WeeklyHours(row.weekday, row.opens_minute + minutes, row.closes_minute)
        )
        for row in week
    )
