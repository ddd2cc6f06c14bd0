"""A country's plan: what earlier releases did to it, and what a recovery that is stopped leaves
for the next.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from storeavail_platform.commands.diagnose import check_tables
from storeavail_platform.domain.errors import QueryRefused
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.local_dates import roll_up
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.reading.status import rows_lost, unfinished
from storeavail_platform.upkeep.maintain import maintain
from storeavail_platform.upkeep.recovery import plan, put_right
from storeavail_platform.upkeep.retention import expire_snapshots
from storeavail_platform.warehouse.forgotten import LIST, location_of
from storeavail_platform.warehouse.losses import Losses
from storeavail_platform.warehouse.markers import Marker
from storeavail_platform.warehouse.thinning import NEWEST_KEPT
from storeavail_platform_tests.domain.tables.facts import COUNTRY
from storeavail_platform_tests.upkeep.conftest import FACTS, Kept, at, one
from storeavail_platform_tests.upkeep.test_backup import FIRST, complete, runtime, windows
from storeavail_platform_tests.upkeep.test_retention import FIGURES
from storeavail_platform_tests.upkeep.test_thinning import HOUR, NEW, rows_at

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
    found.markers.write(replace(marker, tables={FACTS.name: before}))
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


def test_a_list_of_forgotten_states_that_is_gone(kept: Kept) -> None:
    """`status`, `check` and upkeep name the table and the command; recovery makes the list again
    and runs no window. Where the older metadata files are gone as well, moments between states that
    nobody can name any more are refused, all others are told.
    """
    runtime, moments = kept.runtime, []
    for number in range(NEWEST_KEPT + 10):
        window = NEW.next(number)
        kept.commit(window, one(window, 1, "missing"), "run")
        state = runtime.warehouse.pointer(COUNTRY, FACTS.name)
        assert state is not None
        runtime.markers.write(
            Marker(COUNTRY, window.key, "run", None, window.end, FIGURES, {FACTS.name: state})
        )
        moments.append((datetime.now(UTC), kept.rows()))
    expire_snapshots(runtime, COUNTRY, FACTS, at(HOUR))
    list_of(runtime).unlink()
    now = NEW.next(99).end
    text = "makes it again"
    assert [text in problem for problem in rows_lost(runtime, COUNTRY, now)] == [True]
    assert [text in finding.message for finding in check_tables(runtime, COUNTRY, now)] == [True]
    assert text in " ".join(str(done) for done in maintain(runtime, COUNTRY, at(HOUR)))
    needed = plan(runtime, COUNTRY, now)
    assert (list(needed.lists), list(needed.again), list(needed.gone)) == ([FACTS.name], [], [])
    put_right(runtime, needed, now)
    assert plan(runtime, COUNTRY, now).is_empty
    assert rows_lost(runtime, COUNTRY, now) == []
    assert all(rows_at(kept, moment) == rows for moment, rows in (moments[1], moments[-1]))
    table = runtime.warehouse.load(COUNTRY, FACTS.name)
    assert table is not None
    for file in list_of(runtime).parent.iterdir():
        if file.name.startswith(LIST) or (
            file.suffix == ".json" and file.name != Path(table.metadata_location).name
        ):
            file.unlink()
    put_right(runtime, plan(runtime, COUNTRY, now), now)
    assert plan(runtime, COUNTRY, now).is_empty
    moment, rows = moments[-1]
    assert rows_at(kept, moment) == rows
    with pytest.raises(QueryRefused, match="was lost with a list of its states"):
        rows_at(kept, moments[1][0])


def list_of(runtime: Runtime) -> Path:
    table = runtime.warehouse.load(COUNTRY, FACTS.name)
    assert table is not None
    return Path((location_of(table) or "").removeprefix("file://"))
