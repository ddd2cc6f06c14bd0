"""What is forgotten and removed, and what never is: states within history, readings that are
needed, files that anything refers to.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.upkeep import maintain
from storeavail_platform.upkeep.compaction import compact
from storeavail_platform.upkeep.orphans import remove_orphans
from storeavail_platform.upkeep.retention import (
    delete_old_rows,
    expire_snapshots,
    remove_markers,
    remove_readings,
)
from storeavail_platform.warehouse.markers import Figures, Marker
from storeavail_platform_tests.domain.tables.facts import COUNTRY, DAY
from storeavail_platform_tests.upkeep.conftest import (
    FACTS,
    NOW,
    Kept,
    at,
    current_snapshot,
    one,
    orphan,
    state_at,
)

WINDOW = Window.parse("2026-11-21T2200")
HOUR = timedelta(hours=1)
FIGURES = Figures(
    expected_minutes=0,
    available_minutes=0,
    missing_minutes=0,
    unknown_minutes=0,
    rogue_minutes=0,
    stores_missing=0,
    stores_rogue=0,
    listed=None,
    missing_share=None,
    suspect=False,
    suspect_reason=None,
)


def snapshots(runtime: Runtime) -> int:
    found = runtime.warehouse.load(COUNTRY, FACTS.name)
    assert found is not None
    return len(found.snapshots())


def test_both_runs_of_a_window_can_be_queried_within_history(kept: Kept) -> None:
    """After a rerun, compaction and all other upkeep, the state before the rerun is still there
    row for row.
    """
    earlier, before = kept.rows(), current_snapshot(kept)
    kept.commit(WINDOW, one(WINDOW, 1, "rogue"), "rerun")
    list(maintain(kept.runtime, COUNTRY, at(2 * DAY - HOUR)))
    assert state_at(kept, before) == earlier
    assert kept.rows() != earlier


def test_states_older_than_history_are_forgotten(kept: Kept) -> None:
    """The current state stays, however old it is; rows do not change."""
    rows, count = kept.rows(), snapshots(kept.runtime)
    assert count > 20
    assert expire_snapshots(kept.runtime, COUNTRY, FACTS, at(2 * DAY + HOUR)) == count - 1
    assert snapshots(kept.runtime) == 1
    assert kept.rows() == rows
    assert expire_snapshots(kept.runtime, COUNTRY, FACTS, at(2 * DAY + HOUR)) == 0


def test_files_that_nothing_refers_to_are_removed_when_they_are_a_day_old(kept: Kept) -> None:
    """A young one may belong to a commit on its way and stays; nothing that a state of the
    table needs is touched.
    """
    stray = orphan(kept, "stray")
    stray_size = stray.stat().st_size
    rows, first = kept.rows(), current_snapshot(kept)
    assert remove_orphans(kept.runtime, COUNTRY, FACTS, at(23 * HOUR)).files == 0
    removed = remove_orphans(kept.runtime, COUNTRY, FACTS, at(25 * HOUR))
    # beside it what merging manifests left
    assert 1 <= removed.files < 10
    assert removed.size >= stray_size
    assert not stray.exists()
    assert kept.rows() == rows == state_at(kept, first)


def test_expiry_and_compaction_leave_files_that_are_then_removed(kept: Kept) -> None:
    """After history is over a compacted table has the files of its current state and no other."""
    folder = Path(kept.runtime.storage.path(kept.runtime.warehouse.location(COUNTRY, FACTS.name)))
    rows = kept.rows()
    list(compact(kept.runtime, COUNTRY, FACTS, NOW))
    later = at(2 * DAY + HOUR)
    expire_snapshots(kept.runtime, COUNTRY, FACTS, later)
    before = sum(1 for _ in folder.rglob("*.parquet"))
    remove_orphans(kept.runtime, COUNTRY, FACTS, later)
    assert before > 25
    assert sum(1 for _ in folder.rglob("*.parquet")) == sum(kept.files().values())
    assert [path for path in folder.rglob("*") if path.is_dir() and not any(path.iterdir())] == []
    assert kept.rows() == rows
    assert remove_orphans(kept.runtime, COUNTRY, FACTS, later).files == 0


def test_what_a_pointer_names_is_never_removed(kept: Kept) -> None:
    """A reader that follows a pointer which lags behind finds metadata and rows, after expiry
    and 30 more commits.
    """
    runtime = kept.runtime
    pointer = runtime.storage.read(runtime.warehouse.location(COUNTRY, FACTS.name, "current.json"))
    rows = kept.rows()
    assert pointer is not None
    for number in range(3):
        kept.commit(WINDOW, one(WINDOW, number, "missing"), f"later-{number}")
    list(compact(runtime, COUNTRY, FACTS, NOW))
    expire_snapshots(runtime, COUNTRY, FACTS, at(3 * DAY))
    runtime.storage.replace(
        runtime.warehouse.location(COUNTRY, FACTS.name, "current.json"), pointer
    )
    remove_orphans(runtime, COUNTRY, FACTS, at(3 * DAY))
    assert kept.rows() == rows


def test_rows_older_than_their_time_are_deleted_by_whole_days(kept: Kept) -> None:
    """The day in which the limit lies is kept whole; the daily tables are none of it."""
    rows = kept.rows()
    limit = NOW + 398 * DAY
    deleted = delete_old_rows(kept.runtime, COUNTRY, FACTS, limit)
    left = kept.rows()
    assert left == [row for row in rows if row["window_start"].date().isoformat() >= "2026-11-22"]
    assert deleted == len(rows) - len(left) > 0
    assert delete_old_rows(kept.runtime, COUNTRY, FACTS, limit) == 0


def test_readings_go_with_their_time_unless_their_window_is_not_complete(kept: Kept) -> None:
    """A complete window's reading is removed after its time; one that was never computed stays,
    and so does a young one.
    """
    runtime = kept.runtime
    old, waiting, young = (
        Window.parse("2026-11-20T1000"),
        Window.parse("2026-11-20T1015"),
        Window.parse("2026-11-23T1000"),
    )
    for window in (old, waiting, young):
        runtime.landing.record(
            COUNTRY, window, "online_index", {"is_observed": False}, read_at=window.end
        )
        if window != waiting:
            runtime.markers.write(Marker(COUNTRY, window.key, "run", None, window.end, FIGURES, {}))
    assert list(remove_readings(runtime, COUNTRY, NOW)) == [old.key]
    assert runtime.landing.windows(COUNTRY) == [waiting.key, young.key]
    assert runtime.landing.find(COUNTRY, old, "online_index") is None
    assert runtime.landing.find(COUNTRY, waiting, "online_index") is not None


def test_markers_go_with_their_facts(kept: Kept) -> None:
    """Markers of windows older than `retention.facts` go, recorded gaps among them; the day in
    which the limit lies is kept whole, a window whose readings are still landed keeps its own, and
    another country's are none of it.
    """
    runtime, limit = kept.runtime, Window.parse("2026-11-24T0000")
    gap, old, landed_one, first_kept, young = (limit.next(n) for n in (-200, -2, -1, 0, 300))
    for window in (gap, old, landed_one, first_kept, young):
        observed_at = None if window == gap else window.middle()
        for country in (COUNTRY, "CL"):
            runtime.markers.write(
                Marker(country, window.key, "run", observed_at, window.end, FIGURES, {})
            )
    runtime.landing.record(
        COUNTRY, landed_one, "online_index", {"is_observed": False}, read_at=landed_one.end
    )
    now = NOW + 400 * DAY
    assert remove_markers(runtime, COUNTRY, now) == 2
    assert runtime.markers.complete(COUNTRY) == [landed_one.key, first_kept.key, young.key]
    assert len(runtime.markers.complete("CL")) == 5
    assert remove_markers(runtime, COUNTRY, now) == 0
    said = [done.text for done in maintain(runtime, "CL", now) if done.what == "markers"]
    assert said == ["markers of 3 windows older than retention.facts removed"]


def gone_back(kept: Kept, *, run: str = "late") -> tuple[Window, Path]:
    """A complete window of today whose commit the table has lost; gives it and the folder with
    its rows.
    """
    runtime, folder = kept.runtime, kept.runtime.warehouse.location(COUNTRY, FACTS.name)
    before = runtime.warehouse.pointer(COUNTRY, FACTS.name)
    window = Window.containing(at(-HOUR))
    kept.commit(window, one(window, 1, "missing"), run)
    state = runtime.warehouse.pointer(COUNTRY, FACTS.name)
    assert before is not None
    assert state is not None
    runtime.markers.write(
        Marker(COUNTRY, window.key, run, window.middle(), window.end, FIGURES, {FACTS.name: state})
    )
    name = (runtime.country(COUNTRY).namespace, FACTS.name)
    runtime.warehouse.catalog.drop_table(name)
    runtime.warehouse.catalog.register_table(name, before.metadata_location)
    runtime.warehouse.pointers.replace(folder, before)
    return window, Path(runtime.storage.path(folder, "data", window.key, run))


def test_what_a_marker_names_is_no_orphan_within_history(kept: Kept) -> None:
    """Rows of a complete window that the table has lost stay as long as its history is kept,
    however unreferred they are.
    """
    _, rows = gone_back(kept)
    stray = orphan(kept, "stray")
    remove_orphans(kept.runtime, COUNTRY, FACTS, at(25 * HOUR))
    assert not stray.exists()
    assert list(rows.rglob("*.parquet"))
    remove_orphans(kept.runtime, COUNTRY, FACTS, at(3 * DAY))
    assert not list(rows.rglob("*.parquet"))


def test_a_reading_stays_while_its_windows_rows_are_lost(kept: Kept) -> None:
    """It is the only way back: it is removed once the rows are in the table again."""
    window, _ = gone_back(kept)
    runtime = kept.runtime
    runtime.landing.record(
        COUNTRY, window, "online_index", {"is_observed": False}, read_at=window.end
    )
    assert list(remove_readings(runtime, COUNTRY, at(3 * DAY))) == []
    kept.commit(window, one(window, 1, "missing"), "late")
    assert list(remove_readings(runtime, COUNTRY, at(3 * DAY))) == [window.key]


def test_a_reading_stays_while_the_file_with_its_windows_rows_is_damaged(kept: Kept) -> None:
    """Nobody need have read it meanwhile: upkeep names file, table and window, and keeps what it is
    made again of.
    """
    runtime, window = kept.runtime, Window.containing(at(-HOUR))
    kept.commit(window, one(window, 1, "missing"), "run")
    state = runtime.warehouse.pointer(COUNTRY, FACTS.name)
    assert state is not None
    runtime.markers.write(
        Marker(COUNTRY, window.key, "run", None, window.end, FIGURES, {FACTS.name: state})
    )
    runtime.landing.record(
        COUNTRY, window, "online_index", {"is_observed": False}, read_at=window.end
    )
    folder = runtime.warehouse.location(COUNTRY, FACTS.name, "data", window.key)
    next(Path(runtime.storage.path(folder)).rglob("*.parquet")).unlink()
    assert list(remove_readings(runtime, COUNTRY, at(3 * DAY))) == []
    said = [str(done) for done in maintain(runtime, COUNTRY, at(HOUR)) if done.is_error]
    assert f"is missing; it has the rows of window {window}. `storeavail recover" in said[0]


def test_nothing_is_removed_while_the_catalog_is_not_what_the_pointer_says(kept: Kept) -> None:
    """With a catalog that was lost, made anew or is older, upkeep says so for the table and
    removes none of its files.
    """
    runtime = kept.runtime
    catalog = Path(runtime.storage.path("catalog.db"))
    older = catalog.read_bytes()
    window = Window.parse("2026-11-24T0300")
    kept.commit(window, one(window, 1, "missing"), "new")
    rows, files = kept.rows(), sorted(Path(runtime.storage.path("tables")).rglob("*.*"))
    for damage in (older, b""):
        catalog.write_bytes(damage)
        done = list(maintain(build_runtime(runtime.platform), COUNTRY, at(10 * DAY)))
        assert [(one.what, one.is_error) for one in done] == [(FACTS.name, True)]
        assert "storeavail recover --country BR" in done[0].text
    assert sorted(Path(runtime.storage.path("tables")).rglob("*.*")) == files
    assert kept.rows() == rows
