"""PostgreSQL: stores and opening hours out of one read-only snapshot, streamed by COPY into Arrow.

The queries are `sql/stores.sql` and `sql/hours.sql`, or the country's own. Local time is computed
in Python and handed to them as the relation `local_windows`; SQL only compares numbers. How errors
read is in `postgres_errors.py`.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from importlib.resources import files
from typing import IO, Any

import psycopg2
import pyarrow as pa
import pyarrow.csv as pa_csv
import sqlglot
from psycopg2 import sql as pg
from sqlglot import exp
from sqlglot.errors import SqlglotError

from storeavail_platform.config import Aws, Postgres, is_loopback_dsn
from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.errors import SourceRejected, StoreAvailError
from storeavail_platform.domain.finding import Finding
from storeavail_platform.domain.hours import local_windows
from storeavail_platform.domain.source import RAW_STORE_HOURS, RAW_STORES, Snapshot, Split
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.postgres_errors import address, dsn_parts, is_exposed, translated
from storeavail_platform.sources.store_ids import with_store_ids

CONNECT_TIMEOUT_SECONDS = 10
CSV_BLOCK_BYTES = 8 << 20
"""The largest row that can be read, and how much is parsed at once."""
APPLICATION_NAME = "storeavail"
QUERIES = {"raw_stores": "stores", "raw_store_hours": "hours"}
CASTS = {
    # text is cut so that one row fits into a parsed block, dates that no calendar of Python's knows
    # become NULL
    pa.string(): "LEFT(({})::text, 10000)",
    pa.bool_(): "({})::boolean",
    pa.int32(): "({})::integer",
    pa.date32(): "CASE WHEN ({0})::date BETWEEN '0001-01-01' AND '9999-12-31' THEN ({0})::date END",
}
OPTIONAL_COLUMNS = {"address"}
"""What a stores query may leave out."""


class PostgresSource:
    """`Source` of `raw_stores` and `raw_store_hours`."""

    name = "postgres"
    relations: Mapping[str, pa.Schema] = {
        "raw_stores": RAW_STORES,
        "raw_store_hours": RAW_STORE_HOURS,
    }
    is_recorded = False

    def __init__(
        self, config: Postgres, timezone: str, aws: Aws | None = None, *, clock: Clock = utc_now
    ) -> None:
        """
        Args:
            timezone: the country's IANA zone, for stores without one.
        """
        self.config = config
        self.timezone = timezone
        self.aws = aws
        self.clock = clock

    @contextlib.contextmanager
    def open(self, window: Window) -> Iterator[Snapshot]:
        with self._connect() as connection, self._translated(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_export_snapshot()")
            snapshot = cursor.fetchone()[0]
            arguments = {"snapshot": snapshot, "window": window.key}
            yield Snapshot(
                self.clock(), tuple(Split(relation, 0, arguments) for relation in QUERIES)
            )

    def read(self, split: Split) -> Iterator[pa.RecordBatch]:
        with self._connect() as connection, self._translated(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION SNAPSHOT %s", (split.arguments["snapshot"],))
            yield from self._copy(cursor, split.relation, Window.parse(split.arguments["window"]))

    def check(self) -> list[Finding]:
        try:
            what = f"PostgreSQL {address(self._dsn())}"
            with self._connect() as connection, self._translated(), connection.cursor() as cursor:
                findings = [Finding("ok", what, "answers")]
                if is_exposed(connection, self._dsn()):
                    findings.append(
                        Finding(
                            "warning",
                            what,
                            "the connection is not encrypted; put sslmode=verify-full into the DSN",
                        )
                    )
                for relation, query in QUERIES.items():
                    rows = sum(
                        batch.num_rows
                        for batch in self._copy(cursor, relation, Window.containing(self.clock()))
                    )
                    level: Any = "warning" if relation == "raw_stores" and not rows else "ok"
                    findings.append(
                        Finding(
                            level,
                            f"{query} query",
                            f"gives {rows:,} rows"
                            + (": no store exists" if level == "warning" else ""),
                        )
                    )
                return findings
        except StoreAvailError as error:
            return [Finding("error", "PostgreSQL", str(error))]

    def _dsn(self) -> str:
        return self.config.dsn.resolve(self.aws)

    def _connect(self) -> contextlib.AbstractContextManager[Any]:
        return read_only(self._dsn(), self.config.statement_timeout, APPLICATION_NAME)

    def _translated(self) -> contextlib.AbstractContextManager[None]:
        return translated_errors(self._dsn())

    def _copy(self, cursor: Any, relation: str, window: Window) -> Iterator[pa.RecordBatch]:
        """The rows of a relation's query, streamed: one thread takes them from the server while
        this one parses them.
        """
        read = self._read_schema(relation)
        statement = self._statement(cursor, relation, window)
        with _pipe() as (reading, writing):
            failure: list[BaseException] = []

            def copy() -> None:
                try:
                    with writing:
                        cursor.copy_expert(statement, writing, size=1 << 20)
                except (psycopg2.Error, BrokenPipeError) as error:
                    failure.append(error)

            copying = threading.Thread(target=copy, name=f"copy-{relation}")
            copying.start()
            try:
                yield from map(with_store_ids, _parse(reading, read, failure))
            finally:
                reading.close()
                copying.join()
            if failure and isinstance(failure[0], psycopg2.Error):
                raise failure[0]

    def _statement(self, cursor: Any, relation: str, window: Window) -> str:
        """COPY of the relation's query with `local_windows` injected and its columns cast to
        the raw types.
        """
        query, label = self._query(relation)
        wanted_windows = (
            "local_windows(timezone, business_date, weekday, window_minute) AS (VALUES"
            f" {self._values(cursor, window)})"
        )

        def select(columns: str) -> str:
            return f"WITH {wanted_windows}\nSELECT {columns} FROM (\n{query}\n) q"

        cursor.execute(select("*") + " LIMIT 0")
        returned = {column.name for column in cursor.description}
        missing = [
            name
            for name in self._wanted(relation)
            if name not in returned and name not in OPTIONAL_COLUMNS
        ]
        if missing:
            raise SourceRejected(
                f"{label} gives no column {', '.join(missing)} (it gives"
                f" {', '.join(sorted(returned))}); name the column so in the query, or map another"
                " schema with a query of your own (postgres.stores_query, postgres.hours_query)"
            )
        columns = []
        for field in self._read_schema(relation):
            name = "store_id" if field.name == "source_id" else field.name
            value = pg.Identifier("q", name) if name in returned else pg.SQL("NULL")
            cast = pg.SQL(CASTS[field.type]).format(value)
            columns.append(
                pg.SQL("{} AS {}").format(cast, pg.Identifier(field.name)).as_string(cursor)
            )
        return f"COPY ({select(', '.join(columns))}) TO STDOUT (FORMAT csv)"

    def _wanted(self, relation: str) -> list[str]:
        return [
            "store_id" if field.name == "source_id" else field.name
            for field in self._read_schema(relation)
        ]

    def _read_schema(self, relation: str) -> pa.Schema:
        """What PostgreSQL is asked for: all but what is made of it here."""
        return pa.schema(field for field in self.relations[relation] if field.name != "store_id")

    def _query(self, relation: str) -> tuple[str, str]:
        """The SQL of a relation, and what to call it.

        Raises:
            SourceRejected: not exactly one SELECT.
        """
        own = self.config.stores_sql if relation == "raw_stores" else self.config.hours_sql
        setting = f"{QUERIES[relation]}_query"
        if own is None:
            return (
                files("storeavail_platform.sources") / "sql" / f"{QUERIES[relation]}.sql"
            ).read_text(encoding="utf-8"), f"the default {QUERIES[relation]} query"
        try:
            statements = [
                statement
                for statement in sqlglot.parse(own, dialect="postgres")
                if statement is not None
            ]
        except SqlglotError as error:
            raise SourceRejected(f"postgres.{setting}: cannot be read as SQL: {error}") from error
        if len(statements) != 1 or not isinstance(statements[0], exp.Query):
            raise SourceRejected(
                f"postgres.{setting}: write exactly one SELECT (it may start with WITH)"
            )
        return own.strip().rstrip(";"), f"postgres.{setting}"

    def _values(self, cursor: Any, window: Window) -> str:
        rows = local_windows(window, self.timezone).to_pylist()
        template = "(%s::text,%s::date,%s::int,%s::int)"
        return ",".join(cursor.mogrify(template, tuple(row.values())).decode() for row in rows)


@contextlib.contextmanager
def read_only(dsn: str, statement_timeout: timedelta, application_name: str) -> Iterator[Any]:
    """A connection in a read-only, repeatable-read transaction; beyond this machine encrypted
    unless the DSN says otherwise.

    Raises:
        SourceUnavailable, SourceRejected: it cannot be made.
    """
    # libpq's own default would go on unencrypted, silently, where the server or someone between
    # says no
    encrypted: dict[str, Any] = (
        {} if is_loopback_dsn(dsn) or "sslmode" in dsn_parts(dsn) else {"sslmode": "require"}
    )
    with translated_errors(dsn):
        connection = psycopg2.connect(
            dsn,
            **encrypted,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name=application_name,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            # compiling a query takes longer than this one runs
            options=(
                f"-c jit=off -c statement_timeout={int(statement_timeout.total_seconds() * 1000)}"
            ),
            client_encoding="UTF8",
        )
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        yield connection
    finally:
        connection.close()


@contextlib.contextmanager
def translated_errors(dsn: str) -> Iterator[None]:
    """psycopg2's errors as the platform's."""
    try:
        yield
    except psycopg2.Error as error:
        raise translated(error, dsn) from None


def _parse(
    stream: IO[bytes], schema: pa.Schema, failure: list[BaseException]
) -> Iterator[pa.RecordBatch]:
    options = pa_csv.ConvertOptions(
        column_types={field.name: field.type for field in schema},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    try:
        reader = pa_csv.open_csv(
            stream,
            read_options=pa_csv.ReadOptions(column_names=schema.names, block_size=CSV_BLOCK_BYTES),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=options,
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):
            return
        raise SourceRejected(f"PostgreSQL gave rows that cannot be read: {error}") from error
    try:
        yield from reader
    except pa.ArrowInvalid as error:
        # a COPY that broke off leaves half a row; its own error is the one to tell
        if not failure:
            raise SourceRejected(f"PostgreSQL gave rows that cannot be read: {error}") from error


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader:
        yield reader, os.fdopen(writing, "wb")
