"""The opening-hours rule: hand-made vectors, and SQL held equal to the plain Python rule on
random weeks, zones and DST days.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storeavail_platform.domain.hours import (
    ExpectedSchedule,
    SpecialHours,
    WeeklyHours,
    expected_schedule,
    local_start,
    zones,
)
from storeavail_platform.domain.tables.declarations import (
    EXPECTED_SCHEDULES,
    ONLINE_INDEX,
    STORE_HOURS,
    STORES,
)
from storeavail_platform.domain.windows import Window
from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform_tests.domain.tables.harness import (
    Inputs,
    Row,
    computed,
    special,
    store,
    weekly,
)

ALL = 0b111_1111_1111_1111
SCHEDULE_TABLES = (STORES, STORE_HOURS, ONLINE_INDEX, EXPECTED_SCHEDULES)


def at(text: str, timezone: str) -> Window:
    """The window that contains a wall-clock time; the first of the two where the hour repeats."""
    return Window.containing(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(timezone)))


def minutes(text: str) -> int:
    hours, _, remaining = text.partition(":")
    return int(hours) * 60 + int(remaining)


def week(*intervals: str, days: range = range(1, 8)) -> list[WeeklyHours]:
    """Intervals like 08:00-22:00 on every weekday."""
    pairs = [interval.split("-") for interval in intervals]
    return [
        WeeklyHours(day, minutes(opens), minutes(closes)) for day in days for opens, closes in pairs
    ]


def day(text: str, *intervals: str) -> list[SpecialHours]:
    """Special hours of a date; none: closed all day."""
    pairs = [interval.split("-") for interval in intervals]
    return [SpecialHours(date.fromisoformat(text), minutes(o), minutes(c)) for o, c in pairs] or [
        SpecialHours(date.fromisoformat(text), None, None)
    ]


def hours_rows(
    store_id: int,
    window: Window,
    timezone: str,
    weekly_hours: list[WeeklyHours],
    special_hours: list[SpecialHours],
) -> list[Row]:
    """The raw rows that PostgreSQL would give for a store in a window, without leaving any out
    that touch it.
    """
    today, _ = local_start(window, timezone)
    dates = {
        (today - timedelta(days=back)).isoweekday(): today - timedelta(days=back) for back in (1, 0)
    }
    rows = [weekly(store_id, dates.get(row.weekday or 0), row.opens_minute, row.closes_minute, row.weekday) for row in weekly_hours
            if row.weekday in dates or row.weekday not in range(1, 8) or row.opens_minute is None or row.closes_minute is None]  # fmt: skip
    return rows + [
        special(store_id, row.business_date, row.opens_minute, row.closes_minute)
        for row in special_hours
    ]


class Case(NamedTuple):
    window: Window
    timezone: str
    weekly: list[WeeklyHours]
    special: list[SpecialHours]
    always_open: bool = False


def by_python(case: Case) -> ExpectedSchedule:
    return expected_schedule(
        case.window, case.timezone, case.weekly, case.special, always_open=case.always_open
    )


def by_sql(engine: DuckDBEngine, cases: list[Case]) -> list[ExpectedSchedule]:
    """The SQL's answers to cases of one window, each as a store of its own."""
    given_rows = Inputs(cases[0].window, always_open=cases[0].always_open)
    for number, case in enumerate(cases):
        given_rows.stores.append(
            store(number, timezone=case.timezone, has_weekly_hours=bool(case.weekly))
        )
        given_rows.hours += hours_rows(
            number, case.window, case.timezone, case.weekly, case.special
        )
    with computed(engine, given_rows, SCHEDULE_TABLES) as session:
        found = session.rows("SELECT * FROM expected_schedules")
    rows = sorted(found, key=lambda row: int(row["store_id"]))
    assert [row["expected_minutes"] for row in rows] == [
        (row["open_mask"] or 0).bit_count() for row in rows
    ]
    return [
        ExpectedSchedule(
            row["open_mask"], row["hours_kind"], row["local_date"], row["local_minute"]
        )
        for row in rows
    ]


SP, SANTIAGO, MEXICO, KATHMANDU, NEWFOUNDLAND, LORD_HOWE = (
    "America/Sao_Paulo", "America/Santiago", "America/Mexico_City", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe",
)  # fmt: skip

VECTORS: dict[str, tuple[Case, int | None]] = {
    # 2026-11-23 is a Monday
    "open all window": (Case(at("2026-11-23T10:00", SP), SP, week("08:00-22:00"), []), ALL),
    "before opening": (Case(at("2026-11-23T07:45", SP), SP, week("08:00-22:00"), []), 0),
    "opens at minute 5": (Case(at("2026-11-23T10:00", SP), SP, week("10:05-22:00"), []), ALL & ~0b11111),
    "closes at minute 3": (Case(at("2026-11-23T22:00", SP), SP, week("08:00-22:03"), []), 0b111),
    "overnight, evening": (Case(at("2026-11-23T23:45", SP), SP, week("22:00-02:00"), []), ALL),
    "overnight, after midnight": (Case(at("2026-11-24T01:45", SP), SP, week("22:00-02:00"), []), ALL),
    "overnight, after closing": (Case(at("2026-11-24T02:00", SP), SP, week("22:00-02:00"), []), 0),
    "overnight belongs to the day it starts": (Case(at("2026-11-23T01:00", SP), SP, week("22:00-02:00", days=range(1, 2)), []), 0),
    "split shifts, between": (Case(at("2026-11-23T15:00", SP), SP, week("10:00-15:05", "15:10-22:00"), []), ALL & ~0b11111_00000),
    "24 hours as 00:00-24:00": (Case(at("2026-11-23T23:45", SP), SP, week("00:00-24:00"), []), ALL),
    "closes equals opens is 24 hours": (Case(at("2026-11-23T03:00", SP), SP, week("00:00-00:00"), []), ALL),
    "closes equals opens from noon": (Case(at("2026-11-24T11:45", SP), SP, week("12:00-12:00", days=range(1, 2)), []), ALL),
    "24:00 ends the day": (Case(at("2026-11-24T00:00", SP), SP, week("08:00-24:00", days=range(1, 2)), []), 0),
    "overlaps count once": (Case(at("2026-11-23T10:00", SP), SP, week("08:00-10:08", "10:04-22:00"), []), ALL),
    "special day replaces an overnight shift": (Case(at("2026-11-23T23:00", SP), SP, week("22:00-02:00"), day("2026-11-23", "10:00-12:00")), 0),
    "special day replaces the spill of its own date": (Case(at("2026-11-24T01:00", SP), SP, week("22:00-02:00"), day("2026-11-23", "10:00-12:00")), 0),
    "special day keeps the spill from the day before": (Case(at("2026-11-24T01:00", SP), SP, week("22:00-02:00"), day("2026-11-24", "10:00-12:00")), ALL),
    "closed special day": (Case(at("2026-11-23T10:00", SP), SP, week("08:00-22:00"), day("2026-11-23")), 0),
    "closed special day keeps the spill from the day before": (Case(at("2026-11-24T01:45", SP), SP, week("22:00-02:00"), day("2026-11-24")), ALL),
    "special overnight spills": (Case(at("2026-11-24T01:45", SP), SP, [], day("2026-11-23", "20:00-02:00")), ALL),
    "no hours": (Case(at("2026-11-23T10:00", SP), SP, [], []), 0),
    "always open without hours": (Case(at("2026-11-23T03:00", SP), SP, [], [], True), ALL),
    "always open, but closed today": (Case(at("2026-11-23T03:00", SP), SP, [], day("2026-11-23"), True), 0),
    "weekly rule with hours": (Case(at("2026-11-23T03:00", SP), SP, week("08:00-22:00"), [], True), 0),
    "one end missing today": (Case(at("2026-11-23T10:00", SP), SP, [WeeklyHours(1, 480, None)], []), None),
    "both ends missing today": (Case(at("2026-11-23T10:00", SP), SP, [WeeklyHours(1, None, None)], []), None),
    "one end missing on another day": (Case(at("2026-11-23T10:00", SP), SP, [*week("08:00-22:00"), WeeklyHours(3, 480, None)], []), ALL),
    "weekday 8 may be any day": (Case(at("2026-11-23T10:00", SP), SP, [*week("08:00-22:00"), WeeklyHours(8, 480, 600)], []), None),
    "no weekday may be any day": (Case(at("2026-11-23T10:00", SP), SP, [WeeklyHours(None, 480, 600)], []), None),
    "invalid weekly hours do not matter on a special day": (Case(at("2026-11-23T10:00", SP), SP, [WeeklyHours(8, 480, 600)], day("2026-11-23", "09:00-12:00")), ALL),
    "closed row beside an interval": (Case(at("2026-11-23T10:00", SP), SP, [], [*day("2026-11-23", "09:00-12:00"), *day("2026-11-23")]), None),
    "special row with one end": (Case(at("2026-11-23T10:00", SP), SP, week("08:00-22:00"), [SpecialHours(date(2026, 11, 23), 540, None)]), None),
    "yesterday's invalid special row adds nothing": (Case(at("2026-11-24T10:00", SP), SP, week("08:00-22:00"), [SpecialHours(date(2026, 11, 23), 540, None)]), ALL),
    "yesterday's contradiction adds nothing": (Case(at("2026-11-24T01:00", SP), SP, week("22:00-02:00"), [*day("2026-11-23", "20:00-02:00"), *day("2026-11-23")]), 0),
    # Chile, 2026-09-06: 00:00 becomes 01:00
    "Santiago skips midnight: open from 00:00": (Case(at("2026-09-06T01:00", SANTIAGO), SANTIAGO, week("00:00-02:00", days=range(7, 8)), []), ALL),
    "Santiago skips midnight: the hour 00:00-01:00 never happens": (Case(at("2026-09-06T01:00", SANTIAGO), SANTIAGO, week("00:00-01:00", days=range(7, 8)), []), 0),
    # Chile, 2026-04-05: 24:00 of Saturday becomes 23:00
    "Santiago repeats 23:00: first": (Case(Window.parse("2026-04-05T0215"), SANTIAGO, week("23:00-23:30", days=range(6, 7)), []), ALL),
    "Santiago repeats 23:00: second": (Case(Window.parse("2026-04-05T0315"), SANTIAGO, week("23:00-23:30", days=range(6, 7)), []), ALL),
    # Mexico, 2022-04-03: 02:00 becomes 03:00; 2022-10-30: 02:00 becomes 01:00, for the last time
    "Mexico skips 02:00": (Case(Window.parse("2022-04-03T0800"), MEXICO, week("02:00-03:00"), []), 0),
    "Mexico after the gap": (Case(Window.parse("2022-04-03T0800"), MEXICO, week("03:00-04:00"), []), ALL),
    "Mexico repeats 01:00: first": (Case(Window.parse("2022-10-30T0600"), MEXICO, week("01:00-02:00"), []), ALL),
    "Mexico repeats 01:00: second": (Case(Window.parse("2022-10-30T0700"), MEXICO, week("01:00-02:00"), []), ALL),
    "Mexico after it": (Case(Window.parse("2022-10-30T0800"), MEXICO, week("01:00-02:00"), []), 0),
    # Brazil, 2018-02-18: 00:00 becomes 23:00 of Saturday; 2018-11-04: 00:00 becomes 01:00
    "Sao Paulo repeats 23:00 of Saturday": (Case(Window.parse("2018-02-18T0200"), SP, week("23:00-24:00", days=range(6, 7)), []), ALL),
    "Sao Paulo skips midnight": (Case(Window.parse("2018-11-04T0300"), SP, week("00:00-01:00", days=range(7, 8)), []), 0),
    "Sao Paulo overnight into the skipped hour": (Case(Window.parse("2018-11-04T0300"), SP, week("22:00-02:00", days=range(6, 7)), []), ALL),
    "Kathmandu, +05:45": (Case(Window.parse("2026-11-23T0415"), KATHMANDU, week("10:00-10:15"), []), ALL),
    "St Johns, -03:30": (Case(Window.parse("2026-11-23T1330"), NEWFOUNDLAND, week("10:00-10:15"), []), ALL),
    # Lord Howe, 2026-04-05: 02:00 becomes 01:30
    "Lord Howe repeats half an hour: first": (Case(Window.parse("2026-04-04T1430"), LORD_HOWE, week("01:30-01:45"), []), ALL),
    "Lord Howe repeats half an hour: second": (Case(Window.parse("2026-04-04T1500"), LORD_HOWE, week("01:30-01:45"), []), ALL),
}  # fmt: skip


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(engine: DuckDBEngine, name: str) -> None:
    """Each vector's mask is what the rule says, in plain Python and in SQL."""
    case, mask = VECTORS[name]
    assert by_python(case).open_mask == mask
    assert by_sql(engine, [case]) == [by_python(case)]


ZONES = [
    SP,
    SANTIAGO,
    MEXICO,
    KATHMANDU,
    NEWFOUNDLAND,
    LORD_HOWE,
    "Africa/Casablanca",
    "Asia/Tehran",
    "Pacific/Apia",
    "Europe/Dublin",
    "UTC",
]
DST_DAYS = [
    "2022-04-03",
    "2022-10-30",
    "2018-02-18",
    "2018-11-04",
    "2026-04-05",
    "2026-09-06",
    "2026-03-29",
    "2026-10-25",
    "2026-03-08",
    "2026-11-01",
]
MINUTE = st.integers(0, 1440) | st.integers(0, 96).map(lambda quarter: quarter * 15)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Any window since 2012, often near a change of the clocks."""
    if draw(st.booleans()):
        start = datetime.fromisoformat(draw(st.sampled_from(DST_DAYS))).replace(tzinfo=UTC)
        return Window(start + timedelta(minutes=15 * draw(st.integers(-96, 192))))
    return Window(
        datetime(2012, 1, 2, tzinfo=UTC)
        + timedelta(minutes=15 * draw(st.integers(0, 96 * 365 * 16)))
    )


@st.composite
def cases(draw: st.DrawFn, window: Window, always_open: bool) -> Case:
    """A random store: a week, special days around the window, a zone."""
    timezone = draw(st.sampled_from(ZONES) | st.sampled_from(sorted(zones())))
    today, now = local_start(window, timezone)
    near = st.integers(-16, 31).map(lambda minutes: (now + minutes) % 1440)
    some_minute = st.one_of(near, MINUTE, near, MINUTE, near, st.none())
    weekdays = st.one_of(
        st.integers(1, 7), st.integers(1, 7), st.integers(1, 7), st.sampled_from([None, 0, 8])
    )
    weekly_hours = draw(
        st.lists(st.builds(WeeklyHours, weekdays, some_minute, some_minute), max_size=10)
    )
    valid_only = draw(st.booleans())
    if valid_only:
        weekly_hours = [
            row
            for row in weekly_hours
            if row.weekday in range(1, 8)
            and row.opens_minute is not None
            and row.closes_minute is not None
        ]
    dates = st.integers(-2, 1).map(lambda offset: today + timedelta(days=offset))
    special_hours = draw(
        st.lists(st.builds(SpecialHours, dates, some_minute, some_minute), max_size=3)
    )
    return Case(window, timezone, weekly_hours, special_hours, always_open)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.data())
def test_sql_and_python_agree(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """For random stores of a random window, the SQL and the plain Python rule give the same
    schedules.
    """
    window, always_open = data.draw(windows()), data.draw(st.booleans())
    stores = data.draw(st.lists(cases(window, always_open), min_size=1, max_size=25))
    engine = DuckDBEngine(LocalStorage(Path(tmp_path_factory.getbasetemp())))
    assert by_sql(engine, stores) == [by_python(case) for case in stores]
