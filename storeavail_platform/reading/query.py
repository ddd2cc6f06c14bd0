"""`storeavail query`: DuckDB SQL over every table, all countries under one name. Read-only, and it
works with the catalog down.

Tables are found by their pointers. Only those that the query names are opened. The connection has
no access to files, network, Python variables or its own settings.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.dataset as ds
from pyiceberg.table import DataScan
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from storeavail_platform.domain.errors import QueryRefused
from storeavail_platform.domain.places import namespace_of
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.as_of import state_scan
from storeavail_platform.reading.damage import tell_damage
from storeavail_platform.reading.datasets import committed_files
from storeavail_platform.reading.limits import interrupting, too_many_rows, too_slow
from storeavail_platform.warehouse.iceberg import plain_text

ALLOWED = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
SETTINGS = (
    "enable_external_access = false",
    "python_enable_replacements = false",
    "TimeZone = 'UTC'",
    "lock_configuration = true",
)

BATCH_ROWS = 100_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet run a cell's text."""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters that a terminal obeys instead of showing them."""


def query(
    runtime: Runtime,
    sql: str,
    *,
    as_of: datetime | None = None,
    max_rows: int | None = None,
    timeout: timedelta | None = None,
) -> pa.Table:
    """The result of one SELECT or EXPLAIN over the tables.

    Args:
        as_of: the tables as they were then, as far as `retention.history` reaches.
        max_rows, timeout: limits; None is none.

    Raises:
        QueryRefused: not exactly one statement of these kinds, an unknown table or column, or
            another mistake in the SQL.
        QueryStopped: a limit was reached.
    """
    with duckdb.connect(":memory:") as connection:
        for setting in SETTINGS:
            connection.execute(f"SET {setting}")
        try:
            statements = connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type not in ALLOWED:
                kinds = ", ".join(statement.type.name for statement in statements) or "nothing"
                raise QueryRefused(f"write exactly one SELECT or EXPLAIN; this is {kinds}")
            for name in names_in(sql) & known_tables(runtime):
                connection.register(name, dataset(runtime, name, as_of))
            with interrupting(connection.interrupt, timeout):
                return _fetched(connection.sql(sql).to_arrow_reader(BATCH_ROWS), max_rows)
        except duckdb.InterruptException:
            assert timeout is not None, "nothing else interrupts"
            raise too_slow(timeout) from None
        except (duckdb.Error, FileNotFoundError) as error:
            tell_damage(runtime, names_in(sql) & known_tables(runtime), error)
            tables = ", ".join(sorted(known_tables(runtime))) or "none yet: run a window first"
            raise QueryRefused(f"{error}\nTables: {tables}") from error
        except (ValueError, EOFError) as error:
            # what pyiceberg raises of a damaged list of files
            tell_damage(runtime, names_in(sql) & known_tables(runtime), error)
            raise


def _fetched(reader: pa.RecordBatchReader, max_rows: int | None) -> pa.Table:
    batches, rows = [], 0
    for batch in reader:
        batches.append(batch)
        rows += batch.num_rows
        if max_rows is not None and rows > max_rows:
            raise too_many_rows(max_rows)
    return pa.Table.from_batches(batches, reader.schema)


def known_tables(runtime: Runtime) -> set[str]:
    """Names of the tables that any country has committed."""
    return {
        name
        for country in runtime.warehouse.countries()
        for name in runtime.storage.names(f"tables/{namespace_of(country)}")
        if runtime.warehouse.pointer(country, name) is not None
    }


def names_in(sql: str) -> set[str]:
    """Every word of a statement, in lower case: whichever is a table's name may stand for it."""
    return {name.lower() for name in re.findall(r"\w+", sql)}


def dataset(runtime: Runtime, table: str, as_of: datetime | None = None) -> ds.Dataset:
    """All countries' committed rows of a table, as a dataset whose files are read only as far as a
    query's filters reach.

    Columns that a country's older files lack are NULL.

    Raises:
        QueryRefused: `as_of` lies before what is kept of the table's history.
    """
    schemas: list[pa.Schema] = []
    scans: list[DataScan] = []
    for country in runtime.warehouse.countries():
        found = runtime.warehouse.load(country, table)
        if found is not None:
            schemas.append(plain_text(found.schema().as_arrow()))
            scan = state_scan(found, f"{table} of {country}", as_of)
            scans += [] if scan is None else [scan]
    return committed_files(runtime.storage, pa.unify_schemas(schemas), scans)


def as_table(result: pa.Table) -> str:
    """The result for people."""
    drawn = RichTable(show_header=True, header_style="bold")
    for name, kind in zip(result.schema.names, result.schema.types, strict=True):
        drawn.add_column(
            Text(name),
            justify="right" if pa.types.is_integer(kind) or pa.types.is_floating(kind) else "left",
        )
    for row in result.to_pylist():
        drawn.add_row(
            *(
                Text(CONTROL.sub("\N{REPLACEMENT CHARACTER}", _text(value)))
                for value in row.values()
            )
        )
    console = Console(
        file=io.StringIO(), width=max(80, 24 * max(1, result.num_columns)), no_color=True
    )
    console.print(drawn)
    output = console.file
    assert isinstance(output, io.StringIO)
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines()) + "\n"


def as_csv(result: pa.Table) -> str:
    """The result as RFC 4180 CSV, timestamps in ISO 8601 UTC, NULL as empty; text that a
    spreadsheet would run gets an apostrophe before it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(result.schema.names)
    for row in result.to_pylist():
        writer.writerow("" if value is None else _csv_text(value) for value in row.values())
    return text.getvalue()


def as_json(result: pa.Table) -> str:
    """The result as a JSON array of objects."""
    return orjson.dumps(
        result.to_pylist(),
        option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z,
        default=str,
    ).decode()


FORMATS: dict[str, Callable[[pa.Table], str]] = {"table": as_table, "csv": as_csv, "json": as_json}


def _csv_text(value: Any) -> str:
    text = _text(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text


def _text(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return f"{value:.4f}"
    return str(value)
