"""Rows of an analyst's query in a country's PostgreSQL, within limits of rows and time."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import psycopg2
import pyarrow as pa
from psycopg2 import errorcodes
from psycopg2.extensions import FLOAT, new_type, register_type, string_types

from storeavail_platform.domain.errors import QueryRefused
from storeavail_platform.reading.analyst.audit import who
from storeavail_platform.reading.exact import distinct
from storeavail_platform.reading.limits import MEMORY, Room, interrupting, too_many_rows, too_slow
from storeavail_platform.sources.postgres_session import read_only, translated_errors
from storeavail_platform.sources.sql_text import SqlTextError, Statement, one_statement

BATCH_ROWS = 10_000
ARROW_TYPES = {
    16: pa.bool_(),
    21: pa.int16(),
    23: pa.int32(),
    20: pa.int64(),
    700: pa.float32(),
    701: pa.float64(),
    1700: pa.float64(),
    1082: pa.date32(),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", tz="UTC"),
}
"""PostgreSQL's types by OID; any other is given as its text."""
CASTERS = (
    new_type((1700,), "NUMERIC", FLOAT),
    # psycopg2 would make 24:00 midnight, and Python's objects of arrays and JSON
    new_type(tuple(set(string_types) - set(ARROW_TYPES)), "AS_TEXT", lambda value, cursor: value),
)


def postgres_rows(dsn: str, sql: str, max_rows: int, timeout: timedelta) -> pa.Table:
    """The rows of one statement; raises as `Raw.postgres`."""
    statement = _statement(sql)
    is_query = statement.is_query
    with (
        read_only(dsn, timeout, f"storeavail analyst {who()}"[:63]) as connection,
        translated_errors(dsn),
    ):
        for caster in CASTERS:
            register_type(caster, connection)
        # of a cursor of the server only as many rows come here as are asked for; other statements
        # can have none
        cursor = connection.cursor(name="analyst") if is_query else connection.cursor()
        try:
            # the server's own limit is for each statement
            with interrupting(connection.cancel, timeout):
                cursor.execute(statement.text)
                rows = _fetched(cursor, max_rows) if is_query or cursor.description else []
                columns = [(column.name, column.type_code) for column in cursor.description or ()]
        except psycopg2.Error as error:
            if error.pgcode == errorcodes.QUERY_CANCELED:
                raise too_slow(timeout) from None
            raise
    if len(rows) > max_rows:
        raise too_many_rows(max_rows)
    arrays = [
        _array([row[number] for row in rows], ARROW_TYPES.get(oid))
        for number, (_, oid) in enumerate(columns)
    ]
    return pa.table(arrays, names=distinct(name for name, _ in columns))


def _fetched(cursor: Any, max_rows: int) -> list[Any]:
    """Rows up to one more than the limit.

    Raises:
        QueryStopped: they have more bytes than one access may take.
    """
    rows: list[Any] = []
    room = Room(MEMORY)
    while len(rows) <= max_rows:
        some = cursor.fetchmany(min(BATCH_ROWS, max_rows + 1 - len(rows)))
        if not some:
            break
        room.take(sum(sys.getsizeof(value) for row in some for value in row))
        rows += some
    return rows


def _statement(sql: str) -> Statement:
    """The one statement of a text.

    Raises:
        QueryRefused: none, or several: a second one could undo the limits of the first.
    """
    try:
        return one_statement(sql)
    except SqlTextError as error:
        raise QueryRefused(str(error)) from None


def _array(values: list[Any], kind: pa.DataType | None) -> pa.Array:
    if kind is not None:
        return pa.array(values, kind)
    return pa.array(
        [value if value is None or isinstance(value, str) else str(value) for value in values],
        pa.string(),
    )
