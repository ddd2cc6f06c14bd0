"""A country's committed rows as DuckDB relations, found by pointer and no further back than a page looks. No figures are made here.

Another country's tables are never opened: what is wrong with them cannot hurt this page.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from storeavail_platform.domain.errors import WarehouseError
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.query import SETTINGS

RECENT = timedelta(hours=48)
"""How far back single stores are shown by quarter hour: 24 hours and the 24 before."""
DAYS = 60
"""Local dates that are read: 30 days and the 30 before."""
SHOWN_DAYS = 30

TABLES = {
    "store_availability": "country TEXT, window_start TIMESTAMPTZ, store_id BIGINT, status TEXT, reason TEXT, expected_minutes INT, "
    "name TEXT, city TEXT, brand TEXT",
    "availability_summary": "country TEXT, window_start TIMESTAMPTZ, city TEXT, brand TEXT, stores_available BIGINT, "
    "stores_missing BIGINT, stores_rogue BIGINT, stores_unknown BIGINT, stores_closed BIGINT, expected_minutes BIGINT, "
    "available_minutes BIGINT, missing_minutes BIGINT, rogue_minutes BIGINT, unknown_minutes BIGINT",
    "window_quality": "country TEXT, window_start TIMESTAMPTZ, observed_at TIMESTAMPTZ, suspect BOOLEAN, suspect_reason TEXT",
    "daily_store_availability": "country TEXT, local_date DATE, store_id BIGINT, name TEXT, city TEXT, brand TEXT, "
    "expected_minutes INT, available_minutes INT, missing_minutes INT, rogue_minutes INT, unknown_minutes INT",
    "store_outages": "country TEXT, local_date DATE, store_id BIGINT, started_at TIMESTAMPTZ, ended_at TIMESTAMPTZ, "
    "missed_minutes_total INT, is_started_before BOOLEAN",
}
"""The tables that a page is made of, with the columns it reads."""


@contextlib.contextmanager
def opened(runtime: Runtime, country: str, window: Window) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in which the tables have the country's rows up to DAYS before a window (RECENT for facts of stores).

    A table of which nothing was ever committed is there without rows.

    Raises:
        WarehouseError: the tables cannot be read, or do not give what a page asks.
    """
    with duckdb.connect(":memory:") as connection, _as_warehouse_error(country):
        for setting in SETTINGS:
            connection.execute(f"SET {setting}")
        for table, columns in TABLES.items():
            found = dataset(runtime, country, table, since(table, window))
            if found is None:
                connection.execute(f"CREATE TEMP TABLE {table} ({columns})")
            else:
                connection.register(table, found)
        yield connection


def since(table: str, window: Window) -> tuple[str, datetime]:
    """The column that a table is read by, and the moment from which on."""
    if table in ("daily_store_availability", "store_outages"):
        return "local_date", window.start - timedelta(days=DAYS + 1)
    return "window_start", window.start - (RECENT if table == "store_availability" else timedelta(days=DAYS))


def dataset(runtime: Runtime, country: str, table: str, start: tuple[str, datetime]) -> ds.Dataset | None:
    """The files of a country's table that can hold rows from a moment on. None where nothing was ever committed."""
    found = runtime.warehouse.load(country, table)
    if found is None:
        return None
    column, moment = start
    value = moment.date().isoformat() if column == "local_date" else moment.isoformat()
    files = found.scan(row_filter=f"{column} >= '{value}'").plan_files()
    paths = [task.file.file_path.removeprefix("file://").removeprefix("s3://") for task in files]
    schema = pa.schema(
        [
            pa.field(field.name, pa.string() if pa.types.is_large_string(field.type) else field.type)
            for field in found.schema().as_arrow()
        ]
    )
    return ds.dataset(paths, schema=schema, format="parquet", filesystem=runtime.storage.filesystem)


def fetched(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Any = None) -> pa.Table:
    """The rows of a query."""
    return connection.sql(sql, params=parameters).to_arrow_table()


@contextlib.contextmanager
def _as_warehouse_error(country: str) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise WarehouseError(
            f"the tables of {country} do not give its page ({error}); a committed file may be missing or damaged: "
            "`storeavail query` says which, and running its window again replaces it"
        ) from error
