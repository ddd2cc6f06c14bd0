"""What a month of a country was worth beside its baseline, of committed tables: sums by date
without windows that are no evidence, compared by `domain/value.py`.

Gaps and suspect windows are out: their minutes are in no sum, and an outage that began in one is
none. A date counts when nine tenths of its windows are evidence.
"""

from __future__ import annotations

import calendar
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import duckdb
import pyarrow as pa

from storeavail_platform.config import Baseline
from storeavail_platform.domain.errors import NotObserved
from storeavail_platform.domain.hours import local_start
from storeavail_platform.domain.tables.daily import STORE_OUTAGES
from storeavail_platform.domain.tables.declarations import AVAILABILITY_SUMMARY, WINDOW_QUALITY
from storeavail_platform.domain.tables.views import OUTAGES
from storeavail_platform.domain.value import LEAST_DATES, Comparison, DateSums, compare
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.dates import (
    DAY,
    Rows,
    of_dates,
    of_windows,
    opened,
    start_of,
    windows_of,
)
from storeavail_platform.warehouse.trust import Trust

BASELINE_DATES = 28
"""Complete dates that a baseline has by default: the first ones."""
LEAST_EVIDENCE = 0.9
"""Part of a date's windows that has to be evidence for it to count."""
AROUND = 8 * DAY
"""So many dates before a period are read for the outages that came before, and after it for how
long they went on."""
OUTAGES_SQL = f"""
WITH outages AS ({OUTAGES.sql()}),
numbered AS (
  SELECT started_at, missed_minutes,
    LAG(ended_at) OVER (PARTITION BY store_id ORDER BY started_at) AS ended_before
  FROM outages
)
SELECT w.local_date, COUNT(*) AS outages,
  CAST(SUM(n.missed_minutes) AS BIGINT) AS outage_minutes,
  CAST(SUM(CASE WHEN n.started_at - n.ended_before <= INTERVAL 7 DAY THEN 1 ELSE 0 END) AS BIGINT)
    AS repeats
FROM numbered n JOIN evidence w ON w.window_start = n.started_at
GROUP BY w.local_date
"""


@dataclass(frozen=True)
class Value:
    """A month beside a baseline.

    Attributes:
        month: its first date.
        left_out: dates of the month that do not count.
        left_windows: windows of the month's dates that are no evidence.
    """

    country: str
    timezone: str
    month: date
    baseline: Sequence[DateSums]
    dates: Sequence[DateSums]
    left_out: int
    left_windows: int
    comparison: Comparison


def value_of(
    runtime: Runtime,
    country: str,
    month: date,
    kept: Sequence[DateSums] | None = None,
) -> Value:
    """The value of a month.

    Args:
        month: any date of it.
        kept: sums of the default baseline as they were made before: its windows may be older than
            `retention.facts`.

    Raises:
        NotObserved: there are too few dates of the baseline or of the month.
        WarehouseError: the tables cannot be read.
    """
    settings = runtime.country(country)
    first = month.replace(day=1)
    last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
    evidence = _evidence(runtime, country, settings.timezone, last)
    complete = [
        day for day, (good, count) in evidence.items() if len(good) >= LEAST_EVIDENCE * count
    ]
    own = runtime.platform.reports.baseline
    chosen = _baseline_dates(complete, own)
    baseline = kept if kept is not None and own is None else None
    is_enough = len(chosen) == BASELINE_DATES if own is None else len(chosen) >= LEAST_DATES
    if baseline is None and not is_enough:
        raise NotObserved(
            f"{country} has {len(chosen)} complete dates for a baseline, and"
            f" {BASELINE_DATES if own is None else LEAST_DATES} are needed before a month can be"
            " compared with it"
        )
    taken = {each.day for each in baseline} if baseline is not None else set(chosen)
    days = [day for day in complete if first <= day <= last and day not in taken]
    if len(days) < LEAST_DATES:
        raise NotObserved(
            f"{country} has {len(days)} complete dates in {first:%B %Y} beside its baseline, and"
            f" {LEAST_DATES} are needed"
        )
    if baseline is None:
        baseline = _sums(runtime, country, chosen, evidence)
    dates = _sums(runtime, country, days, evidence)
    # the same figures give the same bounds
    seed = int(hashlib.sha256(f"{country} {first}".encode()).hexdigest()[:8], 16)
    return Value(
        country,
        settings.timezone,
        first,
        baseline,
        dates,
        left_out=last.day - len(days) - sum(first <= day <= last for day in taken),
        left_windows=sum(evidence[day][1] - len(evidence[day][0]) for day in days),
        comparison=compare(baseline, dates, seed=seed),
    )


Evidence = Mapping[date, tuple[Sequence[Window], int]]
"""By date the windows that are evidence, and how many windows it has; in order."""


def _baseline_dates(complete: Iterable[date], own: Baseline | None) -> list[date]:
    if own is None:
        return list(complete)[:BASELINE_DATES]
    return [day for day in complete if own.first <= day <= own.last]


def _evidence(runtime: Runtime, country: str, timezone: str, last: date) -> Evidence:
    until = start_of(last + DAY, timezone)
    rows = Rows(
        WINDOW_QUALITY,
        ("window_start", "observed_at", "suspect", "suspect_reason"),
        f"window_start < '{until.isoformat()}'",
    )
    verdicts = Trust(runtime.storage).verdicts(country)
    good = defaultdict[date, list[Window]](list)
    with opened(runtime, country, {"quality": rows}) as connection:
        found = connection.sql(
            "SELECT * FROM quality WHERE observed_at IS NOT NULL ORDER BY window_start"
        )
        for row in found.to_arrow_table().to_pylist():
            window = Window(row["window_start"].astimezone(UTC))
            judged = (row["suspect_reason"] or "suspect") if row["suspect"] else None
            if verdicts.suspicion(window.key, judged) is None:
                good[local_start(window, timezone)[0]].append(window)
    return {
        day: (windows, len(windows_of(day, timezone)))
        for day, windows in sorted(good.items())
        if day <= last
    }


def _sums(
    runtime: Runtime, country: str, days: Sequence[date], evidence: Evidence
) -> list[DateSums]:
    timezone = runtime.country(country).timezone
    first, last = days[0], days[-1]
    starts, ends = start_of(first, timezone), start_of(last + DAY, timezone)
    outage = ("store_id", "name", "city", "brand", "local_date", "started_at", "ended_at", "cause")
    relations = {
        "summary": Rows(
            AVAILABILITY_SUMMARY,
            ("window_start", "expected_minutes", "unknown_minutes", "missing_minutes"),
            of_windows(starts, ends),
        ),
        STORE_OUTAGES.name: Rows(
            STORE_OUTAGES,
            (*outage, "missed_minutes", "is_started_before"),
            of_dates(first - AROUND, last + AROUND),
        ),
    }
    with opened(runtime, country, relations) as connection:
        connection.register("evidence", _evidence_table(days, evidence))
        minutes = _by_date(
            connection,
            """SELECT w.local_date,
              CAST(SUM(s.expected_minutes - s.unknown_minutes) AS BIGINT) AS known,
              CAST(SUM(s.missing_minutes) AS BIGINT) AS missing
            FROM summary s JOIN evidence w ON w.window_start = s.window_start
            GROUP BY w.local_date""",
        )
        outages = _by_date(connection, OUTAGES_SQL)
    nothing = {"known": 0, "missing": 0}
    return [DateSums(day, **minutes.get(day, nothing), **outages.get(day, {})) for day in days]


def _by_date(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[date, dict[str, int]]:
    rows = connection.sql(sql).to_arrow_table().to_pylist()
    return {row.pop("local_date"): row for row in rows}


def _evidence_table(days: Sequence[date], evidence: Evidence) -> pa.Table:
    pairs: list[tuple[datetime, date]] = [
        (window.start, day) for day in days for window in evidence[day][0]
    ]
    return pa.table(
        {
            "window_start": pa.array([start for start, _ in pairs], pa.timestamp("us", tz="UTC")),
            "local_date": pa.array([day for _, day in pairs], pa.date32()),
        }
    )
