"""The declaration of the tables of local dates.

Rows are computed by `sql/<name>.sql` from what `pipeline/local_dates.py` gives.
"""

from __future__ import annotations

from storeavail_platform.domain.tables.causes import INCIDENTS, USUAL_RATES
from storeavail_platform.domain.tables.declarations import AVAILABILITY, COVERAGE
from storeavail_platform.domain.tables.table import Check, Column, Table

NAMED = "of the last window of the date that has name, city or brand"
STORE = (
    Column("store_id", "text", "The store.", nullable=False),
    Column("name", "text", f"Name, {NAMED}."),
    Column("city", "text", f"City, {NAMED}."),
    Column("brand", "text", f"Brand, {NAMED}."),
)

STORE_OUTAGES = Table(
    name="store_outages",
    description=(
        "The outages that have a missing window on the local date, one row each: a run of missing"
        " windows, with closed and unknown ones skipped. A suspect window ends none."
    ),
    columns=(
        *STORE,
        Column(
            "started_at",
            "timestamptz",
            "Start of its first missing window, looking back over 7 dates, UTC.",
            nullable=False,
        ),
        Column(
            "ended_at",
            "timestamptz",
            "Start of the first window that is not suspect in which the store was online, inactive"
            " or gone, UTC; NULL: going on, or not over 7 dates later.",
        ),
        Column("missed_minutes", "int", "Missing minutes on this date.", nullable=False),
        Column(
            "missed_minutes_total",
            "int",
            "Missing minutes from started_at to the end of this date.",
            nullable=False,
        ),
        Column(
            "is_started_before",
            "boolean",
            "Whether it is older than the 7 dates looked back over: started_at is not its start.",
            nullable=False,
        ),
        Column(
            "cause",
            "text",
            "The `incident_id` of the incident that it is part of: one of the store's country, city"
            " or brand that was going on when it began, or was named up to an hour later; NULL:"
            " the store's own.",
        ),
    ),
    key=("store_id", "started_at"),
    inputs=(
        "recent_availability",
        "earlier_availability",
        "recent_windows",
        "outage_bounds",
        "date_names",
        "roll_up",
        "suspect_windows",
        "incidents",
        "earlier_incidents",
    ),
    checks=(
        Check(
            "complete",
            "The date's missing minutes are those of its outages.",
            """SELECT o.minutes = f.minutes AS passed, o.minutes AS missed_minutes,
              f.minutes AS missing_minutes
            FROM (SELECT COALESCE(CAST(SUM(missed_minutes) AS BIGINT), 0) AS minutes
              FROM store_outages) o
            CROSS JOIN (SELECT COALESCE(CAST(SUM(missing_minutes) AS BIGINT), 0) AS minutes
              FROM date_stores) f""",
        ),
    ),
    is_daily=True,
)

DAILY_STORE_AVAILABILITY = Table(
    name="daily_store_availability",
    description="A store's local date: the minutes of its windows added up, shares divided last.",
    columns=(
        *STORE,
        Column(
            "expected_minutes", "int", "Minutes in which it should have been open.", nullable=False
        ),
        Column("available_minutes", "int", "Of these, minutes it was available.", nullable=False),
        Column("missing_minutes", "int", "Of these, minutes it was missing.", nullable=False),
        Column(
            "rogue_minutes", "int", "Minutes it was online without being expected.", nullable=False
        ),
        Column(
            "unknown_minutes",
            "int",
            "Of the expected minutes, those nothing is known of.",
            nullable=False,
        ),
        AVAILABILITY,
        COVERAGE,
        Column(
            "longest_outage_minutes",
            "int",
            "Missing minutes on this date of its longest outage; 0 without one.",
            nullable=False,
        ),
        Column(
            "first_online_at",
            "timestamptz",
            "First observation of the date in which the index said online, UTC.",
        ),
        Column("last_online_at", "timestamptz", "The last one, UTC."),
        Column(
            "window_count",
            "int",
            "Windows of the date in which the store has a row.",
            nullable=False,
        ),
        Column(
            "is_provisional",
            "boolean",
            "Whether the date is not over yet in some zone of the country.",
            nullable=False,
        ),
    ),
    key=("store_id",),
    inputs=("day_availability", "date_names", "store_outages", "roll_up"),
    checks=(
        Check(
            "complete",
            "Every store with a window on the date has a row, and the rows add up to the facts'"
            " minutes.",
            """SELECT a.stores = f.stores AND a.minutes = f.minutes AS passed, a.stores AS stores,
              f.stores AS stores_of_facts
            FROM (SELECT COUNT(*) AS stores,
              COALESCE(CAST(SUM(expected_minutes) AS BIGINT), 0) AS minutes
              FROM daily_store_availability) a
            CROSS JOIN (SELECT COUNT(*) AS stores,
              COALESCE(CAST(SUM(expected_minutes) AS BIGINT), 0) AS minutes
              FROM date_stores) f""",
        ),
    ),
    is_daily=True,
)

ROLLED_UP: tuple[Table, ...] = (INCIDENTS, STORE_OUTAGES, DAILY_STORE_AVAILABILITY)
"""What is rolled up from windows again and again; inputs before what reads them."""
DAILY_TABLES: tuple[Table, ...] = (USUAL_RATES, *ROLLED_UP)
