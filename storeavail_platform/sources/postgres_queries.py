"""PostgreSQL: the queries for stores and hours, the platform's or the country's own, as the
statements that read them.

The server judges them: it is asked for the columns, and the place of a mistake comes from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import psycopg2
import pyarrow as pa
from psycopg2 import sql as pg

from storeavail_platform.config import Postgres
from storeavail_platform.domain.errors import SourceRejected
from storeavail_platform.domain.hours import local_windows
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.postgres_errors import translated
from storeavail_platform.sources.postgres_values import asked
from storeavail_platform.sources.sql_text import SqlTextError, one_query, place

QUERIES = {"raw_stores": "stores", "raw_store_hours": "hours"}
MADE_HERE = {"store_id", "unreadable"}
"""Columns of a raw relation that no query gives (`postgres_values.py`)."""
TABLE_COLUMNS = (
    "SELECT w.weekday, w.opens_at, w.closes_at, s.business_date, s.opens_at, s.closes_at"
    " FROM store_weekly_hours w CROSS JOIN store_special_hours s LIMIT 0"
)
"""What the default hours query reads: the server says its types."""
OPTIONAL_COLUMNS = {"address"}
"""What a stores query may leave out."""


@dataclass(frozen=True)
class Query:
    """A SELECT, and what to call it: its file, or that it is the platform's.

    Attributes:
        is_own: it is the country's, from a file.
    """

    sql: str
    label: str
    is_own: bool


@dataclass(frozen=True)
class Statement:
    """A statement around a query, which finds the place of the server's errors again.

    Attributes:
        start: where the query starts in the text.
        columns: where the expression of each column ends in the text, in order.
        schema: of the rows that it gives.
    """

    text: str
    query: Query
    start: int
    columns: tuple[tuple[str, int], ...] = ()
    schema: pa.Schema = field(default_factory=lambda: pa.schema([]))

    def translated(self, error: psycopg2.Error, dsn: str) -> Exception:
        """The platform's error for the server's."""
        return translated(error, dsn, self._place(error))

    def _place(self, error: psycopg2.Error) -> str | None:
        if error.pgcode is None or error.pgcode[:2] not in ("22", "42", "0A", "21", "23", "25"):
            return None
        label = self.query.label
        if error.diag.statement_position is None:
            return label
        at = int(error.diag.statement_position) - 1
        if self.start <= at < self.start + len(self.query.sql):
            line, column = place(self.query.sql, at - self.start)
            return f"{label}, line {line}, column {column}" if self.query.is_own else label
        name = next((name for name, end in self.columns if at < end), None)
        return f"{label}, its column {name}" if name else label


def query_of(relation: str, config: Postgres) -> Query:
    """The query of a relation.

    Raises:
        SourceRejected: not exactly one SELECT.
    """
    name = QUERIES[relation]
    is_stores = relation == "raw_stores"
    own = config.stores_sql if is_stores else config.hours_sql
    if own is None:
        path = files("storeavail_platform.sources") / "sql" / f"{name}.sql"
        return Query(path.read_text(encoding="utf-8"), f"the default {name} query", is_own=False)
    address = config.stores_query if is_stores else config.hours_query
    label = f"{address} (postgres.{name}_query)"
    try:
        return Query(one_query(own), label, is_own=True)
    except SqlTextError as error:
        raise SourceRejected(f"{label}, {error}") from None


def columns_statement(query: Query, windows: str) -> Statement:
    """What asks the server for the columns of a query, and for no row."""
    head = f"WITH {windows}\nSELECT * FROM (\n"
    return Statement(f"{head}{query.sql}\n) q LIMIT 0", query, len(head))


def table_types(cursor: Any) -> dict[str, int]:
    """Types of the default tables' hours, by `table.column`; the cursor has just run
    `TABLE_COLUMNS`.
    """
    tables = ["store_weekly_hours"] * 3 + ["store_special_hours"] * 3
    return {
        f"{table}.{column.name}": column.type_code
        for table, column in zip(tables, cursor.description, strict=True)
    }


def copy_statement(
    cursor: Any, relation: pa.Schema, query: Query, windows: str, *, as_bytes: bool
) -> Statement:
    """COPY of a query with the columns that a raw relation needs; the cursor has just run its
    `columns_statement`.

    Args:
        as_bytes: the server does not know which encoding its text has.

    Raises:
        SourceRejected: a column is missing, is there twice, or is of a type that would mean
            something else.
    """
    schema = pa.schema([field for field in relation if field.name not in MADE_HERE])
    returned = {column.name: column.type_code for column in cursor.description}
    _refuse_columns(query, [column.name for column in cursor.description], _wanted(schema))
    select = f"COPY (WITH {windows}\nSELECT "
    columns: list[tuple[str, int]] = []
    read: list[pa.Field] = []
    for field_ in schema:
        name = "store_id" if field_.name == "source_id" else field_.name
        value = pg.Identifier("q", name) if name in returned else pg.SQL("NULL")
        for column in asked(field_, returned.get(name), query.label):
            expression = pg.SQL(column.sql).format(value)
            named = pg.SQL("{} AS {}").format(expression, pg.Identifier(column.name))
            select += f"{', ' if columns else ''}{named.as_string(cursor)}"
            columns.append((name, len(select)))
            is_bytes = as_bytes and pa.types.is_string(column.type)
            read.append(pa.field(column.name, pa.binary() if is_bytes else column.type))
    select += " FROM (\n"
    text = f"{select}{query.sql}\n) q) TO STDOUT (FORMAT csv)"
    return Statement(text, query, len(select), tuple(columns), pa.schema(read))


def local_windows_sql(cursor: Any, window: Window, timezone: str) -> str:
    """The relation `local_windows` of a window as the start of a WITH."""
    template = "(%s::text,%s::date,%s::int,%s::int)"
    rows = ",".join(
        cursor.mogrify(template, tuple(row.values())).decode()
        for row in local_windows(window, timezone).to_pylist()
    )
    return f"local_windows(timezone, business_date, weekday, window_minute) AS (VALUES {rows})"


def _wanted(schema: pa.Schema) -> list[str]:
    return ["store_id" if name == "source_id" else name for name in schema.names]


def _refuse_columns(query: Query, returned: list[str], wanted: Iterable[str]) -> None:
    counts = Counter(returned)
    twice = [name for name in wanted if counts[name] > 1]
    if twice:
        raise SourceRejected(
            f"{query.label} gives {', '.join(twice)} more than once; leave one out, or name it"
            " otherwise"
        )
    missing = [name for name in wanted if not counts[name] and name not in OPTIONAL_COLUMNS]
    if missing:
        raise SourceRejected(
            f"{query.label} gives no column {', '.join(missing)} (it gives"
            f" {', '.join(sorted(counts))}); name the column so in the query, or map another"
            " schema with a query of your own (postgres.stores_query, postgres.hours_query)"
        )
