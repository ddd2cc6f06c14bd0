"""How many states a table keeps after a month of windows: counted on states that stand for
commits, at their own times.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pyiceberg.table.snapshots import Operation, Snapshot, Summary

from storeavail_platform.domain.windows import Window
from storeavail_platform.warehouse.thinning import AT_ONCE, NEWEST_KEPT, choose

FIRST = Window.parse("2026-10-01T0000")
DAY_WINDOWS = 96
NIGHT = 24
"""Windows of a UTC day before its upkeep."""
HISTORY = timedelta(days=7)
DAYS = HISTORY // timedelta(days=1)
GOAL = 1.3
LOOKED_AT = AT_ONCE


class History:
    """A table's states while windows are committed, as commits and upkeep leave them."""

    def __init__(self, *, is_daily: bool) -> None:
        self.is_daily = is_daily
        self.states: list[Snapshot] = []
        self.last = 0

    def add(self, operation: Operation, window: Window) -> None:
        self.last += 1
        fields: dict[str, Any] = {
            "snapshot-id": self.last,
            "sequence-number": self.last,
            "timestamp-ms": int(window.middle().timestamp() * 1000),
            "manifest-list": "",
        }
        self.states.append(Snapshot(**fields, summary=Summary(operation)))

    def commit(self, window: Window) -> None:
        thinned = choose(self.states, None, is_daily=self.is_daily).thinned
        if len(thinned) >= AT_ONCE:
            self.states = [state for state in self.states if state not in thinned]
        self.add(Operation.OVERWRITE if self.is_daily else Operation.APPEND, window)

    def upkeep(self, window: Window, number: int) -> None:
        if not self.is_daily and number > DAY_WINDOWS:
            # a compaction
            self.add(Operation.DELETE, window)
            self.add(Operation.APPEND, window)
        going = choose(self.states, window.end - HISTORY, is_daily=self.is_daily).all
        self.states = [state for state in self.states if state not in going]


def counted(windows: int, *, is_daily: bool) -> list[int]:
    """How many states there are after each of so many windows."""
    history, found = History(is_daily=is_daily), []
    for number in range(windows):
        window = FIRST.next(number)
        if number % DAY_WINDOWS == NIGHT:
            history.upkeep(window, number)
        history.commit(window)
        found.append(len(history.states))
    return found


def around(counts: list[int], number: int) -> int:
    """States in all at the windows around one: a commit in so many takes states out."""
    return sum(counts[number - LOOKED_AT // 2 : number + LOOKED_AT // 2])


def test_a_window_table_has_as_many_states_after_a_month_as_after_hours() -> None:
    """At most 1.3 times the 30th window's at the 3,000th, right after upkeep and before it; one a
    day and the newest stay.
    """
    counts = counted(3_100, is_daily=False)
    early = around(counts, 30)
    evening = 31 * DAY_WINDOWS + NIGHT + 90
    for number in (3_000, 31 * DAY_WINDOWS + 30, evening):
        assert around(counts, number) <= GOAL * early, number
    assert min(counts[NEWEST_KEPT:]) >= NEWEST_KEPT
    assert min(counts[-DAY_WINDOWS:]) >= NEWEST_KEPT + DAYS


def test_a_table_of_local_dates_has_four_states_a_day_more() -> None:
    """It keeps a state for each quarter of a day of its history, and no more than these and the
    newest at any hour.
    """
    counts = counted(3_100, is_daily=True)
    assert max(counts) <= NEWEST_KEPT + AT_ONCE + 4 * (DAYS + 1) + 2
    assert max(counts[-DAY_WINDOWS:]) - min(counts[-DAY_WINDOWS:]) <= AT_ONCE + 4


@pytest.mark.parametrize("is_daily", [False, True])
def test_the_newest_states_stay(is_daily: bool) -> None:
    """Whatever else goes."""
    history = History(is_daily=is_daily)
    for number in range(3 * DAY_WINDOWS):
        if number % DAY_WINDOWS == NIGHT:
            history.upkeep(FIRST.next(number), number)
        history.commit(FIRST.next(number))
        newest = {state.snapshot_id for state in history.states[-NEWEST_KEPT:]}
        first = max(1, history.last - NEWEST_KEPT + 1)
        assert newest >= set(range(first, history.last + 1))
