"""The views: what people ask for most, as a SELECT over the tables in `sql/<name>.sql`. Nothing is
stored; every reader has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from storeavail_platform.domain.tables.causes import WINDOW_CAUSES
from storeavail_platform.domain.tables.daily import STORE_OUTAGES
from storeavail_platform.domain.tables.declarations import (
    EXPECTED_SCHEDULES,
    STORE_AVAILABILITY,
    STORE_HOURS,
)
from storeavail_platform.domain.tables.table import Column, Table, read_sql

NEWEST = "$newest_availability"
"""What a view's SQL calls the facts of each country's newest complete window."""
NEWEST_SQL = (
    f"(SELECT f.* FROM {STORE_AVAILABILITY.name} f JOIN (SELECT country, MAX(window_start) AS"
    f" window_start FROM {WINDOW_CAUSES.name} GROUP BY country) w ON w.country = f.country AND"
    " w.window_start = f.window_start)"
)
"""The same where there are no markers: causes are the last that a window commits."""
RECENT = "$recent_"
"""What a view's SQL puts before the name of a table of which it reads the last days alone."""


@dataclass(frozen=True)
class View:
    """A view.

    Attributes:
        tables: names of those that it reads.
        columns: all of them.
        recent: those of which it reads the last `days` days of windows alone.
    """

    name: str
    description: str
    tables: tuple[str, ...]
    columns: tuple[Column, ...]
    recent: tuple[str, ...] = ()
    days: int = 0

    @property
    def all_columns(self) -> tuple[Column, ...]:
        return self.columns

    @property
    def reads_newest(self) -> bool:
        """Whether it is of each country's newest window."""
        return NEWEST in read_sql(self.name)

    def sql(self, newest: str = NEWEST_SQL, recent: Mapping[str, str] | None = None) -> str:
        """Its SELECT.

        Args:
            newest: what stands for the facts of the newest windows.
            recent: what stands for the last days of tables, by their names.
        """
        text = read_sql(self.name).replace(NEWEST, newest)
        for table in self.recent:
            stands = self._recent_sql(table) if recent is None else recent[table]
            text = text.replace(f"{RECENT}{table}", stands)
        return text

    def _recent_sql(self, table: str) -> str:
        newest = f"(SELECT MAX(window_start) FROM {table})"
        return (
            f"(SELECT * FROM {table} WHERE window_start >= {newest} - INTERVAL '{self.days}' DAY)"
        )


def _of(table: Table, *names: str) -> tuple[Column, ...]:
    columns = {column.name: column for column in table.all_columns}
    return tuple(columns[name] for name in names)


OUTAGES = View(
    name="outages",
    description="One row an outage over all local dates.",
    tables=(STORE_OUTAGES.name,),
    columns=(
        *_of(STORE_OUTAGES, "country", "store_id", "name", "city", "brand"),
        Column("started_at", "timestamptz", "Start of its first missing window, UTC."),
        Column(
            "ended_at",
            "timestamptz",
            "Start of the first window in which it was over, UTC; NULL: going on.",
        ),
        Column("is_ongoing", "boolean", "Whether it goes on."),
        Column("first_date", "date", "The first local date that it has a missing window on."),
        Column("last_date", "date", "The last one."),
        Column("missed_minutes", "bigint", "Missing minutes of all its dates."),
        *_of(STORE_OUTAGES, "cause"),
    ),
)
NOW = "of the newest complete window of its country"
STORES_NOW = View(
    name="stores_now",
    description=f"Every store as it is now: the facts {NOW}.",
    tables=(STORE_AVAILABILITY.name, WINDOW_CAUSES.name),
    columns=(
        *_of(
            STORE_AVAILABILITY,
            "country",
            "window_start",
            "store_id",
            "name",
            "city",
            "brand",
            "status",
            "reason",
        ),
        Column("is_open_now", "boolean", "Whether it should be open; NULL if not known."),
        *_of(STORE_AVAILABILITY, "is_online", "observed_at", "local_date"),
        Column("local_time", "text", "The store's wall clock when the window starts, like 09:45."),
    ),
)
AVAILABILITY_NOW = View(
    name="availability_now",
    description=f"Stores by city and brand as they are now: {NOW}.",
    tables=STORES_NOW.tables,
    columns=(
        *_of(STORE_AVAILABILITY, "country", "window_start", "city", "brand"),
        Column("local_time", "text", "The latest wall clock of its stores, like 09:45."),
        Column("stores_open_now", "bigint", "Stores that should be open."),
        Column("stores_available", "bigint", "Stores available."),
        Column("stores_missing", "bigint", "Stores missing."),
        Column("stores_rogue", "bigint", "Stores online without being expected."),
        Column("stores_unknown", "bigint", "Stores nothing is known of."),
        Column("stores_closed", "bigint", "Stores closed as they should be."),
        Column("availability", "double", "available / (expected - unknown) minutes, 0..1."),
        Column("coverage", "double", "1 - unknown / expected minutes, 0..1."),
    ),
)
MINUTE_OF_DATE = "minutes after the date's midnight, beyond 1440 on the next day; NULL: closed."
HOURS_CHANGED = View(
    name="hours_changed",
    description=(
        "Stores whose opening hours on a date are others than on the same weekday a week before, of"
        " the last days: special hours, else the weekly ones, as they were read last on the date. A"
        " date counts when 90 of its windows were read."
    ),
    tables=(STORE_HOURS.name, EXPECTED_SCHEDULES.name),
    columns=(
        *_of(EXPECTED_SCHEDULES, "country", "store_id"),
        Column("business_date", "date", "The date."),
        Column(
            "change",
            "text",
            "`closed`, `open`, `opens later`, `opens earlier`, `closes later`, `closes earlier`,"
            " `other breaks`: the first that applies.",
        ),
        Column("kind", "text", "What rules the date: `special` or `weekly`; NULL: no hours."),
        Column("opens_minute", "int", f"When it first opens, {MINUTE_OF_DATE}"),
        Column("closes_minute", "int", f"When it last closes, {MINUTE_OF_DATE}"),
        Column("open_minutes", "bigint", "Minutes of its intervals; 0: closed."),
        Column("kind_before", "text", "The same of a week before."),
        Column("opens_minute_before", "int", "The same of a week before."),
        Column("closes_minute_before", "int", "The same of a week before."),
        Column("open_minutes_before", "bigint", "The same of a week before."),
    ),
    recent=(STORE_HOURS.name, EXPECTED_SCHEDULES.name),
    days=16,
)
VIEWS: tuple[View, ...] = (OUTAGES, STORES_NOW, AVAILABILITY_NOW, HOURS_CHANGED)
