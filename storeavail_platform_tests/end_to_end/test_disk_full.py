"""The night the disk was full: said in a line by whatever meets it, and over when there is room."""

from __future__ import annotations

from pathlib import Path

import pytest

from storeavail_platform.domain.windows import Window
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.disk import fill, small_disk

FIRST = Window.parse("2026-11-23T1300")
LONGEST_OUTPUT = 6
"""Lines: a country's failure, folded on a terminal."""


@pytest.mark.parametrize("full", ["warehouse", "dagster"])
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
            pytest.skip("a small disk is made by mounting one, which needs root")
        home = {"DAGSTER_HOME": str(world.folder / "dagster")} if full == "dagster" else {}
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


def said_of(disk: Path, checked: object) -> str:
    """What was printed, however `check` calls the folder."""
    text = str(getattr(checked, "stdout", ""))
    return text.replace(str(disk / "dagster"), str(disk))
