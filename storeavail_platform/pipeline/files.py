"""The committed files that rows of the past are read from, as engines take them; and small rows of
them, read in this process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
import pyarrow.dataset as ds
from pyiceberg.expressions import (
    And,
    BooleanExpression,
    GreaterThanOrEqual,
    IsNull,
    LessThan,
    LessThanOrEqual,
    Or,
    Reference,
)
from pyiceberg.expressions.literals import literal
from pyiceberg.table import StaticTable

from storeavail_platform.domain.addresses import engine_path, plain
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.warehouse.iceberg import data_files, window_bounds


def planned_paths(table: StaticTable | None, row_filter: str | BooleanExpression) -> Sequence[str]:
    """The files that can hold such rows; none of a table that there is not."""
    if table is None:
        return []
    return [engine_path(file.file_path) for file in data_files(table.scan(row_filter=row_filter))]


@dataclass(frozen=True)
class WindowFile:
    """A committed file of a table of windows: the starts (UTC) of the first and the last window
    that it can have rows of.
    """

    path: str
    first: datetime
    last: datetime

    def reaches(self, first: datetime, until: datetime) -> bool:
        """Whether it can have windows from one moment on and before another."""
        return first <= self.last and self.first < until


def window_files(table: StaticTable, first: datetime, until: datetime) -> Sequence[WindowFile]:
    """The files that can hold windows from one moment on and before another; one that does not say
    which it has can have any of them.
    """
    schema = table.schema()
    found = []
    for file in data_files(table.scan(row_filter=from_until(first, until))):
        bounds = window_bounds(schema, file) or (first, until)
        found.append(WindowFile(engine_path(file.file_path), *bounds))
    return found


def from_until(first: datetime, until: datetime) -> BooleanExpression:
    """pyiceberg's filter for the windows from one moment on and before another. As text it would be
    parsed, which takes longer than reading the list of files.
    """
    window_start = Reference("window_start")
    return And(
        GreaterThanOrEqual(term=window_start, value=literal(first.isoformat())),
        LessThan(term=window_start, value=literal(until.isoformat())),
    )


def dates_from_to(first: date, last: date) -> BooleanExpression:
    """The same of a daily table, for the local dates from one to another."""
    local_date = Reference("local_date")
    return And(
        GreaterThanOrEqual(term=local_date, value=literal(first.isoformat())),
        LessThanOrEqual(term=local_date, value=literal(last.isoformat())),
    )


def not_ended_before(moment: datetime) -> BooleanExpression:
    """The same for what goes on, or has ended at a moment or later."""
    ended_at = Reference("ended_at")
    return Or(
        IsNull(term=ended_at), GreaterThanOrEqual(term=ended_at, value=literal(moment.isoformat()))
    )


def rows_of_files(
    runtime: Runtime, paths: Sequence[str], schema: pa.Schema, chosen: ds.Expression
) -> pa.Table:
    """The chosen rows of some files, read without an engine: counts, not stores.

    Args:
        schema: of what is read; a column that a file of another release lacks is NULL.

    Raises:
        WarehouseError: a file cannot be read.
    """
    if not paths:
        return schema.empty_table()
    files = [plain(path) for path in paths]
    with runtime.warehouse.errors():
        found = ds.dataset(
            files, schema=schema, format="parquet", filesystem=runtime.storage.filesystem
        )
        return found.to_table(filter=chosen)


def rows_of_windows(
    runtime: Runtime, table: StaticTable | None, schema: pa.Schema, windows: Sequence[Window]
) -> pa.Table:
    """A table's rows of some windows, read without an engine.

    Raises: as `rows_of_files`.
    """
    if not windows:
        return schema.empty_table()
    starts = [window.start for window in windows]
    paths = planned_paths(table, from_until(min(starts), max(windows).end))
    return rows_of_files(runtime, paths, schema, ds.field("window_start").isin(starts))
