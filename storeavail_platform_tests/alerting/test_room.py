"""Room on the disks: a full one and one that fills up are told, by what was seen of them."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from storeavail_platform.alerting.disk_watch import FILE, DiskWatch, room_alerts
from storeavail_platform.domain.alert_kinds import Cause, Kind
from storeavail_platform.storage.growth import Left, lasts, noted
from storeavail_platform.storage.room import MEGABYTE, Disk
from storeavail_platform_tests.alerting.alert_world import AlertWorld, at
from storeavail_testing.disk import fill, small_disk

NOW = at("12:00")
GIGABYTE = 1024 * MEGABYTE
LOG = logging.getLogger("test")
FOLDER = Path("/srv/storeavail")
FULL, LOW = f"platform/disk_full/disk {FOLDER}", f"platform/disk_low/disk {FOLDER}"


def disk(free: int) -> Disk:
    return Disk(("the warehouse", "Dagster's home"), FOLDER, free)


def before(hours: float, free: int) -> Left:
    return Left(NOW - timedelta(hours=hours), free)


def keys(free: int, left: Sequence[Left], *known: str, need: int = MEGABYTE) -> list[str]:
    return [alert.key for alert in room_alerts([(disk(free), left)], need, NOW, known)]


@pytest.mark.parametrize(
    ("hours", "grown", "free", "expected"),
    [
        (24, 10, 20, timedelta(days=2)),
        (12, 10, 20, timedelta(days=1)),
        (3, 1, 24, timedelta(days=3)),
        (2.9, 10, 1, None),
        (25, 10, 1, None),
        (24, 0, 1, None),
        (24, -5, 1, None),
    ],
)
def test_how_long_the_room_lasts(
    hours: float, grown: int, free: int, expected: timedelta | None
) -> None:
    """What is left over what went in the last day, as far as three hours of it were seen."""
    left = [before(hours, free + grown)]
    assert lasts(left, disk(free), NOW) == expected


def test_it_is_told_two_days_before_and_over_with_three() -> None:
    """By the growth seen; a warning goes on until there is room for three days, and one disk has
    one alert: that it is full ends the warning.
    """
    assert keys(20 * GIGABYTE, [before(24, 30 * GIGABYTE + 1)]) == [LOW]
    assert keys(20 * GIGABYTE, [before(24, 30 * GIGABYTE)]) == []
    assert keys(20 * GIGABYTE, [before(24, 30 * GIGABYTE)], LOW) == [LOW]
    assert keys(30 * GIGABYTE, [before(24, 40 * GIGABYTE)], LOW) == []
    (full,) = room_alerts([(disk(1), [before(24, 2)])], 2, NOW, {LOW})
    (low,) = room_alerts([(disk(20 * GIGABYTE), [before(24, 31 * GIGABYTE)])], 2, NOW)
    assert (full.key, full.cause, full.replaces(low)) == (FULL, Cause.DISK_FULL, True)


def test_a_warning_says_when_and_of_what() -> None:
    """In one sentence: the disk and what lies on it, when it is full, what is left, what went."""
    left = [before(20, 12 * GIGABYTE)]
    (low,) = room_alerts([(disk(2 * GIGABYTE), left)], MEGABYTE, NOW)
    assert (low.kind, low.cause) == (Kind.DISK_LOW, Cause.DISK_FILLING)
    assert low.what == (
        f"the disk of the warehouse and Dagster's home ({FOLDER}) is full in about 4 hours if it"
        " goes on so: 2.0 GB left, 10.0 GB less than at 2026-11-22 16:00 UTC"
    )


def test_a_disk_is_full_by_what_windows_need() -> None:
    """With less than the next windows write, and until there is room for them twice."""
    assert keys(MEGABYTE - 1, []) == [FULL]
    assert keys(MEGABYTE, []) == []
    assert keys(2 * MEGABYTE - 1, [], FULL) == [FULL]
    assert keys(2 * MEGABYTE, [], FULL) == []


def test_a_note_is_kept_every_half_an_hour_for_a_day() -> None:
    """And none of a clock that was ahead."""
    left: list[Left] = [Left(NOW + timedelta(days=30), 1)]
    for minutes in range(0, 60 * 30 + 1, 10):
        left = noted(left, disk(minutes), NOW + timedelta(minutes=minutes))
    assert len(left) == 24 * 2 + 1
    assert {b.moment - a.moment for a, b in itertools.pairwise(left)} == {timedelta(minutes=30)}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AlertWorld]:
    """A platform whose home of Dagster lies on a disk of 40 MB."""
    home = tmp_path / "home"
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with small_disk(home, "40m") as is_mounted:
        if not is_mounted:
            pytest.skip("a small disk is made by mounting one, which needs root")
        yield AlertWorld(tmp_path)


def test_a_full_disk_is_told_once_from_the_full_disk(world: AlertWorld, tmp_path: Path) -> None:
    """By whichever process looks first; another, or one that begins later, knows of it by a file
    that lies on the full disk itself. With room again its end is told, once.
    """
    home = tmp_path / "home"
    key = f"platform/disk_full/disk {home}"

    def look(minutes: int) -> list[str]:
        # each a process of its own
        watch = DiskWatch(world.runtime, home)
        return watch.look(NOW + timedelta(minutes=minutes), [world.recorder.channel], LOG)

    need = "the next windows need 16 MB"
    assert look(0) == []
    fill(home / "filler")
    assert look(1) == look(2) == [key]
    (message,) = world.recorder.messages
    assert f"the disk of Dagster's home ({home}) has 0 MB left, and {need}" in message.subject
    assert "/operations.md#disk_full" in message.body
    assert world.recorder.take()
    assert look(60 * 4 + 1) == [key]
    (subject,) = world.recorder.take()
    assert "1 going on" in subject
    (home / "filler").unlink()
    world.recorder.is_down = True
    assert look(60 * 4 + 2) == []
    world.recorder.is_down = False
    assert look(60 * 4 + 3) == look(60 * 4 + 4) == []
    (subject,) = world.recorder.take()
    assert "1 resolved" in subject


def test_a_disk_that_was_full_from_the_beginning(
    world: AlertWorld, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The file has no room: a process tells it once all the same."""
    home = tmp_path / "home"
    fill(home / "filler")
    watch = DiskWatch(world.runtime, home)
    caplog.set_level(logging.INFO)
    for minutes in range(3):
        assert watch.look(NOW + timedelta(minutes=minutes), [world.recorder.channel], LOG)
    assert len(world.recorder.take()) == 1
    assert f"{FILE} cannot be" in caplog.text


def test_a_file_that_is_damaged_is_begun_anew(world: AlertWorld, tmp_path: Path) -> None:
    """It is a memory, and nothing else: what is true is told once more."""
    home = tmp_path / "home"
    fill(home / "filler")
    (home / "filler").write_bytes(bytes(30 * MEGABYTE))
    for _ in range(2):
        (home / FILE).write_bytes(b'{"alerts": {')
        assert DiskWatch(world.runtime, home).look(NOW, [world.recorder.channel], LOG)
    assert len(world.recorder.take()) == 2
