"""Looking at PostgreSQL: which tables there are that this user may read, and what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg2
from psycopg2 import sql as pg

from storeavail_platform.sources.postgres_session import read_only, translated_errors

MOST_TABLES = 200
SAMPLE_ROWS = 2_000
"""Rows of a table that are looked at."""
MOST_COUNTED = 100_000
"""Rows of a table whose ids, and whose few different values, are taken."""
FEW_VALUES = 15
COLUMNS = """
SELECT c.oid::regclass::text, a.attname, a.atttypid::regtype::text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND NOT c.relispartition
  AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
  AND has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE')
ORDER BY c.reltuples DESC, c.oid, a.attnum
"""
ID_TYPES = {
    *("smallint", "integer", "bigint", "numeric"),
    *("text", "character varying", "character", "uuid"),
}
ID_NAMES = (
    "id",
    "code",
    "key",
    "uuid",
    "number",
    "ref",
    "store",
    "shop",
    "codigo",
    "chave",
    "loja",
)
"""What the name of a column or field ends with that may hold ids, though they repeat."""
DISTINCT = """
SELECT {column}::text, COUNT(*)
FROM (SELECT {column} FROM {table} LIMIT {rows}) t
WHERE {column} IS NOT NULL
GROUP BY 1
"""


@dataclass(frozen=True)
class SeenTable:
    """A table or view.

    Attributes:
        name: as SQL writes it, with its schema where that is needed.
        columns: types by name, in order.
        rows: the first of them, values as JSON has them.
        ids: different values, as text, of each column that may hold ids.
        counts: how often each value, as text, is in a column that has few.
    """

    name: str
    columns: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]] = ()
    ids: Mapping[str, frozenset[str]] = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def values(self, column: str) -> list[Any]:
        """Those of the rows, without NULL."""
        return [row[column] for row in self.rows if row[column] is not None]

    def is_unique(self, column: str) -> bool:
        values = self.values(column)
        return len(values) == len(self.rows) == len(set(map(str, values)))


def look_at_tables(dsn: str, timeout: timedelta) -> tuple[list[SeenTable], list[str]]:
    """Every table that the user may read, the largest first; and of those that cannot be read, such
    as a view over what is gone, why.

    Raises:
        SourceUnavailable, SourceRejected: the server's words.
    """
    with (
        read_only(dsn, timeout, "storeavail init") as connection,
        translated_errors(dsn),
        connection.cursor() as cursor,
    ):
        cursor.execute(COLUMNS)
        tables: dict[str, dict[str, str]] = {}
        for table, column, kind in cursor.fetchall():
            tables.setdefault(table, {})[column] = kind
        found, unread = [], []
        for name, columns in list(tables.items())[:MOST_TABLES]:
            cursor.execute("SAVEPOINT look")
            try:
                found.append(_seen(cursor, name, columns))
            except psycopg2.Error as error:
                if connection.closed:
                    raise
                cursor.execute("ROLLBACK TO SAVEPOINT look")
                unread.append(f"{name} was not looked at: {error.diag.message_primary}")
        return found, unread


def _seen(cursor: Any, name: str, columns: Mapping[str, str]) -> SeenTable:
    # the name is the server's own, quoted by it
    cursor.execute(f"SELECT to_jsonb(t) FROM {name} t LIMIT {SAMPLE_ROWS}")
    rows = [row for (row,) in cursor.fetchall()]
    found = SeenTable(name, columns, rows)
    ids, counts = {}, {}
    for column, kind in columns.items():
        values = found.values(column)
        has_few = len(set(map(str, values))) <= FEW_VALUES
        may_be_id = column.lower().endswith(ID_NAMES) or found.is_unique(column)
        if kind not in ID_TYPES or not (has_few or may_be_id):
            continue
        names = {"column": pg.Identifier(column), "table": pg.SQL(name)}
        cursor.execute(pg.SQL(DISTINCT).format(**names, rows=pg.Literal(MOST_COUNTED)))
        different = dict(cursor.fetchall())
        if may_be_id:
            ids[column] = frozenset(different)
        if has_few:
            counts[column] = different
    return SeenTable(name, columns, rows, ids, counts)
