"""Briefs being made of committed tables: the one place where their figures come from. By pointer;
the catalog may be down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from typing import Any

import duckdb

from storeavail_platform.domain.errors import NotObserved
from storeavail_platform.domain.hours import local_start
from storeavail_platform.domain.tables.daily import DAILY_STORE_AVAILABILITY, STORE_OUTAGES
from storeavail_platform.domain.tables.declarations import AVAILABILITY_SUMMARY, WINDOW_QUALITY
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.notes import noted_windows
from storeavail_platform.pipeline.observe import INDEX
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.brief import (
    MINUTES,
    NOTHING,
    Beside,
    Brief,
    Changed,
    LongOff,
    Quarter,
    Sums,
)
from storeavail_platform.reading.dates import (
    DAY,
    Rows,
    of_dates,
    of_windows,
    opened,
    start_of,
    windows_of,
)
from storeavail_platform.reading.hours_changed import hours_changed
from storeavail_platform.reading.incidents import Incident, incidents_since
from storeavail_platform.reading.recent import Group
from storeavail_platform.warehouse.trust import Trust

COUNTRY = Group()
"""All stores of a country."""
WEEK = 7
WEEKS_BESIDE = 4
"""So many dates of the same weekday a date is told beside, and weeks beside a week."""
SHOWN_DATES = (WEEKS_BESIDE + 1) * WEEK
"""Local dates that are read: a week, and the four before."""
SUNDAY = 7
LEAST_MINUTES = 120
"""Missing minutes by which a brand or city has to be better or worse than usual to be told."""
LEAST_CHANGE = 0.25
"""The same as a part of what is usual."""
LEAST_OPEN = 0.05
"""Part of the day's busiest quarter hour below which so few stores should be open that a quarter
hour's availability says nothing."""
SUMS = ", ".join(f"CAST(COALESCE(SUM({name}_minutes), 0) AS BIGINT) AS {name}" for name in MINUTES)


def brief_of(
    runtime: Runtime,
    country: str,
    local_date: date,
    now: datetime,
    *,
    group: Group = COUNTRY,
    with_week: bool | None = None,
) -> Brief:
    """The brief of a local date.

    Args:
        now: windows that can still be observed then are not lost.
        with_week: also of the seven dates up to it; by default of a Sunday.

    Raises:
        NotObserved: there is nothing of the country on the date, nor before.
        WarehouseError: the tables cannot be read.
    """
    reading = _Reading(runtime, country, local_date, now, group)
    if with_week is None:
        with_week = local_date.isoweekday() == SUNDAY
    with opened(runtime, country, reading.relations()) as connection:
        return reading.brief(connection, with_week)


@dataclass(frozen=True)
class _Reading:
    """A brief being made."""

    runtime: Runtime
    country: str
    local_date: date
    now: datetime
    group: Group

    @property
    def timezone(self) -> str:
        return self.runtime.country(self.country).timezone

    @property
    def beside(self) -> list[date]:
        return [self.local_date - week * WEEK * DAY for week in range(1, WEEKS_BESIDE + 1)]

    def relations(self) -> dict[str, Rows]:
        first, last = self.local_date - (SHOWN_DATES - 1) * DAY, self.local_date
        end = start_of(last + DAY, self.timezone)
        minutes = [f"{name}_minutes" for name in MINUTES]
        outage = [field.name for field in fields(LongOff)]
        weekdays = " OR ".join(
            f"({of_windows(start_of(day, self.timezone), start_of(day + DAY, self.timezone))})"
            for day in (last, *self.beside)
        )
        return {
            "days": Rows(
                DAILY_STORE_AVAILABILITY,
                ("local_date", "brand", "city", "is_provisional", *minutes),
                of_dates(first, last),
            ),
            "outages": Rows(
                STORE_OUTAGES,
                ("ended_at", *outage),
                of_dates(last - WEEK * DAY, last),
            ),
            "quality": Rows(
                WINDOW_QUALITY,
                ("window_start", "observed_at", "suspect", "suspect_reason"),
                of_windows(start_of(last, self.timezone), end),
            ),
            "summary": Rows(
                AVAILABILITY_SUMMARY, ("window_start", "brand", "city", *minutes), weekdays
            ),
        }

    def brief(self, connection: duckdb.DuckDBPyConnection, with_week: bool) -> Brief:
        dates = self._dates(connection)
        windows = windows_of(self.local_date, self.timezone)
        lost, waiting, suspect = self._windows(connection, windows)
        if not dates and not connection.sql("SELECT 1 FROM quality LIMIT 1").fetchall():
            raise NotObserved(
                f"{self.country} has nothing on {self.local_date}, nor in the five weeks before:"
                f" there is nothing to tell; `storeavail status` says what there is"
            )
        sums = self._window_sums(connection)
        off, back = self._long_off(connection)
        changed = [each for name in Group._fields for each in self._changed(connection, name)]
        changed.sort(key=lambda each: each.beyond)
        first = self.local_date - (WEEK - 1) * DAY
        return Brief(
            country=self.country,
            timezone=self.timezone,
            local_date=self.local_date,
            group=self.group,
            is_provisional=self._is_provisional(connection),
            day=_beside(dates, [[self.local_date], *([day] for day in self.beside)]),
            week=_beside(dates, _weeks(self.local_date)) if with_week else None,
            dates=dates,
            windows=len(windows),
            lost=lost,
            lost_minutes=sum(sums[window].expected for window in lost if window in sums),
            waiting=waiting,
            suspect=suspect,
            incidents=self._incidents(self.local_date),
            week_incidents=self._incidents(first) if with_week else [],
            off=off,
            back=back,
            better=[each for each in changed if each.beyond < 0],
            worse=[each for each in reversed(changed) if each.beyond > 0],
            quarters=self._quarters(windows, sums),
            hours_changed=hours_changed(self.runtime, self.country, self.local_date, self.group),
        )

    def _rows(
        self, connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] = {}
    ) -> list[dict[str, Any]]:
        """The rows of a SELECT; `$where` in it stands for the stores that the brief is of."""
        names = {name: value for name, value in self.group._asdict().items() if value is not None}
        where = " AND ".join([f"{name} = ${name}" for name in names] or ["TRUE"])
        result = connection.sql(sql.replace("$where", where), params={**names, **parameters})
        rows: list[dict[str, Any]] = result.to_arrow_table().to_pylist()
        return rows

    def _dates(self, connection: duckdb.DuckDBPyConnection) -> dict[date, Sums]:
        rows = self._rows(
            connection,
            f"""SELECT local_date, {SUMS} FROM days WHERE $where
            GROUP BY local_date ORDER BY local_date""",
        )
        return {row["local_date"]: _sums(row) for row in rows}

    def _is_provisional(self, connection: duckdb.DuckDBPyConnection) -> bool:
        (row,) = self._rows(
            connection,
            f"""SELECT COALESCE(BOOL_OR(is_provisional), FALSE) AS found FROM days
            WHERE local_date = DATE '{self.local_date}' AND $where""",
        )
        return bool(row["found"])

    def _windows(
        self, connection: duckdb.DuckDBPyConnection, windows: Sequence[Window]
    ) -> tuple[list[Window], list[Window], dict[Window, str]]:
        """The windows that were lost, those that wait, and those that are suspect with the
        reasons.
        """
        rows = connection.sql("SELECT * FROM quality").to_arrow_table().to_pylist()
        all_rows = {Window(row["window_start"].astimezone(UTC)): row for row in rows}
        found = {window: all_rows[window] for window in windows if window in all_rows}
        verdicts = Trust(self.runtime.storage).verdicts(self.country)
        noted = noted_windows(self.runtime.storage, self.country)
        missing = self._missing([window for window in windows if window not in found])
        lost = [window for window, is_landed in missing.items() if not is_landed]
        waiting = [window for window, is_landed in missing.items() if is_landed]
        suspect = {}
        for window, row in found.items():
            judged = (row["suspect_reason"] or "suspect") if row["suspect"] else None
            reason = verdicts.suspicion(window.key, judged)
            if row["observed_at"] is None:
                lost.append(window)
            elif reason is not None:
                suspect[window] = reason
            if window.key in noted:
                waiting.append(window)
        return sorted(lost, key=_start), sorted(waiting, key=_start), suspect

    def _missing(self, windows: Sequence[Window]) -> dict[Window, bool]:
        """Of windows without rows those that are missing, and whether they were observed: not those
        before the country's first, nor those that can still be observed.
        """
        keys = self.runtime.markers.complete(self.country) if windows else []
        grace = self.runtime.platform.observation_grace
        return {
            window: self.runtime.landing.has(self.country, window, INDEX)
            for window in windows
            if keys and keys[0] < window.key and window.deadline(grace) < self.now
        }

    def _window_sums(self, connection: duckdb.DuckDBPyConnection) -> dict[Window, Sums]:
        rows = self._rows(
            connection,
            f"SELECT window_start, {SUMS} FROM summary WHERE $where GROUP BY window_start",
        )
        return {Window(row["window_start"].astimezone(UTC)): _sums(row) for row in rows}

    def _quarters(self, windows: Sequence[Window], sums: Mapping[Window, Sums]) -> list[Quarter]:
        now = {local_start(each, self.timezone)[1]: sums.get(each, NOTHING) for each in windows}
        before: dict[int, Sums] = {}
        for day in self.beside:
            for window in windows_of(day, self.timezone):
                minute = local_start(window, self.timezone)[1]
                before[minute] = before.get(minute, NOTHING) + sums.get(window, NOTHING)

        def share(minutes: Mapping[int, Sums], minute: int) -> float | None:
            found = minutes.get(minute, NOTHING)
            least = LEAST_OPEN * max(each.expected for each in minutes.values())
            return found.availability if found.known >= max(1.0, least) else None

        return [
            Quarter(minute, share(now, minute), share(before, minute)) for minute in sorted(now)
        ]

    def _incidents(self, first: date) -> list[Incident]:
        found = incidents_since(self.runtime.warehouse, self.country, first, self.local_date)
        group = self.group
        return sorted(
            (
                each
                for each in found
                if group.brand in (None, each.brand) and group.city in (None, each.city)
            ),
            key=lambda each: (each.kind != "missing", -each.missed_minutes, each.started_at),
        )

    def _long_off(
        self, connection: duckdb.DuckDBPyConnection
    ) -> tuple[list[LongOff], list[LongOff]]:
        """The stores that are off for long at the date's end, and those that came back."""
        names = ", ".join(field.name for field in fields(LongOff))
        limit = self.runtime.country(self.country).alerts.store_offline_after
        rows = self._rows(
            connection,
            # of a store that is closed on the date the newest row is of an earlier one
            f"""WITH newest AS (
              SELECT *, ROW_NUMBER() OVER (
                PARTITION BY store_id ORDER BY local_date DESC, started_at DESC) AS number
              FROM outages WHERE $where
            )
            SELECT {names}, ended_at FROM newest
            WHERE number = 1 AND (missed_minutes_total >= $limit OR is_started_before)
            ORDER BY missed_minutes_total DESC, started_at, store_id""",
            {"limit": limit.total_seconds() / 60},
        )
        start, end = (
            start_of(day, self.timezone) for day in (self.local_date, self.local_date + DAY)
        )
        off = [row for row in rows if row["ended_at"] is None or row["ended_at"] >= end]
        back = [row for row in rows if row["ended_at"] and start <= row["ended_at"] < end]
        return [_long(row) for row in off], [_long(row) for row in back]

    def _changed(self, connection: duckdb.DuckDBPyConnection, name: str) -> list[Changed]:
        """The brands, or cities, that were better or worse than usual."""
        if getattr(self.group, name) is not None:
            return []
        days = ", ".join(f"DATE '{day}'" for day in self.beside)
        rows = self._rows(
            connection,
            f"""SELECT {name}, local_date = DATE '{self.local_date}' AS is_now, {SUMS} FROM days
            WHERE {name} IS NOT NULL AND $where
              AND local_date IN (DATE '{self.local_date}', {days})
            GROUP BY ALL""",
        )
        now = {row[name]: _sums(row) for row in rows if row["is_now"]}
        before = {row[name]: _sums(row) for row in rows if not row["is_now"]}
        found = []
        for key, sums in now.items():
            usual = Beside(sums, before.get(key, NOTHING), 1).usual_missing
            if usual is None:
                continue
            changed = Changed(key, self.group._replace(**{name: key}), sums.missing, usual)
            if abs(changed.beyond) >= max(LEAST_MINUTES, LEAST_CHANGE * usual):
                found.append(changed)
        return found


def _start(window: Window) -> datetime:
    return window.start


def _long(row: Mapping[str, Any]) -> LongOff:
    found = LongOff(**{field.name: row[field.name] for field in fields(LongOff)})
    return replace(found, started_at=found.started_at.astimezone(UTC))


def _sums(row: Mapping[str, Any]) -> Sums:
    return Sums(*(row[name] for name in MINUTES))


def _weeks(last: date) -> list[list[date]]:
    """The seven dates up to one, and those of the four weeks before."""
    return [
        [last - (week * WEEK + number) * DAY for number in range(WEEK)]
        for week in range(WEEKS_BESIDE + 1)
    ]


def _beside(dates: Mapping[date, Sums], spans: Sequence[Sequence[date]]) -> Beside:
    """The sums of the first span, and of the others as far as they have any."""
    now, *before = [
        [dates[day] for day in span if day in dates and dates[day].expected] for span in spans
    ]
    there = [each for span in before for each in span]
    return Beside(sum(now, NOTHING), sum(there, NOTHING), sum(map(bool, before)))
