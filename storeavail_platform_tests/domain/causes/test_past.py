"""Usual rates from a past made by hand: what counts, and what is left out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from storeavail_platform.domain.causes.counted import COUNTED
from storeavail_platform.domain.tables.causes import USUAL_RATES
from storeavail_platform.domain.tables.relations import (
    CITY_ZONES,
    COUNTRY_DATE,
    PAST_CAUSES,
    PAST_SUMMARIES,
)

DAY = date(2026, 11, 23)
ZONE = "America/Sao_Paulo"
MIDNIGHT = datetime(2026, 11, 23, 3, tzinfo=UTC)
SLOTS = range(40, 56)
STORES, BRANDS, CITIES = 20, 6, 5
Row = dict[str, Any]
Off = Callable[[int, int, str, str], int]


def summaries(days: int, off: Off) -> list[Row]:
    """Windows of past dates: `off` says how many stores of a pair are missing, by the days before,
    the quarter hour, city and brand.
    """
    return [
        dict.fromkeys(COUNTED, 0)
        | {
            "window_start": MIDNIGHT - timedelta(days=back) + slot * timedelta(minutes=15),
            "city": city,
            "brand": brand,
            "stores_missing": (missing := off(back, slot, city, brand)),
            "stores_available": STORES - missing,
        }
        for back in range(days, 0, -1)
        for slot in SLOTS
        for city in (f"city {number}" for number in range(CITIES))
        for brand in (f"brand {number}" for number in range(BRANDS))
    ]


def rates(rows: list[Row], causes: list[Row], zones: dict[str, str] | None = None) -> list[Row]:
    """The usual rates of missing stores."""
    country_date = {"local_date": DAY, "timezone": ZONE}
    places = [{"city": city, "timezone": zone} for city, zone in (zones or {}).items()]
    assert USUAL_RATES.function is not None
    found = USUAL_RATES.function.rows(
        {
            "past_summaries": pa.Table.from_pylist(rows, schema=PAST_SUMMARIES),
            "past_causes": pa.Table.from_pylist(causes, schema=PAST_CAUSES),
            "city_zones": pa.Table.from_pylist(places, schema=CITY_ZONES),
            "country_date": pa.Table.from_pylist([country_date], schema=COUNTRY_DATE),
        },
        USUAL_RATES.computed_schema(),
    )
    return [row for row in found.to_pylist() if row["kind"] == "missing"]


def usual(found: list[Row], slot: int, city: str, brand: str) -> float:
    (row,) = [
        row
        for row in found
        if (row["local_slot"], row["city"], row["brand"]) == (slot, city, brand)
    ]
    return float(row["usual"])


def test_rates_follow_brand_and_hour() -> None:
    """A brand half of which opens late each day is usually off at that hour, and no other is."""
    late = lambda back, slot, city, brand: 10 if brand == "brand 2" and slot < 42 else 1  # noqa: E731
    found = rates(summaries(10, late), judged(10))
    assert usual(found, 40, "city 1", "brand 2") == pytest.approx(0.5, abs=0.1)
    assert usual(found, 50, "city 1", "brand 2") < 0.12
    assert usual(found, 40, "city 1", "brand 3") < 0.12
    assert {row["past_days"] for row in found} == {10}
    assert len(found) == 96 * BRANDS * CITIES


def test_dates_that_nobody_judged_are_seen() -> None:
    """The rates rest on the last seven of them; that there are more is noted, so that they are not
    made again for these.
    """
    found = rates(summaries(10, lambda back, slot, city, brand: 1), judged(0))
    assert {(row["past_days"], row["seen_days"]) for row in found} == {(7, 10)}


def judged(days: int, *scopes: Row) -> list[Row]:
    """Causes of the past windows: single stores, and scopes in those where they were down."""
    return [
        {
            "window_start": MIDNIGHT - timedelta(days=back) + slot * timedelta(minutes=15),
            "kind": "missing",
            "scope": "single_stores",
        }
        for back in range(1, days + 1)
        for slot in SLOTS
    ] + list(scopes)


def down(back: int, slot: int, city: str, brand: str) -> int:
    """A brand that is down at the same hour each day."""
    return 19 if brand == "brand 2" and 44 <= slot < 48 else 1


def test_a_fault_of_each_day_is_not_usual() -> None:
    """What was named is left out, and a past that nobody judged is judged on the way."""
    starts = [
        MIDNIGHT - timedelta(days=back) + slot * timedelta(minutes=15)
        for back in range(1, 8)
        for slot in range(44, 48)
    ]
    named = [
        {
            "window_start": start,
            "kind": "missing",
            "scope": "brand",
            "brand": "brand 2",
            "since": start - timedelta(minutes=15),
        }
        for start in starts
    ]
    for causes in (judged(7, *named), []):
        found = rates(summaries(7, down), causes)
        assert usual(found, 45, "city 0", "brand 2") < 0.2


def test_a_level_that_stays_becomes_usual() -> None:
    """What has been down for a week counts: a brand whose stores have left for good."""
    gone = lambda back, slot, city, brand: 15 if brand == "brand 2" else 1  # noqa: E731
    named = [
        {
            "window_start": MIDNIGHT - timedelta(days=back) + slot * timedelta(minutes=15),
            "kind": "missing",
            "scope": "brand",
            "brand": "brand 2",
            "since": MIDNIGHT - timedelta(days=20),
        }
        for back in range(1, 11)
        for slot in SLOTS
    ]
    found = rates(summaries(10, gone), judged(10, *named))
    assert usual(found, 45, "city 0", "brand 2") > 0.5


def test_a_city_goes_by_its_own_clock() -> None:
    """All open late at the same local time: in a city an hour behind, four quarter hours later."""

    def late(back: int, slot: int, city: str, brand: str) -> int:
        local = slot - 4 if city == "city 4" else slot
        return 8 if 42 <= local < 44 else 1

    found = rates(summaries(10, late), judged(10), {"city 4": "America/Manaus"})
    assert usual(found, 43, "city 0", "brand 1") > 0.25
    assert usual(found, 47, "city 4", "brand 1") > 0.25
    assert usual(found, 43, "city 4", "brand 1") < 0.15


def test_without_a_past_there_are_no_rates() -> None:
    """Nothing is made up."""
    assert rates([], []) == []
