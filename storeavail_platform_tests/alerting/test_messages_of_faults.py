"""One event, one message: for each kind of fault what people are sent from its beginning to its
end, none twice and none missing, over real storage at every minute that matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storeavail_platform.alerting.alerts import Alert, Cause
from storeavail_platform.alerting.channels import open_channels
from storeavail_platform.alerting.failed_runs import FailedRun
from storeavail_platform.alerting.notify import Audience, State, tell
from storeavail_platform.config import Alerts, Aws
from storeavail_platform.domain.alert_kinds import Kind
from storeavail_platform.domain.tables.daily import STORE_OUTAGES
from storeavail_platform.domain.windows import Window
from storeavail_platform.reading import silences
from storeavail_platform.warehouse.engine import WrittenFile
from storeavail_platform.warehouse.markers import FailedCheck
from storeavail_platform_tests.alerting.alert_world import (
    COUNTRY,
    FIRST,
    AlertWorld,
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


def outages(world: AlertWorld, day: date, rows: list[tuple[str, str, int]]) -> None:
    """Commit a date's outages that go on: store, brand, open minutes missed."""
    schema = STORE_OUTAGES.stored_schema()
    started = datetime(2026, 11, 20, 12, tzinfo=UTC)
    found = [
        {
            **dict.fromkeys(schema.names),
            "country": COUNTRY,
            "local_date": day,
            "run_id": "run",
            "store_id": store,
            "name": f"Store {store}",
            "city": "Recife",
            "brand": brand,
            "started_at": started,
            "missed_minutes": 15,
            "missed_minutes_total": minutes,
            "is_started_before": False,
        }
        for store, brand, minutes in rows
    ]
    warehouse = world.runtime.warehouse
    path = warehouse.location(COUNTRY, STORE_OUTAGES.name, "data", f"{day}-{len(rows)}.parquet")
    with warehouse.storage.open_output(path) as stream:
        pq.write_table(pa.Table.from_pylist(found, schema=schema), stream)
    files = [WrittenFile(warehouse.storage.path(path), len(found), 1)]
    warehouse.commit(COUNTRY, STORE_OUTAGES, day, files, "run")


def test_stores_off_for_long_are_a_message_a_brand_and_day(world: AlertWorld) -> None:
    """From 24 open hours on; a watched one after 45 minutes, by itself; silenced ones are left out;
    the end is not told.
    """
    long = 24 * 60
    outages(
        world,
        TODAY,
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
    outages(world, TODAY, [])
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
        tell(state, alerts, Audience(COUNTRY, world.runtime.platform, now, [world.recorder]))
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
        def wants(self, alert: Alert) -> bool:
            return alert.brand == "A"

    of_brand, state = OfBrand("of brand"), State(watched_since=at("10:00"))
    alerts = [
        Alert(Kind.AVAILABILITY, COUNTRY, brand, at("10:00"), Cause.UNKNOWN, brand, brand=brand)
        for brand in ("A", "B")
    ]
    for found in (alerts[1:], alerts, []):
        audience = Audience(COUNTRY, world.runtime.platform, at("10:00"), [of_brand])
        tell(state, found, audience)
    assert [subject.split(": ")[1] for subject in of_brand.take()] == ["1 new", "1 resolved"]
