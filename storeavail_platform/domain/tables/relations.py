"""The relations that a table's SQL can read besides other tables: what was landed, and what the
platform gives.

Nothing is computed here; `pipeline/` fills them, `tables/sql` reads them.
"""

from __future__ import annotations

import pyarrow as pa

from storeavail_platform.domain.source import (
    RAW_CONFIRMATION,
    RAW_ONLINE_INDEX,
    RAW_STORE_HOURS,
    RAW_STORES,
)

TIMESTAMP = pa.timestamp("us", tz="UTC")

OBSERVATION = pa.schema(
    [
        pa.field("is_observed", pa.bool_()),  # false: a recorded gap
        pa.field("observed_at", TIMESTAMP),
        pa.field("observed_minute", pa.int32()),  # 0..14, NULL in a gap
        pa.field("observed_bit", pa.int32()),  # 2 ** observed_minute, NULL in a gap
        pa.field("listed", pa.int64()),  # documents read
        pa.field("online", pa.int64()),  # of these, with a true online flag
        pa.field(
            "stores_read_at", TIMESTAMP
        ),  # when PostgreSQL was read: later than observed_at where it was down
    ]
)
LOCAL_WINDOWS = pa.schema(
    [
        pa.field("timezone", pa.string()),  # IANA name; '' stands for the country's zone
        pa.field("business_date", pa.date32()),  # today and yesterday in that zone
        pa.field("weekday", pa.int32()),  # of business_date: ISO, 1 = Monday
        # minutes from midnight of business_date to the window's start: 0..1425 today, 1440..2865
        # yesterday
        pa.field("window_minute", pa.int32()),
    ]
)
WINDOW_SETTINGS = pa.schema(
    [
        pa.field("country", pa.string()),
        pa.field("window_start", TIMESTAMP),
        pa.field("always_open", pa.bool_()),  # without_hours: always_open
        pa.field(
            "listed_drop", pa.float64()
        ),  # suspect: share of listed documents lost against the baseline
        pa.field(
            "missing_rise", pa.float64()
        ),  # suspect: rise of the missing share against the baseline
        pa.field(
            "coverage_drop", pa.float64()
        ),  # suspect: fall of coverage_without_edge against the baseline
        pa.field(
            "stale_before", TIMESTAMP
        ),  # suspect: newest updated_at before this; NULL in a gap
        pa.field("latest_update", TIMESTAMP),  # a later updated_at is in the future; NULL in a gap
        # what several documents of a store are: problem | any_online | newest
        pa.field("several", pa.string()),
    ]
)
BASELINE = pa.schema(
    [
        pa.field(
            "window_start", TIMESTAMP
        ),  # the last good window before this one; no row where there is none
        # its figures of window_quality; NULL where a release before did not work them out
        pa.field("listed", pa.int64()),
        pa.field("missing_share", pa.float64()),
        pa.field("active_stores", pa.int64()),
        pa.field("weekly_hours_share", pa.float64()),
        pa.field("rogue_share", pa.float64()),
        pa.field("no_hours_share", pa.float64()),
        pa.field("coverage_without_edge", pa.float64()),
    ]
)

_STORES = (
    "stores_available",
    "stores_missing",
    "stores_rogue",
    "stores_unknown",
    "stores_closed",
)
_SCOPE = [
    pa.field("kind", pa.string()),
    pa.field("scope", pa.string()),
    pa.field("city", pa.string()),
    pa.field("brand", pa.string()),
]
WINDOW_RATES = pa.schema(
    [
        pa.field("window_start", TIMESTAMP),  # of the window, or of one right before it
        pa.field("local_date", pa.date32()),  # of `usual_rates`
        pa.field("kind", pa.string()),
        pa.field("city", pa.string()),
        pa.field("brand", pa.string()),
        pa.field("usual", pa.float64()),
        pa.field("margin", pa.float64()),
        pa.field("margin_country", pa.float64()),
        pa.field("margin_city", pa.float64()),
        pa.field("margin_brand", pa.float64()),
        pa.field("past_days", pa.int32()),
        pa.field("seen_days", pa.int32()),
    ]
)
"""`usual_rates` of the window's quarter hour of the day, and of the three before it."""
RECENT_SUMMARIES = pa.schema(
    [
        pa.field("window_start", TIMESTAMP),
        pa.field("city", pa.string()),
        pa.field("brand", pa.string()),
        *(pa.field(name, pa.int64()) for name in _STORES),
    ]
)
"""`availability_summary` of the up to three good windows right before the window."""
RECENT_CAUSES = pa.schema(
    [pa.field("window_start", TIMESTAMP), *_SCOPE, pa.field("since", TIMESTAMP)]
)
"""`window_causes` of the last two windows that are evidence, and of those after them."""

RELATIONS: dict[str, pa.Schema] = {
    "raw_stores": RAW_STORES,
    "raw_store_hours": RAW_STORE_HOURS,
    "raw_online_index": RAW_ONLINE_INDEX,
    "raw_confirmation": RAW_CONFIRMATION,
    "observation": OBSERVATION,
    "local_windows": LOCAL_WINDOWS,
    "window_settings": WINDOW_SETTINGS,
    "baseline": BASELINE,
    "window_rates": WINDOW_RATES,
    "recent_summaries": RECENT_SUMMARIES,
    "recent_causes": RECENT_CAUSES,
}
GIVEN_RELATIONS = frozenset({"window_rates", "recent_summaries", "recent_causes"})
"""Those that are read from the country's tables as they are, by pointer."""

ROLL_UP = pa.schema(
    [
        pa.field("local_date", pa.date32()),  # the date that is rolled up
        pa.field(
            "first_date", pa.date32()
        ),  # the first date that is looked back over for the start of an outage
        pa.field("before_date", pa.date32()),  # the date before: whether an outage is older
        pa.field(
            "looked_until", TIMESTAMP
        ),  # windows from here on are left out of the search for the end of an outage
        pa.field(
            "is_provisional", pa.bool_()
        ),  # the date is not over yet in some zone of the country
    ]
)
RECENT_AVAILABILITY = pa.schema(
    [
        pa.field("window_start", TIMESTAMP),
        pa.field("store_id", pa.string()),
        pa.field("status", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("missing_minutes", pa.int32()),
        pa.field("local_date", pa.date32()),
    ]
)
"""`store_availability` of at least the windows from where the date begins first on earth to
`looked_until`.
"""
EARLIER_AVAILABILITY = RECENT_AVAILABILITY
"""`store_availability` of at least the windows from `before_date` to there, of the stores whose
outages began before.
"""
RECENT_WINDOWS = pa.schema([pa.field("window_start", TIMESTAMP)])
"""The windows of `recent_availability`, and where an outage began before them the earlier ones."""
OUTAGE_BOUNDS = pa.schema(
    [
        pa.field("store_id", pa.string()),
        # the last window before the date's missing ones in which it was not down; NULL: none of
        # `recent_availability`
        pa.field("from_window", TIMESTAMP),
        pa.field("to_window", TIMESTAMP),  # the first one after them
    ]
)
"""The stores with a missing window on the date."""
DATE_STORES = pa.schema(
    [
        pa.field("store_id", pa.string()),
        *(
            pa.field(name, TIMESTAMP)
            for name in ("last_window", "named_at", "first_missing", "last_missing")
        ),
        *(pa.field(name, pa.int64()) for name in ("expected_minutes", "missing_minutes")),
    ]
)
"""`store_availability` of the date, one row a store: which of its windows matter, and sums that
checks hold tables against.
"""
DATE_NAMES = pa.schema(
    [
        pa.field("store_id", pa.string()),
        pa.field("name", pa.string()),
        pa.field("city", pa.string()),
        pa.field("brand", pa.string()),
    ]
)
"""`store_availability` of the date's stores: name, city and brand of the last window that has any
of them.
"""
DAY_AVAILABILITY = pa.schema(
    [
        pa.field("window_start", TIMESTAMP),
        pa.field("store_id", pa.string()),
        pa.field("status", pa.string()),
        pa.field("expected_minutes", pa.int32()),
        pa.field("available_minutes", pa.int32()),
        pa.field("missing_minutes", pa.int32()),
        pa.field("rogue_minutes", pa.int32()),
        pa.field("unknown_minutes", pa.int32()),
        pa.field("is_online", pa.bool_()),
        pa.field("observed_at", TIMESTAMP),
        pa.field("name", pa.string()),
        pa.field("city", pa.string()),
        pa.field("brand", pa.string()),
        pa.field("local_date", pa.date32()),
    ]
)
"""`store_availability` of at least the windows that touch the date."""

SUSPECT_WINDOWS = pa.schema([pa.field("window_start", TIMESTAMP)])
"""Windows that are no evidence: judged suspect and not trusted since, or distrusted by a person."""

COUNTRY_DATE = pa.schema(
    [
        pa.field("local_date", pa.date32()),
        pa.field("timezone", pa.string()),  # of the country
        pa.field("first_window", TIMESTAMP),  # of the date in the country's zone
        pa.field("until_window", TIMESTAMP),  # the first one of the next date
    ]
)
DATE_CAUSES = pa.schema(
    [
        pa.field("window_start", TIMESTAMP),
        *_SCOPE,
        pa.field("only_in", pa.string()),
        pa.field("known", pa.int64()),
        pa.field("raised", pa.int64()),
        pa.field("usual", pa.float64()),
        pa.field("share_explained", pa.float64()),
        pa.field("minutes", pa.int64()),
        pa.field("since", TIMESTAMP),
        pa.field("past_days", pa.int32()),
    ]
)
"""`window_causes` of the date's windows, and of those after it that tell the end of incidents."""
EARLIER_INCIDENTS = pa.schema(
    [
        pa.field("incident_id", pa.string()),
        *_SCOPE,
        pa.field("earliest_start", TIMESTAMP),
        pa.field("ended_at", TIMESTAMP),
    ]
)
"""`incidents` of the dates before the date that an outage may have begun on."""
PAST_SUMMARIES = RECENT_SUMMARIES
"""`availability_summary` of the dates before the date, windows that are no evidence left out."""
PAST_CAUSES = RECENT_CAUSES
"""`window_causes` of the same windows."""
CITY_ZONES = pa.schema([pa.field("city", pa.string()), pa.field("timezone", pa.string())])
"""The zone that most of a city's stores are in, where they say one."""

DAILY_RELATIONS: dict[str, pa.Schema] = {
    "roll_up": ROLL_UP,
    "recent_availability": RECENT_AVAILABILITY,
    "earlier_availability": EARLIER_AVAILABILITY,
    "recent_windows": RECENT_WINDOWS,
    "outage_bounds": OUTAGE_BOUNDS,
    "day_availability": DAY_AVAILABILITY,
    "date_stores": DATE_STORES,
    "date_names": DATE_NAMES,
    "suspect_windows": SUSPECT_WINDOWS,
    "country_date": COUNTRY_DATE,
    "date_causes": DATE_CAUSES,
    "earlier_incidents": EARLIER_INCIDENTS,
    "past_summaries": PAST_SUMMARIES,
    "past_causes": PAST_CAUSES,
    "city_zones": CITY_ZONES,
}
"""What the SQL of a daily table can read."""
DAILY_SOURCES: dict[str, str] = {
    "recent_availability": "store_availability",
    "earlier_availability": "store_availability",
    "recent_windows": "store_availability",
    "outage_bounds": "store_availability",
    "day_availability": "store_availability",
    "date_stores": "store_availability",
    "date_names": "store_availability",
    "suspect_windows": "store_availability",
    "date_causes": "window_causes",
    "earlier_incidents": "incidents",
    "past_summaries": "availability_summary",
    "past_causes": "window_causes",
    "city_zones": "stores",
}
"""The tables that these are the rows of."""
