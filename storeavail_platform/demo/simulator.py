"""What the online index of a simulated country lists in a window: mostly what the opening hours
say, with believable faults.

The same country, window and moment always give the same documents. Nothing is written here
(`recording.py`); what is wrong with single documents is `dirty.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any

from storeavail_platform.demo.countries import COUNTRIES, DemoCountry
from storeavail_platform.demo.dirty import spoil, stray_documents
from storeavail_platform.demo.stores import (
    SPOILED_STORES,
    DemoStore,
    Week,
    demo_stores,
    opening_late,
)
from storeavail_platform.domain.hours import SpecialHours, expected_schedule, local_start
from storeavail_platform.domain.windows import WINDOW_LENGTH, Window

OUTAGE_EVERY = 16
OUTAGE_WINDOWS = 4
"""The brand that goes down does so for an hour of every four, so that every demo shows it once."""
STILL_UP_SHARE = 0.04
"""Stores of that brand that stay online: they have a contract of their own."""
WEAK_CITY_SHARE = 0.22
FLAPPING_SHARE = 0.5
STUCK_SHARE = 0.006
"""Open stores that are offline all day (UTC): a tablet that nobody charged."""
DROPPED_SHARE = 0.008
"""Open stores that happen to be offline in a window."""
ROGUE_SHARE = 0.003
INACTIVE_ONLINE_SHARE = 0.05
NO_HOURS_ONLINE_SHARE = 0.35
ABSENT_SHARE = 0.25
"""Of the open stores that are offline: not listed at all, instead of listed as offline."""
CLOSED_ABSENT_SHARE = 0.03
HEARTBEAT_SECONDS = 600
OBSERVED_AT_JITTER_SECONDS = 20


def planned_observation(code: str, window: Window) -> datetime:
    """When a window is observed if nothing hurries: some seconds after its seventh minute (UTC)."""
    return window.middle() + timedelta(
        milliseconds=Random(f"{code} observed {window}").randrange(
            OBSERVED_AT_JITTER_SECONDS * 1000
        )
    )


def documents(code: str, window: Window, observed_at: datetime) -> Iterator[dict[str, Any]]:
    """The index of a country in a window, read at `observed_at`: `store_id`, `online`,
    `updated_at` (ISO 8601), `observed_at`.
    """
    demo = COUNTRIES[code]
    random = Random(f"{code} {window}")
    read_at = iso(observed_at)
    minute = window.observed_minute(observed_at)
    brand_is_down = is_down(demo, window)
    stuck = stuck_stores(code, window.start.date())
    for number, store in enumerate(demo_stores(code)):
        should_be_online = store.is_active and is_open(store, window, minute)
        fault, listing, heartbeat = random.random(), random.random(), random.random()
        online = _is_online(
            demo, store, should_be_online, brand_is_down, store.store_id in stuck, fault
        )
        listed = online or (
            listing >= (ABSENT_SHARE if should_be_online else CLOSED_ABSENT_SHARE)
            and store.habit != "not_listed"
        )
        if not listed and number >= SPOILED_STORES:
            continue
        document = {
            "store_id": store.store_id,
            "online": online,
            "updated_at": iso(observed_at - timedelta(seconds=int(heartbeat * HEARTBEAT_SECONDS))),
            "observed_at": read_at,
        }
        if number < SPOILED_STORES:
            yield from spoil(number, document)
        else:
            yield document
    yield from stray_documents(demo, read_at)


def _is_online(
    demo: DemoCountry,
    store: DemoStore,
    should_be_online: bool,
    brand_is_down: bool,
    stuck: bool,
    fault: float,
) -> bool:
    if not should_be_online:
        if store.habit == "never_closes":
            return True
        return fault < (
            INACTIVE_ONLINE_SHARE
            if not store.is_active
            else ROGUE_SHARE
            if store.week
            else NO_HOURS_ONLINE_SHARE
        )
    if stuck or store.habit == "not_listed":
        return False
    if brand_is_down and store.brand == demo.down_brand:
        return fault < STILL_UP_SHARE
    if store.habit == "flapping":
        return fault >= FLAPPING_SHARE
    return fault >= (WEAK_CITY_SHARE if store.city == demo.weak_city else DROPPED_SHARE)


def is_down(demo: DemoCountry, window: Window) -> bool:
    """Whether the country's `down_brand` is down in the window."""
    number = int(window.start.timestamp() // WINDOW_LENGTH.total_seconds())
    return demo.down_brand is not None and (number - demo.down_from) % OUTAGE_EVERY < OUTAGE_WINDOWS


@lru_cache(maxsize=16)
def stuck_stores(code: str, day: date) -> frozenset[int | str]:
    """Ids of the stores that are offline all day."""
    random = Random(f"{code} stuck {day}")
    return frozenset(
        store.store_id
        for store in demo_stores(code)[SPOILED_STORES:]
        if random.random() < STUCK_SHARE
    )


def is_open(store: DemoStore, window: Window, minute: int) -> bool:
    """Whether the store is really open in a minute of the window: by its hours, late if it
    opens late.
    """
    special: tuple[SpecialHours, ...] = ()
    if store.special:
        today, _ = local_start(window, store.timezone)
        for day in (today, today - timedelta(days=1)):
            if day.day in store.special:
                special += (SpecialHours(day, *(store.special[day.day] or (None, None))),)
    return bool(
        _open_mask(window, store.timezone, opening_late(store.week, store.late), special) >> minute
        & 1
    )


@lru_cache(maxsize=4096)
def _open_mask(window: Window, timezone: str, week: Week, special: tuple[SpecialHours, ...]) -> int:
    return expected_schedule(window, timezone, week, special).open_mask or 0


def iso(moment: datetime) -> str:
    """`2026-11-23T10:22:04.512Z`"""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
