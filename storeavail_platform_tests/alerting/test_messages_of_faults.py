"""One event, one message: for each kind of fault what people are sent from its beginning to its
end, none twice and none missing, over real storage at every minute that matters.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storeavail_platform.alerting.alerts import Alert
from storeavail_platform.alerting.channels import About, open_channels
from storeavail_platform.alerting.failed_runs import PLATFORM, FailedRun
from storeavail_platform.alerting.notify import Audience, State, tell
from storeavail_platform.config import Alerts, Aws
from storeavail_platform.domain.alert_kinds import Cause, Kind
from storeavail_platform.domain.tables.causes import INCIDENTS
from storeavail_platform.domain.tables.daily import STORE_OUTAGES
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.reading import silences
from storeavail_platform.warehouse.engine import WrittenFile
from storeavail_platform.warehouse.markers import FailedCheck
from storeavail_platform_tests.alerting.alert_world import (
    COUNTRY,
    FIRST,
    AlertWorld,
    Groups,
    Recorder,
    at,
    marker,
)

HOUR = timedelta(hours=1)
TODAY = date(2026, 11, 23)
ALERTS = "store_offline_after: 24h, watch_stores: [7], coverage: 0.8"


@pytest.fixture
def world(tmp_path: Path) -> AlertWorld:
    return AlertWorld(tmp_path, alerts=ALERTS)


def heads(world: AlertWorld) -> list[str]:
    """What the messages since the last call begin with: `1 new`, `1 resolved`."""
    return [subject.split(": ")[1] for subject in world.recorder.take()]


def windows_of_day(world: AlertWorld, count: int, **figures: Any) -> Iterator[datetime]:
    """That many windows become complete with such figures, each looked at twice."""
    for number in range(count):
        window = FIRST.next(len(world.runtime.markers.complete(COUNTRY)))
        world.complete(window, **figures)
        for minutes in (2, 9):
            world.look(window.middle() + timedelta(minutes=minutes))
        yield window.middle() + timedelta(minutes=9, seconds=number)


@pytest.mark.parametrize(
    ("figures", "subject"),
    [
        ({"coverage_without_edge": 0.7}, "coverage is 70.0% (limit 80.0%)"),
        ({"hours_with_problem": 40}, "40 rows have problems: 0 stores, 40 of hours, 0 documents"),
    ],
)
def test_unusable_rows_are_one_message_and_one_at_the_end(
    world: AlertWorld, figures: dict[str, float], subject: str
) -> None:
    """Of low coverage after three windows in a row, of rows with problems at once; over with good
    windows, and nothing in between.
    """
    list(windows_of_day(world, 2))
    list(windows_of_day(world, 6, **figures))
    (message,) = world.recorder.messages
    assert subject in message.subject
    world.recorder.take()
    list(windows_of_day(world, 3))
    assert heads(world) == ["1 resolved"]


def test_rows_with_problems_are_told_again_when_they_have_doubled(world: AlertWorld) -> None:
    """And not before: 40, 79, 80; then once a day."""
    for count in (40, 79, 80, 80):
        (now,) = windows_of_day(world, 1, documents_with_problem=count)
    assert heads(world) == ["1 new", "1 worse"]
    for hour in (5, 20):
        keep_fresh(world, now + hour * HOUR, documents_with_problem=80)
    assert heads(world) == []
    keep_fresh(world, now + 25 * HOUR, documents_with_problem=80)
    assert heads(world) == ["1 going on"]


def keep_fresh(world: AlertWorld, now: datetime, **figures: Any) -> None:
    """The window before a moment is complete, and the country is looked at then."""
    world.complete(Window.containing(now).next(-1), **figures)
    world.look(now)


def test_a_failed_check_is_told_with_its_figures_until_it_passes(world: AlertWorld) -> None:
    """Table, check and figures; several of one window are one message; those that are alerts of
    their own, and rows with problems, are left out.
    """
    failed = (
        FailedCheck("chain_sums", "adds_up", FIRST.key, {"difference": 3}),
        FailedCheck("store_outages", "complete", "2026-11-23", {"missed_minutes": 15}),
        FailedCheck("stores", "quality", FIRST.key, {"with_problem": 1}),
    )
    world.complete(FIRST)
    world.runtime.markers.write(replace(marker(FIRST), failed_checks=failed))
    world.look(at("10:10"))
    world.look(at("10:11"))
    (message,) = world.recorder.messages
    assert "adds_up of chain_sums 2026-11-23T1000 failed (difference: 3)" in message.subject
    assert "complete of store_outages 2026-11-23 failed (missed_minutes: 15)" in message.body
    assert "quality" not in message.body
    world.recorder.take()
    world.complete(FIRST.next())
    world.look(at("10:25"))
    assert heads(world) == ["1 resolved"]


def commit_date(world: AlertWorld, table: Table, rows: list[dict[str, Any]]) -> None:
    """Replace today's rows of a table of local dates."""
    schema, warehouse = table.stored_schema(), world.runtime.warehouse
    constants = {"country": COUNTRY, "local_date": TODAY, "run_id": "run"}
    found = [{**dict.fromkeys(schema.names), **constants, **row} for row in rows]
    path = warehouse.location(COUNTRY, table.name, "data", f"{uuid.uuid4()}.parquet")
    with warehouse.storage.open_output(path) as stream:
        pq.write_table(pa.Table.from_pylist(found, schema=schema), stream)
    files = [WrittenFile(warehouse.storage.path(path), len(found), 1)]
    warehouse.commit(COUNTRY, table, TODAY, files, "run")


def incident(stores: int, **columns: Any) -> dict[str, Any]:
    """An incident's row: brand A, of which 100 stores are known, from the first window on."""
    started = FIRST.start
    return {
        "incident_id": "missing-brand-20261123T1000-1f0c9a2b", "kind": "missing", "scope": "brand",
        "brand": "A", "started_at": started, "is_ongoing": True, "last_window": started,
        "stores": stores, "known": 100, "peak_share": stores / 100, "stores_now": stores,
        "known_now": 100, "missed_minutes": 15 * stores, "usual": 3.0, "share_explained": 0.96,
        "past_days": 28, **columns,
    }  # fmt: skip


def told_of(world: AlertWorld) -> list[str]:
    """Heads and ids of what was told since the last call."""
    found = []
    for message in world.recorder.messages:
        ids = [
            line.removeprefix("  id: ") for line in message.body.splitlines() if "  id: " in line
        ]
        found.append(f"{message.subject.split(': ')[1]}: {', '.join(ids)}")
    world.recorder.messages.clear()
    return found


DOWN: Groups = {("Recife", "A"): (10, 40), ("Natal", "A"): (10, 40), ("Natal", "B"): (300, 3)}
"""Brand A is down: the country is at 85 %, both cities are below the objective."""
WELL: Groups = {("Recife", "A"): (50, 0), ("Natal", "A"): (50, 0), ("Natal", "B"): (300, 3)}
ID = "BR/incident/missing-brand-20261123T1000-1f0c9a2b"


def test_a_brand_that_is_down_is_one_message_and_one_at_the_end(world: AlertWorld) -> None:
    """Neither the country, nor its cities, nor the brand are told besides, though all of them are
    below the objective for an hour.
    """
    for number in range(6):
        world.complete(FIRST.next(number), groups=DOWN)
        commit_date(world, INCIDENTS, [incident(80, last_window=FIRST.next(number).start)])
        world.look(FIRST.next(number).middle() + timedelta(minutes=2))
    (message,) = world.recorder.messages
    assert message.subject == "storeavail BR: 1 new: A: 80 of 100 stores are off"
    assert message.body == (
        "NEW error: BR: A: 80 of 100 stores are off\n"
        "  figures: usually 3; 96% of what is more than usual in BR; the others of BR are at 99.0%\n"
        f"  window: {FIRST}\n"
        "  since: 2026-11-23 10:00 UTC\n"
        "  likely cause: stores really offline"
        " (https://storeavail.example.com/docs/operations.md#stores-really-offline)\n"
        "  next: tell those who run them; the page has the list of them\n"
        "  page: https://pages.example.com/BR/index.html#brand=A\n"
        "  what to do: https://storeavail.example.com/docs/operations.md#incident\n"
        f"  id: {ID}"
    )
    world.recorder.take()
    ended = FIRST.next(6)
    commit_date(world, INCIDENTS, [incident(80, ended_at=ended.start, is_ongoing=False)])
    for number in range(6, 9):
        world.complete(FIRST.next(number), groups=WELL)
        world.look(FIRST.next(number).middle() + timedelta(minutes=2))
    assert told_of(world) == [f"1 resolved: {ID}"]


def test_an_incident_is_told_again_when_twice_as_many_stores_are_off(world: AlertWorld) -> None:
    """20, 39, 40, 80: twice; whoever looks after it is told that too, and not reminded."""
    for number, stores in enumerate((20, 39, 40, 80, 80)):
        world.complete(FIRST.next(number), groups=DOWN)
        commit_date(world, INCIDENTS, [incident(stores)])
        now = FIRST.next(number).middle() + timedelta(minutes=2)
        world.look(now)
        if number == 1:
            silences.begin(world.runtime.storage, COUNTRY, now, HOUR, "calling them", alert=ID)
    assert told_of(world) == [f"1 new: {ID}", f"1 worse: {ID}", f"1 worse: {ID}"]


def test_the_rest_of_the_country_is_still_judged(world: AlertWorld) -> None:
    """What no incident explains is told of the country, and of a city or brand by itself."""
    groups: Groups = {**DOWN, ("Natal", "B"): (85, 15), ("Olinda", "C"): (100, 2)}
    for number in range(3):
        world.complete(FIRST.next(number), groups=groups)
        commit_date(world, INCIDENTS, [incident(80)])
        world.look(FIRST.next(number).middle() + timedelta(minutes=2))
    ids = ["BR/availability/", "BR/availability/brand B", "BR/availability/city Natal"]
    assert told_of(world) == [f"1 new: {ID}", f"3 new: {', '.join(ids)}"]


def test_an_incident_that_is_found_late_takes_the_place_of_what_was_told(world: AlertWorld) -> None:
    """Nobody is told that the country is well again while the brand is down; nor that the window is
    suspect beside an incident that says why.
    """
    for number in range(5):
        world.complete(FIRST.next(number), groups=DOWN)
        if number == 3:
            commit_date(world, INCIDENTS, [incident(80)])
        world.look(FIRST.next(number).middle() + timedelta(minutes=2))
    before = ["", "brand A", "city Natal", "city Recife"]
    first = ", ".join(f"BR/availability/{scope}" for scope in before)
    assert told_of(world) == [f"4 new: {first}", f"1 new: {ID}"]
    world.complete(FIRST.next(5), suspect_reason="missing share rose", groups=DOWN)
    world.look(FIRST.next(5).middle() + timedelta(minutes=2))
    world.complete(FIRST.next(6), suspect_reason="missing share rose; index is stale", groups=DOWN)
    world.look(FIRST.next(6).middle() + timedelta(minutes=2))
    assert told_of(world) == ["1 new: BR/suspect_window/"]


@pytest.mark.parametrize(
    ("kind", "alert", "what"),
    [
        ("rogue", "rogue_incident", "A: 80 of 100 stores are online outside their hours"),
        ("unknown", "unknown_incident", "A: 80 of 100 stores are unknown"),
    ],
)
def test_stores_that_are_rogue_or_unknown_together_are_a_warning(
    world: AlertWorld, kind: str, alert: str, what: str
) -> None:
    """One message; of unknown ones the coverage is not told besides."""
    commit_date(world, INCIDENTS, [incident(80, kind=kind, past_days=3)])
    list(windows_of_day(world, 4, coverage_without_edge=0.5))
    (message,) = [each for each in world.recorder.messages if alert in each.body]
    assert what in message.subject
    assert message.body.startswith("NEW warning")
    assert "what is usual is known from 3 days only" in message.body
    assert len(world.recorder.messages) == (1 if kind == "unknown" else 2)


def test_an_incident_that_nothing_explains_leaves_all_to_be_judged(world: AlertWorld) -> None:
    """It names no stores that could be left out."""
    commit_date(world, INCIDENTS, [incident(80, scope="unexplained", brand=None)])
    for number in range(3):
        world.complete(FIRST.next(number), groups=DOWN)
        world.look(FIRST.next(number).middle() + timedelta(minutes=2))
    first, second = told_of(world)
    assert first == f"1 new: {ID}"
    assert second.startswith("4 new: BR/availability/, ")


def outages(world: AlertWorld, rows: list[tuple[str, str, int]]) -> None:
    """Today's outages that go on: store, brand, open minutes missed."""
    shared = {
        "city": "Recife", "started_at": datetime(2026, 11, 20, 12, tzinfo=UTC),
        "missed_minutes": 15, "is_started_before": False,
    }  # fmt: skip
    found = [
        {
            "store_id": store,
            "name": f"Store {store}",
            "brand": brand,
            "missed_minutes_total": minutes,
        }
        for store, brand, minutes in rows
    ]
    commit_date(world, STORE_OUTAGES, [{**shared, **row} for row in found])


def test_stores_off_for_long_are_a_message_a_brand_and_day(world: AlertWorld) -> None:
    """From 24 open hours on; a watched one after 45 minutes, by itself; silenced ones are left out;
    the end is not told.
    """
    long = 24 * 60
    outages(
        world,
        [
            ("1", "A", long),
            ("2", "A", long),
            ("3", "B", long - 1),
            ("7", "B", 45),
            ("8", "A", 9_999),
        ],
    )
    silences.begin(world.runtime.storage, COUNTRY, at("09:00"), 2 * HOUR, "rebuilt", store="8")
    (now,) = windows_of_day(world, 1)
    (message,) = world.recorder.messages
    assert "1 watched store of brand B off for 45m of opening hours or longer: 7" in message.body
    assert "2 stores of brand A off for 1d of opening hours or longer: 1 Store 1" in message.body
    assert message.body.count("NEW") == 2
    world.recorder.take()
    keep_fresh(world, now + 23 * HOUR)
    assert heads(world) == []
    keep_fresh(world, now + 25 * HOUR)
    assert heads(world) == ["2 going on"]
    outages(world, [])
    keep_fresh(world, now + 26 * HOUR)
    assert heads(world) == []


def test_a_source_that_is_down_for_hours(world: AlertWorld) -> None:
    """Late, later, each loss when their number has doubled, and the end: what the failed runs say is
    in these messages, and not told besides.
    """
    world.complete(FIRST)
    said = []
    now = at("10:08")
    while now < at("13:00"):
        late = Window.containing(now).next(-1)
        if now.minute % 15 == 2 and late > FIRST:
            cause, message = Cause.SOURCE_UNREACHABLE, "no answer"
            world.fail(FailedRun(late.key, "window", COUNTRY, late.key, now, cause, message))
            world.complete(late, is_observed=False, completed_at=now)
        world.look(now)
        said += [subject.split(": ")[1] for subject in world.recorder.take()]
        now += timedelta(minutes=1)
    late = Window.parse("2026-11-23T1300")
    world.complete(late, completed_at=at("13:08"))
    world.look(at("13:09"))
    said += heads(world)
    # late, fail, 1, 2, 4 and 8 windows lost, over
    assert said == ["1 new"] * 3 + ["1 worse"] * 3 + ["1 resolved"]


def test_reminders_come_together_at_most_every_repeat(world: AlertWorld) -> None:
    """Alerts that began at different times are one reminder."""
    state = State(watched_since=at("00:00"))
    first, second = (
        Alert(Kind.RUN_FAILED, COUNTRY, word, at("00:00"), Cause.UNKNOWN, scope=word)
        for word in ("first", "second")
    )
    sent = []
    for minutes in range(0, 24 * 60, 10):
        alerts = [first] if minutes < 120 else [first, second]
        now = at("00:00") + timedelta(minutes=minutes)
        tell(
            state, alerts, Audience(COUNTRY, world.runtime.platform, now, [world.recorder.channel])
        )
        sent += [(minutes, head) for head in heads(world)]
    assert sent == [
        (0, "1 new"),
        (120, "1 new"),
        *((hour * 60, "2 going on") for hour in (4, 8, 12, 16, 20)),
    ]


def test_warnings_wait_for_the_morning_and_errors_do_not(tmp_path: Path) -> None:
    """From 22:00 to 07:00 on the country's clock (UTC-3); a warning that is over by then is never
    told.
    """
    world = AlertWorld(tmp_path, alerts='quiet_hours: {begin: "22:00", end: "07:00"}')
    night = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
    window = Window.containing(night)
    world.complete(window, documents_with_problem=50)
    world.look(night + timedelta(minutes=15))
    assert heads(world) == []
    world.look(night + timedelta(minutes=50))
    assert heads(world) == ["1 new"]
    morning = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    keep_fresh(world, morning - timedelta(minutes=1), documents_with_problem=50)
    assert heads(world) == ["1 resolved"]
    keep_fresh(world, morning, documents_with_problem=50)
    assert heads(world) == ["1 new"]


def test_what_belongs_to_no_country_waits_by_utc(tmp_path: Path) -> None:
    """A disk that fills up waits from 22:00 to 07:00 UTC; one that is full does not."""
    world = AlertWorld(tmp_path, alerts='quiet_hours: {begin: "22:00", end: "07:00"}, repeat: 1d')
    state = State(watched_since=at("00:00"))
    alerts = [
        Alert(kind, PLATFORM, "", at("00:00"), Cause.DISK_FILLING, scope=kind)
        for kind in (Kind.DISK_LOW, Kind.DISK_FULL)
    ]
    for moment in ("01:00", "06:59", "07:00"):
        channels = [world.recorder.channel]
        tell(state, alerts, Audience(PLATFORM, world.runtime.platform, at(moment), channels))
    assert [message.body.splitlines()[-1] for message in world.recorder.messages] == [
        "  id: platform/disk_full/disk_full",
        "  id: platform/disk_low/disk_low",
    ]
    first, second = world.recorder.messages
    assert (" 1 new: " in first.subject, " 1 new" in second.subject) == (True, True)


def test_routes_lead_to_others_by_brand_city_and_kind() -> None:
    """Whoever has a route to an alert is told, and nobody else; without one the channels of all."""
    alerts = Alerts.model_validate(
        {
            "channels": ["log", {"apprise": "env:ALL"}],
            "routes": [
                {"brand": "A", "channels": [{"apprise": "env:A"}]},
                {"brand": "A", "city": "Recife", "channels": [{"apprise": "env:RECIFE"}, "log"]},
                {"kind": "gap", "channels": [{"apprise": "env:GAPS"}]},
            ],
        }
    )
    channels = open_channels(alerts, Aws())

    def names_of(kind: Kind, **names: Any) -> list[str]:
        alert = Alert(kind, COUNTRY, "", at("10:00"), Cause.UNKNOWN, **names)
        return [channel.name.split(":")[-1] for channel in channels if channel.wants(alert)]

    assert names_of(Kind.AVAILABILITY) == names_of(Kind.INCIDENT, city="Recife") == ["log", "ALL"]
    assert names_of(Kind.INCIDENT, brand="A") == ["A"]
    assert names_of(Kind.INCIDENT, brand="A", city="Recife") == ["log", "A", "RECIFE"]
    assert names_of(Kind.GAP) == ["GAPS"]


def test_each_channel_hears_of_what_is_its_own(world: AlertWorld) -> None:
    """Its beginning and its end; what is another's alone is no message at all."""

    class OfBrand(Recorder):
        def wants(self, about: About) -> bool:
            return about.brand == "A"

    of_brand, state = OfBrand("of brand"), State(watched_since=at("10:00"))
    alerts = [
        Alert(Kind.AVAILABILITY, COUNTRY, brand, at("10:00"), Cause.UNKNOWN, brand, brand=brand)
        for brand in ("A", "B")
    ]
    for found in (alerts[1:], alerts, []):
        audience = Audience(COUNTRY, world.runtime.platform, at("10:00"), [of_brand.channel])
        tell(state, found, audience)
    assert [subject.split(": ")[1] for subject in of_brand.take()] == ["1 new", "1 resolved"]
