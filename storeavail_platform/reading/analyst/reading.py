"""What analysts ask of the tables: which there are, their rows, SQL over them, and the same as they
were at a moment.

Tables are found by their pointers: it works with the metastore down. Every access is limited in
rows and time, and noted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyiceberg.expressions import AlwaysTrue, BooleanExpression

from storeavail_platform.domain.clock import utc_now
from storeavail_platform.domain.errors import QueryRefused, TableDamaged, WarehouseMoved
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.tables.views import VIEWS, View
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.analyst.audit import audited
from storeavail_platform.reading.analyst.forms import Form, in_form
from storeavail_platform.reading.as_of import state_scan
from storeavail_platform.reading.datasets import with_text_ids
from storeavail_platform.reading.limits import MEMORY, Limits, Room, too_many_rows, too_slow
from storeavail_platform.reading.query import committed_tables, known_tables, query
from storeavail_platform.warehouse.iceberg import plain_text

MAX_ROWS = 1_000_000
"""Rows that one access gives unless more are asked for."""
TIMEOUT = timedelta(minutes=1)
"""How long one access may take unless it is given longer."""
Moment = datetime | date | timedelta | str
"""A time: aware datetime; date or `2026-11-23`: its midnight UTC; window `2026-11-23T1015`;
timedelta: so long ago.
"""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tables:
    """The tables of all countries; with `moment`, as they were then."""

    runtime: Runtime
    moment: datetime | None = None

    def tables(self, *, form: Form = "arrow") -> Any:
        """What there is: `name`, `description`, `columns` (names), `countries` (that have it),
        `window`, `local_date` or `view` as `part`. A view is asked for by `sql`.
        """
        runtime = self.runtime
        rows = [
            {
                "name": table.name,
                "description": table.description,
                "columns": ", ".join(column.name for column in table.all_columns),
                "countries": ", ".join(
                    code
                    for code in runtime.platform.countries
                    if table.name in committed_tables(runtime, code)
                ),
                "part": "local_date" if table.is_daily else "window",
            }
            for table in runtime.all_tables
        ]
        rows += [
            {
                "name": view.name,
                "description": view.description,
                "columns": ", ".join(column.name for column in view.all_columns),
                "countries": ", ".join(
                    code
                    for code in runtime.platform.countries
                    if set(view.tables) <= committed_tables(runtime, code)
                ),
                "part": "view",
            }
            for view in VIEWS
        ]
        schema = pa.schema(
            [
                pa.field(name, pa.string())
                for name in ("name", "description", "columns", "countries", "part")
            ]
        )
        return in_form(pa.Table.from_pylist(rows, schema=schema), form)

    def columns(self, name: str, *, form: Form = "arrow") -> Any:
        """The columns of a table: `name`, `type`, `description`, `is_nullable`.

        Raises:
            QueryRefused: there is no such table.
        """
        there: tuple[Table | View, ...] = (*self.runtime.all_tables, *VIEWS)
        found = next((each for each in there if each.name == name), None)
        if found is None:
            raise QueryRefused(
                f"there is no table {name!r} (tables: {', '.join(each.name for each in there)})"
            )
        rows = [
            {
                "name": column.name,
                "type": column.type,
                "description": column.description,
                "is_nullable": column.nullable,
            }
            for column in found.all_columns
        ]
        return in_form(pa.Table.from_pylist(rows), form)

    def table(
        self,
        name: str,
        *,
        country: str | Sequence[str] | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        columns: Sequence[str] | None = None,
        form: Form = "arrow",
        max_rows: int = MAX_ROWS,
        timeout: timedelta = TIMEOUT,
    ) -> Any:
        """A table's rows.

        Args:
            country: code or codes; all by default.
            since, until: windows from and before these moments; local dates of a table that has
                them.
            columns: only these.

        Raises:
            QueryRefused: unknown table or column, nothing committed yet, or no history that far
                back.
            QueryStopped: more rows, time or memory than the limit.
            ConfigError: unknown country.
        """
        asked = {
            "country": country,
            "since": since,
            "until": until,
            "columns": columns,
            "as_of": self.moment,
        }
        what = f"{name} " + ", ".join(
            f"{key}={value}" for key, value in asked.items() if value is not None
        )
        with audited(self.runtime.storage, "table", what.strip()) as entry:
            by_country = self._scanned(name, country, (since, until), columns, max_rows, timeout)
            rows = pa.concat_tables(by_country, promote_options="default")
            entry.rows = rows.num_rows
        return in_form(rows, form)

    def sql(
        self,
        text: str,
        *,
        form: Form = "arrow",
        max_rows: int = MAX_ROWS,
        timeout: timedelta = TIMEOUT,
        memory: int = MEMORY,
        files: Mapping[str, str | Path] | None = None,
    ) -> Any:
        """The result of one SELECT (DuckDB's SQL) over the tables, all countries under one name.

        Args:
            memory: bytes to work in, beyond which DuckDB spills, and bytes of the result.
            files: CSV and Parquet files that the statement may name, by their names in SQL.

        Raises:
            QueryRefused: not one SELECT, an unknown table or column, text compared with a number,
                a file that cannot be read, or no history that far back.
            QueryStopped: more rows, time or memory than the limit.
        """
        what = text if self.moment is None else f"{text}\n-- as of {self.moment}"
        what += "".join(f"\n-- {name}: {path}" for name, path in (files or {}).items())
        limits = Limits(max_rows, timeout, memory)
        with audited(self.runtime.storage, "sql", what) as entry:
            rows = query(self.runtime, text, as_of=self.moment, limits=limits, files=files)
            entry.rows = rows.num_rows
        return in_form(rows, form)

    def as_of(self, moment: Moment) -> Tables:
        """The tables as they were at a moment, as far as `retention.history` reaches."""
        return Tables(self.runtime, at(moment))

    def _scanned(
        self,
        name: str,
        country: str | Sequence[str] | None,
        span: tuple[Moment | None, Moment | None],
        columns: Sequence[str] | None,
        max_rows: int,
        timeout: timedelta,
    ) -> list[pa.Table]:
        platform = self.runtime.platform
        asked = (
            [country]
            if isinstance(country, str)
            else platform.countries
            if country is None
            else country
        )
        deadline = time.monotonic() + timeout.total_seconds()
        found: list[pa.Table] = []
        rows, room = 0, Room(MEMORY)
        for code in [platform.country(code).code for code in asked]:
            try:
                table = self.runtime.warehouse.load(code, name)
            except (TableDamaged, WarehouseMoved) as error:
                if country is not None:
                    raise
                logger.warning("%s is left out: %s", code, error)
                continue
            if table is None:
                continue
            there = table.schema().column_names
            if unknown := [column for column in columns or () if column not in there]:
                raise QueryRefused(
                    f"table {name} has no column {', '.join(unknown)} (columns: {', '.join(there)})"
                )
            scan = state_scan(
                table,
                f"{name} of {code}",
                self.moment,
                row_filter=_between(
                    "window_start" if "window_start" in there else "local_date", *span
                ),
                selected_fields=tuple(columns or ("*",)),
            )
            schema = pa.schema(
                [
                    field
                    for field in table.schema().as_arrow()
                    if columns is None or field.name in columns
                ]
            )
            batches = []
            for batch in () if scan is None else scan.to_arrow_batch_reader():
                batches.append(batch)
                room.take(batch.nbytes)
                rows += batch.num_rows
                if rows > max_rows:
                    raise too_many_rows(max_rows)
                if time.monotonic() > deadline:
                    raise too_slow(timeout, f"reading {name}")
            read = pa.Table.from_batches(batches) if batches else schema.empty_table()
            found.append(read.cast(with_text_ids(plain_text(read.schema))))
        if not found:
            known = ", ".join(sorted(known_tables(self.runtime))) or "none yet: run a window first"
            raise QueryRefused(
                f"there is no table {name!r} of {', '.join(asked)} (tables: {known})"
            )
        return found


def at(moment: Moment) -> datetime:
    """The UTC time that a moment means.

    Raises:
        QueryRefused: a datetime without a zone, or text of another form.
    """
    if isinstance(moment, timedelta):
        return utc_now() - moment
    if isinstance(moment, str):
        try:
            moment = (
                Window.parse(moment).start
                if "T" in moment and ":" not in moment
                else datetime.fromisoformat(moment)
            )
        except ValueError:
            raise QueryRefused(
                f"{moment!r} is not a time: write 2026-11-23, 2026-11-23T1015 or"
                " 2026-11-23T10:15:00+00:00"
            ) from None
        if moment.time() == datetime.min.time() and moment.tzinfo is None:
            moment = moment.date()
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if moment.tzinfo is None:
        raise QueryRefused(
            f"{moment} has no time zone: write it with an offset, like {moment.isoformat()}+00:00"
        )
    return moment.astimezone(UTC)


def _between(column: str, since: Moment | None, until: Moment | None) -> str | BooleanExpression:
    """pyiceberg's filter for the windows, or local dates, from `since` and before `until`."""

    def text(moment: Moment) -> str:
        return at(moment).isoformat() if column == "window_start" else at(moment).date().isoformat()

    limits = [
        f"{column} {sign} '{text(moment)}'"
        for sign, moment in ((">=", since), ("<", until))
        if moment is not None
    ]
    return " and ".join(limits) or AlwaysTrue()
