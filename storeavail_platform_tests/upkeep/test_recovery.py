"""A country's plan: what earlier releases did to it, and what a recovery that is stopped leaves
for the next.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.local_dates import roll_up
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.reading.status import unfinished
from storeavail_platform.upkeep.recovery import plan, put_right
from storeavail_platform.warehouse.losses import Losses
from storeavail_platform_tests.domain.tables.facts import COUNTRY
from storeavail_platform_tests.upkeep.conftest import FACTS
from storeavail_platform_tests.upkeep.test_backup import FIRST, complete, runtime, windows

__all__ = ["runtime"]
NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
DAYS = "daily_store_availability"


def astray(runtime: Runtime, window: Window) -> Runtime:
    """What release 0.2.0 did after the catalog was lost: a new table over the old one, a
    marker, the pointer where it was.
    """
    warehouse, folder = runtime.warehouse, runtime.warehouse.location(COUNTRY, FACTS.name)
    before = warehouse.pointer(COUNTRY, FACTS.name)
    assert before is not None
    Path(runtime.storage.path("catalog.db")).unlink()
    warehouse.pointers.remove(folder)
    kept = {
        name: runtime.storage.read(f"windows/BR/{name}")
        for name in runtime.storage.names("windows/BR")
    }
    runtime.storage.delete_tree("windows/BR")
    found = build_runtime(runtime.platform)
    complete(found, window, run="astray")
    for name, data in kept.items():
        found.storage.replace(f"windows/BR/{name}", data or b"")
    found.warehouse.pointers.replace(folder, before)
    marker = found.markers.read(COUNTRY, window)
    assert marker is not None
    # as it read the pointer, which had not moved
    marker = type(marker)(**{**marker.__dict__, "tables": {FACTS.name: before}})
    found.markers.write(marker)
    return found


def test_windows_committed_to_a_table_made_anew_are_run_again(runtime: Runtime) -> None:
    """Their marker names a state that is there, and their rows are not: they are not complete
    from then on, so that nobody forgets them.
    """
    window = FIRST.next(3)
    found = astray(runtime, window)
    needed = plan(found, COUNTRY, NOW)
    assert [repair.table for repair in needed.repairs] == [FACTS.name]
    assert needed.again == [window]
    assert f"window {window}: run again from the landing" in list(needed.lines())
    put_right(found, needed, NOW)
    after = build_runtime(runtime.platform)
    assert windows(after) == [FIRST.next(number).key for number in range(3)]
    assert unfinished(after, COUNTRY, window.end)[0] == [window.key]
    assert plan(after, COUNTRY, NOW).is_empty


def test_a_plan_changes_nothing(runtime: Runtime) -> None:
    """Whatever it finds: a lost catalog, a half pointer, a file that is gone."""
    root = Path(runtime.storage.path())
    runtime.storage.replace(f"{runtime.warehouse.location(COUNTRY, FACTS.name)}/current.json", b"{")
    next((root / "tables").rglob("*.parquet")).unlink()
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    needed = plan(build_runtime(runtime.platform), COUNTRY, NOW)
    assert not needed.is_empty
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()} == before


def test_a_local_date_that_nothing_can_make_again_is_told(runtime: Runtime) -> None:
    """Its windows are gone and so is its file: the date is named, and the table can be read
    again.
    """
    day = date(2026, 11, 23)
    list(roll_up(runtime, COUNTRY, [day], "run"))
    for file in Path(runtime.storage.path(runtime.warehouse.location(COUNTRY, DAYS))).rglob(
        "*.parquet"
    ):
        file.unlink()
    runtime.storage.delete_tree("windows/BR")
    needed = plan(runtime, COUNTRY, NOW)
    assert needed.gone_dates == {day: [DAYS]}
    assert f"local date {day}: LOST, the landing no longer holds what was read" in "\n".join(
        needed.lines()
    )
    put_right(runtime, needed, NOW)
    table = build_runtime(runtime.platform).warehouse.load(COUNTRY, DAYS)
    assert table is not None
    assert table.scan().to_arrow().num_rows == 0
    assert [(loss.part, loss.tables) for loss in Losses(runtime.storage).current(COUNTRY)] == [
        (str(day), (DAYS,))
    ]
