"""History without a snapshot a commit: what a table was at a moment is told exactly, though few
of its states are kept.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storeavail_platform.domain.errors import QueryRefused, TableDamaged
from storeavail_platform.domain.tables.daily import DAILY_STORE_AVAILABILITY
from storeavail_platform.pipeline.local_dates import roll_up
from storeavail_platform.reading.query import query
from storeavail_platform.upkeep.compaction import compact
from storeavail_platform.upkeep.orphans import remove_orphans
from storeavail_platform.upkeep.recovery import plan
from storeavail_platform.upkeep.retention import expire_snapshots
from storeavail_platform.warehouse.forgotten import forgotten_states, location_of
from storeavail_platform.warehouse.markers import Marker
from storeavail_platform.warehouse.thinning import AT_ONCE, NEWEST_KEPT
from storeavail_platform.warehouse.truth import lost_windows
from storeavail_platform_tests.domain.tables.facts import COUNTRY
from storeavail_platform_tests.upkeep.conftest import (
    FACTS,
    FIRST,
    NOW,
    Kept,
    at,
    current_snapshot,
    one,
)
from storeavail_platform_tests.upkeep.test_retention import FIGURES

HOUR = timedelta(hours=1)
NEW = FIRST.next(300)
"""Later than all windows of the fixture."""


def rows_at(kept: Kept, moment: datetime, table: str = FACTS.name) -> list[dict[str, Any]]:
    order = "window_start, store_id" if table == FACTS.name else "local_date, store_id"
    found: list[dict[str, Any]] = query(
        kept.runtime, f"SELECT * FROM {table} ORDER BY {order}", as_of=moment
    ).to_pylist()
    return found


def test_any_moment_is_told_exactly_though_states_are_thinned_out(kept: Kept) -> None:
    """New windows, late ones, reruns and a compaction among them: as of each moment the rows
    that were committed then.
    """
    said: list[tuple[datetime, list[dict[str, Any]]]] = []

    def step(number: int) -> None:
        said.append((datetime.now(UTC), kept.rows()))
        if number == 9:
            assert list(compact(kept.runtime, COUNTRY, FACTS, NOW))
        elif number % 7 == 3:
            window = NEW.next(number - 2)
            kept.commit(window, one(window, number, "missing"), f"again-{number}")
        elif number % 7 == 5:
            window = FIRST.next(number)
            kept.commit(window, one(window, number, "rogue"), f"late-{number}")
        else:
            kept.commit(NEW.next(number), one(NEW.next(number), 1, "available"), f"run-{number}")

    for number in range(36):
        step(number)
        if number == 30:
            assert expire_snapshots(kept.runtime, COUNTRY, FACTS, at(HOUR))
    for number in range(36, 36 + NEWEST_KEPT):
        step(number)
    expire_snapshots(kept.runtime, COUNTRY, FACTS, at(HOUR))
    remove_orphans(kept.runtime, COUNTRY, FACTS, at(timedelta(hours=25)))
    table = kept.runtime.warehouse.load(COUNTRY, FACTS.name)
    assert table is not None
    assert len(forgotten_states(table)) > 30
    assert all(rows_at(kept, moment) == rows for moment, rows in said)
    # nothing else is thinned out by doing it again
    assert expire_snapshots(kept.runtime, COUNTRY, FACTS, at(HOUR)) == 0


def states(kept: Kept) -> int:
    table = kept.runtime.warehouse.load(COUNTRY, FACTS.name)
    assert table is not None
    return len(table.snapshots())


def test_commits_thin_out_as_they_go(kept: Kept) -> None:
    """Without any upkeep a table keeps about as many states as right after it, and tells each
    moment all the same; the newest states are all there.
    """
    said = []
    for number in range(NEWEST_KEPT + 2 * AT_ONCE):
        kept.commit(NEW.next(number), one(NEW.next(number), 1, "missing"), f"run-{number}")
        said.append((datetime.now(UTC), len(kept.rows()), current_snapshot(kept)))
        # the first, the last of a day before and those until there are enough to take out
        assert states(kept) <= NEWEST_KEPT + AT_ONCE + 3
    table = kept.runtime.warehouse.load(COUNTRY, FACTS.name)
    assert table is not None
    there = {snapshot.snapshot_id for snapshot in table.snapshots()}
    assert {snapshot for _, _, snapshot in said[-NEWEST_KEPT:]} <= there
    assert len(forgotten_states(table)) > 2 * AT_ONCE
    assert [len(rows_at(kept, moment)) for moment, _, _ in said] == [rows for _, rows, _ in said]


def test_no_window_fails_for_a_missing_list_of_forgotten_states(kept: Kept) -> None:
    """Windows go on, and keep their states; upkeep says what is missing."""
    for number in range(2 * AT_ONCE):
        kept.commit(NEW.next(number), one(NEW.next(number), 1, "missing"), "run")
    table = kept.runtime.warehouse.load(COUNTRY, FACTS.name)
    assert table is not None
    location = location_of(table)
    assert location is not None
    table.io.delete(location)
    rows, before = len(kept.rows()), states(kept)
    for number in range(2 * AT_ONCE, 4 * AT_ONCE):
        kept.commit(NEW.next(number), one(NEW.next(number), 1, "missing"), "run")
    assert len(kept.rows()) == rows + 2 * AT_ONCE
    assert states(kept) == before + 2 * AT_ONCE
    with pytest.raises(TableDamaged, match=r"forgotten-.*is missing"):
        expire_snapshots(kept.runtime, COUNTRY, FACTS, at(HOUR))


def test_before_the_kept_history_nothing_is_claimed(kept: Kept) -> None:
    """Once states are older than `retention.history` a moment before the first that is kept is
    refused, a later one is told.
    """
    for number in range(10):
        kept.commit(NEW.next(number), one(NEW.next(number), 1, "available"), f"run-{number}")
    expire_snapshots(kept.runtime, COUNTRY, FACTS, at(HOUR))
    early, rows = datetime.now(UTC), kept.rows()
    expire_snapshots(kept.runtime, COUNTRY, FACTS, at(timedelta(days=3)))
    with pytest.raises(QueryRefused, match="history is kept from"):
        rows_at(kept, early - HOUR)
    assert rows_at(kept, early) == rows


def test_thinned_out_states_are_no_loss(kept: Kept) -> None:
    """A complete window whose state was thinned out, even one without rows, is lost for nobody,
    and recovery has nothing to do.
    """
    runtime = kept.runtime
    markers = []
    for number in range(NEWEST_KEPT + 10):
        window = NEW.next(number)
        kept.commit(window, one(window, 1, "missing") if number != 3 else [], "run")
        state = runtime.warehouse.pointer(COUNTRY, FACTS.name)
        assert state is not None
        markers.append(
            Marker(
                COUNTRY,
                window.key,
                "run",
                window.middle(),
                window.end,
                FIGURES,
                {FACTS.name: state},
            )
        )
        runtime.markers.write(markers[-1])
    expire_snapshots(runtime, COUNTRY, FACTS, at(HOUR))
    table = runtime.warehouse.load(COUNTRY, FACTS.name)
    assert table is not None
    assert not {marker.tables[FACTS.name].snapshot_id for marker in markers[:9]} & {
        snapshot.snapshot_id for snapshot in table.snapshots()
    }
    assert lost_windows(runtime.storage, table, FACTS.name, markers) == []
    assert plan(runtime, COUNTRY, NEW.next(99).end).is_empty


def test_a_catalog_from_before_the_thinning_makes_no_window_run_again(kept: Kept) -> None:
    """A catalog that names states which the tables have thinned out has strayed nowhere."""
    runtime = kept.runtime
    window = NEW
    kept.commit(window, one(window, 1, "missing"), "run")
    state = runtime.warehouse.pointer(COUNTRY, FACTS.name)
    assert state is not None
    runtime.markers.write(
        Marker(
            COUNTRY, window.key, "run", window.middle(), window.end, FIGURES, {FACTS.name: state}
        )
    )
    before = state.metadata_location
    for number in range(1, NEWEST_KEPT + 5):
        kept.commit(NEW.next(number), one(NEW.next(number), 1, "available"), f"run-{number}")
    expire_snapshots(runtime, COUNTRY, FACTS, at(HOUR))
    name = (runtime.country(COUNTRY).namespace, FACTS.name)
    runtime.warehouse.catalog.drop_table(name)
    # as pyiceberg keeps twenty metadata files, an older one is put back as a backup would
    runtime.warehouse.catalog.register_table(name, _restored(kept, before))
    found = plan(runtime, COUNTRY, NEW.next(99).end)
    assert [repair.table for repair in found.repairs] == [FACTS.name]
    assert (list(found.again), list(found.gone)) == ([], [])


def _restored(kept: Kept, location: str) -> str:
    """A metadata file of the past: the table as it is, with the states up to the one that the
    file named.
    """
    table = kept.runtime.warehouse.load(COUNTRY, FACTS.name)
    assert table is not None
    oldest = table.metadata.metadata_log[0].metadata_file
    assert oldest != table.metadata_location
    return oldest


def test_a_missing_list_of_forgotten_states_is_told(kept: Kept) -> None:
    """The error names the file and what to do; the table as it is now is read all the same."""
    expire_snapshots(kept.runtime, COUNTRY, FACTS, at(HOUR))
    table = kept.runtime.warehouse.load(COUNTRY, FACTS.name)
    assert table is not None
    location = location_of(table)
    assert location is not None
    table.io.delete(location)
    with pytest.raises(TableDamaged, match=r"forgotten-.*is missing"):
        rows_at(kept, datetime.now(UTC))
    assert kept.rows()


def test_local_dates_are_told_by_their_newest_kept_state(kept: Kept) -> None:
    """Among the newest states exactly; earlier ones by the last of their quarter of a day,
    never by a later state.
    """
    said = []
    for number in range(NEWEST_KEPT + 4):
        kept.commit(NEW, one(NEW, number, "missing"), f"run-{number}")
        assert list(
            roll_up(
                kept.runtime,
                COUNTRY,
                [NEW.start.date()],
                "run",
                tables=[DAILY_STORE_AVAILABILITY.name],
            )
        )
        said.append(
            (datetime.now(UTC), rows_at(kept, datetime.now(UTC), DAILY_STORE_AVAILABILITY.name))
        )
    thinned = expire_snapshots(kept.runtime, COUNTRY, DAILY_STORE_AVAILABILITY, at(HOUR))
    assert thinned >= 2
    assert all(
        rows_at(kept, moment, DAILY_STORE_AVAILABILITY.name) == rows
        for moment, rows in said[-NEWEST_KEPT:]
    )
    # one snapshot a commit: what replaces a date's files and what adds them is one
    assert thinned <= 3
