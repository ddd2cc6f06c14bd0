"""The views: what people ask for most, as a SELECT over the tables in `sql/<name>.sql`. Nothing is
stored; every reader has them.
"""

from __future__ import annotations

from dataclasses import dataclass

from storeavail_platform.domain.tables.causes import WINDOW_CAUSES
from storeavail_platform.domain.tables.daily import STORE_OUTAGES
from storeavail_platform.domain.tables.declarations import STORE_AVAILABILITY
from storeavail_platform.domain.tables.table import Column, Table, read_sql

NEWEST = "$newest_availability"
"""What a view's SQL calls the facts of each country's newest complete window."""
NEWEST_SQL = (
    f"(SELECT f.* FROM {STORE_AVAILABILITY.name} f JOIN (SELECT country, MAX(window_start) AS"
    f" window_start FROM {WINDOW_CAUSES.name} GROUP BY country) w ON w.country = f.country AND"
    " w.window_start = f.window_start)"
)
"""The same where there are no markers: causes are the last that a window commits."""


@dataclass(frozen=True)
class View:
    """A view.

    Attributes:
        tables: names of those that it reads.
        columns: all of them.
    """

    name: str
    description: str
    tables: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def all_columns(self) -> tuple[Column, ...]:
        return self.columns

    @property
    def reads_newest(self) -> bool:
        """Whether it is of each country's newest window."""
        return NEWEST in read_sql(self.name)

    def sql(self, newest: str = NEWEST_SQL) -> str:
        """Its SELECT.

        Args:
            newest: what stands for the facts of the newest windows.
        """
        return read_sql(self.name).replace(NEWEST, newest)


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
VIEWS: tuple[View, ...] = (OUTAGES, STORES_NOW, AVAILABILITY_NOW)
