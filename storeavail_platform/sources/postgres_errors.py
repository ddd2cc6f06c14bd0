"""PostgreSQL's errors in the words of the person who has to act, told apart by whether they may
pass. Never with the DSN or a password.
"""

from __future__ import annotations

from typing import Any

import psycopg2
from psycopg2 import errorcodes
from psycopg2.extensions import parse_dsn

from storeavail_platform.config import is_loopback_dsn
from storeavail_platform.domain.errors import (
    ConfigError,
    SourceError,
    SourceRejected,
    SourceUnavailable,
)

ADVICE = {
    errorcodes.UNDEFINED_TABLE: (
        "create or grant the table, or map another schema with postgres.stores_query and"
        " postgres.hours_query"
    ),
    errorcodes.UNDEFINED_COLUMN: (
        "add the column, or map another schema with postgres.stores_query and postgres.hours_query"
    ),
    errorcodes.INSUFFICIENT_PRIVILEGE: "grant SELECT on it to this user",
    errorcodes.SYNTAX_ERROR: "correct the query file",
    errorcodes.INVALID_CATALOG_NAME: "correct the database name in the DSN",
    errorcodes.INVALID_PASSWORD: "correct user and password in the DSN",
    errorcodes.INVALID_AUTHORIZATION_SPECIFICATION: (
        "correct the user in the DSN, or let it in by pg_hba.conf"
    ),
}
PASSING_CLASSES = ("08", "40", "53", "55", "57", "58", "XX")
"""SQLSTATE classes that may pass: connection, rollback, resources, locks, shutdown and
cancelled, system, internal.
"""
CONNECT_ADVICE = (
    ("password authentication failed", SourceRejected, "correct user and password in the DSN"),
    ("no password supplied", SourceRejected, "put a password into the DSN's secret"),
    (
        "permission denied for database",
        SourceRejected,
        "grant CONNECT on it to this user, or correct the database in the DSN",
    ),
    ("does not exist", SourceRejected, "correct the database or user name in the DSN"),
    (
        "no pg_hba.conf entry",
        SourceRejected,
        "let this user and address in by pg_hba.conf, with or without SSL as the DSN says",
    ),
    (
        "could not translate host name",
        SourceUnavailable,
        "correct the host in the DSN, or the network's DNS",
    ),
    (
        "server does not support SSL",
        SourceRejected,
        "switch SSL on in the server, or put sslmode=disable into the DSN of a trusted network",
    ),
    ("certificate", SourceRejected, "correct sslrootcert in the DSN, or the server's certificate"),
    (
        "Connection refused",
        SourceUnavailable,
        "check host and port in the DSN, and that the server runs",
    ),
    (
        "No such file or directory",
        SourceUnavailable,
        "check the socket folder in the DSN, and that the server runs",
    ),
    (
        "timeout expired",
        SourceUnavailable,
        "check the host in the DSN, its firewall and the route to it",
    ),
)


def address(dsn: str) -> str:
    """Where a DSN points, without its password."""
    parts = dsn_parts(dsn)
    server = f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}"
    return f"{parts.get('user', '(default user)')}@{server}/{parts.get('dbname', '')}"


def dsn_parts(dsn: str) -> dict[str, Any]:
    """The parts of a DSN.

    Raises:
        ConfigError: it is none. The text is not repeated.
    """
    try:
        return dict(parse_dsn(dsn))
    except psycopg2.ProgrammingError:
        raise ConfigError(
            "postgres.dsn: the secret is not a PostgreSQL DSN; write"
            " postgresql://user:password@host:5432/database"
        ) from None


def is_exposed(connection: Any, dsn: str) -> bool:
    """Whether an open connection leaves this machine unencrypted."""
    return not (
        connection.info.ssl_in_use or connection.info.host.startswith("/") or is_loopback_dsn(dsn)
    )


def translated(error: psycopg2.Error, dsn: str) -> SourceError:
    """The platform's error for one of psycopg2's."""
    where = f"PostgreSQL {address(dsn)}"
    said = (error.diag.message_primary or str(error)).strip().splitlines()
    message = said[0] if said else type(error).__name__
    if error.pgcode is None:
        text = str(error)
        for pattern, kind, advice in CONNECT_ADVICE:
            if pattern in text:
                return kind(f"{where}: {message}; {advice}")
        if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
            return SourceUnavailable(
                f"{where}: the connection broke or could not be made ({message}); check the server"
                " and the network"
            )
        return SourceRejected(f"{where}: {message}")
    if error.pgcode == errorcodes.QUERY_CANCELED:
        return SourceUnavailable(
            f"{where}: {message}; raise postgres.statement_timeout, or find out what slows the"
            " server down"
        )
    if error.pgcode[:2] in PASSING_CLASSES:
        return SourceUnavailable(f"{where}: {message}")
    advice = ADVICE.get(error.pgcode, "correct the query or the data")
    hint = f" ({error.diag.message_hint})" if error.diag.message_hint else ""
    return SourceRejected(f"{where}: {message}{hint}; {advice}")
