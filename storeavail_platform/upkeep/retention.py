"""Retention: old states of the tables, old rows and old readings go when their time is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from datetime import time as clock

from pyiceberg.table import Table as IcebergTable

from storeavail_platform.domain.errors import TableDamaged
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.warehouse.damage import DamagedFile, damaged_files, is_whole
from storeavail_platform.warehouse.earlier import METADATA, UNTIL, earlier_of
from storeavail_platform.warehouse.iceberg import data_files
from storeavail_platform.warehouse.replacing import carried_on
from storeavail_platform.warehouse.thinning import choose, forget
from storeavail_platform.warehouse.transaction import RememberingTransaction
from storeavail_platform.warehouse.truth import lost_windows


def expire_snapshots(runtime: Runtime, country: str, table: Table, now: datetime) -> int:
    """Forget states of a table that were replaced longer than `retention.history` ago, and thin out
    the others; gives how many. The table of an earlier layout that it is a copy of goes likewise.

    Files that only they referred to are orphans then.
    """
    until = now - runtime.country(country).retention.history
    expired = 0

    def expire(current: IcebergTable) -> bool:
        nonlocal expired
        found = choose(current.snapshots(), until, is_daily=table.is_daily)
        expired = len(found.all)
        earlier = earlier_of(current)
        is_over = earlier is not None and earlier.until < until
        if expired or is_over:
            with RememberingTransaction(current) as transaction:
                if is_over:
                    transaction.remove_properties(METADATA, UNTIL)
                if expired:
                    forget(transaction, current, found, is_daily=table.is_daily)
        return bool(expired or is_over)

    runtime.warehouse.change(country, table.name, expire)
    return expired


def delete_old_rows(runtime: Runtime, country: str, table: Table, now: datetime) -> int:
    """Delete the days of a window table that are older than `retention.facts`; gives how many rows.

    Tables of local dates keep theirs.
    """
    if table.is_daily:
        return 0
    first_kept = first_day_kept(runtime, country, now)
    old = f"window_start < '{first_kept.isoformat()}'"
    deleted = 0

    def delete(current: IcebergTable) -> bool:
        nonlocal deleted
        deleted = sum(file.record_count for file in data_files(current.scan(row_filter=old)))
        if deleted:
            with RememberingTransaction(current) as transaction:
                properties = {
                    "storeavail.rows-kept-from": first_kept.isoformat(),
                    **carried_on(current),
                }
                transaction.delete(old, snapshot_properties=properties)
        return bool(deleted)

    runtime.warehouse.change(country, table.name, delete)
    return deleted


def first_day_kept(runtime: Runtime, country: str, now: datetime) -> datetime:
    """The first moment (UTC) of the oldest day whose facts are kept."""
    day = (now - runtime.country(country).retention.facts).astimezone(UTC).date()
    return datetime.combine(day, clock(), UTC)


def remove_markers(runtime: Runtime, country: str, now: datetime) -> int:
    """Remove markers, those of recorded gaps among them, of windows older than `retention.facts`;
    gives how many.

    A window whose readings are still landed keeps its own: without it, it would be run again.
    """
    first_kept = Window.containing(first_day_kept(runtime, country, now)).key
    landed = set(runtime.landing.windows(country))
    old = [
        key for key in runtime.markers.complete(country) if key < first_kept and key not in landed
    ]
    for key in old:
        runtime.markers.remove(country, Window.parse(key))
    return len(old)


def remove_readings(runtime: Runtime, country: str, now: datetime) -> Iterator[str]:
    """Remove the landed readings of complete windows that are older than `retention.landing`; gives
    the windows' keys.

    A window that is not complete, or whose rows are not in the tables, keeps its readings however
    old it is.

    Raises:
        TableDamaged: a table cannot be read; nothing is removed.
    """
    limit = now - runtime.country(country).retention.landing
    landed = [key for key in runtime.landing.windows(country) if Window.parse(key).end < limit]
    before = Window.parse(landed[0]).next(-1).key if landed else ""
    complete = set(runtime.markers.complete(country, after=before)) if landed else set()
    old = [key for key in landed if key in complete]
    lost = lost_anywhere(runtime, country, old)
    for key in old:
        if key not in lost:
            runtime.landing.remove(country, Window.parse(key))
            yield key


def lost_anywhere(runtime: Runtime, country: str, windows: Sequence[str]) -> set[str]:
    """Those of the complete windows whose rows are not in one of the tables that their markers
    name, or are in a data file that is missing or damaged.
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
        for file in damage_of(runtime, country, table.name):
            if isinstance(file.first, datetime) and isinstance(file.last, datetime):
                first, last = Window(file.first).key, Window(file.last).key
                lost.update(key for key in windows if first <= key <= last)
    return lost


def damage_of(runtime: Runtime, country: str, table: str) -> Iterator[DamagedFile]:
    """A table's data files that are missing or damaged.

    Raises:
        TableDamaged: a list of its files cannot be read.
        WarehouseMoved: it was written at another path.
    """
    found = runtime.warehouse.load(country, table)
    if found is None:
        return
    with runtime.warehouse.errors():
        if not is_whole(found):
            raise TableDamaged(
                f"table {table} of {country}: a list of its data files is missing or damaged."
                f" `storeavail recover --country {country}` goes back to its last whole state"
            )
        yield from damaged_files(runtime.storage, found, runtime.warehouse.location(country, table))
