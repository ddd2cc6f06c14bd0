"""What a brief tells of a date: held against the committed rows, added up in plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from storeavail_platform.commands.cli import main
from storeavail_platform.domain.errors import NotObserved
from storeavail_platform.domain.tables.daily import DAILY_STORE_AVAILABILITY, STORE_OUTAGES
from storeavail_platform.domain.tables.declarations import EXPECTED_SCHEDULES, STORE_HOURS
from storeavail_platform.pipeline.local_dates import note_window
from storeavail_platform.pipeline.observe import INDEX
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.brief import Brief, Sums
from storeavail_platform.reading.brief_tables import brief_of
from storeavail_platform.reading.brief_text import FIRST, text_of
from storeavail_platform.reading.first_things import first_things
from storeavail_platform.reading.query import query
from storeavail_platform.reading.recent import Group
from storeavail_platform.warehouse.trust import Trust, verdict_on
from storeavail_platform_tests.domain.tables import test_hours_changed as hours
from storeavail_testing.pages import CONFIG, NOW, SUSPECT, fill, make_stores, runtime_in, write

DOWN = "Grill 42"
MONDAY, SUNDAY = date(2026, 11, 23), date(2026, 11, 22)
WEEKDAYS = [SUNDAY - timedelta(days=7 * week) for week in range(1, 5)]
HOURS_BRAND = "Hours Corner"
HOURS_IDS = {name: f"h{number}" for number, name in enumerate(hours.STORES)}
"""Stores whose opening hours are made by hand."""
OFF, BACK = "90001", "90002"
"""Stores that are off for long on Sunday, and that come back on it."""


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    made = runtime_in(tmp_path_factory.mktemp("brief"))
    fill(made, "BR", make_stores(60, 1, {}), seed=8, down=DOWN, days=36)
    outages = pa.Table.from_pylist(
        [outage(OFF, None), outage(BACK, datetime(2026, 11, 22, 15, tzinfo=UTC))],
        schema=STORE_OUTAGES.stored_schema(),
    )
    write(made, "BR", STORE_OUTAGES, outages, "by-hand")
    days = pa.Table.from_pylist(
        [day_of(store) for store in HOURS_IDS.values()],
        schema=DAILY_STORE_AVAILABILITY.stored_schema(),
    )
    write(made, "BR", DAILY_STORE_AVAILABILITY, days, "by-hand")
    for table, row_of in ((STORE_HOURS, hours.hours_rows), (EXPECTED_SCHEDULES, hours.schedules)):
        rows = [
            row | {"store_id": store}
            for name, store in HOURS_IDS.items()
            for day in (hours.BEFORE, hours.DATE)
            for window in hours.windows(day)
            for row in row_of(name, window)
        ]
        found = pa.Table.from_pylist(rows, schema=table.stored_schema())
        write(made, "BR", table, found, "by-hand")
    return made


def day_of(store: str) -> dict[str, Any]:
    """A store's date without any minutes."""
    names = ("expected", "available", "missing", "rogue", "unknown")
    return {
        "country": "BR",
        "local_date": hours.DATE,
        "run_id": "by-hand",
        "store_id": store,
        "brand": HOURS_BRAND,
        "is_provisional": False,
        **{f"{name}_minutes": 0 for name in names},
    }


def outage(store: str, ended_at: datetime | None) -> dict[str, Any]:
    return {
        "country": "BR",
        "local_date": SUNDAY,
        "run_id": "by-hand",
        "store_id": store,
        "name": f"*Store* {store}",
        "city": "Recife",
        "brand": "Wok Box",
        "started_at": datetime(2026, 11, 19, 15, tzinfo=UTC),
        "ended_at": ended_at,
        "missed_minutes": 600,
        "missed_minutes_total": 2400,
        "is_started_before": False,
    }


@pytest.fixture(scope="module")
def sunday(runtime: Runtime) -> Brief:
    return brief_of(runtime, "BR", SUNDAY, NOW)


@pytest.fixture(scope="module")
def monday(runtime: Runtime) -> Brief:
    return brief_of(runtime, "BR", MONDAY, NOW)


def added(runtime: Runtime, days: Iterable[date], brand: str | None = None) -> Sums:
    """The sums of dates, row by row."""
    rows = query(runtime, "SELECT * FROM daily_store_availability").to_pylist()
    total = Sums()
    for row in rows:
        if row["local_date"] in days and brand in (None, row["brand"]):
            total += Sums(
                *(
                    row[f"{name}_minutes"]
                    for name in ("expected", "available", "missing", "rogue", "unknown")
                )
            )
    return total


def test_a_date_stands_beside_the_same_weekday_of_four_weeks(
    runtime: Runtime, sunday: Brief
) -> None:
    """Minutes are added up over stores and dates and divided last; a brand's brief has its stores
    alone.
    """
    assert sunday.day.now == added(runtime, [SUNDAY])
    assert sunday.day.before == added(runtime, WEEKDAYS)
    assert sunday.day.count == 4
    now, before = sunday.day.now, sunday.day.before
    assert sunday.day.usual_missing == pytest.approx(now.known * before.missing / before.known)
    of_brand = brief_of(runtime, "BR", SUNDAY, NOW, group=Group(DOWN))
    assert of_brand.day.now == added(runtime, [SUNDAY], DOWN) != sunday.day.now
    assert of_brand.day.before == added(runtime, WEEKDAYS, DOWN)


def test_a_sundays_brief_is_the_weeks_too(runtime: Runtime, sunday: Brief, monday: Brief) -> None:
    """Monday morning tells of the seven dates up to Sunday, beside the four weeks before."""
    week = [SUNDAY - timedelta(days=number) for number in range(7)]
    assert sunday.week is not None
    assert sunday.week.now == added(runtime, week)
    four = [SUNDAY - timedelta(days=number) for number in range(7, 35)]
    assert (sunday.week.before, sunday.week.count) == (added(runtime, four), 4)
    assert monday.week is None
    assert "The week" in [section.title for section in text_of(sunday).sections]


def test_what_makes_figures_less_than_they_look_is_said_first(
    runtime: Runtime, sunday: Brief, monday: Brief
) -> None:
    """Lost windows, recorded or not, and suspect ones until a person trusts them."""
    assert (len(sunday.lost), sunday.suspect) == (2, {})
    assert text_of(sunday).plain().startswith("NOTE: 2 windows were lost (19:15, 21:45)")
    assert list(monday.suspect) == [SUSPECT]
    assert text_of(monday).plain().startswith("NOTE: 1 window is suspect (07:45; missing share")
    assert monday.is_provisional
    verdict = verdict_on(SUSPECT, SUSPECT, NOW, "it was so", is_trusted=True)
    Trust(runtime.storage).add("BR", verdict)
    assert brief_of(runtime, "BR", MONDAY, NOW).suspect == {}
    Trust(runtime.storage).undo("BR", SUSPECT.key, NOW, is_trusted=True)


def test_what_was_observed_and_waits_is_not_lost(runtime: Runtime, sunday: Brief) -> None:
    """Landed and not computed, or not rolled up: it is said, for the figures will change."""
    assert sunday.waiting == []
    recorded, window = sunday.lost
    runtime.landing.record("BR", window, INDEX, {"is_observed": True}, read_at=window.middle())
    other = window.next()
    note_window(runtime, "BR", other)
    found = brief_of(runtime, "BR", SUNDAY, NOW)
    assert (found.lost, found.waiting) == ([recorded], [window, other])
    assert "2 windows wait to be computed (21:45 to 22:15)" in text_of(found).plain()
    runtime.storage.delete_tree("roll_up/BR")
    runtime.storage.delete_tree(f"landing/BR/{window.key}")


def test_incidents_have_their_cost_and_come_first(monday: Brief, sunday: Brief) -> None:
    """The brand that is down: its missing minutes of the date; what to do first begins with it,
    and names no city that is worse by it.
    """
    (incident,) = monday.incidents
    assert (incident.brand, incident.is_ongoing) == (DOWN, True)
    assert incident.missed_minutes == 15 * 7 * incident.stores
    things = first_things(monday)
    assert things[0].what.startswith(f"call {DOWN}: its incident since 13:45 is still going on")
    assert len(things) <= 2
    assert all(thing.group.city is None for thing in things)
    (first, *_) = text_of(monday).sections
    assert first.title == FIRST
    assert sunday.incidents == []


def test_stores_off_for_long_and_those_that_came_back(sunday: Brief) -> None:
    """By the opening hours that they missed (`alerts.store_offline_after`); their names are
    harmless to a chat.
    """
    assert [store.store_id for store in sunday.off] == [OFF]
    assert [store.store_id for store in sunday.back] == [BACK]
    text = text_of(sunday).plain()
    assert "∗Store∗ 90001 90001 (Recife): since 19 Nov 12:00, 40 opening hours" in text
    assert "1 store is back after being off for long: ∗Store∗ 90002" in text
    assert any("Wok Box of a store that is off for long" in t.what for t in first_things(sunday))


def test_opening_hours_that_changed_are_told_by_brand(runtime: Runtime) -> None:
    """How many stores, from when to when, and since when; the view is asked for by `query` too."""
    brief = brief_of(runtime, "BR", hours.DATE, NOW)
    found = [each for each in brief.hours_changed or [] if each.brand == HOURS_BRAND]
    counts = Counter[str]()
    for each in found:
        counts[each.change] += each.stores
    assert counts == Counter(change for change, *_ in hours.EXPECTED.values())
    assert {each.since for each in found} == {hours.DATE}
    text = text_of(brief).plain()
    assert f"{HOURS_BRAND}: 2 stores open later (09:00 to 11:00), since Tuesday" in text
    rows = query(runtime, "SELECT store_id, change FROM hours_changed").to_pylist()
    changed = {row["store_id"]: row["change"] for row in rows}
    assert {name: changed[HOURS_IDS[name]] for name in HOURS_IDS if HOURS_IDS[name] in changed} == {
        name: change for name, (change, *_) in hours.EXPECTED.items()
    }


def test_a_country_without_a_past_has_nothing_to_tell(runtime: Runtime) -> None:
    """Neither of the date nor of the weeks before."""
    with pytest.raises(NotObserved, match="AR has nothing on 2026-11-22"):
        brief_of(runtime, "AR", SUNDAY, NOW)


def test_the_command_prints_yesterday(runtime: Runtime, sunday: Brief) -> None:
    """Of the country's zone; another date by `--date`; exit 1 and the reason where there is
    nothing, the others all the same.
    """
    config = Path(runtime.storage.path()).with_name("platform.yaml")
    config.write_text(CONFIG)
    arguments = ["brief", "--config", str(config), "--country", "BR"]
    printed = CliRunner().invoke(main, arguments, obj=lambda: NOW)
    assert printed.exit_code == 0, printed.output
    assert printed.output.startswith("BR, Sunday 22 November 2026\n")
    assert text_of(sunday).headline in printed.output
    both = [*arguments, "--country", "AR", "--date", "2026-11-23"]
    printed = CliRunner().invoke(main, both, obj=lambda: NOW)
    assert printed.exit_code == 1
    assert "BR, Monday 23 November 2026" in printed.output
    assert "AR: AR has nothing on 2026-11-23" in printed.output
