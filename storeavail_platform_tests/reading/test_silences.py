"""Silences: what they hold back, how they end, and the command that makes them."""

from __future__ import annotations

import getpass
import json
import logging
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from storeavail_platform.alerting.alerts import Alert
from storeavail_platform.alerting.failed_runs import PLATFORM
from storeavail_platform.alerting.watch import Tick, look_at_platform
from storeavail_platform.commands.cli import main
from storeavail_platform.domain.alert_kinds import Cause, Kind
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.reading import silences
from storeavail_platform.reading.status import country_status
from storeavail_platform.storage.local import Storage
from storeavail_platform_tests.alerting.alert_world import COUNTRY, FIRST, AlertWorld, Groups, at
from storeavail_testing.clock import SetClock

HOUR = timedelta(hours=1)
LOG = logging.getLogger("test")


@pytest.fixture
def world(tmp_path: Path) -> AlertWorld:
    return AlertWorld(tmp_path)


@pytest.fixture
def storage(world: AlertWorld) -> Storage:
    return world.runtime.storage


def heads(world: AlertWorld) -> list[str]:
    """What the messages since the last call were about."""
    return [
        subject.removeprefix("storeavail BR: ").split(":")[0] for subject in world.recorder.take()
    ]


def test_only_ends_are_told_while_silenced(world: AlertWorld, storage: Storage) -> None:
    """An alert that was told before ends loudly; new ones and repetitions wait, and are told
    when the silence has run out.
    """
    world.complete(FIRST, suspect_reason="index is stale")
    world.look(at("10:10"))
    assert heads(world) == ["1 new"]
    silences.begin(storage, COUNTRY, at("10:11"), HOUR, "rebuilding")
    world.complete(FIRST)
    world.look(at("10:50"))
    assert heads(world) == ["1 resolved"]
    assert world.look(at("11:10")).alerts == ["BR/freshness_fail/"]
    assert heads(world) == []
    world.look(at("11:11"))
    assert heads(world) == ["1 new"]


def test_recovery_ends_a_silence_early_and_that_is_told(
    world: AlertWorld, storage: Storage
) -> None:
    """When all alerts that were held back are over, the silence is.

    An alert that nobody was told of ends without a word.
    """
    world.complete(FIRST)
    silences.begin(storage, COUNTRY, at("10:40"), timedelta(days=1), "rebuilding")
    world.look(at("10:50"))
    assert heads(world) == []
    world.complete(FIRST.next(3))
    world.look(at("10:54"))
    assert heads(world) == ["all alerts are over, so the silence until 2026-11-24 10"]
    assert silences.current(storage, COUNTRY, at("10:55")) == []
    world.look(at("10:55"))
    assert heads(world) == []
    world.look(at("11:30"))
    assert heads(world) == ["1 new"]


def test_a_silence_made_before_anything_is_wrong_waits_for_it(
    world: AlertWorld, storage: Storage
) -> None:
    """Planned work is silenced beforehand: nothing being wrong yet does not end it."""
    world.complete(FIRST)
    silences.begin(storage, COUNTRY, at("10:09"), HOUR, "planned work")
    assert world.look(at("10:10")).alerts == []
    assert len(silences.current(storage, COUNTRY, at("10:10"))) == 1
    assert world.recorder.take() == []


def test_a_silence_that_replaced_another_is_not_ended_with_it(storage: Storage) -> None:
    """Somebody may silence anew at the very moment of the recovery."""
    first = silences.begin(storage, COUNTRY, at("10:00"), HOUR, "first")
    silences.begin(storage, COUNTRY, at("10:01"), HOUR, "second")
    silences.end(storage, COUNTRY, first, at("10:02"))
    (current,) = silences.current(storage, COUNTRY, at("10:02"))
    assert current.reason == "second"


def test_a_silence_is_of_one_country(world: AlertWorld, storage: Storage) -> None:
    """The others are told as before."""
    silences.begin(storage, "CL", at("10:00"), HOUR, "only Chile")
    world.complete(FIRST)
    assert world.look(at("10:50")).delivered == ["recorder"]


@pytest.mark.parametrize(
    ("duration", "reason", "said"),
    [
        (HOUR, " \n", "--reason"),
        (timedelta(0), "x", "longer than 0s"),
        (timedelta(days=7, seconds=1), "x", "at most 7d"),
    ],
)
def test_a_silence_has_a_reason_and_an_end(
    storage: Storage, duration: timedelta, reason: str, said: str
) -> None:
    """Nothing is silenced without a reason, for no time, or for good."""
    with pytest.raises(ConfigError, match=said):
        silences.begin(storage, COUNTRY, at("10:00"), duration, reason)
    assert silences.read(storage, COUNTRY) == []


def test_the_command_makes_shows_and_ends_a_silence(world: AlertWorld) -> None:
    """`storeavail silence` and `--end`; `status` shows until when, by whom and why."""
    config = ["--config", str(world.config)]
    clock = SetClock()
    clock.stop(at("10:00") + timedelta(seconds=30))
    begun = CliRunner().invoke(
        main, ["silence", "BR", "--for", "2h", "--reason", "index is\nrebuilt", *config], obj=clock
    )
    shown = f"until 2026-11-23 12:00 UTC by {getpass.getuser()}: index is rebuilt"
    assert (begun.exit_code, begun.output.strip()) == (0, f"BR: silenced {shown}")
    assert country_status(world.runtime, COUNTRY, at("10:05")).silences == [shown]
    statuses = json.loads(
        CliRunner().invoke(main, ["status", "--format", "json", *config], obj=clock).output
    )
    assert [status["silences"] for status in statuses] == [[shown], []]
    assert (
        "ended the silence"
        in CliRunner().invoke(main, ["silence", "BR", "--end", *config], obj=clock).output
    )
    assert (
        CliRunner().invoke(main, ["silence", "BR", "--end", *config], obj=clock).output.strip()
        == "BR: is not silenced"
    )
    assert country_status(world.runtime, COUNTRY, at("10:05")).silences == []


def test_a_silence_of_a_brand_holds_back_what_is_about_it(
    world: AlertWorld, storage: Storage
) -> None:
    """In the country as a whole, in another city and of another brand people are told."""
    silences.begin(storage, COUNTRY, at("10:00"), HOUR, "they move", brand="A")
    silences.begin(storage, COUNTRY, at("10:00"), HOUR, "carnival", city="Recife")
    groups: Groups = {("Recife", "A"): (10, 90), ("Natal", "B"): (10, 90)}
    for number in range(3):
        world.complete(FIRST.next(number), groups=groups)
    held = {"BR/availability/brand A", "BR/availability/city Recife"}
    assert held < set(world.look(at("10:40")).alerts)
    (message,) = world.recorder.messages
    assert [line.split(": ")[1] for line in message.body.splitlines() if "  id" in line] == [
        "BR/availability/",
        "BR/availability/brand B",
        "BR/availability/city Natal",
    ]
    world.recorder.take()
    world.look(at("11:01"))
    # all three again with staleness, and what the silences held back
    assert heads(world) == ["3 new"]


def test_nobody_is_reminded_of_what_somebody_looks_after(world: AlertWorld) -> None:
    """`storeavail ack`: its reminders stop, its end is told; it ends with the alert. Another name is
    refused in words.
    """
    world.complete(FIRST)
    world.look(at("10:50"))
    assert heads(world) == ["1 new"]
    clock = SetClock()
    clock.stop(at("10:55"))
    config = ["--config", str(world.config)]
    done = CliRunner().invoke(main, ["ack", "BR/freshness_fail/", *config], obj=clock)
    assert (done.exit_code, "BR: looked after: alert BR/freshness_fail/" in done.output) == (
        0,
        True,
    )
    (held,) = country_status(world.runtime, COUNTRY, at("10:56")).acknowledged
    assert held.endswith(f"by {getpass.getuser()}: is looked after")
    world.look(at("15:00"))
    assert heads(world) == []
    world.complete(FIRST.next(20))
    world.look(at("15:09"))
    assert heads(world) == ["1 resolved"]
    assert silences.current(world.runtime.storage, COUNTRY, at("15:10")) == []
    other = CliRunner().invoke(main, ["ack", "BR/gap/", *config], obj=clock)
    assert other.exit_code == 1
    assert "no alert that goes on is called" in other.output


def test_what_belongs_to_no_country_is_looked_after_too(world: AlertWorld) -> None:
    """An alert of the platform: its reminders stop, `status` says who, and it ends with the alert."""
    home_lost = Alert(
        Kind.HOME_LOST, PLATFORM, "the home is new", at("10:00"), Cause.CONFIGURATION_WRONG
    )
    world.complete(FIRST)
    channels = [world.recorder.channel]

    def look(moment: str, *more: Alert) -> list[str]:
        tick = Tick(at(moment), channels, lambda since: ([], at(moment)), bool, LOG)
        look_at_platform(world.runtime, tick, more)
        return world.recorder.take()

    assert len(look("10:10", home_lost)) == 1
    clock = SetClock()
    clock.stop(at("10:20"))
    config = ["--config", str(world.config)]
    done = CliRunner().invoke(main, ["ack", home_lost.key, "--reason", "Ana", *config], obj=clock)
    assert done.output.startswith(f"platform: looked after: alert {home_lost.key}, until")
    shown = CliRunner().invoke(main, ["status", *config], obj=clock).output
    assert f"platform: looked after: alert {home_lost.key}" in " ".join(shown.split())
    assert look("18:00", home_lost) == []
    assert len(look("18:01")) == 1
    assert silences.current(world.runtime.storage, PLATFORM, at("18:02")) == []


def test_a_silence_is_of_names_that_there_are(world: AlertWorld) -> None:
    """A brand or a city of which there is no store is refused, and near ones are named."""
    world.complete(FIRST, groups={("Recife", "Galeto Dourado"): (10, 0), (None, None): (1, 0)})
    config = ["--reason", "x", "--config", str(world.config)]
    wrong = CliRunner().invoke(main, ["silence", "BR", "--brand", "galeto dorado", *config])
    assert wrong.exit_code == 1
    assert "no store of brand 'galeto dorado' in its newest window, 2026-11-23T1000" in wrong.output
    assert "did you mean 'Galeto Dourado'?" in wrong.output
    right = ["--brand", "Galeto Dourado", "--city", "Recife"]
    assert CliRunner().invoke(main, ["silence", "BR", *right, *config]).exit_code == 0


def test_another_release_takes_a_narrow_silence_for_none(storage: Storage) -> None:
    """It reads of the file what is of the whole country, which has ended; and a file of the last
    release is read as it was meant.
    """
    made = silences.begin(storage, COUNTRY, at("10:00"), HOUR, "they move", brand="A")
    document = json.loads(storage.read("silences/BR.json") or b"")
    assert document["ended_at"] == document["made_at"]
    assert silences.current(storage, COUNTRY, at("10:01")) == [made]
    earlier = {
        "until": "2026-11-23T12:00:00Z", "reason": "why", "who": "ana",
        "made_at": "2026-11-23T10:00:00Z", "ended_at": None,
    }  # fmt: skip
    storage.replace("silences/BR.json", json.dumps(earlier).encode())
    (whole,) = silences.current(storage, COUNTRY, at("10:01"))
    assert (whole.scope, whole.who) == ({}, "ana")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["BR", "--for", "2 hours", "--reason", "x"], 2, "is not a duration"),
        (["BR", "--for", "2h"], 1, "--reason"),
        (["XX", "--for", "2h", "--reason", "x"], 1, "there is no country 'XX'"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(
    world: AlertWorld, arguments: list[str], code: int, said: str
) -> None:
    """A wrong duration is a wrong command line; an unknown country and a missing reason are
    errors with the reason.
    """
    result = CliRunner().invoke(main, ["silence", *arguments, "--config", str(world.config)])
    assert result.exit_code == code
    assert said in result.output
