"""The declarations of what is down and why: causes by window, usual rates and incidents by local
date. Their rows are made by functions of `domain/causes/`.
"""

from __future__ import annotations

from storeavail_platform.domain.causes.counted import COUNTED, MARGINS, MINUTES
from storeavail_platform.domain.causes.incidents import incidents
from storeavail_platform.domain.causes.judge import window_causes
from storeavail_platform.domain.causes.past import usual_rates
from storeavail_platform.domain.tables.table import Check, Column, Function, Table

KIND = Column(
    "kind", "text", "What is raised: `missing`, `rogue` or `unknown` stores.", nullable=False
)
SCOPE = (
    Column(
        "scope",
        "text",
        "Whom it is about: `country`, `city`, `brand`, `city_brand` (a brand in one city),"
        " `unexplained` (stores all over, by no cause that could be named).",
        nullable=False,
    ),
    Column("city", "text", "Its city; NULL where the scope has none."),
    Column("brand", "text", "Its brand; NULL where the scope has none."),
    Column(
        "only_in",
        "text",
        "The one city in which a brand has 90 % of its known stores, or the one brand that a city"
        " has them of.",
    ),
)
PAST_DAYS = Column(
    "past_days",
    "int",
    "Local dates that the usual rates rest on; 0: no history, under 7 they are weak.",
    nullable=False,
)

WINDOW_CAUSES = Table(
    name="window_causes",
    description=(
        "What is down in the window, and why: the smallest set of scopes whose raised rates explain"
        " what is beyond the usual, one row each, and one of `single_stores` for the rest, for each"
        " kind. A window that was not observed has none."
    ),
    columns=(
        KIND,
        *SCOPE,
        Column("known", "bigint", "Stores of the scope that it is known of.", nullable=False),
        Column("raised", "bigint", "Of these, missing, rogue or unknown ones.", nullable=False),
        Column("usual", "double", "Of these, how many in an ordinary window.", nullable=False),
        Column("excess", "double", "raised - usual.", nullable=False),
        Column(
            "share_explained",
            "double",
            "Of the country's excess of this kind, the scope's part, 0..1; NULL where it has none.",
        ),
        Column(
            "minutes",
            "bigint",
            "Missing, rogue or unknown minutes of the scope's stores.",
            nullable=False,
        ),
        Column(
            "since",
            "timestamptz",
            "Start of the first window of its incident, UTC; NULL for single stores.",
        ),
        PAST_DAYS,
        Column(
            "rates_date", "date", "The date of `usual_rates` it is judged by; NULL without history."
        ),
    ),
    key=("kind", "scope", "city", "brand"),
    inputs=(
        "availability_summary",
        "observation",
        "window_settings",
        "window_rates",
        "recent_summaries",
        "recent_causes",
    ),
    checks=(
        Check(
            "complete",
            "An observed window has one row of single stores for each kind.",
            """SELECT c.kinds = CASE WHEN o.is_observed THEN 3 ELSE 0 END AS passed, c.kinds
            FROM (SELECT COUNT(*) AS kinds FROM window_causes WHERE scope = 'single_stores') c
            CROSS JOIN observation o""",
        ),
    ),
    function=Function(
        window_causes,
        {
            "availability_summary": ("city", "brand", *COUNTED, *MINUTES),
            "observation": ("is_observed",),
            "window_settings": ("window_start",),
            "window_rates": (
                "window_start",
                "local_date",
                "kind",
                "city",
                "brand",
                "usual",
                *MARGINS.values(),
                "past_days",
            ),
            "recent_summaries": ("window_start", "city", "brand", *COUNTED),
            "recent_causes": ("window_start", "kind", "scope", "city", "brand", "since"),
        },
    ),
)

USUAL_RATES = Table(
    name="usual_rates",
    description=(
        "How many stores of a brand in a city are missing, rogue or unknown in an ordinary window,"
        " by quarter hour of the date, from the 28 dates before it. Made before the date's first"
        " window, and again only where more of the past has been computed since."
    ),
    columns=(
        KIND,
        Column(
            "local_slot",
            "int",
            "Quarter hour of the date on the country's clock, 0..95.",
            nullable=False,
        ),
        Column("city", "text", "City; NULL is a group."),
        Column("brand", "text", "Brand; NULL is a group."),
        Column("usual", "double", "Of the known stores, the share raised, 0..1.", nullable=False),
        Column(
            "margin",
            "double",
            "How much higher it may be on an ordinary day, on the logit.",
            nullable=False,
        ),
        Column("margin_country", "double", "The same for the whole country.", nullable=False),
        Column("margin_city", "double", "The same for a whole city.", nullable=False),
        Column("margin_brand", "double", "The same for a whole brand.", nullable=False),
        PAST_DAYS,
        Column(
            "seen_days",
            "int",
            "Local dates that had complete windows when it was made: where there are more, it is"
            " made again.",
            nullable=False,
        ),
    ),
    key=("kind", "local_slot", "city", "brand"),
    sort_by=("local_slot", "kind", "city", "brand"),
    inputs=("past_summaries", "past_causes", "city_zones", "country_date"),
    is_daily=True,
    function=Function(
        usual_rates,
        {
            "past_summaries": ("window_start", "city", "brand", *COUNTED),
            "past_causes": ("window_start", "kind", "scope", "city", "brand", "since"),
            "city_zones": ("city", "timezone"),
            "country_date": ("local_date", "timezone"),
        },
    ),
)

INCIDENTS = Table(
    name="incidents",
    description=(
        "Causes over time, one row each on every date (of the country's zone) that has a window of"
        " them: from the first window that names the scope to the first of two that do not. What"
        " goes on is told by the newest date's row."
    ),
    columns=(
        Column(
            "incident_id",
            "text",
            "Of what it is and when it began: the same on every date and after reruns.",
            nullable=False,
        ),
        KIND,
        *SCOPE,
        Column("started_at", "timestamptz", "Start of its first window, UTC.", nullable=False),
        Column(
            "earliest_start",
            "timestamptz",
            "The first window in which its stores can have gone off, UTC: three before started_at,"
            " because small faults are named when evidence has added up.",
            nullable=False,
        ),
        Column(
            "ended_at", "timestamptz", "Start of the first window without it, UTC; NULL: going on."
        ),
        Column("is_ongoing", "boolean", "Whether it goes on.", nullable=False),
        Column("last_window", "timestamptz", "Its last window on this date, UTC.", nullable=False),
        Column("stores", "bigint", "Most stores raised in a window of this date.", nullable=False),
        Column("known", "bigint", "Stores known in that window.", nullable=False),
        Column(
            "peak_share",
            "double",
            "Highest share of the known stores raised in a window of this date, 0..1.",
            nullable=False,
        ),
        Column("stores_now", "bigint", "Stores raised in `last_window`.", nullable=False),
        Column("known_now", "bigint", "Stores known in `last_window`.", nullable=False),
        Column(
            "missed_minutes",
            "bigint",
            "Missing, rogue or unknown minutes of its stores in its windows of this date.",
            nullable=False,
        ),
        Column("usual", "double", "Stores usually raised, in `last_window`.", nullable=False),
        Column(
            "share_explained",
            "double",
            "Its part of the country's excess, in `last_window`, 0..1.",
        ),
        PAST_DAYS,
    ),
    key=("incident_id",),
    inputs=("date_causes", "country_date", "suspect_windows"),
    is_daily=True,
    function=Function(
        incidents,
        {
            "date_causes": (
                "window_start",
                "kind",
                "scope",
                "city",
                "brand",
                "only_in",
                "known",
                "raised",
                "usual",
                "share_explained",
                "minutes",
                "since",
                "past_days",
            ),
            "country_date": ("first_window", "until_window"),
            "suspect_windows": ("window_start",),
        },
    ),
)
