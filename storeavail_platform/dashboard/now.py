"""What the newest window says of single stores: how many are in which state and why, which are
missing, and which were when they closed. The periods are `figures.py`.

It asks for the stores that `stores.py` has numbered.
"""

from __future__ import annotations

from typing import Any

import duckdb

from storeavail_platform.dashboard.figures import Scope, going_on


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
    seconds), missed minutes of opening hours, whether it began before what was looked back over.
    """
    connection.register("going_on", going_on(connection, scope))
    rows = connection.execute(
        """SELECT n.number, CAST(EPOCH(o.started_at) AS BIGINT), o.missed_minutes,
          o.is_started_before
        FROM going_on o JOIN numbered n ON n.store_id = o.store_id
        ANTI JOIN (SELECT store_id FROM newest_stores
          WHERE window_start = $window AND status = 'missing') m ON m.store_id = o.store_id
        ORDER BY 3 DESC, 2, 1""",
        {"window": scope.window.start},
    ).fetchall()
    connection.unregister("going_on")
    return [list(row) for row in rows]
