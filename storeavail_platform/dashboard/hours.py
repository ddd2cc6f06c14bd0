"""When stores open today and tomorrow, and where they are: what a page says of a single store
beside its status.

A window's `store_hours` are those that touch it. So a date's hours are put together of what was
seen of it so far, and of the same weekday a week before; of yesterday where the country is younger.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from storeavail_platform.dashboard.figures import DAY, Scope, joined
from storeavail_platform.dashboard.relations import WEEK
from storeavail_platform.dashboard.tables import fetched
from storeavail_platform.domain.hours import zones

ADDRESSED = 2_000
"""Stores whose address is sent: those that somebody is likely to look for, so that the page stays
light.
"""
MINUTE = timedelta(minutes=1)


def opening_hours(
    connection: duckdb.DuckDBPyConnection, scope: Scope
) -> tuple[list[list[Any]], pa.Array]:
    """Hours of today and tomorrow as they are known, on the country's clock.

    Returns:
        Pairs [today, tomorrow] of intervals [opens, closes] in minutes after the country's
        midnight (None: not known; empty: closed), and each store's place among them.
    """
    _find_hours(connection, scope)
    pairs = connection.execute(
        "SELECT timezone, today, tomorrow FROM (SELECT DISTINCT place, timezone, today, tomorrow"
        " FROM hours_of_stores) ORDER BY place"
    ).fetchall()
    places = fetched(connection, "SELECT place FROM hours_of_stores ORDER BY number").column(0)
    return [_on_the_clock(scope, *pair) for pair in pairs], joined(places)


def addresses(connection: duckdb.DuckDBPyConnection, scope: Scope) -> list[list[Any]]:
    """Number and address of ADDRESSED stores: those that are missing, then those that missed the
    most on the dates that are shown.
    """
    rows = connection.execute(
        """SELECT n.number, p.address
        FROM newest_places p JOIN numbered n ON n.store_id = p.store_id
        LEFT JOIN (SELECT store_id, TRUE AS is_missing FROM newest_stores
          WHERE window_start = $window AND status = 'missing') m ON m.store_id = p.store_id
        LEFT JOIN (SELECT store_id, SUM(missing_minutes + rogue_minutes) AS minutes FROM store_days
          GROUP BY store_id) d ON d.store_id = p.store_id
        WHERE TRIM(p.address) <> ''
        ORDER BY m.is_missing NULLS LAST, d.minutes DESC NULLS LAST, n.number LIMIT $most""",
        {"window": scope.window.start, "most": ADDRESSED},
    ).fetchall()
    return [list(row) for row in sorted(rows)]


def _example(connection: duckdb.DuckDBPyConnection, scope: Scope, day: date) -> date | None:
    """The date whose weekly hours a date is thought to have: a week before, else yesterday.

    None: the country has not been observed since the beginning of either.
    """
    rows = connection.execute("SELECT EPOCH(MIN(window_start)) FROM seen_windows").fetchall()
    first = rows[0][0]
    for found in (day - WEEK, scope.today - DAY):
        midnight = datetime.combine(found, time(), ZoneInfo(scope.timezone))
        if first is not None and first <= midnight.timestamp():
            return found
    return None


def _find_hours(connection: duckdb.DuckDBPyConnection, scope: Scope) -> None:
    """A table `hours_of_stores` (number, timezone, today, tomorrow, place): hours as text
    `600-1320,1380-1560`, stores with the same ones in the same place.
    """
    today, tomorrow = scope.today, scope.today + DAY
    connection.execute(
        """CREATE OR REPLACE TEMP TABLE hours_of_stores AS
        WITH hours AS (
          SELECT DISTINCT store_id, business_date, kind, opens_minute AS opens, closes_minute
            + CASE WHEN closes_minute <= opens_minute THEN 1440 ELSE 0 END AS closes
          FROM seen_hours
        ),
        dates AS (
          SELECT * FROM (VALUES ($today, CAST($like_today AS DATE)),
            ($tomorrow, CAST($like_tomorrow AS DATE))) d(local_date, base)
        ),
        own AS (
          SELECT d.local_date, h.* FROM hours h JOIN dates d ON h.business_date = d.local_date
        ),
        found AS (
          SELECT store_id, local_date, opens, closes FROM own o
          WHERE kind = 'special' OR NOT EXISTS (SELECT 1 FROM own s WHERE s.kind = 'special'
            AND s.store_id = o.store_id AND s.local_date = o.local_date)
          UNION ALL
          SELECT h.store_id, d.local_date, h.opens, h.closes
          FROM hours h JOIN dates d ON h.business_date = d.base
          WHERE h.kind = 'weekly' AND NOT EXISTS (SELECT 1 FROM own o
            WHERE o.store_id = h.store_id AND o.local_date = d.local_date
              AND (o.kind = 'special' OR (o.opens < h.closes AND h.opens < o.closes)))
        ),
        written AS (
          SELECT store_id, local_date,
            COALESCE(STRING_AGG(opens || '-' || closes, ',' ORDER BY opens, closes), '') AS text
          FROM found GROUP BY store_id, local_date
        ),
        -- of a store that was not there then, having no row says nothing
        known AS (
          SELECT DISTINCT h.store_id, d.local_date, '' AS text
          FROM hours h JOIN dates d ON h.business_date <= d.base + 1 AND h.business_date < $today
        )
        SELECT n.number, p.timezone, COALESCE(t.text, kt.text) AS today,
          COALESCE(m.text, km.text) AS tomorrow,
          CAST(DENSE_RANK() OVER (ORDER BY p.timezone NULLS FIRST, COALESCE(t.text, kt.text)
            NULLS FIRST, COALESCE(m.text, km.text) NULLS FIRST) - 1 AS INT) AS place
        FROM numbered n LEFT JOIN newest_places p ON p.store_id = n.store_id
        LEFT JOIN written t ON t.store_id = n.store_id AND t.local_date = $today
        LEFT JOIN written m ON m.store_id = n.store_id AND m.local_date = $tomorrow
        LEFT JOIN known kt ON kt.store_id = n.store_id AND kt.local_date = $today
        LEFT JOIN known km ON km.store_id = n.store_id AND km.local_date = $tomorrow""",
        {
            "today": today,
            "tomorrow": tomorrow,
            "like_today": _example(connection, scope, today),
            "like_tomorrow": _example(connection, scope, tomorrow),
        },
    )


def _on_the_clock(scope: Scope, timezone: str | None, *texts: str | None) -> list[Any]:
    zone = timezone if timezone is not None and timezone in zones() else scope.timezone
    here, there = (
        scope.window.start.astimezone(ZoneInfo(name)).utcoffset() or timedelta(0)
        for name in (scope.timezone, zone)
    )
    return [_intervals(text, (here - there) // MINUTE) for text in texts]


def _intervals(text: str | None, later: int) -> Sequence[list[int]] | None:
    if text is None:
        return None
    pairs = (interval.split("-") for interval in text.split(",") if interval)
    return [[int(opens) + later, int(closes) + later] for opens, closes in pairs]
