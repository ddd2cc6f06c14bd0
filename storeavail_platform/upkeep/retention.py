"""Retention: old states of the tables, old rows and old readings go when their time is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from datetime import time as clock

from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.update.snapshot import ExpireSnapshots

from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.warehouse.transaction import RememberingTransaction
from storeavail_platform.warehouse.truth import lost_windows


def expire_snapshots(runtime: Runtime, country: str, table: Table, now: datetime) -> int:
    """Forget states of a table that were replaced longer than `retention.history` ago; gives
    how many. Their files are orphans then.
    """
    until = (now - runtime.country(country).retention.history).timestamp() * 1000
    expired = 0

    def expire(current: IcebergTable) -> bool:
        nonlocal expired
        states = sorted(current.snapshots(), key=lambda state: state.sequence_number or 0)
        # a state is replaced when the next one is committed: the newest from before the limit was
        # still current at it
        old = [state.snapshot_id for state in states if state.timestamp_ms < until][:-1]
        expired = len(old)
        if old:
            with RememberingTransaction(current) as transaction:
                ExpireSnapshots(transaction).by_ids(old).commit()
        return bool(old)

    runtime.warehouse.change(country, table.name, expire)
    return expired


def delete_old_rows(runtime: Runtime, country: str, table: Table, now: datetime) -> int:
    """Delete the days of a window table that are older than `retention.facts`; gives how many rows.

    Tables of local dates keep theirs.
    """
    if table.is_daily:
        return 0
    first_kept = datetime.combine(
        (now - runtime.country(country).retention.facts).astimezone(UTC).date(), clock(), UTC
    )
    old = f"window_start < '{first_kept.isoformat()}'"
    deleted = 0

    def delete(current: IcebergTable) -> bool:
        nonlocal deleted
        deleted = sum(task.file.record_count for task in current.scan(row_filter=old).plan_files())
        if deleted:
            with RememberingTransaction(current) as transaction:
                transaction.delete(
                    old, snapshot_properties={"storeavail.rows-kept-from": first_kept.isoformat()}
                )
        return bool(deleted)

    runtime.warehouse.change(country, table.name, delete)
    return deleted


def remove_readings(runtime: Runtime, country: str, now: datetime) -> Iterator[str]:
    """Remove the landed readings of complete windows that are older than `retention.landing`; gives
    the windows' keys.

    A window that is not complete, or whose rows are not in the tables, keeps its readings however
    old it is.

    Raises:
        TableDamaged: a table cannot be read; nothing is removed.
    """
    limit = now - runtime.country(country).retention.landing
    complete = set(runtime.markers.complete(country))
    old = [
        key
        for key in runtime.landing.windows(country)
        if Window.parse(key).end < limit and key in complete
    ]
    lost = lost_anywhere(runtime, country, old)
    for key in old:
        if key not in lost:
            runtime.landing.remove(country, Window.parse(key))
            yield key


def lost_anywhere(runtime: Runtime, country: str, windows: Sequence[str]) -> set[str]:
    """Those of the complete windows whose rows are not in one of the tables that their markers
    name.
    """
    markers = [
        marker
        for key in windows
        if (marker := runtime.markers.read(country, Window.parse(key))) is not None
    ]
    lost = set[str]()
    for table in runtime.all_tables if markers else ():
        lost.update(
            lost_windows(
                runtime.storage, runtime.warehouse.load(country, table.name), table.name, markers
            )
        )
    return lost
