"""What PostgreSQL holds of a simulated country: the rows of its three tables, good and dirty ones.

No connection, no clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

from storeavail_platform.demo.countries import DemoCountry
from storeavail_platform.demo.dirty import (
    CLOSED_BESIDE_INTERVAL,
    DUPLICATE_CONFLICTING,
    DUPLICATE_EQUAL,
    FAR_AWAY,
    INVALID_WEEKS,
    MISSPELT_TIMEZONE,
    SPECIAL_WITHOUT_END,
    UNKNOWN_TIMEZONE,
    WITHOUT_ACTIVE_FLAG,
    Time,
)
from storeavail_platform.demo.stores import DemoStore

INVALID_DAYS = 60
"""Invalid special hours are for the first of the days only: sources hand over every invalid row
in every window.
"""
Id = int | str | None
StoreRow = tuple[Id, str, str, str, str, str | None, bool | None]
WeeklyRow = tuple[Id, int | None, Time, Time]
SpecialRow = tuple[Id, date, Time, Time]


def store_rows(stores: tuple[DemoStore, ...]) -> Iterator[StoreRow]:
    """Rows of `stores`, the wrong ones among them."""
    for number, store in enumerate(stores):
        if number == UNKNOWN_TIMEZONE:
            store = replace(store, stored_timezone="Mars/Olympus_Mons")
        elif number == MISSPELT_TIMEZONE:
            store = replace(store, stored_timezone=store.timezone[:-1])
        row = _store_row(
            store, is_active=None if number == WITHOUT_ACTIVE_FLAG else store.is_active
        )
        yield row
        if number == DUPLICATE_EQUAL:
            yield row
        elif number == DUPLICATE_CONFLICTING:
            yield _store_row(
                replace(
                    store,
                    name=f"{stores[-1].brand} (moved)",
                    city=stores[-1].city,
                    brand=stores[-1].brand,
                )
            )
    for name in ("Test store", "New store, id follows"):
        yield (None, *_store_row(replace(stores[0], name=name))[1:])


def _store_row(store: DemoStore, is_active: bool | None = True) -> StoreRow:
    return (
        store.store_id,
        store.name,
        store.address,
        store.city,
        store.brand,
        store.stored_timezone,
        is_active,
    )


def weekly_rows(demo: DemoCountry, stores: tuple[DemoStore, ...]) -> Iterator[WeeklyRow]:
    """Rows of `store_weekly_hours`, the wrong ones among them."""
    for number, store in enumerate(stores):
        if number in INVALID_WEEKS:
            weekday, opens, closes = INVALID_WEEKS[number]
            for day in range(1, 8):
                yield (store.store_id, day if weekday == 1 else weekday, opens, closes)
            continue
        for row in store.week:
            yield (store.store_id, row.weekday, clock(row.opens_minute), clock(row.closes_minute))
    yield (None, 1, "10:00", "22:00")
    yield (
        demo.store_id(FAR_AWAY),
        1,
        "10:00",
        "22:00",
    )  # of a store that is not there: nobody's hours


def special_rows(stores: tuple[DemoStore, ...], first: date, last: date) -> Iterator[SpecialRow]:
    """Rows of `store_special_hours` for the days from `first` to `last`, the wrong ones among
    them.
    """
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    for number, store in enumerate(stores):
        if number == CLOSED_BESIDE_INTERVAL:
            for day in days[:INVALID_DAYS]:
                yield (store.store_id, day, None, None)
                yield (store.store_id, day, "12:00", "16:00")
        elif number == SPECIAL_WITHOUT_END:
            for day in days[:INVALID_DAYS]:
                yield (store.store_id, day, "12:00", None)
        elif store.special:
            for day in days:
                if day.day in store.special:
                    opens, closes = store.special[day.day] or (None, None)
                    yield (store.store_id, day, clock(opens), clock(closes))


def clock(minute: int | None) -> Time:
    """Minutes after midnight as PostgreSQL writes a time; 1440 is 24:00."""
    return None if minute is None else f"{minute // 60:02d}:{minute % 60:02d}"
