"""Read-only access of analysts to a country's raw databases, by the users and secrets of their own
group (`countries.BR.analyst`).

What may be read is decided by the databases. Beside that every access is limited in rows and time,
and noted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from storeavail_platform.config import Analyst
from storeavail_platform.domain.errors import ConfigError, QueryRefused
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.analyst.audit import audited
from storeavail_platform.reading.analyst.documents import documents
from storeavail_platform.reading.analyst.forms import Form, in_form
from storeavail_platform.reading.analyst.postgres_rows import postgres_rows
from storeavail_platform.reading.analyst.reading import TIMEOUT

SHORTEST = timedelta(milliseconds=1)
MAX_ROWS = 100_000
"""Rows that one access gives unless more are asked for: the databases have other work to do."""


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
            rows = postgres_rows(dsn, sql, max_rows, timeout)
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
            rows = documents(_analyst(runtime, country), country, query, fields, max_rows, timeout)
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
