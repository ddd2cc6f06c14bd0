"""Single stores for the browser, which filters and adds them up itself: who they are, their days,
their last 48 hours as runs.

Stores are numbered in the order of their ids; arrays have a stretch for each store in that order.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from storeavail_platform.dashboard.figures import (
    DAY,
    DAY_WINDOWS,
    RECENT_WINDOWS,
    Scope,
    SeenWindow,
    heat,
    joined,
    seen_windows,
    week_before,
)
from storeavail_platform.dashboard.hours import addresses, opening_hours
from storeavail_platform.dashboard.now import closed_stores, missing_stores
from storeavail_platform.dashboard.relations import DAYS, SHOWN_DAYS
from storeavail_platform.dashboard.tables import fetched
from storeavail_platform.domain.windows import Window

COUNTED = ("expected", "missing", "unknown", "rogue")
"""Minutes that are sent; available is expected less missing and unknown."""


def detail(
    connection: duckdb.DuckDBPyConnection, scope: Scope
) -> tuple[dict[str, Any], dict[str, pa.Array]]:
    """All that a country's page shows beyond its summary.

    Returns:
        A document: `cities`, `brands` (names by code), `ids`, `names` (by store), `dates`, `states`
        ([status, reason, expected minutes] by code), `windows` (start in UTC seconds, offset of the
        country's clock in minutes, state, reason), `week_before` (availability by window),
        `troubles`, `heat`, `missing`, `closed`, `hours`, `addresses`.
        Arrays: `store_city`, `store_brand` (codes, -1: none), `store_hours` (place in `hours`);
        `day_expected` ... (stores x dates); `run_count` (by store), `run_start`, `run_length`,
        `run_state` (by run: window number, windows, code); `heat_known`, `heat_available`.
    """
    _number_stores(connection, scope)
    stores = fetched(connection, "SELECT store_id, name FROM numbered ORDER BY number")
    cities, city_codes = _coded(connection, "city")
    brands, brand_codes = _coded(connection, "brand")
    things, heat_arrays = heat(connection, scope)
    dates, days = _days(connection, scope)
    states, runs = _runs(connection, scope)
    hours, hours_codes = opening_hours(connection, scope)
    seen = seen_windows(connection, scope, RECENT_WINDOWS)
    odd = seen_windows(connection, scope, SHOWN_DAYS * DAY_WINDOWS, only_odd=True)
    document = {
        "ids": [str(store) for store in stores.column("store_id").to_pylist()],
        "names": stores.column("name").to_pylist(),
        "cities": cities,
        "brands": brands,
        "dates": dates,
        "states": states,
        "windows": _windows(seen, scope),
        "troubles": _troubles(odd, scope),
        "week_before": week_before(connection, scope),
        "heat": things,
        "missing": missing_stores(connection, scope),
        "closed": closed_stores(connection, scope),
        "hours": hours,
        "addresses": addresses(connection, scope),
    }
    return document, {
        "store_city": city_codes,
        "store_brand": brand_codes,
        "store_hours": hours_codes,
        **days,
        **runs,
        **heat_arrays,
    }


def _number_stores(connection: duckdb.DuckDBPyConnection, scope: Scope) -> None:
    """Tables `recent` (store_id, status, reason, expected_minutes, w, length: runs within the last
    48 hours, by the number of their first window) and `numbered` (number, store_id, name, city,
    brand).

    A store is called as in the newest window that has it, else as on its newest date.
    """
    connection.execute(
        """CREATE OR REPLACE TEMP TABLE recent AS
        SELECT store_id, status, reason, expected_minutes, GREATEST(w, 0) AS w,
          LEAST(w + windows, $count) - GREATEST(w, 0) AS length
        FROM (SELECT *, CAST(DATE_DIFF('minute', $first, started_at) / 15 AS INT) AS w
          FROM recent_runs)
        WHERE w < $count AND w + windows > 0""",
        {"first": scope.first_recent.start, "count": RECENT_WINDOWS},
    )
    connection.execute(
        """CREATE OR REPLACE TEMP TABLE numbered AS
        WITH current AS (
          SELECT store_id, name, city, brand FROM newest_stores WHERE window_start = $last
        ),
        earlier AS (
          SELECT store_id, ARG_MAX(name, day) AS name, ARG_MAX(city, day) AS city,
            ARG_MAX(brand, day) AS brand
          FROM store_days
          WHERE day > $before AND day <= $today
            AND store_id NOT IN (SELECT store_id FROM current)
          GROUP BY store_id
        ),
        everyone AS (
          SELECT * FROM current UNION ALL SELECT * FROM earlier
          UNION ALL
          SELECT DISTINCT store_id, NULL, NULL, NULL FROM recent
          WHERE store_id NOT IN
            (SELECT store_id FROM current UNION ALL SELECT store_id FROM earlier)
        )
        SELECT CAST(ROW_NUMBER() OVER (ORDER BY store_id) - 1 AS INT) AS number, store_id, name,
          NULLIF(TRIM(city), '') AS city, NULLIF(TRIM(brand), '') AS brand
        FROM everyone""",
        {
            "last": scope.window.start,
            "today": scope.today,
            "before": scope.today - DAYS * DAY,
        },
    )


def _coded(connection: duckdb.DuckDBPyConnection, column: str) -> tuple[list[str], pa.Array]:
    """The sorted names of a column of `numbered`, and each store's place among them; -1 where
    it has none.
    """
    names = [
        row[0]
        for row in connection.execute(
            f"SELECT DISTINCT {column} FROM numbered WHERE {column} IS NOT NULL"
        ).fetchall()
    ]
    names.sort(key=lambda name: (name.casefold(), name))
    values = joined(fetched(connection, f"SELECT {column} FROM numbered ORDER BY number").column(0))
    places = pc.index_in(values, value_set=pa.array(names, pa.string()))
    return names, places.fill_null(-1)


def _days(
    connection: duckdb.DuckDBPyConnection, scope: Scope
) -> tuple[list[str], dict[str, pa.Array]]:
    """The local dates, oldest first, and each store's minutes on them."""
    first = scope.today - (DAYS - 1) * DAY
    columns = ", ".join(
        f"CAST(COALESCE({name}_minutes, 0) AS SMALLINT) AS day_{name}" for name in COUNTED
    )
    rows = fetched(
        connection,
        f"""SELECT {columns} FROM numbered n CROSS JOIN (SELECT UNNEST(RANGE({DAYS})) AS day) d
        LEFT JOIN (SELECT store_id, DATE_DIFF('day', $first, day) AS day,
          {", ".join(f"{name}_minutes" for name in COUNTED)}
          FROM store_days WHERE day BETWEEN $first AND $today) a
          ON a.store_id = n.store_id AND a.day = d.day
        ORDER BY n.number, d.day""",
        {"first": first, "today": scope.today},
    )
    return [(first + back * DAY).isoformat() for back in range(DAYS)], {
        name: joined(rows.column(name)) for name in rows.column_names
    }


def _runs(
    connection: duckdb.DuckDBPyConnection, scope: Scope
) -> tuple[list[list[Any]], dict[str, pa.Array]]:
    """The states that stores were in, by code, and each store's last 48 hours as runs of windows in
    one state.

    Runs that follow each other in equal states have the same difference of window and number of
    windows before: they are one. A window without a row ends it.
    """
    connection.execute("""CREATE OR REPLACE TEMP TABLE states AS
        SELECT
          CAST(ROW_NUMBER() OVER (ORDER BY status, reason NULLS FIRST, expected_minutes) - 1
            AS SMALLINT) AS code, *
        FROM (SELECT DISTINCT status, reason, expected_minutes FROM recent)""")
    connection.execute("""CREATE OR REPLACE TEMP TABLE runs AS
        SELECT n.number, CAST(MIN(w) AS UTINYINT) AS run_start,
          CAST(SUM(length) AS UTINYINT) AS run_length, code AS run_state
        FROM (SELECT r.store_id, r.w, r.length, s.code,
            r.w + r.length - SUM(r.length) OVER (PARTITION BY r.store_id, s.code ORDER BY r.w)
              AS island
          FROM recent r JOIN states s ON s.status = r.status
            AND s.reason IS NOT DISTINCT FROM r.reason
            AND s.expected_minutes = r.expected_minutes) i
        JOIN numbered n ON n.store_id = i.store_id
        GROUP BY n.number, code, island""")
    counts = fetched(
        connection,
        """SELECT CAST(COUNT(r.number) AS UTINYINT) AS run_count FROM numbered n
          LEFT JOIN runs r ON r.number = n.number
        GROUP BY n.number ORDER BY n.number""",
    )
    runs = fetched(
        connection, "SELECT run_start, run_length, run_state FROM runs ORDER BY number, run_start"
    )
    states = connection.execute(
        "SELECT status, reason, expected_minutes FROM states ORDER BY code"
    ).fetchall()
    return [list(state) for state in states], {
        "run_count": joined(counts.column(0)),
        **{name: joined(runs.column(name)) for name in runs.column_names},
    }


def _windows(seen: Mapping[str, SeenWindow], scope: Scope) -> list[list[Any]]:
    """The last 48 hours by window: start (UTC seconds), offset of the country's clock (minutes),
    state, reason.

    States: `complete`, `suspect`, `gap` (never observed), `waiting` (landed, not computed), `none`
        (before the country's first window).
    """
    waiting, gaps = set(scope.waiting), set(scope.gaps)
    rows: list[list[Any]] = []
    for window in scope.windows(RECENT_WINDOWS):
        key = window.key
        found = seen.get(key)
        suspicion = found.suspicion if found is not None else None
        if suspicion is not None:
            state = "suspect"
        elif key in waiting:
            state = "waiting"
        elif key in gaps or (found is not None and not found.is_observed):
            state = "gap"
        else:
            state = "none" if found is None else "complete"
        offset = scope.local(window).utcoffset()
        assert offset is not None, "a local time knows its offset"
        rows.append(
            [int(window.start.timestamp()), offset // timedelta(minutes=1), state, suspicion]
        )
    return rows


def _troubles(seen: Mapping[str, SeenWindow], scope: Scope) -> list[list[Any]]:
    """Suspect windows, gaps and waiting windows of the last 30 days, newest first: start (UTC
    seconds), state, reason.
    """
    since = scope.window.next(-SHOWN_DAYS * DAY_WINDOWS).key
    found = {
        key: ("suspect", each.suspicion) for key, each in seen.items() if each.suspicion is not None
    }
    found |= {key: ("gap", "never observed") for key, each in seen.items() if not each.is_observed}
    found |= dict.fromkeys(scope.gaps, ("gap", "never observed"))
    found |= dict.fromkeys(scope.waiting, ("waiting", "landed, not computed yet"))
    return [
        [int(Window.parse(key).start.timestamp()), state, reason]
        for key, (state, reason) in sorted(found.items(), reverse=True)
        if key > since
    ]
