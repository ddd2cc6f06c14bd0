"""`storeavail query`: DuckDB SQL over every table, all countries under one name. Read-only, and it works with the catalog down.

Tables are found by their pointers. Only those that the query names are opened. The connection has no access to files, network, Python
variables or its own settings.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.dataset as ds
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from storeavail_platform.errors import QueryRefused
from storeavail_platform.runtime import Runtime

ALLOWED = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
SETTINGS = (
    "enable_external_access = false",
    "python_enable_replacements = false",
    "TimeZone = 'UTC'",
    "lock_configuration = true",
)

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet run a cell's text."""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters that a terminal obeys instead of showing them."""


def query(runtime: Runtime, sql: str) -> pa.Table:
    """The result of one SELECT or EXPLAIN over the tables.

    Raises:
        QueryRefused: not exactly one statement of these kinds, an unknown table or column, or another mistake in the SQL.
    """
    with duckdb.connect(":memory:") as connection:
        for setting in SETTINGS:
            connection.execute(f"SET {setting}")
        try:
            statements = connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type not in ALLOWED:
                kinds = ", ".join(statement.type.name for statement in statements) or "nothing"
                raise QueryRefused(f"write exactly one SELECT or EXPLAIN; this is {kinds}")
            for name in words(sql) & known_tables(runtime):
                connection.register(name, dataset(runtime, name))
            return connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            tables = ", ".join(sorted(known_tables(runtime))) or "none yet: run a window first"
            raise QueryRefused(f"{error}\nTables: {tables}") from error


def known_tables(runtime: Runtime) -> set[str]:
    """Names of the tables that any country has committed."""
    return {
        name
        for country in runtime.platform.countries.values()
        for name in runtime.storage.names(f"tables/{country.namespace}")
        if runtime.warehouse.pointer(country.code, name) is not None
    }


def words(sql: str) -> set[str]:
    """Every word of a statement, in lower case: whichever of them is a table's name may be one."""
    return {word.lower() for word in re.findall(r"\w+", sql)}


def dataset(runtime: Runtime, table: str) -> ds.Dataset:
    """All countries' committed rows of a table, as a dataset whose files are read only as far as a query's filters reach.

    Columns that a country's older files lack are NULL.
    """
    parts: list[tuple[pa.Schema, list[str]]] = []
    for country in runtime.platform.countries:
        found = runtime.warehouse.load(country, table)
        if found is not None:
            schema = found.schema().as_arrow()
            parts.append(
                (
                    pa.schema([pa.field(f.name, _plain(f.type)) for f in schema]),
                    [t.file.file_path for t in found.scan().plan_files()],
                )
            )
    schema = pa.unify_schemas([schema for schema, _ in parts])
    filesystem = runtime.storage.filesystem
    paths = [path.removeprefix("file://").removeprefix("s3://") for _, files in parts for path in files]
    return ds.dataset(paths, schema=schema, format="parquet", filesystem=filesystem)


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_large_string(kind) else kind


def as_table(result: pa.Table) -> str:
    """The result for people."""
    drawn = RichTable(show_header=True, header_style="bold")
    for name, kind in zip(result.schema.names, result.schema.types, strict=True):
        drawn.add_column(Text(name), justify="right" if pa.types.is_integer(kind) or pa.types.is_floating(kind) else "left")
    for row in result.to_pylist():
        drawn.add_row(*(Text(CONTROL.sub("\N{REPLACEMENT CHARACTER}", _text(value))) for value in row.values()))
    console = Console(file=io.StringIO(), width=max(80, 24 * max(1, result.num_columns)), no_color=True)
    console.print(drawn)
    output = console.file
    assert isinstance(output, io.StringIO)
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines()) + "\n"


def as_csv(result: pa.Table) -> str:
    """The result as RFC 4180 CSV, timestamps in ISO 8601 UTC, NULL as empty; text that a spreadsheet would run gets an apostrophe before it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(result.schema.names)
    for row in result.to_pylist():
        writer.writerow("" if value is None else _inert(value) for value in row.values())
    return text.getvalue()


def as_json(result: pa.Table) -> str:
    """The result as a JSON array of objects."""
    return orjson.dumps(
        result.to_pylist(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z, default=str
    ).decode()


FORMATS: dict[str, Callable[[pa.Table], str]] = {"table": as_table, "csv": as_csv, "json": as_json}


def _inert(value: Any) -> str:
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
