"""Retention: old states of the tables, old rows and old readings go when their time is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from datetime import time as clock

from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Operation, Snapshot

from storeavail_platform.runtime import Runtime
from storeavail_platform.tables.table import Table
from storeavail_platform.windows import Window

ALL_STATES = timedelta(days=1)
"""How long every state of a table can be queried."""


def expire_snapshots(runtime: Runtime, country: str, table: Table, now: datetime) -> int:
    """Forget states of a table that nobody needs any more; gives how many. Their files are orphans then.

    For `ALL_STATES` every state can be queried. From then on until `retention.history` it is those before and after rows were replaced: a state
    in between has no row that the later ones do not have, it only lacks their windows. A thousand states would make every commit slow.
    """
    history = runtime.country(country).retention.history
    whole, until = now - min(ALL_STATES, history), now - history
    expired = 0

    def expire(current: IcebergTable) -> bool:
        nonlocal expired
        states = sorted(current.snapshots(), key=lambda state: state.sequence_number or 0)
        # a state is replaced when the next one is committed: the newest from before the limit was still current at it
        old = [state for state in states if _time(state) < until][:-1]
        between = [
            state
            for number, state in enumerate(states)
            if until <= _time(state) < whole and not any(map(_replaced_rows, states[max(0, number - 1) : number + 2]))
        ]
        gone = {state.snapshot_id for state in (*old, *between)} - {current.metadata.current_snapshot_id}
        expired = len(gone)
        if gone:
            current.maintenance.expire_snapshots().by_ids(sorted(gone)).commit()
        return bool(gone)

    runtime.warehouse.change(country, table.name, expire)
    return expired


def _time(state: Snapshot) -> datetime:
    return datetime.fromtimestamp(state.timestamp_ms / 1000, UTC)


def _replaced_rows(state: Snapshot) -> bool:
    """Whether this state was made by removing rows."""
    return state.summary is not None and state.summary.operation is not Operation.APPEND


def delete_old_rows(runtime: Runtime, country: str, table: Table, now: datetime) -> int:
    """Delete the days of a window table that are older than `retention.facts`; gives how many rows. Tables of local dates keep theirs."""
    if table.is_daily:
        return 0
    first_kept = datetime.combine((now - runtime.country(country).retention.facts).astimezone(UTC).date(), clock(), UTC)
    old = f"window_start < '{first_kept.isoformat()}'"
    deleted = 0

    def delete(current: IcebergTable) -> bool:
        nonlocal deleted
        deleted = sum(task.file.record_count for task in current.scan(row_filter=old).plan_files())
        if deleted:
            current.delete(old, snapshot_properties={"storeavail.rows-kept-from": first_kept.isoformat()})
        return bool(deleted)

    runtime.warehouse.change(country, table.name, delete)
    return deleted


def remove_readings(runtime: Runtime, country: str, now: datetime) -> Iterator[str]:
    """Remove the landed readings of complete windows that are older than `retention.landing`; gives the windows' keys.

    A window that is not complete keeps its readings however old it is.
    """
    limit = now - runtime.country(country).retention.landing
    complete = set(runtime.markers.complete(country))
    for key in runtime.landing.windows(country):
        if Window.parse(key).end >= limit:
            return
        if key in complete:
            runtime.landing.remove(country, Window.parse(key))
            yield key
