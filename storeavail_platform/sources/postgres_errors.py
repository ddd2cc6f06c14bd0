"""PostgreSQL's errors in the words of the person who has to act, told apart by whether they may
pass. Never with the DSN or a password.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import errorcodes

from storeavail_platform.config import effective_parts, stays_here
from storeavail_platform.domain.errors import SourceError, SourceRejected, SourceUnavailable
from storeavail_platform.domain.masking import MASK

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
AUTHORITIES = "~/.postgresql/root.crt"
"""Where libpq looks for the authorities that it trusts, unless `sslrootcert` names another file."""
ORDINARY_NAME = re.compile(r"[a-z_]*")
PASSING_CLASSES = ("08", "40", "53", "55", "57", "58", "XX")
"""SQLSTATE classes that may pass: connection, rollback, resources, locks, shutdown and
cancelled, system, internal.
"""
PASSING_STATES = ("25P03", "25P04")
"""Beside them: ended because a transaction was idle, or took too long, for the server."""
PASSING_ADVICE = {
    errorcodes.QUERY_CANCELED: (
        "raise postgres.statement_timeout, or find out what slows the server down"
    ),
    errorcodes.SERIALIZATION_FAILURE: (
        "where this is a standby, raise its max_standby_streaming_delay or switch on"
        " hot_standby_feedback"
    ),
}
CONNECT_ADVICE = (
    (
        "unsupported startup parameter",
        SourceRejected,
        "the pooler takes no such parameter: take it out of the DSN, or name it in the pooler's"
        " ignore_startup_parameters",
    ),
    (
        "no such database",
        SourceRejected,
        "correct the database name in the DSN, or name it in the pooler's [databases]",
    ),
    (
        "query_wait_timeout",
        SourceUnavailable,
        "the pooler had no free connection: raise its pool_size",
    ),
    (
        "definition of service",
        SourceRejected,
        "correct the service in the DSN, or PGSERVICEFILE of this process",
    ),
    ("service file", SourceRejected, "correct the service file, or PGSERVICEFILE"),
    ("sslmode", SourceRejected, "correct sslmode in the DSN, its service file or PGSSLMODE"),
    ("certificate", SourceRejected, "correct sslrootcert in the DSN, or the server's certificate"),
    (
        "password authentication failed",
        SourceRejected,
        "correct user and password in the DSN (is one in the place of the other?)",
    ),
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
    """Where a DSN points, without its login: where user and password are in each other's place,
    the user is the password.
    """
    parts = effective_parts(dsn)
    server = f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}"
    return f"{server}/{parts.get('dbname', '')}"


def where(dsn: str) -> str:
    """A DSN's server at the head of a message."""
    return f"PostgreSQL {address(dsn)}"


def without_user(text: str, dsn: str) -> str:
    """What a server said without the name of the user, see `address`."""
    user = effective_parts(dsn).get("user")
    if not user:
        return text
    text = text.replace(f'"{user}"', "of the connection string")
    # a name may be a word of the sentence too
    return text if ORDINARY_NAME.fullmatch(user) else text.replace(user, MASK)


def is_passing(error: psycopg2.Error) -> bool:
    """Whether what the server said may pass by itself."""
    return error.pgcode is not None and (
        error.pgcode[:2] in PASSING_CLASSES or error.pgcode in PASSING_STATES
    )


def is_exposed(connection: Any, dsn: str) -> bool:
    """Whether an open connection leaves this machine unencrypted."""
    return not (connection.info.ssl_in_use or _stays_here(connection, dsn))


def is_unverified(connection: Any, dsn: str) -> bool:
    """Whether an open connection is encrypted, and leaves this machine, without anybody having
    looked at the server's certificate.
    """
    info = connection.info
    if not info.ssl_in_use or _stays_here(connection, dsn):
        return False
    used = info.dsn_parameters
    # where there is a file of authorities libpq verifies by it, whatever the sslmode
    authorities = used.get("sslrootcert") or AUTHORITIES
    is_verified = used.get("sslmode", "").startswith("verify-")
    return not (is_verified or authorities == "system" or Path(authorities).expanduser().exists())


def _stays_here(connection: Any, dsn: str) -> bool:
    return connection.info.host.startswith("/") or stays_here(effective_parts(dsn))


def translated(error: psycopg2.Error, dsn: str, place: str | None = None) -> SourceError:
    """The platform's error for one of psycopg2's.

    Args:
        place: where in a query it is, in words.
    """
    head = where(dsn) + (f": {place}" if place else "")
    said = (error.diag.message_primary or str(error)).strip().splitlines()
    message = without_user(said[0], dsn) if said else type(error).__name__
    if error.pgcode is None or error.pgcode == errorcodes.PROTOCOL_VIOLATION:
        text = str(error)
        for pattern, kind, advice in CONNECT_ADVICE:
            if pattern in text:
                return kind(f"{head}: {message}; {advice}")
    if error.pgcode is None:
        # a server that dies in the middle of an answer leaves no more than "no message"
        if isinstance(error, psycopg2.ProgrammingError | psycopg2.DataError):
            return SourceRejected(f"{head}: {message}")
        return SourceUnavailable(
            f"{head}: the connection broke or could not be made ({message}); check the server and"
            " the network"
        )
    if is_passing(error):
        passing_advice = PASSING_ADVICE.get(error.pgcode)
        return SourceUnavailable(
            f"{head}: {message}" + (f"; {passing_advice}" if passing_advice else "")
        )
    advice = ADVICE.get(error.pgcode, "correct the query or the data")
    hint = f" ({error.diag.message_hint})" if error.diag.message_hint else ""
    return SourceRejected(f"{head}: {message}{hint}; {advice}")
