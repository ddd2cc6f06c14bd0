"""The hours of today and tomorrow, of what windows have seen of them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb

from storeavail_platform.dashboard.figures import Scope
from storeavail_platform.dashboard.hours import opening_hours
from storeavail_testing.pages import LAST, ZONES

SCOPE = Scope("BR", ZONES["BR"], LAST)
TODAY = date(2026, 11, 23)
A_WEEK_AGO = TODAY - timedelta(days=7)
Row = tuple[str, date, str, int | None, int | None]


def hours(
    rows: list[Row], first: date = date(2026, 11, 1), zone: str | None = None
) -> dict[str, list[object]]:
    """Today's and tomorrow's hours by store.

    Args:
        rows: store, business date, kind, opens, closes.
        first: the local date from which on the country was observed.
        zone: of every store; None: the country's.
    """
    stores = sorted({row[0] for row in rows})
    midnight = datetime(first.year, first.month, first.day, tzinfo=ZoneInfo(SCOPE.timezone))
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE TABLE seen_windows (window_start TIMESTAMPTZ)")
        connection.execute("INSERT INTO seen_windows VALUES (?)", [midnight])
        connection.execute(
            "CREATE TABLE seen_hours (store_id TEXT, business_date DATE, kind TEXT,"
            " opens_minute INT, closes_minute INT)"
        )
        connection.executemany("INSERT INTO seen_hours VALUES (?, ?, ?, ?, ?)", rows)
        connection.execute("CREATE TABLE numbered (number INT, store_id TEXT)")
        connection.executemany("INSERT INTO numbered VALUES (?, ?)", [*enumerate(stores)])
        connection.execute("CREATE TABLE newest_places (store_id TEXT, timezone TEXT)")
        connection.executemany(
            "INSERT INTO newest_places VALUES (?, ?)", [(store, zone) for store in stores]
        )
        found, places = opening_hours(connection, SCOPE)
    return {store: found[place] for store, place in zip(stores, places.to_pylist(), strict=True)}


def test_hours_are_those_of_the_weekday() -> None:
    """What was seen of today counts, the rest is as a week ago; special hours rule; hours that
    changed are not added to what they were; who has no hours then is closed; of a store that was
    not there then nothing is known.
    """
    found = hours(
        [
            ("lunch and dinner", TODAY, "weekly", 600, 900),
            ("lunch and dinner", A_WEEK_AGO, "weekly", 600, 900),
            ("lunch and dinner", A_WEEK_AGO, "weekly", 1080, 120),
            ("holiday", TODAY, "special", None, None),
            ("holiday", A_WEEK_AGO, "weekly", 600, 900),
            ("holiday", A_WEEK_AGO + timedelta(days=1), "weekly", 660, 900),
            ("later now", TODAY, "weekly", 660, 1260),
            ("later now", A_WEEK_AGO, "weekly", 600, 1200),
            ("new", TODAY - timedelta(days=1), "weekly", 600, 900),
        ]
    )
    assert found == {
        "lunch and dinner": [[[600, 900], [1080, 1560]], []],
        "holiday": [[], [[660, 900]]],
        "later now": [[[660, 1260]], []],
        "new": [None, None],
    }


def test_a_young_country_has_yesterdays_hours() -> None:
    """As long as it has no week; on its first day nothing but what was seen is known."""
    yesterday = TODAY - timedelta(days=1)
    rows: list[Row] = [("a", yesterday, "weekly", 600, 900), ("b", TODAY, "weekly", 0, 1440)]
    assert hours(rows, first=yesterday) == {
        "a": [[[600, 900]], [[600, 900]]],
        "b": [[[0, 1440]], None],
    }
    assert hours(rows, first=TODAY) == {"a": [None, None], "b": [[[0, 1440]], None]}


def test_hours_are_on_the_countrys_clock() -> None:
    """A store in Manaus opens at nine of its own, which is ten in Sao Paulo."""
    rows: list[Row] = [("a", A_WEEK_AGO, "weekly", 540, 1020)]
    assert hours(rows, zone="America/Manaus") == {"a": [[[600, 1080]], []]}
    assert hours(rows, zone="Mars/Olympus_Mons") == {"a": [[[540, 1020]], []]}
