"""PostgreSQL's connection strings: what libpq makes of one together with its service file and the
environment, and the word for forms that other clients write.

No connection is made here, and no text of a connection string is repeated.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from storeavail_platform.domain.errors import ConfigError

CODES = "@ %40, / %2F, ? %3F, # %23, % %25, : %3A"
"""Characters of a password, and their codes in a URL."""
FORM = "postgresql://user:password@host:5432/database"
ENVIRONMENT = {
    "PGHOST": "host",
    "PGHOSTADDR": "hostaddr",
    "PGPORT": "port",
    "PGDATABASE": "dbname",
    "PGUSER": "user",
    "PGOPTIONS": "options",
    "PGSSLMODE": "sslmode",
    "PGSSLROOTCERT": "sslrootcert",
    "PGCONNECT_TIMEOUT": "connect_timeout",
}
"""libpq's variables that the platform has to know of."""
SEARCH_PATH = "options=-csearch_path%3DSCHEMA"
LEAVE_OUT = "leave it out"
FOREIGN_PARAMETERS = {
    "schema": ("Prisma", f"write {SEARCH_PATH}"),
    "pgbouncer": ("Prisma", "leave it out: the platform works through PgBouncer as it is"),
    "connection_limit": ("Prisma", LEAVE_OUT),
    "pool_timeout": ("Prisma", LEAVE_OUT),
    "socket_timeout": ("Prisma", "leave it out: postgres.statement_timeout is the limit"),
    "statement_cache_size": ("Prisma", LEAVE_OUT),
    "sslaccept": ("Prisma", "write sslmode=verify-full for strict, sslmode=require else"),
    "sslidentity": ("Prisma", "write sslcert and sslkey"),
    "currentSchema": ("JDBC", f"write {SEARCH_PATH}"),
    "ssl": ("JDBC's and asyncpg", "write sslmode=require, or sslmode=verify-full"),
    "prepareThreshold": ("JDBC", LEAVE_OUT),
    "ApplicationName": ("JDBC", LEAVE_OUT),
    "prepared_statement_cache_size": ("SQLAlchemy", LEAVE_OUT),
    "command_timeout": ("asyncpg", "leave it out: postgres.statement_timeout is the limit"),
    "server_settings": ("asyncpg", f"write {SEARCH_PATH}"),
}
"""Parameters of a URL that libpq does not know: whose they are, and what to do."""
FOREIGN_SCHEMES = {
    r"postgres(ql)?\+[a-z0-9_]+": "SQLAlchemy",
    r"jdbc:postgresql": "JDBC",
    r"postgis|pgsql|psql|prisma\+postgres|postgres(ql)?s": "another client",
}


def dsn_parts(dsn: str) -> dict[str, str]:
    """The options of a connection string, a URL or `key=value`, by libpq's names.

    Raises:
        ConfigError: it is none; the form of another client is told by name.
    """
    # psycopg2 takes long to import
    import psycopg2
    from psycopg2.extensions import parse_dsn

    try:
        found = dict(parse_dsn(dsn))
        if (said := _cut_elsewhere(dsn, found)) is None:
            return found
    except psycopg2.ProgrammingError:
        said = foreign_form(dsn) or (
            "it has a parameter that libpq does not know, or a character of the password that has"
            f" to be written as its code in a URL ({CODES})"
        )
    # outside of the handler: the error above repeats the text
    raise ConfigError(f"postgres.dsn: the secret is not a PostgreSQL DSN: {said}; write {FORM}")


def _cut_elsewhere(dsn: str, found: Mapping[str, str]) -> str | None:
    """That libpq cuts a URL elsewhere than its writer meant: what it takes for the host, port or
    database is a part of the password then. None where it does not.
    """
    said = (
        "user, password and host cannot be told apart: a character of the password has to be"
        f" written as its code in a URL ({CODES})"
    )
    _, is_url, address = dsn.strip().partition("://")
    if is_url:
        login, has_login, _ = address.partition("?")[0].rpartition("@")
        if has_login and {"@", "/"}.intersection(login):
            return said
        ports = found.get("port", "").split(",")
        if not all(port == "" or (port.isascii() and port.isdigit()) for port in ports):
            return said
        if has_login and re.search(r"[^\w.%$+~-]", login.partition(":")[0], re.ASCII):
            return (
                "its user's name has characters that names have not: are user and password in each"
                " other's place?"
            )
    host = found.get("host", "")
    if not host.startswith(("/", "@")) and re.search(r"[^\w.,:%-]", host, re.ASCII):
        return "what stands where its host should is not a host's name, or " + said
    return None


def foreign_form(dsn: str) -> str | None:
    """Whose form a connection string has that libpq does not read, and what to write instead."""
    scheme, separator, address = dsn.strip().partition("://")
    if not separator:
        return None
    for pattern, whose in FOREIGN_SCHEMES.items():
        if re.fullmatch(pattern, scheme):
            return f"{scheme}:// is the form of {whose}; write postgresql:// in its place"
    names = [pair.partition("=")[0] for pair in address.partition("?")[2].split("&")]
    found = [name for name in dict.fromkeys(names) if name in FOREIGN_PARAMETERS]
    said = [
        f"{name} is {FOREIGN_PARAMETERS[name][0]}'s: {FOREIGN_PARAMETERS[name][1]}"
        for name in found
    ]
    return "; ".join(said) or None


def effective_parts(dsn: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The options that a connection is made with: those of the connection string, then those of its
    service file, then those of the environment, as libpq does.

    Raises:
        ConfigError: it is no connection string.
    """
    environment = os.environ if environment is None else environment
    options = dsn_parts(dsn)
    service = options.get("service") or environment.get("PGSERVICE")
    if service:
        options = {**_service(service, environment), **options}
    for variable, name in ENVIRONMENT.items():
        if value := environment.get(variable):
            options.setdefault(name, value)
    return options


def stays_here(options: Mapping[str, str]) -> bool:
    """Whether a connection with these effective options stays on this machine; without a host libpq
    takes a socket.
    """
    hosts = [
        host for key in ("host", "hostaddr") for host in options.get(key, "").split(",") if host
    ]
    return all(host.startswith(("/", "@")) or is_loopback_host(host) for host in hosts)


def encryption(options: Mapping[str, str]) -> dict[str, str]:
    """What to add to effective options so that beyond this machine a connection is encrypted.

    Nothing where an `sslmode` is written anywhere.

    libpq's own default would go on unencrypted, silently, where the server or someone between says
    no.
    """
    # `system` makes verify-full the default by itself, and refuses anything weaker
    decided = "sslmode" in options or options.get("sslrootcert") == "system" or stays_here(options)
    return {} if decided else {"sslmode": "require"}


def _service(name: str, environment: Mapping[str, str]) -> dict[str, str]:
    """A service's settings; nothing where it is not found, which libpq itself tells."""
    own = environment.get("PGSERVICEFILE") or Path.home() / ".pg_service.conf"
    common = Path(environment.get("PGSYSCONFDIR") or "/etc/postgresql-common") / "pg_service.conf"
    for path in (Path(own), common):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if found := dict(_section(text, name)):
            return found
    return {}


def _section(text: str, name: str) -> Iterator[tuple[str, str]]:
    is_inside = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            if is_inside:
                return
            is_inside = line == f"[{name}]"
        elif is_inside and "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            yield key, value


def is_loopback_host(host: str | None) -> bool:
    """Whether a host name or address is this machine's own; a name that only resolves to one
    counts as another machine.
    """
    if not host:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_loopback_dsn(dsn: str) -> bool:
    """Whether a connection string by itself names hosts, and only of this machine.

    Without one, PGHOST or a service file could name any.
    """
    try:
        options = dsn_parts(dsn)
    except ConfigError:
        return False
    return (
        any(options.get(key) for key in ("host", "hostaddr"))
        and "service" not in options
        and stays_here(options)
    )
