"""PostgreSQL: stores and opening hours out of one read-only snapshot, streamed by COPY into Arrow.

The queries are `sql/stores.sql` and `sql/hours.sql`, or the country's own. Local time is computed
in Python and handed to them as the relation `local_windows`; SQL only compares numbers. What the
statements are is in `postgres_queries.py`, connecting in `postgres_session.py`, how errors read in
`postgres_errors.py`.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pyarrow as pa

from storeavail_platform.config import Aws, Postgres
from storeavail_platform.domain.clock import Clock, offset_from, utc_now
from storeavail_platform.domain.errors import SourceError, StoreAvailError
from storeavail_platform.domain.finding import Finding, clock_finding
from storeavail_platform.domain.source import (
    RAW_STORE_HOURS,
    RAW_STORES,
    Snapshot,
    Split,
    Take,
    count_rows,
)
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.postgres_access import row_security
from storeavail_platform.sources.postgres_copy import Cost, copied
from storeavail_platform.sources.postgres_errors import is_exposed, is_unverified, where
from storeavail_platform.sources.postgres_queries import (
    QUERIES,
    TABLE_COLUMNS,
    Statement,
    columns_statement,
    copy_statement,
    local_windows_sql,
    query_of,
    table_types,
)
from storeavail_platform.sources.postgres_session import (
    CONNECT_TIMEOUT,
    read_only,
    translated_errors,
)
from storeavail_platform.sources.postgres_values import raw_batch, refuse_types

APPLICATION_NAME = "storeavail"
SNAPSHOT = "SELECT pg_export_snapshot(), extract(epoch FROM pg_catalog.clock_timestamp())"
ONE_CONNECTION = "one_connection"
"""The count of splits that could not be read by a connection of their own."""

logger = logging.getLogger(__name__)


@dataclass
class _Held:
    """The connection whose transaction has the snapshot. One split at a time may read by it."""

    connection: Any
    lock: threading.Lock = field(default_factory=threading.Lock)
    failure: SourceError | None = None


_held: dict[str, _Held] = {}
"""By snapshot, those that are open in this process: a source is picklable, a connection is not."""


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
        key = uuid.uuid4().hex
        dsn = self._dsn()
        with read_only(dsn, self.config.statement_timeout, APPLICATION_NAME) as connection:
            with translated_errors(dsn), connection.cursor() as cursor:
                cursor.execute(SNAPSHOT)
                snapshot, seconds = cursor.fetchone()
                read_at = self.clock()
                offset = offset_from(datetime.fromtimestamp(float(seconds), UTC), self.clock)
            arguments = {"snapshot": snapshot, "window": window.key, "held": key}
            _held[key] = _Held(connection)
            try:
                splits = tuple(Split(relation, 0, arguments) for relation in QUERIES)
                yield Snapshot(read_at, splits, offset)
            finally:
                del _held[key]

    def read(self, split: Split) -> Generator[pa.RecordBatch, None, Mapping[str, int]]:
        """The rows of a split; returns `<query>_bytes` and `<query>_milliseconds`, what they cost
        the database.
        """
        window, cost = Window.parse(split.arguments["window"]), Cost()
        with self._connection(split) as (connection, is_shared), connection.cursor() as cursor:
            yield from self._copy(cursor, split.relation, window, cost)
        query = QUERIES[split.relation]
        return {
            f"{query}_bytes": cost.size,
            f"{query}_milliseconds": round(cost.seconds * 1000),
            ONE_CONNECTION: int(is_shared),
        }

    def check(self, take: Take | None = None, window: Window | None = None) -> list[Finding]:
        window = window or Window.containing(self.clock())
        try:
            return list(self._findings(take or count_rows, window))
        except StoreAvailError as error:
            return [Finding("error", "PostgreSQL", str(error))]

    def _findings(self, take: Take, window: Window) -> Iterator[Finding]:
        dsn = self._dsn()
        server = where(dsn)
        with self.open(window) as snapshot:
            yield Finding("ok", server, "answers")
            if snapshot.clock_offset is not None:
                yield clock_finding(server, snapshot.clock_offset, apart="error")
            held = _held[snapshot.splits[0].arguments["held"]]
            if is_exposed(held.connection, dsn):
                yield Finding(
                    "warning",
                    server,
                    "the connection is not encrypted; put sslmode=verify-full into the DSN",
                )
            elif is_unverified(held.connection, dsn):
                yield Finding(
                    "warning",
                    server,
                    "the connection is encrypted, and nobody looked at who answers: somebody"
                    " between could be the server. Put sslmode=verify-full into the DSN, and"
                    " sslrootcert=FILE with the authority that signed its certificate"
                    " (sslrootcert=system: those that this machine trusts)",
                )
            with translated_errors(dsn), held.connection.cursor() as cursor:
                chosen = row_security(
                    cursor, " ".join(query_of(name, self.config).sql for name in QUERIES)
                )
            if chosen is not None:
                yield Finding(
                    "ok", server, f"{chosen}: rows that it hides look like rows that are not there"
                )
            taken = take(self, window, snapshot)
            for relation, query in QUERIES.items():
                yield _cost_finding(query, taken.rows[relation], taken.counts, chosen)
            if taken.counts[ONE_CONNECTION]:
                yield Finding(
                    "warning",
                    server,
                    "stores and hours are read one after the other: a second connection does not"
                    " see the first one's snapshot (a pooler with one connection or several"
                    " servers behind it, or the user's CONNECTION LIMIT)",
                )

    def _dsn(self) -> str:
        return self.config.dsn.resolve(self.aws)

    @contextlib.contextmanager
    def _connection(self, split: Split) -> Iterator[tuple[Any, bool]]:
        """A connection that sees the snapshot, and whether it is the one that holds it.

        Its own where that can be had: a pooler may have no second one, or another server's.
        """
        dsn, held = self._dsn(), _held.get(split.arguments["held"])
        with contextlib.ExitStack() as opened:
            try:
                connection = opened.enter_context(
                    read_only(
                        dsn,
                        self.config.statement_timeout,
                        APPLICATION_NAME,
                        snapshot=split.arguments["snapshot"],
                        begins_within=CONNECT_TIMEOUT,
                    )
                )
            except SourceError as error:
                if held is None:
                    raise
                logger.warning("%s is read by the one connection: %s", split.relation, error)
            else:
                yield connection, False
                return
        with held.lock:
            # after a failure the server refuses everything else in the transaction, without a cause
            if held.failure is not None:
                raise held.failure
            try:
                yield held.connection, True
            except SourceError as error:
                held.failure = error
                raise

    def _copy(
        self, cursor: Any, relation: str, window: Window, cost: Cost
    ) -> Iterator[pa.RecordBatch]:
        dsn, query = self._dsn(), query_of(relation, self.config)
        windows = local_windows_sql(cursor, window, self.timezone)
        if relation == "raw_store_hours" and not query.is_own:
            tables = Statement(TABLE_COLUMNS, query, len(TABLE_COLUMNS))
            with _translated(tables, dsn):
                cursor.execute(tables.text)
            refuse_types(table_types(cursor), "postgres.hours_query")
        asking = columns_statement(query, windows)
        with _translated(asking, dsn):
            cursor.execute(asking.text)
        schema = self.relations[relation]
        # a server without an encoding would refuse bytes that are not UTF-8: they come as they are
        as_bytes = cursor.connection.get_parameter_status("server_encoding") == "SQL_ASCII"
        statement = copy_statement(cursor, schema, query, windows, as_bytes=as_bytes)
        with _translated(statement, dsn):
            if as_bytes:
                cursor.execute("SET LOCAL client_encoding TO 'SQL_ASCII'")
            for batch in copied(cursor, statement.text, statement.schema, cost):
                yield raw_batch(batch, schema)


@contextlib.contextmanager
def _translated(statement: Statement, dsn: str) -> Iterator[None]:
    try:
        yield
    except psycopg2.Error as error:
        raise statement.translated(error, dsn) from None


def _cost_finding(query: str, rows: int, counts: Mapping[str, int], chosen: str | None) -> Finding:
    """
    Args:
        chosen: what row level security does.
    """
    is_empty = query == "stores" and not rows
    why = f": no store exists, or {chosen or 'this user sees none'}" if is_empty else ""
    return Finding(
        "error" if is_empty else "ok",
        f"{query} query",
        f"gives {rows:,} rows{why}"
        f" ({counts[f'{query}_bytes']:,} bytes in {counts[f'{query}_milliseconds'] / 1000:.1f} s)",
    )
