"""What the platform itself asks of tables and relations: a SELECT in `sql/<name>.sql` each.

They are no tables, and pass the same checks: portable, and reading what is declared here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from storeavail_platform.domain.tables.causes import INCIDENTS, WINDOW_CAUSES
from storeavail_platform.domain.tables.daily import STORE_OUTAGES
from storeavail_platform.domain.tables.declarations import (
    AVAILABILITY_SUMMARY,
    STORES,
    WINDOW_QUALITY,
)
from storeavail_platform.domain.tables.relations import (
    DATE_NAMES,
    DATE_STORES,
    DAY_AVAILABILITY,
    OUTAGE_BOUNDS,
    RECENT_AVAILABILITY,
    RECENT_WINDOWS,
    SUSPECT_WINDOWS,
    TIMESTAMP,
)
from storeavail_platform.domain.tables.table import Table, read_sql

CHANGED_WINDOW = pa.schema([pa.field("window_start", TIMESTAMP)])
"""One row: the window that is asked about."""
ROLLED_DATE = pa.schema([pa.field("local_date", pa.date32())])
"""One row: the date that is rolled up."""

NAMED_ROWS = pa.schema([pa.field("window_start", TIMESTAMP), *DATE_NAMES])
"""Facts of the files that hold the windows that name stores."""
EARLIER_ROWS = RECENT_AVAILABILITY
"""Facts of the files before those of `recent_availability`; none where nothing began before."""


def _columns(table: Table, *names: str) -> pa.Schema:
    schema = table.stored_schema()
    return pa.schema([schema.field(name) for name in names])


WINDOW_ROWS = pa.schema([field for field in RECENT_AVAILABILITY if field.name != "missing_minutes"])
"""Facts of the files that hold a window's."""
OUTAGE_ROWS = _columns(STORE_OUTAGES, "local_date", "store_id", "started_at", "ended_at")
QUALITY_ROWS = _columns(WINDOW_QUALITY, "window_start", "observed_at", "suspect")
WINDOW_STORES = _columns(STORES, "window_start", "city", "timezone")
INCIDENT_ROWS = _columns(
    INCIDENTS, "local_date", "kind", "scope", "city", "brand", "started_at", "ended_at"
)
CAUSE_ROWS = _columns(WINDOW_CAUSES, "window_start", "kind", "scope", "city", "brand", "since")


@dataclass(frozen=True)
class Query:
    """A SELECT, and the relations that it reads, by name with their columns."""

    name: str
    inputs: Mapping[str, pa.Schema]

    @cached_property
    def sql(self) -> str:
        return read_sql(self.name)


WINDOW_FIGURES = Query(
    "window_figures",
    {table.name: table.computed_schema() for table in (AVAILABILITY_SUMMARY, WINDOW_QUALITY)},
)
WINDOW_DATES = Query("window_dates", {"window_rows": WINDOW_ROWS, "changed_window": CHANGED_WINDOW})
CHANGED_OUTAGES = Query(
    "changed_outages",
    {
        "outage_rows": OUTAGE_ROWS,
        "changed_window": CHANGED_WINDOW,
        "window_rows": WINDOW_ROWS,
        "suspect_windows": SUSPECT_WINDOWS,
    },
)
DATE_STORES_OF = Query(
    "date_stores", {"day_availability": DAY_AVAILABILITY, "rolled_date": ROLLED_DATE}
)
NAMED_WINDOWS = Query("named_windows", {"date_stores": DATE_STORES})
DATE_NAMES_OF = Query("date_names", {"date_stores": DATE_STORES, "named_rows": NAMED_ROWS})
OUTAGE_BOUNDS_OF = Query(
    "outage_bounds",
    {
        "date_stores": DATE_STORES,
        "recent_availability": RECENT_AVAILABILITY,
        "suspect_windows": SUSPECT_WINDOWS,
    },
)
LONG_OUTAGES = Query("long_outages", {"outage_bounds": OUTAGE_BOUNDS})
EARLIER_AVAILABILITY_OF = Query(
    "earlier_availability", {"outage_bounds": OUTAGE_BOUNDS, "earlier_rows": EARLIER_ROWS}
)
RECENT_WINDOWS_OF = Query(
    "recent_windows", {"recent_availability": RECENT_AVAILABILITY, "earlier_rows": EARLIER_ROWS}
)
DATE_BOUNDS = Query("date_bounds", {"date_stores": DATE_STORES, "recent_windows": RECENT_WINDOWS})
DATE_ZONES = Query("date_zones", {"window_stores": WINDOW_STORES, "changed_window": CHANGED_WINDOW})
WINDOWS_JUDGED_SUSPECT = Query("windows_judged_suspect", {"quality_rows": QUALITY_ROWS})
OBSERVED_WINDOWS = Query("observed_windows", {"quality_rows": QUALITY_ROWS})
CITY_ZONES_OF = Query(
    "city_zones", {"window_stores": WINDOW_STORES, "changed_window": CHANGED_WINDOW}
)
CHANGED_INCIDENTS = Query(
    "changed_incidents",
    {"incident_rows": INCIDENT_ROWS, "changed_window": CHANGED_WINDOW, "cause_rows": CAUSE_ROWS},
)
QUERIES = (
    WINDOW_FIGURES,
    WINDOW_DATES,
    CHANGED_OUTAGES,
    DATE_STORES_OF,
    NAMED_WINDOWS,
    DATE_NAMES_OF,
    OUTAGE_BOUNDS_OF,
    LONG_OUTAGES,
    EARLIER_AVAILABILITY_OF,
    RECENT_WINDOWS_OF,
    DATE_BOUNDS,
    DATE_ZONES,
    WINDOWS_JUDGED_SUSPECT,
    OBSERVED_WINDOWS,
    CITY_ZONES_OF,
    CHANGED_INCIDENTS,
)
