"""The declaration of every window table.

Its rows are computed by `sql/<name>.sql`; adding a table starts here.
"""

from __future__ import annotations

from storeavail_platform.domain.tables.causes import WINDOW_CAUSES
from storeavail_platform.domain.tables.table import Check, Column, Table

STORE_ID = Column("store_id", "text", "The store's id; NULL where what was read is not a store id.")
SOURCE_ID = Column(
    "source_id", "text", "The id as it was read, where that is not the store's id as it stands."
)
PROBLEM = Column(
    "problem", "text", "What is wrong with the row, the first that applies; NULL where it is good."
)
AVAILABILITY = Column(
    "availability",
    "double",
    "available / (expected - unknown) minutes, 0..1; NULL where that is nothing.",
)
COVERAGE = Column(
    "coverage", "double", "1 - unknown / expected minutes, 0..1; NULL where nothing was expected."
)
LOCAL_DATE = Column(
    "local_date",
    "date",
    "Date on the store's wall clock; the country's where the store has no usable zone.",
    nullable=False,
)
LOCAL_MINUTE = Column(
    "local_minute",
    "int",
    "Minute of the local date at which the window starts, 0..1425.",
    nullable=False,
)
NAME = Column("name", "text", "Name; NULL where copies of the store disagree.")
CITY = Column("city", "text", "City; NULL where copies of the store disagree.")
BRAND = Column("brand", "text", "Brand; NULL where copies of the store disagree.")


def problem_share(table: str, what: str) -> Check:
    """A check that passes while no row of a table has a problem."""
    return Check(
        "quality",
        f"No {what} has a problem. Rows with one are kept, and their stores are unknown.",
        "SELECT COUNT(problem) = 0 AS passed, COUNT(problem) AS with_problem, COUNT(*) AS"
        f" row_count FROM {table}",
    )


STORES = Table(
    name="stores",
    description=(
        "The stores that PostgreSQL holds, one row each as read, with what is wrong with it."
    ),
    columns=(
        STORE_ID,
        SOURCE_ID,
        Column("name", "text", "Name, as read."),
        Column("address", "text", "Address, as read; NULL where the schema has none."),
        Column("city", "text", "City, as read."),
        Column("brand", "text", "Brand, as read."),
        Column(
            "timezone", "text", "IANA time zone, blanks trimmed; NULL stands for the country's."
        ),
        Column(
            "is_active",
            "boolean",
            "Whether the store takes part at all; NULL in PostgreSQL counts as true.",
            nullable=False,
        ),
        Column(
            "has_weekly_hours",
            "boolean",
            "Whether it has any weekly opening hours.",
            nullable=False,
        ),
        Column("source", "text", "What was read where a value is not what its column holds."),
        PROBLEM,
    ),
    key=("store_id",),
    inputs=("raw_stores", "local_windows"),
    checks=(problem_share("stores", "store"),),
    kinds=("postgres",),
)

STORE_HOURS = Table(
    name="store_hours",
    description=(
        "The opening hours that can matter in the window: special hours of today and yesterday,"
        " weekly hours of these days that touch the window, and every invalid row."
    ),
    columns=(
        STORE_ID,
        Column(
            "business_date",
            "date",
            "The date the hours belong to; NULL for an invalid row of neither today nor yesterday.",
        ),
        Column(
            "kind",
            "text",
            "`weekly` or `special`; any other kind counts as weekly without a weekday.",
            nullable=False,
        ),
        Column("opens_minute", "int", "Minutes after midnight at which it opens, rounded up."),
        Column(
            "closes_minute",
            "int",
            "Minutes after midnight at which it closes; at or before opens_minute means the next"
            " day.",
        ),
        Column(
            "is_closed", "boolean", "Whether a special row says closed all day.", nullable=False
        ),
        Column("source", "text", "What was read of a row with a problem."),
        PROBLEM,
    ),
    key=("store_id", "business_date", "kind", "opens_minute", "closes_minute"),
    inputs=("raw_store_hours",),
    checks=(problem_share("store_hours", "row of hours"),),
    kinds=("postgres",),
)

ONLINE_INDEX = Table(
    name="online_index",
    description=(
        "The documents that the online index lists, one row each as read, with what is wrong"
        " with it."
    ),
    columns=(
        STORE_ID,
        SOURCE_ID,
        Column(
            "is_online",
            "boolean",
            "Whether customers are shown the store; NULL where the flag is not true or false.",
        ),
        Column("updated_at", "timestamptz", "When the indexer last wrote the document, UTC."),
        PROBLEM,
    ),
    key=("store_id",),
    inputs=("raw_online_index", "window_settings"),
    checks=(problem_share("online_index", "document"),),
    kinds=("elasticsearch",),
)

EXPECTED_SCHEDULES = Table(
    name="expected_schedules",
    description=(
        "When each store should be open in the window, minute by minute, on its own wall clock."
    ),
    columns=(
        Column("store_id", "text", "The store.", nullable=False),
        Column(
            "open_mask",
            "int",
            "Bit i is set where minute i of the window is open; NULL where store or hours are"
            " invalid.",
        ),
        Column("expected_minutes", "int", "Open minutes of the window, 0..15.", nullable=False),
        Column(
            "hours_kind",
            "text",
            "What rules the local date: `weekly`, `special` or `none`.",
            nullable=False,
        ),
        LOCAL_DATE,
        LOCAL_MINUTE,
    ),
    key=("store_id",),
    inputs=("stores", "store_hours", "local_windows", "window_settings"),
    checks=(
        Check(
            "complete",
            "One row for every store id that PostgreSQL holds, and the minutes are the bits of the"
            " mask.",
            """SELECT missing = 0 AND wrong_minutes = 0 AS passed, missing, wrong_minutes
            FROM (SELECT COUNT(*) AS missing
              FROM (SELECT DISTINCT store_id FROM stores WHERE store_id IS NOT NULL) s
              ANTI JOIN expected_schedules e ON e.store_id = s.store_id) m
            CROSS JOIN (SELECT COUNT(*) AS wrong_minutes FROM expected_schedules
              WHERE COALESCE(CAST(BIT_COUNT(open_mask) AS INT), 0) <> expected_minutes) w""",
        ),
    ),
)

STORE_AVAILABILITY = Table(
    name="store_availability",
    description=(
        "The fact: for every store, and every one that is online without being in PostgreSQL,"
        " whether it was available when it should have been."
    ),
    columns=(
        Column("store_id", "text", "The store.", nullable=False),
        Column(
            "status",
            "text",
            "`available`, `missing`, `rogue`, `unknown` or `closed`.",
            nullable=False,
        ),
        Column("reason", "text", "Why, where the status is not `available`."),
        Column(
            "expected_minutes",
            "int",
            "Minutes in which it should have been open, 0..15.",
            nullable=False,
        ),
        Column(
            "available_minutes",
            "int",
            "Of these, minutes it was available: all or none.",
            nullable=False,
        ),
        Column(
            "missing_minutes",
            "int",
            "Of these, minutes it was missing: all or none.",
            nullable=False,
        ),
        Column(
            "rogue_minutes",
            "int",
            "15 where it was online without being expected, else 0.",
            nullable=False,
        ),
        Column(
            "unknown_minutes",
            "int",
            "Of the expected minutes, those nothing is known of: all or none.",
            nullable=False,
        ),
        Column(
            "open_at_observation",
            "boolean",
            "Whether it should have been open in the minute of the observation; NULL if not known.",
        ),
        Column(
            "is_online",
            "boolean",
            "What the index said; NULL where it did not list the store or is not usable.",
        ),
        Column(
            "confirmation",
            "text",
            "What an API said of a missing store shortly after the index: `confirmed` (offline"
            " too), `contradicted` (online), `not_answered`; NULL where it was not asked.",
        ),
        Column("observed_at", "timestamptz", "When the index was read, UTC; NULL in a gap."),
        NAME,
        CITY,
        BRAND,
        LOCAL_DATE,
        LOCAL_MINUTE,
    ),
    key=("store_id",),
    inputs=(
        "stores",
        "online_index",
        "raw_confirmation",
        "expected_schedules",
        "observation",
        "local_windows",
    ),
    checks=(
        Check(
            "complete",
            "Every store with an expectation has a row, and its minutes go whole to available,"
            " missing or unknown.",
            """SELECT missing = 0 AND wrong_minutes = 0 AS passed, missing, wrong_minutes
            FROM (SELECT COUNT(*) AS missing FROM expected_schedules e
              ANTI JOIN store_availability a
                ON a.store_id = e.store_id AND a.expected_minutes = e.expected_minutes) m
            CROSS JOIN (SELECT COUNT(*) AS wrong_minutes FROM store_availability
              WHERE available_minutes + missing_minutes + unknown_minutes <> expected_minutes) w""",
        ),
    ),
)

AVAILABILITY_SUMMARY = Table(
    name="availability_summary",
    description=(
        "Stores and minutes by city and brand. Minutes are additive; shares are divided last, never"
        " averaged."
    ),
    columns=(
        Column("city", "text", "City; NULL is a group."),
        Column("brand", "text", "Brand; NULL is a group."),
        Column("stores_available", "bigint", "Stores available.", nullable=False),
        Column("stores_missing", "bigint", "Stores missing.", nullable=False),
        Column("stores_rogue", "bigint", "Stores online without being expected.", nullable=False),
        Column("stores_unknown", "bigint", "Stores nothing is known of.", nullable=False),
        Column("stores_closed", "bigint", "Stores closed as they should be.", nullable=False),
        Column("expected_minutes", "bigint", "Expected minutes.", nullable=False),
        Column("available_minutes", "bigint", "Available minutes.", nullable=False),
        Column("missing_minutes", "bigint", "Missing minutes.", nullable=False),
        Column("rogue_minutes", "bigint", "Rogue minutes.", nullable=False),
        Column("unknown_minutes", "bigint", "Unknown minutes.", nullable=False),
        AVAILABILITY,
        COVERAGE,
    ),
    key=("city", "brand"),
    inputs=("store_availability",),
    checks=(
        Check(
            "complete",
            "The groups add up to the fact table's stores and minutes.",
            """SELECT s.stores = f.stores AND s.minutes = f.minutes AS passed, s.stores AS stores,
              f.stores AS stores_of_fact
            FROM (SELECT
              COALESCE(CAST(SUM(stores_available + stores_missing + stores_rogue + stores_unknown
                + stores_closed) AS BIGINT), 0) AS stores,
              COALESCE(CAST(SUM(expected_minutes) AS BIGINT), 0) AS minutes
            FROM availability_summary) s
            CROSS JOIN (SELECT COUNT(*) AS stores,
              COALESCE(CAST(SUM(expected_minutes) AS BIGINT), 0) AS minutes
            FROM store_availability) f""",
        ),
    ),
)

WINDOW_QUALITY = Table(
    name="window_quality",
    description="One row: how far the window can be trusted.",
    columns=(
        Column("observed_at", "timestamptz", "When the index was read, UTC; NULL in a gap."),
        Column(
            "stores_read_at",
            "timestamptz",
            "When PostgreSQL was read, UTC; later than observed_at where it was down.",
        ),
        Column("listed", "bigint", "Documents that the index listed."),
        Column("online", "bigint", "Of these, those that are online."),
        Column(
            "newest_updated_at",
            "timestamptz",
            "Newest updated_at of the index, UTC: an indexer that stands still shows here.",
        ),
        Column("stores", "bigint", "Rows of stores.", nullable=False),
        Column("stores_with_problem", "bigint", "Of these, rows with a problem.", nullable=False),
        Column(
            "hours_with_problem", "bigint", "Rows of store_hours with a problem.", nullable=False
        ),
        Column(
            "documents_with_problem",
            "bigint",
            "Rows of online_index with a problem.",
            nullable=False,
        ),
        Column(
            "missing_share",
            "double",
            "Missing stores over missing and available ones, 0..1; NULL where there are none.",
        ),
        Column("usable_stores_share", "double", "Rows of stores without a problem, 0..1."),
        Column(
            "usable_hours_share",
            "double",
            "Active stores whose hours have no problem over those that have hours, 0..1; a row of"
            " hours that names no store counts like a store. 0 where no active store has hours;"
            " NULL where it need not (`without_hours: always_open`).",
        ),
        Column(
            "usable_documents_share",
            "double",
            "Documents with an id of their own and a usable flag, 0..1.",
        ),
        Column("active_stores", "bigint", "Active stores without a problem."),
        Column("weekly_hours_share", "double", "Of these, the share with weekly hours, 0..1."),
        Column("rogue_share", "double", "Rogue stores over all rows of store_availability, 0..1."),
        Column(
            "no_hours_share",
            "double",
            "Stores with the reason no_hours over all rows of store_availability, 0..1.",
        ),
        Column(
            "coverage_without_edge",
            "double",
            "Coverage with the edge of opening hours counted as known, 0..1; NULL where nothing"
            " was expected.",
        ),
        Column(
            "stores_asked",
            "bigint",
            "Missing stores that an API was asked about (`confirm`); NULL where there was none.",
        ),
        Column("stores_confirmed", "bigint", "Of these, those it said are offline too."),
        Column("stores_contradicted", "bigint", "Of these, those it said are online."),
        Column("confirmed_share", "double", "stores_confirmed over stores_asked, 0..1."),
        Column("contradicted_share", "double", "stores_contradicted over stores_asked, 0..1."),
        Column("not_answered_share", "double", "The rest of stores_asked over these, 0..1."),
        Column("suspect", "boolean", "Whether the reading as a whole looks wrong.", nullable=False),
        Column("suspect_reason", "text", "Why, reasons separated by semicolons."),
        Column(
            "baseline_window",
            "timestamptz",
            "Start of the last good window that it was compared with, UTC; NULL where there is"
            " none.",
        ),
    ),
    key=(),
    sort_by=("observed_at",),
    inputs=(
        "stores",
        "store_hours",
        "online_index",
        "store_availability",
        "observation",
        "window_settings",
        "baseline",
    ),
    checks=(
        Check(
            "quality",
            "The reading as a whole does not look wrong. A suspect window is kept and marked.",
            "SELECT NOT suspect AS passed, suspect_reason, listed, missing_share FROM"
            " window_quality",
        ),
    ),
)

TABLES: tuple[Table, ...] = (
    STORES,
    STORE_HOURS,
    ONLINE_INDEX,
    EXPECTED_SCHEDULES,
    STORE_AVAILABILITY,
    AVAILABILITY_SUMMARY,
    WINDOW_QUALITY,
    WINDOW_CAUSES,
)
