"""Compaction: a UTC day of a window table that is over becomes one file, with every row exactly as
it was.

A window that is late finds its rows in that file like in any other; the day is then compacted
again.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock

import pyarrow.dataset as ds
from pyiceberg.table import Table as IcebergTable

from storeavail_platform.domain.addresses import plain
from storeavail_platform.domain.errors import WarehouseError
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.warehouse.engine import WrittenFile
from storeavail_platform.warehouse.iceberg import data_files, partition_date, plain_text
from storeavail_platform.warehouse.replacing import carried_on
from storeavail_platform.warehouse.transaction import RememberingTransaction

DAY = timedelta(days=1)
SETTLED = timedelta(hours=3)
"""How long a day has been over before it is compacted: its last windows, and most that are made
up for, have been written by then.
"""
COMPACTED = "storeavail.compacted-day"
"""Snapshot property of a compaction."""


@dataclass(frozen=True)
class Compacted:
    """A day that was rewritten: how many files it had, its rows, and the bytes of the file it
    has now.
    """

    day: date
    files: int
    rows: int
    size: int


def compact(runtime: Runtime, country: str, table: Table, now: datetime) -> Iterator[Compacted]:
    """Rewrite each day of a window table that is over and has more than one file, oldest first.

    Yields:
        Each day once it is committed.

    Raises:
        CommitConflict: windows were committed in between each time it was tried. The day stays as
            it is until the next upkeep.
        WarehouseError: files cannot be read or written, or the rows would not be the same.
    """
    found = runtime.warehouse.load(country, table.name)
    if found is None or table.is_daily:
        return
    days = files_by_day(found)
    for day in sorted(days):
        if len(days[day]) > 1 and is_over(day, now):
            done: list[Compacted] = []

            def rewrite(
                current: IcebergTable, day: date = day, done: list[Compacted] = done
            ) -> bool:
                done[:] = _compact_day(runtime, country, table, day, current)
                return bool(done)

            runtime.warehouse.change(country, table.name, rewrite)
            yield from done


def is_over(day: date, now: datetime) -> bool:
    """Whether a UTC day is over, and settled."""
    return now >= datetime.combine(day + DAY, clock(), UTC) + SETTLED


def files_by_day(table: IcebergTable) -> dict[date, list[tuple[str, int]]]:
    """Path and rows of each data file, by the UTC day it belongs to."""
    found = defaultdict[date, list[tuple[str, int]]](list)
    for file in data_files(table.scan()):
        day = partition_date(file.partition[0])
        found[day].append((file.file_path, file.record_count))
    return found


def _compact_day(
    runtime: Runtime, country: str, table: Table, day: date, current: IcebergTable
) -> list[Compacted]:
    files = files_by_day(current).get(day, [])
    if len(files) < 2:
        return []
    directory = runtime.warehouse.location(
        country, table.name, "data", day.isoformat(), f"compacted-{uuid.uuid4().hex}"
    )
    (written,) = _rewritten(runtime, table, current, [path for path, _ in files], directory)
    before = sum(rows for _, rows in files)
    if written.rows != before:
        raise WarehouseError(
            f"table {table.name} of {country}: compacting {day} would make {written.rows} of"
            f" {before} rows; nothing was changed. A data file is not what the table's metadata"
            " says of it"
        )
    start = datetime.combine(day, clock(), UTC)
    whole_day = (
        f"window_start >= '{start.isoformat()}' AND window_start < '{(start + DAY).isoformat()}'"
    )
    properties = {COMPACTED: day.isoformat(), **carried_on(current)}
    # Both happen to the state whose files were read: where another commit touches this day in
    # between, neither does.
    with RememberingTransaction(current) as transaction:
        transaction.delete(whole_day, snapshot_properties=properties)
        transaction.add_files(
            [written.path], snapshot_properties=properties, check_duplicate_files=False
        )
    return [Compacted(day, len(files), written.rows, written.size)]


def _rewritten(
    runtime: Runtime, table: Table, current: IcebergTable, paths: Sequence[str], directory: str
) -> list[WrittenFile]:
    """The files' rows in one file: a store's windows lie side by side, which is small and is
    what a store's history reads.
    """
    # the table's own columns: a later release may have added some that are not declared here
    storage, schema = runtime.storage, plain_text(current.schema().as_arrow())
    order_by = [name for name in (*table.order_by, "window_start") if name in schema.names]
    # a file from before a column was added gives NULL for it
    rows = ds.dataset(
        [plain(path) for path in paths],
        schema=schema,
        format="parquet",
        filesystem=storage.filesystem,
    )
    with DuckDBEngine(storage).session() as session:
        session.connection.register("day_rows", rows)
        return session.write("day_rows", schema, {}, order_by, directory)
