"""The audit log of analysts' access: who asked what, when, and how many rows were given. No
secrets, no rows.

Each access is a file of its own below `audit/<date>/` of the warehouse, created and never changed,
and a line of the logger `storeavail.audit`. An access that cannot be noted gives nothing.
"""

from __future__ import annotations

import getpass
import hashlib
import logging
import os
import re
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime

import orjson
from pydantic import TypeAdapter

from storeavail_platform.domain.errors import (
    AuditFailed,
    QueryRefused,
    SourceError,
    StoreAvailError,
)
from storeavail_platform.domain.masking import masked
from storeavail_platform.domain.text import neutralised
from storeavail_platform.storage.json_files import decode
from storeavail_platform.storage.local import Storage

USER_VARIABLE = "STOREAVAIL_USER"
"""Names the person where the operating system's user is shared by many, as on a notebook server."""
LONGEST_TEXT = 10_000
"""Characters of a query that are kept: of a longer one its beginning and its end, each half as
long.
"""
DENIED = re.compile(r"permission denied for [a-z ]+ \w+")
LONGEST_ERROR = 500
ENGINES_KIND = re.compile(r"[A-Z][A-Za-z -]{2,40}(?=:)")
"""How an engine's message begins: what follows may repeat a row's values."""

logger = logging.getLogger("storeavail.audit")


@dataclass
class Entry:
    """One access.

    Attributes:
        who: see `who`.
        at: when it began (UTC, ISO 8601).
        kind: `table`, `sql`, `postgres` or `elasticsearch`.
        what: the query, or the table with what was asked of it.
        country: of a raw database; None where the tables of several were asked.
        rows: how many were given; None where it failed.
        seconds: how long it took.
        error: why nothing was given; None where it was. Of what an engine or a server says, only of
            which kind it is: the words may repeat rows.
        sha256: of the whole query (UTF-8).
    """

    who: str
    at: str
    kind: str
    what: str
    country: str | None = None
    rows: int | None = None
    seconds: float = 0.0
    error: str | None = None
    sha256: str | None = None


FILE = TypeAdapter(Entry)


@contextmanager
def audited(storage: Storage, kind: str, what: str, country: str | None = None) -> Iterator[Entry]:
    """Note an access when it ends, however it ends. Whoever does it sets `rows`.

    Raises:
        AuditFailed: it could not be noted.
    """
    started = time.perf_counter()
    now = datetime.now(UTC)
    entry = Entry(
        who=neutralised(who()),
        at=now.isoformat(),
        kind=kind,
        what=masked(both_ends(what)),
        country=country,
        sha256=hashlib.sha256(what.encode(errors="surrogatepass")).hexdigest(),
    )
    try:
        yield entry
    except BaseException as error:
        entry.rows = None
        entry.error = why(error)
        raise
    finally:
        entry.seconds = round(time.perf_counter() - started, 3)
        _note(storage, now, entry)


def both_ends(text: str) -> str:
    """A text as it is kept: whole, or its two ends with how much is between them."""
    left_out = len(text) - LONGEST_TEXT
    if left_out <= 0:
        return text.encode(errors="replace").decode()
    half = LONGEST_TEXT // 2
    kept = f"{text[:half]}\n... {left_out:,} characters are left out ...\n{text[-half:]}"
    return kept.encode(errors="replace").decode()


def why(error: BaseException) -> str:
    """Why nothing was given, without a value of a row."""
    name = type(error).__name__
    if not isinstance(error, StoreAvailError):
        return name
    if isinstance(error, QueryRefused | SourceError) and not _is_own(error):
        kind = DENIED.search(str(error)) or ENGINES_KIND.match(str(error.__cause__ or error))
        return name if kind is None else f"{name}: {kind[0]}"
    return neutralised(str(error))[:LONGEST_ERROR]


def _is_own(error: StoreAvailError) -> bool:
    """Whether the words are the platform's: it raised them for no other error."""
    return isinstance(error, QueryRefused) and error.__cause__ is error.__context__ is None


def _note(storage: Storage, now: datetime, entry: Entry) -> None:
    data = orjson.dumps(asdict(entry))
    try:
        storage.create(f"audit/{now:%Y-%m-%d}/{now:%H%M%S.%f}-{uuid.uuid4().hex[:8]}.json", data)
    except (OSError, StoreAvailError) as error:
        raise AuditFailed(
            f"the access could not be noted below {storage.uri('audit')}, so nothing is given:"
            f" {error}; ask for the right to create files there"
        ) from error
    logger.info("%s", data.decode())


def entries(storage: Storage, day: date) -> Iterator[Entry]:
    """The accesses of a day (UTC), in order. For those who may read the log.

    Raises:
        WarehouseError: an entry cannot be understood.
    """
    folder = f"audit/{day.isoformat()}"
    for name in storage.names(folder):
        path = f"{folder}/{name}"
        data = storage.read(path)
        if data is not None:
            advice = "keep it, and find out who could write it"
            yield decode(FILE, data, f"audit entry {storage.path(path)}", advice)


def who() -> str:
    """Who asks: the user that Zeppelin knows, else $STOREAVAIL_USER, else the operating system's
    user.

    It tells people apart who mean no harm. What they can reach is limited by the databases' own
    users.
    """
    return _zeppelin_user() or os.environ.get(USER_VARIABLE) or _system_user()


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # a user without a name, as in containers
        return f"uid {os.getuid()}"


def _zeppelin_user() -> str | None:
    """The user of a Zeppelin paragraph, whose context is `z` of the main module."""
    context = getattr(getattr(sys.modules.get("__main__"), "z", None), "z", None)
    if context is None or not hasattr(context, "getInterpreterContext"):
        return None
    user = context.getInterpreterContext().getAuthenticationInfo().getUser()
    return str(user) if user else None
