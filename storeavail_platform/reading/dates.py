"""A country's committed rows of some dates as relations of a DuckDB connection, for what is told of
dates that are over. By pointer; the catalog may be down. No figures are made here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.datasets import committed_files, dataset_of, told_as_damage
from storeavail_platform.reading.query import SETTINGS

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Rows:
    """Rows of a table.

    Attributes:
        columns: those that are asked for; `country` comes with them.
        where: which files are read, as pyiceberg takes it; they may have other rows too.
    """

    table: Table
    columns: Sequence[str]
    where: str

    @property
    def schema(self) -> pa.Schema:
        stored = self.table.stored_schema()
        return pa.schema([stored.field(name) for name in dict.fromkeys(("country", *self.columns))])


def of_dates(first: date, last: date) -> str:
    """The filter of a table of local dates, both included."""
    return f"local_date >= '{first}' AND local_date <= '{last}'"


def of_windows(first: datetime, until: datetime) -> str:
    """The filter of a table of windows, from one moment until before another (UTC)."""
    return f"window_start >= '{first.isoformat()}' AND window_start < '{until.isoformat()}'"


def start_of(local_date: date, timezone: str) -> datetime:
    """When a local date begins in a zone, UTC; where its midnight does not exist, the first
    moment after it.
    """
    local = datetime.combine(local_date, time_of_day(), ZoneInfo(timezone))
    return local.astimezone(UTC)


def windows_of(local_date: date, timezone: str) -> list[Window]:
    """The windows of a local date: 96, but for dates on which the clock is changed."""
    window, end = (
        Window.containing(start_of(local_date, timezone)),
        start_of(local_date + DAY, timezone),
    )
    found = []
    while window.start < end:
        found.append(window)
        window = window.next()
    return found


@contextlib.contextmanager
def opened(
    runtime: Runtime, country: str, relations: Mapping[str, Rows]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that has relations by their names, of the country's own rows alone. One of a
    table of which nothing was ever committed is empty.

    Raises:
        WarehouseError: the tables cannot be read.
    """
    with (
        duckdb.connect(":memory:") as connection,
        told_as_damage(country, "what is told of its dates"),
    ):
        for setting in SETTINGS:
            connection.execute(f"SET {setting}")
        for name, rows in relations.items():
            found = runtime.warehouse.load(country, rows.table.name)
            paths = [] if found is None else committed_files(found.scan(row_filter=rows.where))
            data = (
                dataset_of(runtime.storage, rows.schema, paths)
                if paths
                else rows.schema.empty_table()
            )
            own = duckdb.ColumnExpression("country") == duckdb.ConstantExpression(country)
            connection.from_arrow(data).filter(own).create_view(name)
        yield connection
