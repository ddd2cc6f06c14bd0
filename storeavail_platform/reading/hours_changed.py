"""Whose opening hours on a date are others than on the same weekday a week before, by brand and
change: the view `hours_changed` over the few dates that it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as time_of_day

from storeavail_platform.domain.tables.daily import DAILY_STORE_AVAILABILITY
from storeavail_platform.domain.tables.declarations import EXPECTED_SCHEDULES, STORE_HOURS
from storeavail_platform.domain.tables.views import HOURS_CHANGED
from storeavail_platform.pipeline.date_facts import EASTERNMOST, WESTERNMOST
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.datasets import committed_partitions
from storeavail_platform.reading.dates import DAY, Rows, of_dates, of_windows, opened
from storeavail_platform.reading.recent import Group

MOST_ROWS = 60_000_000
"""Rows of hours and schedules that are read: where the dates have more, changes are not looked
for."""
COLUMNS = {
    STORE_HOURS: (
        "store_id",
        "window_start",
        "business_date",
        "kind",
        "opens_minute",
        "closes_minute",
        "is_closed",
        "problem",
    ),
    EXPECTED_SCHEDULES: ("store_id", "window_start", "local_date", "local_minute"),
}


@dataclass(frozen=True)
class HoursChanged:
    """Stores of a brand whose hours changed in one way.

    Attributes:
        change: a value of the view's column.
        is_special: whether special hours are what differs.
        since: the first of the date and the one before it on which they differ so.
        opens, closes: minutes of the date that most of them have, and had; None: closed.
    """

    brand: str | None
    change: str
    is_special: bool
    stores: int
    since: date
    opens: int | None
    opens_before: int | None
    closes: int | None
    closes_before: int | None


def hours_changed(
    runtime: Runtime, country: str, local_date: date, group: Group
) -> list[HoursChanged] | None:
    """The changes of a date, of most stores first; None: there is too much to look through.

    Raises:
        WarehouseError: the tables cannot be read.
    """
    spans = [(day - DAY, day) for day in (local_date, local_date - 7 * DAY)]
    where = " OR ".join(f"({_windows_of(*span)})" for span in spans)
    if _rows(runtime, country, where) > MOST_ROWS:
        return None
    relations = {table.name: Rows(table, columns, where) for table, columns in COLUMNS.items()} | {
        "days": Rows(
            DAILY_STORE_AVAILABILITY,
            ("local_date", "store_id", "brand", "city"),
            of_dates(local_date, local_date),
        )
    }
    names = {name: value for name, value in group._asdict().items() if value is not None}
    chosen = " AND ".join([f"d.{name} = ${name}" for name in names] or ["TRUE"])
    view = HOURS_CHANGED.sql(recent={name: name for name in HOURS_CHANGED.recent})
    with opened(runtime, country, relations) as connection:
        found = connection.sql(
            f"""WITH changed AS ({view}),
            compared AS (
              SELECT c.*, d.brand,
                c.kind = 'special' OR COALESCE(c.kind_before, '') = 'special' AS is_special,
                y.store_id IS NOT NULL AS was_before
              FROM changed c JOIN days d ON d.store_id = c.store_id
              LEFT JOIN changed y ON y.store_id = c.store_id AND y.change = c.change
                AND y.business_date = DATE '{local_date - DAY}'
              WHERE c.business_date = DATE '{local_date}' AND {chosen}
            )
            SELECT brand, change, COALESCE(is_special, FALSE) AS is_special, COUNT(*) AS stores,
              BOOL_OR(was_before) AS was_before,
              MODE(opens_minute) AS opens, MODE(opens_minute_before) AS opens_before,
              MODE(closes_minute) AS closes, MODE(closes_minute_before) AS closes_before
            FROM compared GROUP BY ALL ORDER BY stores DESC, brand NULLS LAST, change""",
            params=names or None,
        )
        rows = found.to_arrow_table().to_pylist()
    return [
        HoursChanged(
            since=local_date - DAY if row.pop("was_before") else local_date,
            **row,
        )
        for row in rows
    ]


def _windows_of(first: date, last: date) -> str:
    """The filter of windows that belong to local dates anywhere."""
    starts, ends = (datetime.combine(day, time_of_day(), UTC) for day in (first, last + DAY))
    return of_windows(starts - EASTERNMOST, ends + WESTERNMOST)


def _rows(runtime: Runtime, country: str, where: str) -> int:
    count = 0
    for table in COLUMNS:
        found = runtime.warehouse.load(country, table.name)
        if found is not None:
            planned = committed_partitions(found.scan(row_filter=where))
            count += sum(sum(of.values()) for of in planned.values())
    return count
