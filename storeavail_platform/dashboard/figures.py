"""The figures of a country as a whole, and the shape of a page's periods. Single stores are
`stores.py`; nothing is drawn here.

Figures of quarter hours come from `availability_summary`, those of days from
`daily_store_availability`. Minutes are added up and divided last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from storeavail_platform.dashboard.relations import MINUTES, RECENT, SHOWN_DAYS, STATES
from storeavail_platform.dashboard.tables import fetched
from storeavail_platform.domain.availability import availability, coverage
from storeavail_platform.domain.windows import KEY_FORMAT, WINDOW_LENGTH, WINDOW_MINUTES, Window
from storeavail_platform.warehouse.trust import NO_VERDICTS, Verdicts

DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RECENT_WINDOWS = RECENT // WINDOW_LENGTH
DAY_WINDOWS = DAY // WINDOW_LENGTH
PERIODS = {"7d": 7, "30d": 30}
"""Periods in local dates, the date in progress included.

`24h` is the last 96 windows, `now` the newest complete one.
"""
SUMS = ", ".join(
    f"CAST(COALESCE(SUM({name}_minutes), 0) AS BIGINT) AS {name}_minutes" for name in MINUTES
)
HOURS_A_WEEK = 7 * 24


@dataclass(frozen=True)
class Scope:
    """What a page is about: a country, its IANA time zone, its newest complete window, the windows
    that are not complete, and what people said of windows.
    """

    country: str
    timezone: str
    window: Window
    waiting: Sequence[str] = ()
    gaps: Sequence[str] = ()
    verdicts: Verdicts = NO_VERDICTS

    @cached_property
    def today(self) -> date:
        """The country's local date in which the newest window starts."""
        return self.local(self.window).date()

    @property
    def first_recent(self) -> Window:
        return self.window.next(1 - RECENT_WINDOWS)

    def local(self, window: Window) -> datetime:
        return window.start.astimezone(ZoneInfo(self.timezone))

    def windows(self, count: int) -> list[Window]:
        """The last `count` windows up to the newest complete one, oldest first."""
        return [self.window.next(back) for back in range(1 - count, 1)]


def summary(connection: duckdb.DuckDBPyConnection, scope: Scope) -> dict[str, Any]:
    """Availability and coverage now and over each period with the one before, stores by status,
    outages going on, and what is wrong.

    Returns:
        `periods`: by name, `expected_minutes` ... `unknown_minutes`, `availability`, `coverage`
        (None where the divisor is 0), how much of it is there (`there_minutes`, or `there_dates`),
        and the same of the period `before`; `stores`: count by status in the newest window;
        `outages`: how many are going on; `observed_at`, `suspect`; `waiting`, `gaps`: windows of
        the last 30 days; `zone`: what the country's clock is beside UTC.
    """
    window = scope.window
    periods = {
        "now": _of_windows(connection, scope, window, 1),
        "24h": _of_windows(connection, scope, window, DAY_WINDOWS),
    }
    periods["now"]["before"] = _of_windows(connection, scope, window.next(-1), 1)
    periods["24h"]["before"] = _of_windows(
        connection, scope, window.next(-DAY_WINDOWS), DAY_WINDOWS
    )
    for name, days in PERIODS.items():
        periods[name] = _of_days(connection, scope, scope.today, days)
        periods[name]["there_dates"] = _dates(connection, scope, days)
        periods[name]["before"] = _of_days(connection, scope, scope.today - days * DAY, days)
    counts = ", ".join(f"CAST(COALESCE(SUM(stores_{state}), 0) AS BIGINT)" for state in STATES)
    stores = _row(
        connection,
        f"SELECT {counts} FROM thing_windows WHERE kind = 'all' AND window_start = ?",
        [window.start],
    )
    observed_at = _row(
        connection,
        "SELECT EPOCH_US(MAX(observed_at)) FROM seen_windows WHERE window_start <= ?",
        [window.start],
    )[0]
    seen = seen_windows(connection, scope, DAY_WINDOWS)
    newest = seen.get(window.key)
    observed = sum(each.is_observed for each in seen.values())
    periods["24h"]["there_minutes"] = observed * WINDOW_MINUTES
    since = (window.start - SHOWN_DAYS * DAY).strftime("%Y-%m-%d")
    return {
        "observed_at": None if observed_at is None else EPOCH + timedelta(microseconds=observed_at),
        "periods": periods,
        "stores": dict(zip(STATES, stores, strict=True)),
        "outages": len(going_on(connection, scope)),
        "zone": _zone(scope),
        "suspect": newest.suspicion if newest is not None else None,
        "waiting": [key for key in scope.waiting if key >= since],
        "gaps": [key for key in scope.gaps if key >= since],
    }


def _zone(scope: Scope) -> str:
    """The difference of the country's clock to UTC: `UTC−3`, `UTC+5:30`."""
    offset = scope.local(scope.window).utcoffset() or timedelta(0)
    hours, minutes = divmod(abs(offset) // timedelta(minutes=1), 60)
    sign = "−" if offset < timedelta(0) else "+"
    return f"UTC{sign}{hours}" + (f":{minutes:02d}" if minutes else "")


def shares(minutes: dict[str, int]) -> dict[str, Any]:
    """Minutes with the availability and the coverage that they give."""
    expected, unknown = minutes["expected_minutes"], minutes["unknown_minutes"]
    available = minutes["available_minutes"]
    return {
        **minutes,
        "availability": availability(available=available, expected=expected, unknown=unknown),
        "coverage": coverage(expected=expected, unknown=unknown),
    }


def going_on(connection: duckdb.DuckDBPyConnection, scope: Scope) -> pa.Table:
    """Outages that have not ended: store_id, started_at (UTC), missed_minutes, is_started_before;
    the longest first.

    An outage has a row for each date it touches; the newest one counts. A store that is online in
    the newest window has none going on, whatever an older date says.
    """
    return fetched(
        connection,
        """SELECT o.store_id, MAX(o.started_at) AS started_at,
          ARG_MAX(o.missed_minutes_total, o.day) AS missed_minutes,
          ARG_MAX(o.is_started_before, o.day) AS is_started_before
        FROM open_outages o
        ANTI JOIN (SELECT store_id FROM newest_stores
          WHERE window_start = $window AND status IN ('available', 'rogue')) s
          ON s.store_id = o.store_id
        WHERE o.started_at <= $window
        GROUP BY o.store_id ORDER BY started_at, o.store_id""",
        {"window": scope.window.start},
    )


@dataclass(frozen=True)
class SeenWindow:
    """A window that has rows.

    Attributes:
        is_observed: False: a recorded gap.
        suspicion: why it is suspect, as it was judged and by what people said since; None: it
            is not.
    """

    is_observed: bool
    suspicion: str | None


def seen_windows(
    connection: duckdb.DuckDBPyConnection, scope: Scope, count: int, *, only_odd: bool = False
) -> dict[str, SeenWindow]:
    """Those of the last `count` windows that have rows, by key, oldest first.

    Args:
        only_odd: leave out nearly all that were observed and are not suspect.
    """
    is_any_distrusted = any(not verdict.is_trusted for verdict in scope.verdicts.holding)
    rows = connection.execute(
        """SELECT STRFTIME(window_start, $key), observed_at IS NOT NULL,
          CASE WHEN suspect THEN COALESCE(suspect_reason, 'suspect') END
        FROM seen_windows WHERE window_start > $before AND window_start <= $last
          AND ($all OR suspect OR observed_at IS NULL)
          ORDER BY window_start""",
        {
            "key": KEY_FORMAT,
            "all": not only_odd or is_any_distrusted,
            "before": scope.window.next(-count).start,
            "last": scope.window.start,
        },
    ).fetchall()
    return {
        key: SeenWindow(is_observed, scope.verdicts.suspicion(key, judged))
        for key, is_observed, judged in rows
    }


def heat(
    connection: duckdb.DuckDBPyConnection, scope: Scope
) -> tuple[list[list[str | None]], dict[str, pa.Array]]:
    """Minutes by hour of the week on the country's clock over 30 days: of the country, of each city
    and of each brand.

    Returns:
        What each stretch of 168 hours (Monday 00:00 first) is of, as [kind, name]; and two arrays
        of these stretches, `heat_known` (expected less unknown minutes) and `heat_available`.
    """
    rows = fetched(
        connection,
        """WITH counted AS (
          SELECT kind, name, hour, known, available FROM thing_hours
          UNION ALL
          SELECT t.kind, t.name, c.hour, t.expected_minutes - t.unknown_minutes, t.available_minutes
          FROM thing_windows t JOIN clock c ON c.window_start = t.window_start
          WHERE t.window_start > $before AND t.window_start <= $last
        ),
        grouped AS (
          SELECT kind, name, hour, SUM(known) AS known, SUM(available) AS available
          FROM counted GROUP BY kind, name, hour
        ),
        things AS (SELECT DISTINCT kind, name FROM grouped)
        SELECT t.kind, t.name, CAST(COALESCE(g.known, 0) AS INT) AS known,
          CAST(COALESCE(g.available, 0) AS INT) AS available
        FROM things t CROSS JOIN (SELECT UNNEST(RANGE(168)) AS hour) h
        LEFT JOIN grouped g ON g.kind = t.kind AND g.name IS NOT DISTINCT FROM t.name
          AND g.hour = h.hour
        ORDER BY t.kind, t.name NULLS FIRST, h.hour""",
        {
            "before": scope.window.next(-SHOWN_DAYS * DAY_WINDOWS).start,
            "last": scope.window.start,
        },
    )
    things = [
        [kind, name]
        for kind, name in zip(
            *(rows.column(i)[::HOURS_A_WEEK].to_pylist() for i in (0, 1)), strict=True
        )
    ]
    return things, {f"heat_{name}": joined(rows.column(name)) for name in ("known", "available")}


def week_before(connection: duckdb.DuckDBPyConnection, scope: Scope) -> list[float | None]:
    """The country's availability in each of the recent windows, a week before."""
    first = scope.first_recent.next(-7 * DAY_WINDOWS)
    rows = connection.execute(
        """SELECT CAST(DATE_DIFF('minute', $first, window_start) / $minutes AS INT),
          SUM(available_minutes) / NULLIF(SUM(expected_minutes - unknown_minutes), 0)
        FROM thing_windows WHERE kind = 'all' AND window_start >= $first AND window_start < $end
        GROUP BY ALL""",
        {
            "first": first.start,
            "end": first.next(RECENT_WINDOWS).start,
            "minutes": WINDOW_MINUTES,
        },
    ).fetchall()
    found = dict(rows)
    return [found.get(number) for number in range(RECENT_WINDOWS)]


def joined(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _of_windows(
    connection: duckdb.DuckDBPyConnection, scope: Scope, last: Window, count: int
) -> dict[str, Any]:
    return _minutes(
        connection,
        f"SELECT {SUMS} FROM thing_windows WHERE kind = 'all' AND window_start > ? AND window_start"
        " <= ?",
        [last.next(-count).start, last.start],
    )


def _of_days(
    connection: duckdb.DuckDBPyConnection, scope: Scope, last: date, count: int
) -> dict[str, Any]:
    return _minutes(
        connection,
        f"SELECT {SUMS} FROM store_days WHERE day > ? AND day <= ?",
        [last - count * DAY, last],
    )


def _dates(connection: duckdb.DuckDBPyConnection, scope: Scope, count: int) -> int:
    """How many of the last local dates have rows."""
    found: int = _row(
        connection,
        "SELECT COUNT(DISTINCT day) FROM store_days WHERE day > ? AND day <= ?",
        [scope.today - count * DAY, scope.today],
    )[0]
    return found


def _minutes(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any]
) -> dict[str, Any]:
    names = [f"{name}_minutes" for name in MINUTES]
    return shares(dict(zip(names, _row(connection, sql, parameters), strict=True)))


def _row(connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any]) -> tuple[Any, ...]:
    (row,) = connection.execute(sql, parameters).fetchall()
    found: tuple[Any, ...] = row
    return found
