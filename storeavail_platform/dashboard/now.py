"""What the newest window says of single stores: how many are in which state and why, which are
missing, and which were when they closed. The periods are `figures.py`.

It asks the relations that `stores.py` has made: numbered stores, and their runs of windows in one
state.
"""

from __future__ import annotations

from typing import Any

import duckdb

from storeavail_platform.dashboard.figures import DAY_WINDOWS, RECENT_WINDOWS, Scope, going_on
from storeavail_platform.domain.windows import WINDOW_MINUTES


def reasons(connection: duckdb.DuckDBPyConnection, scope: Scope) -> dict[str, dict[str, int]]:
    """Stores of the newest window by status and reason; a status without reasons is left out."""
    found: dict[str, dict[str, int]] = {}
    rows = connection.execute(
        """SELECT status, reason, COUNT(*) FROM newest_stores
        WHERE window_start = $window AND reason IS NOT NULL
        GROUP BY status, reason ORDER BY status, COUNT(*) DESC, reason""",
        {"window": scope.window.start},
    ).fetchall()
    for status, reason, count in rows:
        found.setdefault(status, {})[reason] = count
    return found


def cities_of_brands(connection: duckdb.DuckDBPyConnection, scope: Scope) -> dict[str, int]:
    """In how many cities each brand has stores that should be open in the newest window."""
    return dict(
        connection.execute(
            """SELECT TRIM(brand), COUNT(DISTINCT NULLIF(TRIM(city), '')) FROM newest_stores
            WHERE window_start = $window AND expected_minutes > 0 AND TRIM(brand) <> ''
            GROUP BY TRIM(brand)""",
            {"window": scope.window.start},
        ).fetchall()
    )


def missing_stores(connection: duckdb.DuckDBPyConnection, scope: Scope) -> list[list[Any]]:
    """The stores that are missing in the newest window, the longest first: number, since (UTC
    seconds), missed minutes of opening hours, whether it began before what was looked back over.
    """
    connection.register("going_on", going_on(connection, scope))
    rows = connection.execute(
        """SELECT n.number, CAST(EPOCH(COALESCE(o.started_at, s.window_start)) AS BIGINT),
          COALESCE(o.missed_minutes, s.expected_minutes), COALESCE(o.is_started_before, FALSE)
        FROM newest_stores s JOIN numbered n ON n.store_id = s.store_id
        LEFT JOIN going_on o ON o.store_id = s.store_id
        WHERE s.window_start = $window AND s.status = 'missing'
        ORDER BY 3 DESC, 2, 1""",
        {"window": scope.window.start},
    ).fetchall()
    connection.unregister("going_on")
    return [list(row) for row in rows]


def closed_stores(connection: duckdb.DuckDBPyConnection, scope: Scope) -> list[list[Any]]:
    """The stores that were missing when they closed, the longest first: number, since (UTC
    seconds), missed minutes of opening hours, whether it began before what was looked back over,
    the local time when it opened a day ago and is due again (`10:00`; None: it did not open).
    """
    connection.register("going_on", going_on(connection, scope))
    rows = connection.execute(
        """WITH open AS (
          SELECT r.number, r.run_start, r.run_start + r.run_length AS run_end, s.expected_minutes
          FROM runs r JOIN states s ON s.code = r.run_state WHERE s.expected_minutes > 0
        ),
        openings AS (
          SELECT o.number, MIN(o.run_start) AS opening,
            ARG_MIN(o.expected_minutes, o.run_start) AS expected_minutes
          FROM open o ANTI JOIN open before
            ON before.number = o.number AND before.run_end = o.run_start
          WHERE o.run_start >= $yesterday
          GROUP BY o.number
        )
        SELECT n.number, CAST(EPOCH(o.started_at) AS BIGINT), o.missed_minutes,
          o.is_started_before, CAST(p.opening AS INT), p.expected_minutes
        FROM going_on o JOIN numbered n ON n.store_id = o.store_id
        LEFT JOIN openings p ON p.number = n.number
        ANTI JOIN (SELECT store_id FROM newest_stores
          WHERE window_start = $window AND status = 'missing') m ON m.store_id = o.store_id
        ORDER BY 3 DESC, 2, 1""",
        {"window": scope.window.start, "yesterday": RECENT_WINDOWS - DAY_WINDOWS},
    ).fetchall()
    connection.unregister("going_on")
    return [[*row[:4], _opening(scope, *row[4:])] for row in rows]


def _opening(scope: Scope, number: int | None, expected: int | None) -> str | None:
    """The local time at which a store opened: in the recent window of a number, that many minutes
    before its end.
    """
    if number is None or expected is None:
        return None
    local = scope.local(scope.first_recent.next(number))
    minutes = local.hour * 60 + local.minute + WINDOW_MINUTES - expected
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
