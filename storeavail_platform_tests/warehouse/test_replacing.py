"""What a commit replaces: a window later than all others nothing, without a search; every other
one its rows.
"""

from __future__ import annotations

from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Operation

from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform.warehouse.replacing import NEWEST_WINDOW, newest_window
from storeavail_platform.warehouse.transaction import RememberingTransaction
from storeavail_platform_tests.warehouse.test_catalog import (
    TABLE,
    WINDOW,
    stored,
    warehouse,
    written,
)
from storeavail_testing.catalog import overtaken

__all__ = ["warehouse"]


def commit(warehouse: Warehouse, number: int, run: str, stores: list[int] | None = None) -> None:
    window = WINDOW.next(number)
    files = (
        written(warehouse, window, [1] if stores is None else stores, run) if stores != [] else []
    )
    warehouse.commit("BR", TABLE, window, files, run)


def opened(warehouse: Warehouse) -> IcebergTable:
    found = warehouse.open_table("BR", TABLE.name)
    assert found is not None
    return found


def test_new_windows_are_appended_in_one_snapshot_each(warehouse: Warehouse) -> None:
    """Each says which the newest window is."""
    for number in range(3):
        commit(warehouse, number, f"run-{number}")
    states = opened(warehouse).snapshots()
    assert [state.summary and state.summary.operation for state in states] == [Operation.APPEND] * 3
    assert [state.summary and state.summary[NEWEST_WINDOW] for state in states] == [
        WINDOW.next(number).key for number in range(3)
    ]


def test_a_run_that_was_killed_after_its_commit_is_replaced(warehouse: Warehouse) -> None:
    """Its window has rows and no marker: the next run replaces them, and late windows and
    reruns are replaced likewise.
    """
    commit(warehouse, 4, "killed", [1, 2])
    commit(warehouse, 4, "again", [2, 3])
    commit(warehouse, 1, "late", [5])
    commit(warehouse, 1, "late-again", [6])
    commit(warehouse, 5, "next", [7])
    assert stored(warehouse) == [("again", 2), ("again", 3), ("late-again", 6), ("next", 7)]
    assert newest_window(opened(warehouse)) == WINDOW.next(5).key


def test_a_window_without_rows_is_followed_by_any(warehouse: Warehouse) -> None:
    """An empty new window changes nothing; computed again with rows, it has them once."""
    commit(warehouse, 0, "a")
    commit(warehouse, 1, "empty", [])
    commit(warehouse, 1, "b")
    commit(warehouse, 1, "c")
    assert stored(warehouse) == [("a", 1), ("c", 1)]


def test_a_table_of_before_is_known_by_its_files(warehouse: Warehouse) -> None:
    """Where the last commit does not say which the newest window is, as one of an earlier
    release, the files do.
    """
    commit(warehouse, 0, "a")
    found = opened(warehouse)
    with RememberingTransaction(found) as transaction:
        transaction.add_files(
            [file.path for file in written(warehouse, WINDOW.next(3), [1], "before")],
            check_duplicate_files=False,
        )
    assert newest_window(opened(warehouse)) == WINDOW.next(3).key
    commit(warehouse, 3, "again")
    commit(warehouse, 4, "new")
    assert stored(warehouse) == [("a", 1), ("again", 1), ("new", 1)]


def test_two_writers_of_one_new_window_leave_its_rows_once(warehouse: Warehouse) -> None:
    """The second one loaded the table before the first committed: it is refused, and replaces
    the first one's rows.
    """
    commit(warehouse, 0, "a")
    second = overtaken(warehouse, lambda: commit(warehouse, 1, "first", [1, 2]))
    commit(second, 1, "second", [2])
    assert stored(warehouse) == [("a", 1), ("second", 2)]
    assert newest_window(opened(warehouse)) == WINDOW.next(1).key
