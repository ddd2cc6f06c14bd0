"""Tables as they were at a moment, from the states that are kept of them (docs/adr/0012)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pyiceberg.table import DataScan, StaticTable

from storeavail_platform.domain.errors import QueryRefused
from storeavail_platform.warehouse.earlier import earlier_of
from storeavail_platform.warehouse.forgotten import Forgotten, forgotten_states
from storeavail_platform.warehouse.iceberg import EarlierScan

WINDOW = "window_start"
"""The column that tables of windows have, and those of local dates have not."""


def state_scan(
    table: StaticTable, what: str, as_of: datetime | None, **scan: Any
) -> DataScan | None:
    """A scan of a table as it is, or as it was at a moment; None where it had no rows yet.

    A window table is exactly as it was. One of local dates is as in its newest kept state of then:
    within the last commits the same, before that up to six hours older.

    Args:
        what: the table, for the message.
        scan: further arguments of pyiceberg's `scan`.

    Raises:
        QueryRefused: the moment lies before what is kept of its history, or where it is not known
            exactly.
        TableDamaged: the list of its forgotten states, or the table of an earlier layout that it
            is a copy of, is missing or damaged.
    """
    if as_of is None:
        return table.scan(**scan)
    earlier = earlier_of(table)
    if earlier is not None and as_of < earlier.until:
        return state_scan(earlier.table, what, as_of, **scan)
    moment = int(as_of.timestamp() * 1000)
    kept = [
        Forgotten(state.sequence_number or 0, state.snapshot_id, state.timestamp_ms)
        for state in table.snapshots()
    ]
    oldest = min(kept, key=_when, default=None)
    if oldest is None:
        return None
    if moment < oldest.timestamp_ms:
        # a table's first state has number 1
        if oldest.sequence_number <= 1:
            return None
        since = datetime.fromtimestamp(oldest.timestamp_ms / 1000, UTC)
        raise QueryRefused(
            f"{what} cannot be shown as of {as_of:%Y-%m-%d %H:%M %Z}: its history is kept from "
            f"{since:%Y-%m-%d %H:%M %Z} on (retention.history)"
        )
    known = sorted((*kept, *forgotten_states(table)), key=_when)
    then = [state for state in known if state.timestamp_ms <= moment][-1]
    _refuse_hole(table, what, as_of, [state for state in known if _when(state) >= _when(then)][:2])
    after = min(
        (state for state in kept if state.sequence_number >= then.sequence_number), key=_when
    )
    if after == then:
        return table.scan(snapshot_id=then.snapshot_id, **scan)
    found = EarlierScan(
        table_metadata=table.metadata, io=table.io, snapshot_id=after.snapshot_id, **scan
    )
    found.last_number = then.sequence_number
    return found


def _refuse_hole(
    table: StaticTable, what: str, as_of: datetime, around: Sequence[Forgotten]
) -> None:
    """Refuse a moment between two states of a window table between which others are not known."""
    if WINDOW not in table.schema().column_names or len(around) < 2:
        return
    before, after = around
    if after.sequence_number > before.sequence_number + 1:
        first, last = (
            f"{datetime.fromtimestamp(state.timestamp_ms / 1000, UTC):%Y-%m-%d %H:%M:%S %Z}"
            for state in around
        )
        raise QueryRefused(
            f"{what} cannot be shown as of {as_of:%Y-%m-%d %H:%M %Z}: which commits were made when"
            f" between {first} and {last} was lost with a list of its states; ask for a moment"
            " before or after"
        )


def _when(state: Forgotten) -> tuple[int, int]:
    return state.timestamp_ms, state.sequence_number
