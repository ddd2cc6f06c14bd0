"""Days that are over become one file; no row changes, whatever is committed meanwhile, and the
day in progress is left alone.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from storeavail_platform.domain.errors import CommitConflict, WarehouseError
from storeavail_platform.domain.tables.declarations import AVAILABILITY_SUMMARY
from storeavail_platform.domain.tables.table import Column, Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.upkeep.compaction import Compacted, compact, files_by_day, is_over
from storeavail_platform_tests.domain.tables.facts import COUNTRY, commit_window
from storeavail_platform_tests.upkeep.conftest import FACTS, FIRST, NOW, Kept, one
from storeavail_testing.catalog import overtaken


def test_rows_are_kept_and_days_that_are_over_have_one_file(kept: Kept) -> None:
    """Every column of every row is as before; the day in progress keeps its files."""
    before, files = kept.rows(), kept.files()
    assert list(files) == ["2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24"]
    assert min(files.values()) > 1
    done = list(compact(kept.runtime, COUNTRY, FACTS, NOW))
    assert kept.rows() == before
    in_progress = {
        day: count for day, count in files.items() if not is_over(date.fromisoformat(day), NOW)
    }
    assert kept.files() == {day: in_progress.get(day, 1) for day in files}
    assert [str(one.day) for one in done] == [
        day for day, count in files.items() if day not in in_progress and count > 1
    ]
    assert sum(one.rows for one in done) == len(
        [row for row in before if str(row["window_start"])[:10] not in in_progress]
    )


def test_a_second_compaction_does_nothing(kept: Kept) -> None:
    """A day with one file is left alone."""
    list(compact(kept.runtime, COUNTRY, FACTS, NOW))
    pointer = kept.runtime.warehouse.pointer(COUNTRY, FACTS.name)
    assert list(compact(kept.runtime, COUNTRY, FACTS, NOW)) == []
    assert kept.runtime.warehouse.pointer(COUNTRY, FACTS.name) == pointer


@pytest.mark.parametrize(("hours", "over"), [(-1, False), (0, False), (2, False), (3, True)])
def test_a_day_is_over_when_its_last_windows_are_done(hours: int, over: bool) -> None:
    """Three hours after midnight UTC, not before."""
    midnight = NOW.replace(hour=0)
    assert is_over(date(2026, 11, 23), midnight + timedelta(hours=hours)) is over


def test_a_stores_windows_lie_side_by_side(kept: Kept) -> None:
    """The file is sorted by store and window."""
    list(compact(kept.runtime, COUNTRY, FACTS, NOW))
    found = kept.runtime.warehouse.load(COUNTRY, FACTS.name)
    assert found is not None
    path = files_by_day(found)[date(2026, 11, 22)][0][0]
    rows = pq.read_table(
        path.removeprefix("file://"), columns=["store_id", "window_start"]
    ).to_pylist()
    assert rows == sorted(rows, key=lambda row: (row["store_id"], row["window_start"]))


def test_a_late_window_finds_its_rows_in_a_compacted_day(kept: Kept) -> None:
    """It replaces exactly its own rows, and the next upkeep makes one file of the day again."""
    list(compact(kept.runtime, COUNTRY, FACTS, NOW))
    before = kept.rows()
    late = Window.parse("2026-11-22T0000")
    kept.commit(late, one(late, 77, "rogue"), "late")
    rows = kept.rows()
    assert [row for row in rows if row["window_start"] != late.start] == [
        row for row in before if row["window_start"] != late.start
    ]
    assert [row["store_id"] for row in rows if row["window_start"] == late.start] == ["77"]
    assert kept.files()["2026-11-22"] == 2
    assert [done.files for done in compact(kept.runtime, COUNTRY, FACTS, NOW)] == [2]
    assert kept.rows() == rows


def interrupted(kept: Kept, window: Window, *, times: int) -> tuple[Runtime, list[str]]:
    """A runtime in whose place another writer commits a window, each time a day was read and is
    not committed yet, at most so many times; and the stores of those commits.
    """
    stores: list[str] = []

    def meanwhile() -> None:
        store = 901 + len(stores)
        stores.append(str(store))
        kept.commit(window, one(window, store, "missing"), f"meanwhile-{len(stores)}")

    warehouse = overtaken(kept.runtime.warehouse, meanwhile, times=times)
    return replace(kept.runtime, warehouse=warehouse), stores


@pytest.mark.parametrize("key", ["2026-11-22T0000", "2026-11-22T0015", "2026-11-24T0400"])
def test_a_window_that_is_committed_meanwhile_is_not_lost(kept: Kept, key: str) -> None:
    """One that replaces rows of the day, one that adds to it, one of the day in progress: its
    rows and all others are there, once.
    """
    window = Window.parse(key)
    before = [row for row in kept.rows() if row["window_start"] != window.start]
    runtime, stores = interrupted(kept, window, times=1)
    done = list(compact(runtime, COUNTRY, FACTS, NOW))
    rows = kept.rows()
    assert stores
    assert [row for row in rows if row["window_start"] != window.start] == before
    assert [row["store_id"] for row in rows if row["window_start"] == window.start] == ["901"]
    assert kept.files()["2026-11-22"] == 1
    assert len(done) >= 2


@pytest.mark.parametrize("key", ["2026-11-22T0000", "2026-11-22T0015", "2026-11-24T0400"])
def test_a_day_that_is_compacted_meanwhile_has_a_windows_rows_once(kept: Kept, key: str) -> None:
    """A window whose own file is compacted away while it is being committed replaces its rows
    all the same.
    """
    window = Window.parse(key)
    before = [row for row in kept.rows() if row["window_start"] != window.start]
    compacted: list[Compacted] = []
    warehouse = overtaken(
        kept.runtime.warehouse,
        lambda: compacted.extend(compact(kept.runtime, COUNTRY, FACTS, NOW)),
    )
    commit_window(kept.runtime.engine, warehouse, window, one(window, 901, "missing"), "late")
    rows = kept.rows()
    assert compacted
    assert [row for row in rows if row["window_start"] != window.start] == before
    assert [row["store_id"] for row in rows if row["window_start"] == window.start] == ["901"]


def test_upkeep_gives_way_to_windows(kept: Kept) -> None:
    """Where windows of the same day come each time, upkeep gives up and says so; the windows'
    rows are right.
    """
    window = Window.parse("2026-11-21T2200")
    before = [row for row in kept.rows() if row["window_start"] != window.start]
    runtime, stores = interrupted(kept, window, times=100)
    with pytest.raises(CommitConflict, match="gave way to windows"):
        list(compact(runtime, COUNTRY, FACTS, NOW))
    rows = kept.rows()
    assert [row for row in rows if row["window_start"] != window.start] == before
    assert [row["store_id"] for row in rows if row["window_start"] == window.start] == stores[-1:]


def test_rows_that_would_differ_are_refused(kept: Kept) -> None:
    """A file that does not hold what its metadata says stops the compaction with the table's
    name, and nothing changes.
    """
    files = kept.files()
    tables = Path(kept.runtime.storage.path("tables"))
    path = next(tables.rglob("2026-11-21T2000/**/*.parquet"))
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(
        WarehouseError, match=r"store_availability of BR: compacting 2026-11-21 would make"
    ):
        list(compact(kept.runtime, COUNTRY, FACTS, NOW))
    assert kept.files() == files


def test_files_from_before_a_column_was_added_are_compacted(kept: Kept) -> None:
    """Old rows have NULL in the new column, new ones their value."""
    wider = replace(FACTS, columns=(*FACTS.columns, Column("note", "text", "A note.")))
    commit_wider(kept, wider, FIRST.next(1))
    before = kept.rows()
    assert len(list(compact(kept.runtime, COUNTRY, wider, NOW))) > 1
    assert kept.rows() == before
    assert {row["note"] for row in before} == {None, "hello"}


def commit_wider(kept: Kept, wider: Table, last: Window) -> None:
    """A window of the release that has added a column."""
    schema = wider.stored_schema()
    with kept.runtime.engine.session() as session:
        session.create(
            "given", "SELECT CAST(5 AS BIGINT) AS store_id, 'closed' AS status, 'hello' AS note"
        )
        nothing = {
            column.name: None
            for column in wider.all_columns
            if column.name not in ("store_id", "status", "note")
        }
        constants = nothing | {"country": COUNTRY, "window_start": last.start, "run_id": "wider"}
        files = session.write(
            "given",
            schema,
            constants,
            (),
            kept.runtime.warehouse.location(COUNTRY, FACTS.name, "data", f"wider-{last.key}"),
        )
    kept.runtime.warehouse.commit(COUNTRY, wider, last, files, "wider")


def test_a_column_of_a_later_release_keeps_its_values(kept: Kept) -> None:
    """Upkeep of the release before compacts a day with a column that it does not know, and not
    one value of it is lost.
    """
    wider = replace(FACTS, columns=(*FACTS.columns, Column("note", "text", "A note.")))
    commit_wider(kept, wider, FIRST.next(1))
    before = kept.rows()
    assert len(list(compact(kept.runtime, COUNTRY, FACTS, NOW))) > 1
    assert kept.rows() == before
    assert [row["note"] for row in before if row["note"] is not None] == ["hello"]
    commit_wider(kept, wider, FIRST.next(2))
    assert len(list(compact(kept.runtime, COUNTRY, wider, NOW))) == 1
    assert [row["note"] for row in kept.rows() if row["note"] is not None] == ["hello", "hello"]


def test_a_table_that_was_never_written_needs_nothing(kept: Kept) -> None:
    """No catalog entry, no error."""
    assert list(compact(kept.runtime, COUNTRY, AVAILABILITY_SUMMARY, NOW)) == []
    assert list(compact(kept.runtime, "CL", FACTS, NOW)) == []
