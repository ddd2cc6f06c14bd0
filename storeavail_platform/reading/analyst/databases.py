"""Read-only access of analysts to a country's raw databases, by the users and secrets of their own
group (`countries.BR.analyst`).

What may be read is decided by the databases. Beside that every access is limited in rows and time,
and noted.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import orjson
import psycopg2
import pyarrow as pa
import sqlglot
from psycopg2 import errorcodes
from psycopg2.extensions import FLOAT, new_type, register_type, string_types
from sqlglot import exp
from sqlglot.errors import SqlglotError

from storeavail_platform.config import Analyst
from storeavail_platform.domain.errors import (
    ConfigError,
    QueryRefused,
    QueryStopped,
    SourceUnavailable,
)
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.analyst.audit import audited, who
from storeavail_platform.reading.analyst.forms import Form, in_form
from storeavail_platform.reading.analyst.reading import TIMEOUT
from storeavail_platform.reading.limits import interrupting, too_many_rows, too_slow
from storeavail_platform.sources.index_connection import connected
from storeavail_platform.sources.index_errors import RequestFailed
from storeavail_platform.sources.index_shapes import value_at
from storeavail_platform.sources.postgres import read_only, translated_errors

MAX_ROWS = 100_000
"""Rows that one access gives unless more are asked for: the databases have other work to do."""
BATCH_ROWS = 10_000
SHORTEST = timedelta(milliseconds=1)
CLOSE_SECONDS = 2.0
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


@dataclass(frozen=True)
class Raw:
    """The raw databases of all countries of the configuration that is connected."""

    connected: Callable[[], Runtime]

    def postgres(
        self,
        country: str,
        sql: str,
        *,
        form: Form = "arrow",
        max_rows: int = MAX_ROWS,
        timeout: timedelta = TIMEOUT,
    ) -> Any:
        """The rows of one statement in a country's PostgreSQL, in a read-only transaction.

        Types that Arrow has no equal for are given as text, `numeric` as double, times of day
        (24:00 among them) as text.

        Raises:
            QueryRefused: not exactly one statement.
            QueryStopped: more rows or time than the limit.
            SourceRejected: the database refuses it: no right, a write, a mistake in the SQL.
            SourceUnavailable: the database cannot be reached.
            ConfigError: the country has no `analyst.postgres`.
        """
        runtime = self.connected()
        with audited(runtime.storage, "postgres", sql, country) as entry:
            _check_limits(max_rows, timeout)
            analyst = _analyst(runtime, country)
            if analyst.postgres is None:
                raise ConfigError(
                    f"countries.{country}.analyst.postgres is not configured; docs/analysts.md"
                    " says how"
                )
            dsn = analyst.postgres.dsn.resolve(analyst.aws)
            rows = _postgres_rows(dsn, sql, max_rows, timeout)
            entry.rows = rows.num_rows
        return in_form(rows, form)

    def elasticsearch(
        self,
        country: str,
        query: Mapping[str, Any] | None = None,
        *,
        fields: Sequence[str] | None = None,
        form: Form = "arrow",
        max_rows: int = MAX_ROWS,
        timeout: timedelta = TIMEOUT,
    ) -> Any:
        """The documents of a country's index that match a query, a column a field.

        Args:
            query: of the server's language, for example `{"term": {"online": False}}`; all
                documents by default.
            fields: only these, by name, dots leading into objects; NULL where a document has none.
                By default what the documents hold. A field with values of several types is given as
                JSON text.

        Raises:
            QueryRefused: a field is a pattern.
            QueryStopped: more documents or time than the limit.
            SourceRejected: the server refuses it: no right, no such index, a mistake in the query.
            SourceUnavailable: it cannot be reached, or answers in part.
            ConfigError: the country has no `analyst.online_index`.
        """
        asked = orjson.dumps({"query": query or {"match_all": {}}, "fields": fields}).decode()
        runtime = self.connected()
        with audited(runtime.storage, "elasticsearch", asked, country) as entry:
            _check_limits(max_rows, timeout)
            rows = _documents(_analyst(runtime, country), country, query, fields, max_rows, timeout)
            entry.rows = rows.num_rows
        return in_form(rows, form)


def _analyst(runtime: Runtime, country: str) -> Analyst:
    """A country's access for analysts; their secrets are in the country's region unless it says
    another.
    """
    config = runtime.platform.country(country)
    analyst = config.analyst or Analyst()
    if analyst.aws.region is not None:
        return analyst
    return analyst.model_copy(
        update={"aws": analyst.aws.model_copy(update={"region": config.aws.region})}
    )


def _check_limits(max_rows: int, timeout: timedelta) -> None:
    """A limit of nothing would be none to PostgreSQL.

    Raises:
        QueryRefused: less than a row, or than a millisecond.
    """
    if max_rows < 1 or timeout < SHORTEST:
        raise QueryRefused(
            f"the limits are {max_rows} rows and {timeout.total_seconds():g} s: give at least 1 row"
            " and 1 ms"
        )


def _postgres_rows(dsn: str, sql: str, max_rows: int, timeout: timedelta) -> pa.Table:
    is_query = isinstance(_statement(sql), exp.Query)
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
                cursor.execute(sql)
                rows = cursor.fetchmany(max_rows + 1) if is_query or cursor.description else []
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
    return pa.table(arrays, names=[name for name, _ in columns])


def _statement(sql: str) -> exp.Expr:
    """The one statement of a text.

    Raises:
        QueryRefused: none, or several: a second one could undo the limits of the first.
    """
    try:
        statements = [
            statement
            for statement in sqlglot.parse(sql, dialect="postgres")
            if statement is not None
        ]
    except SqlglotError as error:
        raise QueryRefused(f"is not SQL that PostgreSQL reads: {error}") from error
    if len(statements) != 1:
        raise QueryRefused(f"write exactly one statement; these are {len(statements)}")
    return statements[0]


def _array(values: list[Any], kind: pa.DataType | None) -> pa.Array:
    if kind is not None:
        return pa.array(values, kind)
    return pa.array(
        [value if value is None or isinstance(value, str) else str(value) for value in values],
        pa.string(),
    )


def _documents(
    analyst: Analyst,
    country: str,
    query: Mapping[str, Any] | None,
    fields: Sequence[str] | None,
    max_rows: int,
    timeout: timedelta,
) -> pa.Table:
    config = analyst.online_index
    if config is None:
        raise ConfigError(
            f"countries.{country}.analyst.online_index is not configured; docs/analysts.md says how"
        )
    deadline = time.monotonic() + timeout.total_seconds()
    found: list[dict[str, Any]] = []
    stopped = too_slow(timeout)
    wanted: dict[str, Any] = {"query": dict(query or {"match_all": {}})}
    if fields is not None:
        if patterns := [name for name in fields if "*" in name]:
            raise QueryRefused(
                f"fields are names, not patterns: {', '.join(patterns)}; leave fields out to"
                " get all"
            )
        wanted["_source"] = list(fields)

    def left() -> float:
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise stopped
        return seconds

    with _late_as(stopped, deadline), connected(config, analyst.aws, timeout) as client:
        point = client.point_in_time(config.index, 1, client.settings(config.index))
        part = replace(point, page=min(BATCH_ROWS, max_rows + 1, point.page))
        try:
            for number in range(point.slices):
                for hits in client.pages(part, number, wanted, left):
                    found += [{"_id": hit["_id"], **hit.get("_source", {})} for hit in hits]
                    if len(found) > max_rows:
                        raise too_many_rows(max_rows)
        finally:
            # it goes away by itself
            with contextlib.suppress(RequestFailed):
                client.close_state(point, CLOSE_SECONDS)
    names = [
        "_id",
        *(
            fields
            if fields is not None
            else dict.fromkeys(name for row in found for name in row if name != "_id")
        ),
    ]
    return pa.table([_field([value_at(row, name) for row in found]) for name in names], names=names)


@contextlib.contextmanager
def _late_as(stopped: QueryStopped, deadline: float) -> Iterator[None]:
    """A server that does not answer in time as the error of the limit that it came to."""
    try:
        yield
    except SourceUnavailable:
        if time.monotonic() < deadline:
            raise
        raise stopped from None


def _field(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array(
            [None if value is None else orjson.dumps(value).decode() for value in values],
            pa.string(),
        )
