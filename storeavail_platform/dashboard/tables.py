"""A country's committed rows as DuckDB relations, found by pointer and no further back than a page
looks. No figures are made here.

Another country's tables are never opened: what is wrong with them cannot hurt this page.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from storeavail_platform.domain.errors import WarehouseError
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.daily import DAILY_TABLES
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.datasets import committed_files, dataset_of
from storeavail_platform.reading.query import SETTINGS

RECENT = timedelta(hours=48)
"""How far back single stores are shown by quarter hour: 24 hours and the 24 before."""
SHOWN_DAYS = 30
"""How far back windows are looked at."""
DAYS = 2 * SHOWN_DAYS
"""Local dates that are read: 30 days and the 30 before."""

SHOWN_COLUMNS: Mapping[str, Sequence[str]] = {
    "store_availability": (
        "country",
        "window_start",
        "store_id",
        "status",
        "reason",
        "expected_minutes",
        "name",
        "city",
        "brand",
    ),
    "availability_summary": (
        "country",
        "window_start",
        "city",
        "brand",
        "stores_available",
        "stores_missing",
        "stores_rogue",
        "stores_unknown",
        "stores_closed",
        "expected_minutes",
        "available_minutes",
        "missing_minutes",
        "rogue_minutes",
        "unknown_minutes",
    ),
    "window_quality": ("country", "window_start", "observed_at", "suspect", "suspect_reason"),
    "daily_store_availability": (
        "country",
        "local_date",
        "store_id",
        "name",
        "city",
        "brand",
        "expected_minutes",
        "available_minutes",
        "missing_minutes",
        "rogue_minutes",
        "unknown_minutes",
    ),
    "store_outages": (
        "country",
        "local_date",
        "store_id",
        "started_at",
        "ended_at",
        "missed_minutes_total",
        "is_started_before",
    ),
}
"""The tables that a page is made of, and the columns that it reads: it sees no others."""
LARGEST = "store_availability"
"""The table that is too large to be held whole: a page asks it once."""
NEWEST = "newest_stores"
"""The rows of LARGEST from the newest complete window on."""


@contextlib.contextmanager
def opened(runtime: Runtime, country: str, window: Window) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in which the tables have the country's rows as far back as `since` says.

    A table of which nothing was ever committed is there without rows.

    Raises:
        WarehouseError: the tables cannot be read, or do not give what a page asks.
    """
    with duckdb.connect(":memory:") as connection, _as_warehouse_error(country):
        for setting in SETTINGS:
            connection.execute(f"SET {setting}")
        starts = [(table, table, since(table, window)) for table in SHOWN_COLUMNS]
        for name, table, start in (*starts, (NEWEST, LARGEST, ("window_start", window.start))):
            found = dataset(runtime, country, table, start)
            rows = schema_of(table).empty_table() if found is None else found
            if isinstance(rows, ds.Dataset) and name != LARGEST:
                # read once: a page asks many times, and opening files is most of what that takes
                rows = rows.to_table()
            connection.register(name, rows)
        yield connection


def schema_of(table: str) -> pa.Schema:
    """The columns that a page reads of a table, with the types of its declaration.

    Raises:
        KeyError: no such table is declared, or it has no such column.
    """
    declared = {each.name: each.stored_schema() for each in (*TABLES, *DAILY_TABLES)}
    return pa.schema([declared[table].field(name) for name in SHOWN_COLUMNS[table]])


def since(table: str, window: Window) -> tuple[str, datetime]:
    """The column that a table is read by, and the moment from which on."""
    if table in ("daily_store_availability", "store_outages"):
        return "local_date", window.start - timedelta(days=DAYS + 1)
    return "window_start", window.start - (
        RECENT if table == LARGEST else timedelta(days=SHOWN_DAYS)
    )


def dataset(
    runtime: Runtime, country: str, table: str, start: tuple[str, datetime]
) -> ds.Dataset | None:
    """The files of a country's table that can hold rows from a moment on.

    None where nothing was ever committed.
    """
    found = runtime.warehouse.load(country, table)
    if found is None:
        return None
    column, moment = start
    value = moment.date().isoformat() if column == "local_date" else moment.isoformat()
    scan = found.scan(row_filter=f"{column} >= '{value}'")
    return dataset_of(runtime.storage, schema_of(table), committed_files(scan))


def fetched(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Any = None) -> pa.Table:
    return connection.sql(sql, params=parameters).to_arrow_table()


@contextlib.contextmanager
def _as_warehouse_error(country: str) -> Iterator[None]:
    try:
        yield
    # of a damaged list of files pyiceberg raises the last two
    except (duckdb.Error, pa.ArrowException, OSError, ValueError, EOFError) as error:
        raise WarehouseError(
            f"the tables of {country} do not give its page ({error}); a committed file may be"
            f" missing or damaged: `storeavail check --country {country}` says which, and"
            f" `storeavail recover --country {country}` brings back what can be"
        ) from error
