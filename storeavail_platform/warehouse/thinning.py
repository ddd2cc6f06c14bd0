"""Which states of a table's history go: those that nobody misses, because a later state tells
them (docs/adr/0012). Commits thin out as they go, upkeep also forgets what is too old.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyiceberg.table import Table as IcebergTable
from pyiceberg.table import Transaction
from pyiceberg.table.snapshots import Operation, Snapshot
from pyiceberg.table.update.snapshot import ExpireSnapshots

from storeavail_platform.warehouse.agreement import ROWS_LOST
from storeavail_platform.warehouse.forgotten import (
    Forgotten,
    forgotten_states,
    write_forgotten,
)

NEWEST_KEPT = 24
"""How many of the newest states stay, whatever they are."""
AT_ONCE = 8
"""How many states a commit takes out at once, so that one in so many writes down which."""
WINDOWS_EVERY = timedelta(days=1)
DATES_EVERY = timedelta(hours=6)
"""Of a table of windows a state of each UTC day stays: the last, unless another one is needed, as
that before its compaction. Of one of local dates the last of each quarter of a day.
"""


@dataclass(frozen=True)
class Choice:
    """States that go: those whose time is over, and those among the others that are thinned out."""

    old: Sequence[Snapshot]
    thinned: Sequence[Snapshot]

    @property
    def all(self) -> Sequence[Snapshot]:
        return (*self.old, *self.thinned)


def choose(snapshots: Iterable[Snapshot], until: datetime | None, *, is_daily: bool) -> Choice:
    """The states of a table that go.

    Args:
        until: what was replaced before goes; None: nothing is too old.
        is_daily: a table of local dates, each commit of which replaces rows.
    """
    states = sorted(snapshots, key=_number)
    # a state is replaced when the next one is committed: the newest from before the limit was still
    # current at it
    limit = 0.0 if until is None else until.timestamp() * 1000
    old = [state for state in states if state.timestamp_ms < limit][:-1]
    newer = states[len(old) :]
    every = DATES_EVERY if is_daily else WINDOWS_EVERY
    # the first one left stays as well: history begins with it
    pairs = list(itertools.pairwise(newer[1 : 1 - NEWEST_KEPT]))
    needed = [_is_needed(state, following, is_daily) for state, following in pairs]
    with_needed = {
        _period(state, every)
        for (state, _), is_needed in zip(pairs, needed, strict=True)
        if is_needed and not is_daily
    }
    thinned = [
        state
        for (state, following), is_needed in zip(pairs, needed, strict=True)
        if not is_needed and _period(state, every) in {_period(following, every)} | with_needed
    ]
    return Choice(old, thinned)


def forget(
    transaction: Transaction, table: IcebergTable, choice: Choice, *, is_daily: bool
) -> None:
    """Take states out of a table in a transaction; of a window table it is written down which.

    Raises:
        TableDamaged: the list of those that are forgotten already is missing or damaged.
    """
    if choice.thinned and not is_daily:
        transaction.set_properties(write_forgotten(table, _remembered(table, choice)))
    ids = [state.snapshot_id for state in choice.all]
    ExpireSnapshots(transaction).by_ids(ids).commit()


def _remembered(table: IcebergTable, choice: Choice) -> list[Forgotten]:
    """The forgotten states of a window table once these are gone, oldest first, as far as its
    history reaches.
    """
    going = {state.snapshot_id for state in choice.all}
    first = min(
        (_number(state) for state in table.snapshots() if state.snapshot_id not in going), default=0
    )
    found = [*forgotten_states(table)]
    found += [
        Forgotten(_number(state), state.snapshot_id, state.timestamp_ms) for state in choice.thinned
    ]
    return sorted(
        (state for state in found if state.sequence_number > first),
        key=lambda state: state.sequence_number,
    )


def _is_needed(state: Snapshot, following: Snapshot, is_daily: bool) -> bool:
    """Whether the next state does not tell what a state was, or a state says what recovery
    needs.
    """
    if state.summary is None or ROWS_LOST in state.summary.additional_properties:
        return True
    if is_daily:
        return False
    is_append = following.summary is not None and following.summary.operation == Operation.APPEND
    return not is_append or _number(following) != _number(state) + 1


def _period(state: Snapshot, every: timedelta) -> int:
    return state.timestamp_ms // (every // timedelta(milliseconds=1))


def _number(state: Snapshot) -> int:
    return state.sequence_number or 0
