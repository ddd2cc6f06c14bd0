"""PostgreSQL: one read-only transaction, as it is begun directly and through a pooler.

What is set is set inside the transaction: a pooler in transaction mode refuses or loses whatever a
connection is opened with, and lends another server connection for the next transaction. No query of
the platform's is here, and no word for an error (`postgres_errors.py`).
"""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import psycopg2

from storeavail_platform.config import effective_parts, encryption
from storeavail_platform.domain.errors import SourceRejected, SourceUnavailable
from storeavail_platform.sources.postgres_errors import is_passing, translated, where

CONNECT_TIMEOUT = timedelta(seconds=10)
CONNECTION = {
    "connect_timeout": int(CONNECT_TIMEOUT.total_seconds()),
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
"""Of the client alone; a connection string may say otherwise."""
TRANSACTION = {
    # compiling a query takes longer than this one runs
    "jit": "off",
    # how values are read here, and how the text of a query is (`sql_text.py`)
    "datestyle": "ISO",
    "standard_conforming_strings": "on",
}


@contextlib.contextmanager
def read_only(
    dsn: str,
    statement_timeout: timedelta,
    application_name: str,
    *,
    snapshot: str | None = None,
    begins_within: timedelta | None = None,
) -> Iterator[Any]:
    """A connection in a read-only, repeatable-read transaction; beyond this machine encrypted
    unless the DSN, its service file or PGSSLMODE says otherwise.

    Args:
        snapshot: of another transaction that is still open: this one sees the same state.
        begins_within: longest wait for a server connection that a pooler has none of. By default
            that of a statement.

    Raises:
        SourceUnavailable, SourceRejected: it cannot be made.
    """
    parts = effective_parts(dsn)
    settings, others = startup_settings(parts.get("options", ""))
    limit = begins_within or max(statement_timeout, CONNECT_TIMEOUT)
    added: dict[str, Any] = {
        **encryption(parts),
        **{name: value for name, value in CONNECTION.items() if name not in parts},
    }
    with translated_errors(dsn):
        connection = psycopg2.connect(
            dsn,
            **added,
            # an empty text, so that neither a service file nor PGOPTIONS is asked again
            options=others,
            application_name=application_name,
            client_encoding="UTF8",
        )
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with _ended_after(connection, limit, dsn), translated_errors(dsn):
            _begin(connection, dsn, snapshot, settings, statement_timeout)
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


def startup_settings(options: str) -> tuple[Mapping[str, str], str]:
    """The settings (`-c name=value`, `--name=value`) among libpq's `options`, and what else is in
    them.
    """
    settings, others = {}, []
    lexer = shlex.shlex(options, posix=True)
    lexer.whitespace_split, lexer.quotes, lexer.commenters = True, "", ""
    tokens = list(lexer)
    for number, token in enumerate(tokens):
        if number and tokens[number - 1] == "-c":
            token = f"-c{token}"
        elif token == "-c":
            continue
        name, separator, value = token[2:].partition("=")
        if token.startswith(("-c", "--")) and separator:
            settings[name.replace("-", "_")] = value
        else:
            others.append(token.replace("\\", "\\\\").replace(" ", "\\ "))
    return settings, " ".join(others)


def _begin(
    connection: Any,
    dsn: str,
    snapshot: str | None,
    settings: Mapping[str, str],
    statement_timeout: timedelta,
) -> None:
    milliseconds = max(1, int(statement_timeout.total_seconds() * 1000))
    own = {**TRANSACTION, "statement_timeout": str(milliseconds)}
    with connection.cursor() as cursor:
        if snapshot is not None:
            # before anything that looks at the database
            cursor.execute("SET TRANSACTION SNAPSHOT %s", (snapshot,))
        for name, value in settings.items():
            try:
                cursor.execute("SELECT set_config(%s, %s, true)", (name, value))
            except psycopg2.Error as error:
                if is_passing(error) and error.pgcode != "55P02":
                    raise
                raise SourceRejected(
                    f"{where(dsn)}: {name} of the connection string's options (or the service"
                    f" file's, or PGOPTIONS) cannot be set: {error.diag.message_primary}; correct"
                    " it, or set it for the user: ALTER ROLE ... SET"
                ) from None
        # true: for this transaction alone, as SET LOCAL
        calls = ", ".join("set_config(%s, %s, true)" for _ in own)
        cursor.execute(f"SELECT {calls}", [text for pair in own.items() for text in pair])


@contextlib.contextmanager
def _ended_after(connection: Any, limit: timedelta, dsn: str) -> Iterator[None]:
    """End a connection whose block takes longer than its time: a pooler or server that does not
    answer takes no request to cancel either.

    Raises:
        SourceUnavailable: it took longer.
    """
    is_late = threading.Event()

    def end() -> None:
        is_late.set()
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(number)) as ended:
            ended.shutdown(socket.SHUT_RDWR)

    number = connection.fileno()
    timer = threading.Timer(limit.total_seconds(), end)
    timer.start()
    try:
        yield
    except SourceUnavailable:
        if not is_late.is_set() and connection.closed:
            raise SourceUnavailable(
                f"{where(dsn)}: the connection ended as its transaction began; check the server,"
                " and that a pooler before it has pool_mode = transaction or session"
            ) from None
        if not is_late.is_set():
            raise
        raise SourceUnavailable(
            f"{where(dsn)}: no transaction could begin within {limit.total_seconds():g} s: a pooler"
            " without a free connection (raise its pool_size), or a server that hangs"
        ) from None
    finally:
        timer.cancel()
        timer.join()
