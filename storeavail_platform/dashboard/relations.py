"""What a page asks of a country's tables: relations, each made of the files of one table. The
figures are made of these in `figures.py` and `stores.py`.

`made` is a SELECT over `files`, the rows of some files with the columns of SHOWN_COLUMNS. What is
made of some files and what is made of others, side by side, are as good as what is made of all:
whoever reads a relation adds up. `together` is a SELECT over such rows, `all_rows`, that makes as
few of them as can be. Both give the column `day`, the partition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from storeavail_platform.domain.windows import Window

RECENT = timedelta(hours=48)
"""How far back single stores are shown by quarter hour: 24 hours and the 24 before."""
SHOWN_DAYS = 30
"""How far back windows are looked at."""
WEEK = timedelta(days=7)
DAYS = 2 * SHOWN_DAYS
"""Local dates that are read: 30 days and the 30 before."""
MINUTES = ("expected", "available", "missing", "rogue", "unknown")
STATES = ("available", "missing", "rogue", "unknown", "closed")
WINDOW_SUMS = (*(f"{name}_minutes" for name in MINUTES), *(f"stores_{name}" for name in STATES))

SHOWN_COLUMNS: Mapping[str, Sequence[str]] = {
    "store_availability": (
        "country",
        "window_start",
        "store_id",
        "status",
        "reason",
        "expected_minutes",
        "name",
        "city",
        "brand",
    ),
    "availability_summary": ("country", "window_start", "city", "brand", *WINDOW_SUMS),
    "window_quality": ("country", "window_start", "observed_at", "suspect", "suspect_reason"),
    "daily_store_availability": (
        "country",
        "local_date",
        "store_id",
        "name",
        "city",
        "brand",
        *(f"{name}_minutes" for name in MINUTES),
    ),
    "store_outages": (
        "country",
        "local_date",
        "store_id",
        "started_at",
        "ended_at",
        "missed_minutes_total",
        "is_started_before",
    ),
    "store_hours": (
        "country",
        "window_start",
        "store_id",
        "business_date",
        "kind",
        "opens_minute",
        "closes_minute",
        "problem",
    ),
    "stores": ("country", "window_start", "store_id", "address", "timezone"),
}
"""The tables that a page is made of, and the columns that it reads: it sees no others."""


LOOKED_BACK: Mapping[str, timedelta] = {
    "store_availability": RECENT,
    "availability_summary": timedelta(days=SHOWN_DAYS),
    "window_quality": timedelta(days=SHOWN_DAYS),
    "daily_store_availability": timedelta(days=DAYS + 1),
    "store_outages": timedelta(days=DAYS + 1),
    "store_hours": WEEK + timedelta(days=1),
    "stores": timedelta(0),
}
"""How far back a table is read, and from there to the beginning of the day."""


@dataclass(frozen=True)
class Relation:
    """Rows that a page makes of a table's files.

    Attributes:
        name: what a page's SQL calls it.
        is_of: whether it has rows of a day that is looked back to; of all by default.
        together: None: there are no fewer.
    """

    name: str
    table: str
    made: str
    together: str | None = None
    is_of: Callable[[date, Window], bool] = lambda day, window: True


def first_day(table: str, window: Window) -> date:
    """The day from which on a page of a window reads a table."""
    return (window.start - LOOKED_BACK[table]).date()


def _is_by_window(day: date, window: Window) -> bool:
    """Whether windows of a day count singly: the recent ones, those of the week before, and the
    first of SHOWN_DAYS, which is not shown whole.
    """
    recent = first_day("store_availability", window)
    is_week_before = recent <= day + WEEK <= window.start.date()
    return day >= recent or is_week_before or day == first_day("availability_summary", window)


def _is_by_hour(day: date, window: Window) -> bool:
    return not _is_by_window(day, window)


def _has_hours(day: date, window: Window) -> bool:
    """Whether windows of a day may have hours of today and yesterday, wherever that is, or of the
    weekdays of today and tomorrow a week before.
    """
    today = window.start.date()
    return day >= today - timedelta(days=2) or day <= today - timedelta(days=5)


def _things(by: str, sums: Mapping[str, str], source: str) -> str:
    """Sums by something of the country, of each city and of each brand."""
    summed = ", ".join(f"CAST(SUM({sql}) AS BIGINT) AS {name}" for name, sql in sums.items())
    return f"""SELECT day, {by},
      CASE WHEN GROUPING(city) = 0 THEN 'city' WHEN GROUPING(brand) = 0 THEN 'brand'
        ELSE 'all' END AS kind,
      COALESCE(city, brand) AS name, {summed}
    FROM (SELECT CAST(window_start AS DATE) AS day,
        * REPLACE (NULLIF(TRIM(city), '') AS city, NULLIF(TRIM(brand), '') AS brand)
      FROM {source})
    GROUP BY GROUPING SETS ((day, {by}), (day, {by}, city), (day, {by}, brand))"""


_RUNS = Relation(
    "recent_runs",
    "store_availability",
    # windows that follow each other are as far apart as their places in a sorted list: that takes a
    # third of what windowing over millions of rows does
    """SELECT day, store_id, status, reason, expected_minutes,
      TO_TIMESTAMP(900 * MIN(number)) AS started_at, CAST(COUNT(*) AS INT) AS windows
    FROM (
      SELECT *, UNNEST(numbers) AS number, UNNEST(RANGE(LEN(numbers))) AS place
      FROM (
        SELECT CAST(window_start AS DATE) AS day, store_id, status, reason, expected_minutes,
          LIST_SORT(LIST(CAST(EPOCH(window_start) AS BIGINT) // 900)) AS numbers
        FROM files GROUP BY ALL))
    GROUP BY day, store_id, status, reason, expected_minutes, number - place""",
    # a run goes on where the one before ends, in the same state
    """SELECT day, store_id, ANY_VALUE(status) AS status, ANY_VALUE(reason) AS reason,
      ANY_VALUE(expected_minutes) AS expected_minutes, MIN(started_at) AS started_at,
      CAST(SUM(windows) AS INT) AS windows
    FROM (
      SELECT *, SUM(CASE WHEN goes_on THEN 0 ELSE 1 END)
        OVER (PARTITION BY store_id ORDER BY started_at) AS run
      FROM (
        SELECT *, COALESCE(day = LAG(day) OVER store AND status = LAG(status) OVER store
          AND reason IS NOT DISTINCT FROM LAG(reason) OVER store
          AND expected_minutes = LAG(expected_minutes) OVER store
          AND started_at = LAG(started_at + windows * INTERVAL 15 MINUTE) OVER store, FALSE)
          AS goes_on
        FROM all_rows WINDOW store AS (PARTITION BY store_id ORDER BY started_at)))
    GROUP BY day, store_id, run""",
)
"""Stores' windows in one state: the first one's start, and how many."""

_THING_WINDOWS = Relation(
    "thing_windows",
    "availability_summary",
    _things("window_start", {name: name for name in WINDOW_SUMS}, "files"),
    is_of=_is_by_window,
)
"""Minutes and stores of things in windows. A thing is the country (`all`), a city or a brand; the
one without a name is of the stores that have none.
"""

_THING_HOURS = Relation(
    "thing_hours",
    "availability_summary",
    _things(
        "hour",
        {"known": "expected_minutes - unknown_minutes", "available": "available_minutes"},
        "files JOIN clock USING (window_start)",
    ),
    """SELECT day, hour, kind, name, CAST(SUM(known) AS BIGINT) AS known,
      CAST(SUM(available) AS BIGINT) AS available
    FROM all_rows GROUP BY day, hour, kind, name""",
    is_of=_is_by_hour,
)
"""Minutes of things by hour of the week on the country's clock, of the other days."""

_QUALITY = Relation(
    "seen_windows",
    "window_quality",
    """SELECT CAST(window_start AS DATE) AS day, window_start, observed_at, suspect, suspect_reason
    FROM files""",
)

_STORE_DAYS = Relation(
    "store_days",
    "daily_store_availability",
    f"""SELECT local_date AS day, store_id, name, city, brand,
      {", ".join(f"{name}_minutes" for name in MINUTES)} FROM files""",
)

_OPEN_OUTAGES = Relation(
    "open_outages",
    "store_outages",
    """SELECT local_date AS day, store_id, started_at, missed_minutes_total, is_started_before
    FROM files WHERE ended_at IS NULL""",
)

_SEEN_HOURS = Relation(
    "seen_hours",
    "store_hours",
    """SELECT DISTINCT CAST(window_start AS DATE) AS day, store_id, business_date, kind,
      opens_minute, closes_minute
    FROM files
    WHERE problem IS NULL AND business_date - CAST(window_start AS DATE) BETWEEN -2 AND 1""",
    "SELECT DISTINCT * FROM all_rows",
    is_of=_has_hours,
)
"""Hours that touched a window of a day."""

RELATIONS = (
    _RUNS,
    _THING_WINDOWS,
    _THING_HOURS,
    _QUALITY,
    _STORE_DAYS,
    _OPEN_OUTAGES,
    _SEEN_HOURS,
)
