"""The night the disk was full: said in a line by whatever meets it, and over when there is room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storeavail_platform.alerting.disk_watch import FILE
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.home import prepare_home
from storeavail_platform_tests.end_to_end.world import World
from storeavail_platform_tests.faults.made_up import past
from storeavail_platform_tests.faults.test_daemon_killed import daemon, land_index
from storeavail_testing.disk import fill, small_disk
from storeavail_testing.waiting import wait_for

NO_DISK = "a small disk is made by mounting one, which needs root"
WAIT_SECONDS = 400.0
FAILS = "sqlite3.OperationalError"
FIRST = Window.parse("2026-11-23T1300")
LONGEST_OUTPUT = 6
"""Lines: a country's failure, folded on a terminal."""


@pytest.mark.parametrize("full", ["warehouse", pytest.param("dagster", marks=pytest.mark.long)])
def test_a_full_disk_is_told_in_a_line(world: World, full: str) -> None:
    """The warehouse's with all that lies below it, and Dagster's own: `run` fails without a
    traceback, naming the disk, and so does `check`; with room again the window completes.
    """
    for window in (FIRST, FIRST.next()):
        setting = world.record("BR", window, [{"store_id": "1", "online": True}])
    stores = "INSERT INTO stores VALUES (1, 'a', NULL, 'C', NULL, NULL, true);"
    world.add_country("BR", "America/Sao_Paulo", setting, rows=stores)
    disk = world.folder / full
    with small_disk(disk, "60m") as is_mounted:
        if not is_mounted:
            pytest.skip(NO_DISK)
        home: dict[str, Any] = (
            {"DAGSTER_HOME": str(world.folder / "dagster")} if full == "dagster" else {}
        )
        world.command("run", "--window", FIRST.key, **home)
        filler = disk / "filler"
        fill(filler)
        later = ("run", "--window", FIRST.next().key)
        failed = world.command(*later, check=False, **home)
        said = " ".join((failed.stdout + failed.stderr).split())
        assert failed.returncode == 1
        assert "No space left on device" in said
        assert "with 0 MB left is full" in said
        assert "Traceback" not in said
        assert len((failed.stdout + failed.stderr).splitlines()) <= LONGEST_OUTPUT, failed
        checked = world.command("check", check=False, COLUMNS="300", **home)
        assert checked.returncode == 1
        assert f"({disk}): 0 MB left; a window needs 8 MB: make room" in said_of(disk, checked)
        filler.unlink()
        world.command(*later, **home)
        assert FIRST.next().key in world.runtime().markers.complete("BR")


@pytest.mark.long
def test_a_full_disk_is_told_where_no_sensor_moves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Dagster's storage on the full disk a real daemon begins no tick, and it is told all the
    same: by its code server, once. With room again that is told too, the daemon goes on without a
    human, and the window that was landed meanwhile completes.
    """
    window = past(0)
    index = world.record("BR", window, [{"store_id": "1", "online": True}])
    stores = "INSERT INTO stores VALUES (1, 'a', NULL, 'C', NULL, NULL, true);"
    world.add_country("BR", "America/Sao_Paulo", index, rows=stores)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    runtime, home = world.runtime(), world.folder / "home"
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    log = world.folder / "daemon.log"
    with small_disk(home, "40m") as is_mounted:
        if not is_mounted:
            pytest.skip(NO_DISK)
        prepare_home(runtime.platform)
        with daemon(world, home):
            wait_for("a first look", (home / FILE).exists, WAIT_SECONDS)
            fill(home / "filler")
            wait_for("a tick that fails", lambda: is_said(log, FAILS), WAIT_SECONDS)
            wait_for("the alert", lambda: is_said(log, f"({home}) has 0 MB left"), WAIT_SECONDS)
            land_index(world, window, monkeypatch)
            (home / "filler").unlink()
            wait_for("its end", lambda: is_said(log, "1 resolved: the disk"), WAIT_SECONDS)
            wait_for("the window", lambda: runtime.markers.read("BR", window), WAIT_SECONDS)
    assert log.read_text().count("storeavail platform: 1 new: the disk of Dagster's home") == 1


def is_said(log: Path, what: str) -> bool:
    return what in log.read_text(errors="replace")


def said_of(disk: Path, checked: object) -> str:
    """What was printed, however `check` calls the folder."""
    text = str(getattr(checked, "stdout", ""))
    return text.replace(str(disk / "dagster"), str(disk))
