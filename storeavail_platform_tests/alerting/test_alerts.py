"""Which alerts are true, and who is told what and how often: over real storage, at given
moments.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from storeavail_platform.alerting.conditions import evaluate
from storeavail_platform.alerting.failed_runs import FailedRun
from storeavail_platform.alerting.health import Health
from storeavail_platform.alerting.messages import anchor
from storeavail_platform.alerting.notify import read_state
from storeavail_platform.config import Alerts
from storeavail_platform.domain.alert_kinds import Cause, Kind
from storeavail_platform.domain.errors import DiskFull, WarehouseError
from storeavail_platform.domain.text import neutralised
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.storage.room import disk_full
from storeavail_platform_tests.alerting.alert_world import (
    COUNTRY,
    FIRST,
    AlertWorld,
    Recorder,
    at,
    marker,
)
from storeavail_platform_tests.test_docs import page, section
from storeavail_testing.storage import WatchedStorage, refuse
from storeavail_testing.storage import at as at_step

FAILED = FailedRun(
    "run-1",
    "window",
    COUNTRY,
    FIRST.next().key,
    at("10:23"),
    Cause.SOURCE_UNREACHABLE,
    "Elasticsearch es:9200: no connection",
)
RUNBOOK = "https://storeavail.example.com/docs/operations.md"
WARN, FAIL, GAP = "BR/freshness_warn/", "BR/freshness_fail/", "BR/gap/"


@pytest.fixture
def world(tmp_path: Path) -> AlertWorld:
    return AlertWorld(tmp_path)


def kinds(health: Health) -> list[tuple[Kind, Cause]]:
    return [(alert.kind, alert.cause) for alert in evaluate(health, Alerts(), {})]


@pytest.mark.parametrize(
    ("age", "kind"),
    [
        ("19:59", None),
        ("20:00", Kind.FRESHNESS_WARN),
        ("34:59", Kind.FRESHNESS_WARN),
        ("35:00", Kind.FRESHNESS_FAIL),
    ],
)
def test_freshness_is_judged_by_the_newest_observation(age: str, kind: Kind | None) -> None:
    """The age of the newest complete window's observation against `warn` (20m) and `fail`
    (35m); one alert, never both.
    """
    minutes, seconds = map(int, age.split(":"))
    now = at("10:07") + timedelta(minutes=minutes, seconds=seconds)
    alerts = evaluate(Health(COUNTRY, now, at("10:07"), marker(FIRST)), Alerts(), {})
    assert [alert.kind for alert in alerts] == ([] if kind is None else [kind])
    assert all(alert.since == at("10:07") and alert.window == FIRST.key for alert in alerts)


def test_the_likely_cause_of_staleness_follows_from_how_far_its_runs_got() -> None:
    """The failed run's own cause; else that the next one waits; else a run that goes on; else a run
    that is gone; else nothing ran.
    """
    stale = Health(COUNTRY, at("10:50"), at("10:07"), marker(FIRST))
    assert kinds(stale) == [(Kind.FRESHNESS_FAIL, Cause.DAEMON_NOT_RUNNING)]
    assert kinds(replace(stale, has_landed=True)) == [(Kind.FRESHNESS_FAIL, Cause.RUN_LOST)]
    assert kinds(replace(stale, is_running=True)) == [
        (Kind.FRESHNESS_FAIL, Cause.SOURCE_UNREACHABLE)
    ]
    assert kinds(replace(stale, is_running=True, has_landed=True)) == [
        (Kind.FRESHNESS_FAIL, Cause.CATALOG_UNREACHABLE)
    ]
    assert kinds(replace(stale, is_running=True, waits_behind="run 1f3a (window X)")) == [
        (Kind.FRESHNESS_FAIL, Cause.RUN_WAITING)
    ]
    refused = replace(FAILED, cause=Cause.SOURCE_REFUSED)
    assert kinds(replace(stale, failures=[refused])) == [
        (Kind.FRESHNESS_FAIL, Cause.SOURCE_REFUSED)
    ]


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("index is stale", Cause.INDEXER_FROZEN),
        ("listed stores dropped; index is stale", Cause.INDEXER_FROZEN),
        ("listed stores dropped; missing share rose", Cause.INDEX_INCOMPLETE),
        ("missing share rose", Cause.STORES_OFFLINE),
        ("listed stores doubled", Cause.INDEX_INCOMPLETE),
        ("few usable documents; coverage dropped", Cause.INDEX_INCOMPLETE),
        ("few usable stores; active stores dropped; rogue share rose", Cause.STORES_INCOMPLETE),
        ("active stores doubled; missing share rose", Cause.STORES_INCOMPLETE),
        ("few usable hours", Cause.HOURS_INCOMPLETE),
        ("rogue share rose; share without hours rose", Cause.HOURS_INCOMPLETE),
        ("share with weekly hours dropped", Cause.HOURS_INCOMPLETE),
        ("rogue share rose", Cause.HOURS_INCOMPLETE),
        ("distrusted by ana: a test", Cause.UNKNOWN),
    ],
)
def test_a_suspect_window_is_told_to_engineers(reason: str, cause: Cause) -> None:
    """Its alert names the reason and the likely cause."""
    health = Health(COUNTRY, at("10:10"), at("10:07"), marker(FIRST), suspect_reason=reason)
    (alert,) = evaluate(health, Alerts(), {})
    assert (alert.kind, alert.cause, alert.window) == (Kind.SUSPECT_WINDOW, cause, FIRST.key)
    assert reason in alert.what


def test_an_outage_is_one_alert_a_cause() -> None:
    """Windows that failed for one likely cause are one alert, with the newest run and the
    number of the others.
    """
    runs = [
        replace(FAILED, run_id=f"run-{n}", window=FIRST.next(n).key, failed_at=at(f"10:{20 + n}"))
        for n in range(3)
    ]
    health = Health(
        COUNTRY,
        at("10:25"),
        at("10:24"),
        failures=[*runs, replace(FAILED, job="maintain", window=None, cause=Cause.DISK_FULL)],
    )
    alerts = {alert.cause: alert for alert in evaluate(health, Alerts(), {})}
    outage = alerts[Cause.SOURCE_UNREACHABLE]
    assert (outage.run_id, outage.since) == ("run-2", at("10:20"))
    assert "no connection (2 more failed" in outage.what
    assert "the run of job maintain failed" in alerts[Cause.DISK_FULL].what


def test_freshness_of_one_dead_country_is_told_while_others_live(world: AlertWorld) -> None:
    """A country is judged by its own windows.

    A recorded gap is complete and does not count as an observation.
    """
    for country in ("BR", "CL"):
        world.complete(FIRST, country=country)
    world.complete(FIRST.next(2), country="CL")
    world.complete(FIRST.next(2), is_observed=False)
    assert world.look(at("10:45"), country="CL").alerts == []
    assert world.look(at("10:45")).alerts == [FAIL, GAP]


def test_a_lost_window_is_told_for_a_day_with_what_lost_it(world: AlertWorld) -> None:
    """The gap is an alert of its own, which the recording of the gap does not end but begins; the
    failure that lost the window gives its cause, and is no second alert.
    """
    world.complete(FIRST)
    world.fail(FAILED)
    lost = FIRST.next()
    assert world.look(at("10:24")).alerts == ["BR/run_failed/source unreachable"]
    # staleness tells of the same run
    assert world.look(at("10:33")).alerts == [WARN]
    world.complete(lost, is_observed=False)
    world.complete(FIRST.next(2))
    assert world.look(at("10:45")).alerts == [GAP]
    (message,) = world.recorder.messages[-1:]
    assert f"window {lost} was never observed: lost" in message.body
    assert "no connection" in message.body
    assert "likely cause: source unreachable" in message.body
    world.complete(lost.next(95))
    assert world.look(lost.start + timedelta(hours=23, minutes=59)).alerts == [GAP]
    world.complete(lost.next(96))
    assert world.look(lost.start + timedelta(hours=24, minutes=15)).alerts == []


def test_several_lost_windows_are_one_alert(world: AlertWorld) -> None:
    """With their number, the first and the last; nothing ran, so that is the cause."""
    for number in range(6):
        world.complete(FIRST.next(number), is_observed=number in (0, 5))
    now = at("11:25")
    assert world.look(now).alerts == [GAP]
    body = world.recorder.messages[-1].body
    assert f"4 windows of the last day, {FIRST.next()} to {FIRST.next(4)}, were never" in body
    assert "likely cause: daemon not running" in body
    # observed after all
    world.complete(FIRST.next(2), completed_at=now)
    world.look(now)
    entry = read_state(world.runtime.storage, COUNTRY, now).alerts[GAP]
    assert "3 windows of the last day" in entry.alert.what


def test_a_warning_says_what_can_still_save_the_window(world: AlertWorld) -> None:
    """Until when the late window can be observed, and by which command; that a run is at it; behind
    which run the next one waits; or that nothing is lost, because it is landed.
    """
    world.complete(FIRST)
    window = FIRST.next()
    assert world.look(at("10:28")).alerts == [WARN]
    said = f"window {window} can still be observed until 10:32:00 UTC"
    assert f"{said}: `storeavail run --country BR --window {window}`" in last_body(world)
    world.look(at("14:30"), is_running=True)
    assert "can still be observed until 14:32:00 UTC, and a run is at it" in last_body(world)
    world.look(at("18:31"), is_running=True, waits_behind="run 1f3a (window X)")
    assert "the next run waits behind run 1f3a (window X)" in last_body(world)
    assert "likely cause: run waiting" in last_body(world)
    for number in range(1, 60):
        world.land(FIRST.next(number))
    world.look(at("22:34"))
    assert "what was read is landed and not lost" in last_body(world)
    assert "can still be observed" not in last_body(world)


def last_body(world: AlertWorld) -> str:
    return world.recorder.messages[-1].body


def test_a_killed_rerun_is_over_when_its_window_is_complete(world: AlertWorld) -> None:
    """Also where its death was found after the window had been completed by another run; a rerun
    that failed in its own words is told for a day.
    """
    world.complete(FIRST.next())
    world.complete(FIRST.next(2))
    found_late = replace(FAILED, cause=Cause.RUN_LOST, failed_at=at("10:50"))
    world.fail(found_late)
    assert world.look(at("10:51")).alerts == []
    world.fail(replace(FAILED, run_id="run-2", failed_at=at("10:50")))
    assert world.look(at("10:52")).alerts == ["BR/run_failed/source unreachable"]


def test_a_country_without_complete_windows_is_counted_from_its_first_landed_one(
    world: AlertWorld,
) -> None:
    """Without any landing from the first look."""
    assert world.look(at("09:00"), country="CL").alerts == []
    assert world.look(at("09:40"), country="CL").alerts == ["CL/freshness_fail/"]
    world.land(FIRST)
    assert world.look(at("10:20")).alerts == []
    assert world.look(at("10:28")).alerts == [WARN]


def test_an_alert_is_told_once_repeated_and_resolved(world: AlertWorld) -> None:
    """Sent when it begins, again only after `repeat`, and its end once.

    Nobody is told that a warning is over because it got worse.
    """
    world.complete(FIRST)
    assert world.look(at("10:30")).delivered == ["recorder"]
    assert world.recorder.take() == [
        "storeavail BR: 1 new: the newest complete window, 2026-11-23T1000, was observed 23 min ago"
        " (limit 20m)"
    ]
    world.look(at("10:31"))
    assert world.recorder.take() == []
    world.look(at("10:50"))
    assert world.recorder.take() == [
        "storeavail BR: 1 new: the newest complete window, 2026-11-23T1000, was observed 43 min ago"
        " (limit 35m)"
    ]
    world.look(at("14:49"))
    assert world.recorder.take() == []
    world.look(at("14:50"))
    assert [subject.split(":")[1] for subject in world.recorder.take()] == [" 1 going on"]
    world.complete(Window.parse("2026-11-23T1445"))
    world.look(at("14:55"))
    assert [subject.split(":")[1] for subject in world.recorder.take()] == [" 1 resolved"]
    assert world.look(at("14:56")).alerts == []
    assert world.recorder.take() == []


def test_a_message_says_what_since_when_why_where_and_what_to_do(world: AlertWorld) -> None:
    """Country, window, what, since, likely cause, the run's address and the runbook's section;
    new and resolved in one message.
    """
    world.complete(FIRST, suspect_reason="index is stale")
    world.look(at("10:10"))
    world.recorder.take()
    world.complete(FIRST)
    world.fail(FAILED)
    world.look(at("10:24"))
    (message,) = world.recorder.messages
    assert message.subject.startswith(
        "storeavail BR: 1 new, 1 resolved: the run of window 2026-11-23T1015 failed: Elasticsearch"
    )
    assert (
        message.body
        == "NEW warning: BR: the run of window 2026-11-23T1015 failed: Elasticsearch es:9200: no"
        " connection\n  window: 2026-11-23T1015\n  since: 2026-11-23 10:23 UTC\n  likely cause:"
        f" source unreachable ({RUNBOOK}#source-unreachable)\n  page:"
        " https://pages.example.com/BR/index.html\n  run:"
        f" https://dagster.example.com/runs/run-1\n  what to do: {RUNBOOK}#run_failed\n  id:"
        " BR/run_failed/source unreachable\n\nRESOLVED warning: BR: window 2026-11-23T1000 is"
        " suspect (index is stale); availability alerts are held back\n  window:"
        " 2026-11-23T1000\n  since: 2026-11-23 10:00 UTC\n"
        "  page: https://pages.example.com/BR/index.html\n  id: BR/suspect_window/"
    )


def test_a_failed_run_resolves_when_it_was_made_up_for(world: AlertWorld) -> None:
    """A window's failure is over when the window is completed later than it; any other when the
    job succeeds.
    """
    world.complete(FIRST)
    world.fail(FAILED)
    world.fail(replace(FAILED, run_id="run-2", job="maintain", window=None, cause=Cause.DISK_FULL))
    assert world.look(at("10:24")).alerts == [
        "BR/run_failed/disk full",
        "BR/run_failed/source unreachable",
    ]
    world.complete(FIRST.next(), completed_at=at("10:26"))
    assert world.look(at("10:27")).alerts == ["BR/run_failed/disk full"]
    assert (
        world.look(at("10:28"), succeeded_since=lambda failed: failed.job == "maintain").alerts
        == []
    )


def test_a_failed_rerun_of_a_complete_window_is_over_after_a_day(world: AlertWorld) -> None:
    """Nothing was lost by it; it is over earlier when a rerun succeeds."""
    rerun = replace(
        FAILED, window=FIRST.key, cause=Cause.OBSERVATION_TOO_LATE, failed_at=at("10:30")
    )
    world.complete(FIRST)
    world.fail(rerun)
    alert = "BR/run_failed/observation too late"
    assert alert in world.look(at("10:31")).alerts
    assert alert in world.look(at("10:29") + timedelta(days=1)).alerts
    assert alert not in world.look(at("10:30") + timedelta(days=1)).alerts


def test_a_country_s_availability_is_told_after_three_bad_windows_and_over_after_two_good_ones(
    world: AlertWorld,
) -> None:
    """`after` windows in a row below the objective; then `resolve` windows in a row at or above it.

    It begins with the first bad one.
    """
    said = []
    for number, availability in enumerate(
        [1.0, 0.9, 0.9, 0.96, 0.9, 0.94, 0.949, 0.95, 0.9, 0.95, 0.95]
    ):
        window = FIRST.next(number)
        world.complete(window, availability)
        said.append(bool(world.look(window.middle() + timedelta(minutes=2)).alerts))
    assert said == [False, False, False, False, False, False, True, True, True, True, False]
    bodies = [message.body for message in world.recorder.messages]
    assert "availability of the country is 94.9% (objective 95.0%)" in bodies[0]
    assert "since: 2026-11-23 11:00 UTC" in bodies[0]
    assert len(bodies) == 2


def test_suspect_windows_and_gaps_are_no_evidence(world: AlertWorld) -> None:
    """They neither raise an availability alert nor end one, and do not interrupt a row of bad
    windows.
    """
    for number in range(3):
        world.complete(FIRST.next(number), 0.5, suspect_reason="missing share rose")
    assert world.look(at("10:40")).alerts == ["BR/suspect_window/"]
    for number, is_observed in ((3, True), (4, True), (5, False), (6, True)):
        world.complete(FIRST.next(number), 0.5, is_observed=is_observed)
    assert world.look(at("11:40")).alerts == ["BR/availability/", GAP]
    world.complete(FIRST.next(7), suspect_reason="index is stale")
    world.complete(FIRST.next(8), suspect_reason="index is stale")
    alerts = {"BR/suspect_window/", "BR/availability/", GAP}
    assert set(world.look(at("12:10")).alerts) == alerts


def test_a_city_or_brand_counts_with_twenty_stores(world: AlertWorld) -> None:
    """Each city and each brand is judged by its own sums; smaller groups and stores without a city
    or brand are not. It works with the catalog gone, and what is not known does not end an alert.
    """
    groups = {
        ("Recife", "A"): (10, 6),
        ("Recife", "B"): (4, 0),
        ("Olinda", "B"): (0, 19),
        (None, None): (0, 50),
        ("Natal", "A"): (84, 0),
    }
    for number in range(3):
        world.complete(FIRST.next(number), groups=groups)
    shutil.move(world.runtime.storage.path("catalog.db"), world.runtime.storage.path("moved.db"))
    recife, brand_b = "BR/availability/city Recife", "BR/availability/brand B"
    # Recife has 14 of 20, brand B 4 of 23; Natal and brand A (94 of 100) are below as a brand only
    everywhere = {"BR/availability/", "BR/availability/brand A"}
    assert set(world.look(at("10:40")).alerts) == {recife, brand_b} | everywhere
    table = world.runtime.warehouse.location(COUNTRY, "availability_summary")
    shutil.move(world.runtime.storage.path(table, "metadata"), world.runtime.storage.path("hidden"))
    world.complete(FIRST.next(3), groups={})
    assert {recife, brand_b} < set(world.look(at("10:55")).alerts)
    shutil.move(world.runtime.storage.path("hidden"), world.runtime.storage.path(table, "metadata"))
    shutil.move(world.runtime.storage.path("moved.db"), world.runtime.storage.path("catalog.db"))
    for number in range(4, 6):
        world.complete(
            FIRST.next(number), groups={("Recife", "A"): (20, 0), ("Olinda", "B"): (20, 0)}
        )
    assert world.look(at("11:25")).alerts == []


def test_an_alert_about_stores_that_are_closed_for_the_night_stays_for_a_day(
    world: AlertWorld,
) -> None:
    """A city whose stores are all closed is not well again; one that is not heard of for a day
    is forgotten.
    """
    for number in range(3):
        world.complete(
            FIRST.next(number), groups={("Recife", "A"): (0, 20), ("Natal", "B"): (2000, 0)}
        )
    recife = ["BR/availability/brand A", "BR/availability/city Recife"]
    assert sorted(world.look(at("10:40")).alerts) == recife
    night = FIRST.next(40)
    world.complete(night, groups={("Natal", "B"): (2000, 0)})
    assert sorted(world.look(night.middle()).alerts) == recife
    later = FIRST.next(2 + 96)
    world.complete(later, groups={("Natal", "B"): (2000, 0)})
    assert world.look(later.middle()).alerts == []


def test_a_channel_that_fails_is_tried_again_alone(world: AlertWorld) -> None:
    """The others get the message at once and only once; the one that failed gets it, and later
    the end, when it is back.
    """
    world.complete(FIRST)
    good, bad = Recorder("good"), Recorder("bad", is_down=True)
    result = world.look(at("10:50"), channels=[bad, good])
    assert (result.delivered, result.failed) == (["good"], ["channel bad: is down"])
    bad.is_down = False
    assert world.look(at("10:51"), channels=[bad, good]).delivered == ["bad"]
    world.complete(FIRST.next(3))
    bad.is_down = True
    assert world.look(at("10:54"), channels=[bad, good]).delivered == ["good"]
    bad.is_down = False
    assert world.look(at("10:55"), channels=[bad, good]).delivered == ["bad"]
    assert world.look(at("10:56"), channels=[bad, good]).delivered == []
    assert (
        [subject.split(":")[1] for subject in bad.take()]
        == [" 1 new", " 1 resolved"]
        == [subject.split(":")[1] for subject in good.take()]
    )


@pytest.mark.parametrize("heading", [*Kind, *Cause])
def test_the_runbook_has_a_section_for_every_kind_and_cause(heading: str) -> None:
    """Each has the same four parts; the section that an alert names is the heading's anchor."""
    text = section(page("operations.md"), f"### {heading}")
    assert re.findall(r"^- \*\*([^*]+):\*\*", text, re.MULTILINE) == [
        "Means",
        "By itself",
        "Do",
        "Over",
    ]


def test_sections_that_alerts_and_the_runbook_name_exist() -> None:
    """Every `#anchor` in an alert of any kind and cause, and in the runbook itself, is that of
    a heading.
    """
    runbook = page("operations.md")
    anchors = {anchor(heading) for heading in re.findall(r"^#+ (.+)$", runbook, re.MULTILINE)}
    named = {anchor(heading) for heading in (*Kind, *Cause)}
    assert named | set(re.findall(r"\(#([^)]+)\)", runbook)) <= anchors


class Killed(BaseException):
    """Not an error that anything handles: the process dies here."""


def test_a_tick_killed_after_sending_repeats_and_loses_nothing(world: AlertWorld) -> None:
    """The state is written after the messages, and notes on failed runs are removed after that."""
    world.complete(FIRST)
    world.fail(FAILED)
    platform = world.runtime.platform
    # before them it is written to see that it can be
    deadly = WatchedStorage(
        platform.warehouse, at_step("before", ("replace",), "alerts/", refuse(Killed()), time=2)
    )
    with pytest.raises(Killed):
        world.look(at("10:24"), runtime=build_runtime(platform, storage=deadly))
    assert len(world.recorder.take()) == 1
    assert world.look(at("10:25")).alerts == ["BR/run_failed/source unreachable"]
    assert len(world.recorder.take()) == 1
    world.look(at("10:26"))
    assert world.recorder.take() == []


def test_what_cannot_be_noted_is_not_sent_every_minute(world: AlertWorld) -> None:
    """On a disk that is full who was told could not be kept: nothing is sent, and that the alerts
    cannot be judged is told instead, once.
    """
    world.complete(FIRST)
    platform = world.runtime.platform
    full = at_step("before", ("replace",), "alerts/", refuse(disk_full("the disk")))
    runtime = build_runtime(platform, storage=WatchedStorage(platform.warehouse, full))
    with pytest.raises(DiskFull):
        world.look(at("10:50"), runtime=runtime)
    assert world.recorder.take() == []
    assert world.look(at("10:51")).alerts == [FAIL]
    assert len(world.recorder.take()) == 1


def test_a_damaged_file_is_a_clear_error_and_stays(world: AlertWorld) -> None:
    """Nothing is guessed: the error names the file and what to do, and the file is not
    overwritten.
    """
    path = "alerts/BR.json"
    world.complete(FIRST)
    world.runtime.storage.replace(path, b'{"watched_since": 3')
    with pytest.raises(WarehouseError, match=r"cannot be understood.*remove"):
        world.look(at("10:50"))
    assert world.runtime.storage.read(path) == b'{"watched_since": 3'
    assert world.look(at("10:50"), country="CL").alerts == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("@channel", "＠channel"),
        ("<!here> <https://evil.example|ok>", "‹!here› ‹https: //evil.example¦ok›"),
        ("</script><b>", "‹/script›‹b›"),
        ("[click](https://evil.example)", "(click)(https: //evil.example)"),
        ("two\r\nSubject: lines\x00\x1b[31m", "two Subject: lines (31m"),
        ("\u202egnp.exe", "gnp.exe"),
        ("*bold* `code`", "∗bold∗ 'code'"),
        ("x" * 10_000, "x" * 499 + "…"),
        ("São João 東京", "São João 東京"),
    ],
)
def test_names_from_outside_are_inert(name: str, shown: str) -> None:
    """No mention, link, markup, line break, control or reversed text of a store's, brand's or
    city's name reaches a channel as such.
    """
    assert neutralised(name) == shown


def test_a_hostile_city_reaches_channels_inert(world: AlertWorld) -> None:
    """What names hold is cleaned on its way into a message."""
    for number in range(3):
        world.complete(FIRST.next(number), groups={("<!channel>\n@all", None): (0, 20)})
    world.look(at("10:40"))
    (message,) = world.recorder.messages
    assert not set("<@") & set(message.body + message.subject)
    assert "availability of city ‹!channel› ＠all is 0.0%" in message.body
