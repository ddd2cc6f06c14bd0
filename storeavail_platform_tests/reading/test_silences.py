"""Silences: what they hold back, how they end, and the command that makes them."""

from __future__ import annotations

import getpass
import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from storeavail_platform.commands.cli import main
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.reading import silences
from storeavail_platform.reading.status import country_status
from storeavail_platform.storage.local import Storage
from storeavail_platform_tests.alerting.alert_world import COUNTRY, FIRST, AlertWorld, at
from storeavail_testing.clock import SetClock

HOUR = timedelta(hours=1)


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
