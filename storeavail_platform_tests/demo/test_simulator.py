"""The simulated stores and what the index lists of them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest

from storeavail_platform.demo.countries import COUNTRIES
from storeavail_platform.demo.dirty import FAR_AWAY
from storeavail_platform.demo.simulator import (
    documents,
    is_down,
    is_open,
    planned_observation,
    stuck_stores,
)
from storeavail_platform.demo.stores import SPOILED_STORES, DemoStore, demo_stores, parse_week
from storeavail_platform.domain.windows import Window

BUSY = {
    "BR": Window(datetime(2026, 11, 24, 20, tzinfo=UTC)),
    "CL": Window(datetime(2026, 11, 24, 20, tzinfo=UTC)),
    "IN": Window(datetime(2026, 11, 24, 6, tzinfo=UTC)),
}
DIGEST = """
import hashlib, orjson, sys
from datetime import datetime
from storeavail_platform.demo.simulator import documents
from storeavail_platform.domain.windows import Window
window = Window.parse(sys.argv[1])
found = list(documents("IN", window, window.middle()))
print(hashlib.sha256(orjson.dumps(found)).hexdigest())
"""


def store(week: tuple[str, ...], late: int = 0, **changes: Any) -> DemoStore:
    """A store in Brazil with this week."""
    return replace(demo_stores("BR")[0], week=parse_week(week), late=late, **changes)


def listed(code: str, window: Window) -> list[dict[str, Any]]:
    return list(documents(code, window, window.middle()))


def test_documents_are_the_same_in_every_process() -> None:
    """A recording can be made again anywhere: it depends on country, window and moment alone,
    not on hash seeds.
    """
    window = BUSY["IN"]
    here = hashlib.sha256(orjson.dumps(listed("IN", window))).hexdigest()
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    there = subprocess.run(
        [sys.executable, "-c", DIGEST, window.key],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert there == here


def test_windows_differ() -> None:
    """Stores go on and off between windows: equal recordings would be a dead index."""
    first, second = listed("IN", BUSY["IN"]), listed("IN", BUSY["IN"].next())
    online = [
        {str(document.get("store_id")) for document in window if document.get("online") is True}
        for window in (first, second)
    ]
    assert online[0] != online[1]


@pytest.mark.parametrize(
    "code", [code for code, country in COUNTRIES.items() if country.down_brand]
)
@pytest.mark.parametrize("shift", range(0, 16, 5))
def test_brand_is_down_for_an_hour_of_every_four(code: str, shift: int) -> None:
    """Whenever a demo of four hours is run, it shows one hour of outage."""
    assert (
        sum(is_down(COUNTRIES[code], BUSY[code].next(shift + number)) for number in range(16)) == 4
    )


@pytest.mark.parametrize("code", COUNTRIES)
def test_figures_tell_a_story(code: str) -> None:
    """Over four busy hours most open stores are online, and one brand or one city clearly is
    the worst.
    """
    country = COUNTRIES[code]
    stores = demo_stores(code)[SPOILED_STORES:]
    open_stores, offline = 0, Counter[str]()
    for number in range(16):
        window = BUSY[code].next(number)
        online = {
            str(document.get("store_id"))
            for document in listed(code, window)
            if document.get("online") is True
        }
        for each in stores:
            if each.is_active and is_open(each, window, 7):
                open_stores += 1
                if str(each.store_id) not in online:
                    offline.update([each.brand, each.city])
    brands = [name for name, _ in country.brands]
    assert 0.92 < 1 - sum(offline[brand] for brand in brands) / open_stores < 0.975
    group = brands if country.down_brand else [city.name for city in country.cities]
    worst, second = sorted(group, key=lambda name: -offline[name])[:2]
    assert worst in (country.down_brand, country.weak_city)
    assert offline[worst] > 1.8 * offline[second]


def test_some_country_is_in_business_at_any_hour() -> None:
    """Whoever runs the demo at whatever time of day sees figures that come from many open
    stores.
    """
    for hour in range(24):
        window = Window(datetime(2026, 11, 24, hour, tzinfo=UTC))
        shares = []
        for code in COUNTRIES:
            stores = demo_stores(code)[SPOILED_STORES : SPOILED_STORES + 400]
            shares.append(sum(is_open(each, window, 7) for each in stores) / len(stores))
        assert max(shares) > 0.18, f"at {hour}:00 UTC hardly any store is open: {shares}"


def test_every_kind_of_store_is_there() -> None:
    """The largest country has 12,000 stores, and every country all the shapes of hours that the
    rule knows.
    """
    assert len(demo_stores("BR")) == 12_000
    for code in COUNTRIES:
        stores = demo_stores(code)
        assert len({each.store_id for each in stores}) == len(stores)
        hours = {
            (row.opens_minute or 0, row.closes_minute or 0) for each in stores for row in each.week
        }
        assert any(0 < closes < opens for opens, closes in hours), "overnight"
        assert any(opens == closes for opens, closes in hours), "24 hours"
        assert any(closes == 24 * 60 for _, closes in hours), "24:00"
        assert any(Counter(row.weekday for row in each.week)[7] == 2 for each in stores), (
            "split shifts"
        )
        assert any(not each.week for each in stores), "no hours"
        assert any(not each.is_active for each in stores), "inactive"
        assert any(each.late for each in stores), "late openers"
        assert {None, "", COUNTRIES[code].timezone} <= {each.stored_timezone for each in stores}
        habits = {each.habit for each in stores}
        assert habits == {"regular", "flapping", "never_closes", "not_listed"}


def test_late_opener_is_closed_until_it_opens() -> None:
    """A store that opens 20 minutes late (São Paulo is at UTC-3) is closed in its first window
    and open in its second.
    """
    first = Window(datetime(2026, 11, 24, 13, tzinfo=UTC))
    late = store(("1234567 10:00-22:00",), late=20)
    assert is_open(store(("1234567 10:00-22:00",)), first, 7)
    assert not is_open(late, first, 7)
    assert is_open(late, first.next(), 7)


def test_special_day_replaces_the_week() -> None:
    """A store that is closed on the 24th is closed at noon that day and open the day after."""
    noon = Window(datetime(2026, 11, 24, 15, tzinfo=UTC))
    special = store(("1234567 10:00-22:00",), special={24: None})
    assert not is_open(special, noon, 7)
    assert is_open(special, noon.next(96), 7)


@pytest.mark.parametrize("code", COUNTRIES)
def test_every_kind_of_dirty_document_is_there(code: str) -> None:
    """Whatever real indexes hold: ids that are none, text ids, unknown stores, no usable flag,
    copies, unreadable times.
    """
    found = listed(code, BUSY[code])
    ids = [document.get("store_id", "absent") for document in found]
    single = {each for each in ids if not isinstance(each, list)}
    assert {"absent", None, "  ", ""} <= single
    assert any(isinstance(each, list) for each in ids)
    known = {store.store_id for store in demo_stores(code)}
    of_other_form = {str(each).upper() for each in known} - known
    assert len(of_other_form & single) == 1
    assert COUNTRIES[code].store_id(FAR_AWAY) in single - known
    flags = [document.get("online", "absent") for document in found]
    assert {"absent", None, "perhaps", True, False} <= set(flags)
    twice = [
        each
        for each, copies in Counter(each for each in ids if not isinstance(each, list)).items()
        if copies == 2 and each in known
    ]
    flags_of_copies = sorted(
        len({document["online"] for document in found if document.get("store_id") == each})
        for each in twice
    )
    assert flags_of_copies == [1, 2], "one store is listed twice alike, another contradicts itself"
    times = [document.get("updated_at", "absent") for document in found]
    assert {"absent", "yesterday"} <= set(times)


def test_planned_observation_is_about_the_seventh_minute() -> None:
    """Recordings are made when schedules would read: in the window's middle, some seconds more
    or less.
    """
    for number in range(50):
        window = BUSY["BR"].next(number)
        assert (
            window.middle()
            <= planned_observation("BR", window)
            < window.middle() + timedelta(seconds=20)
        )


def test_stuck_stores_are_offline_all_day() -> None:
    """The worst stores of a day are the same ones in each of its windows."""
    stuck = stuck_stores("IN", date(2026, 11, 24))
    assert 5 <= len(stuck) <= 25
    for number in range(0, 24, 6):
        online = {
            document.get("store_id")
            for document in _single(listed("IN", BUSY["IN"].next(number)))
            if document.get("online") is True
        }
        open_now = {
            each.store_id for each in demo_stores("IN") if is_open(each, BUSY["IN"].next(number), 7)
        }
        assert not stuck & online & open_now


def _single(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [document for document in found if not isinstance(document.get("store_id"), list)]
