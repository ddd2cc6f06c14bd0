"""The committed files that rows of the past are read from, as engines take them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pyiceberg.expressions import BooleanExpression
from pyiceberg.table import StaticTable

from storeavail_platform.domain.addresses import engine_path
from storeavail_platform.warehouse.iceberg import data_files


def planned_paths(table: StaticTable | None, row_filter: str | BooleanExpression) -> Sequence[str]:
    """The files that can hold such rows; none of a table that there is not."""
    if table is None:
        return []
    return [engine_path(file.file_path) for file in data_files(table.scan(row_filter=row_filter))]


def from_until(first: datetime, until: datetime) -> str:
    """pyiceberg's filter for the windows from one moment on and before another."""
    return f"window_start >= '{first.isoformat()}' AND window_start < '{until.isoformat()}'"
