"""The two query files, from guesses; the reason of each guess stands in them as a comment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storeavail_platform.commands.init.guess_hours import (
    DatedRows,
    Ends,
    Periods,
    WeekdayColumns,
    Weekly,
    WeeklyRows,
)
from storeavail_platform.commands.init.guess_stores import (
    GuessedIds,
    GuessedStores,
    Join,
    quoted,
)
from storeavail_platform.commands.init.tables import SeenTable

DEFAULT_TABLES = {
    "stores": ("store_id", "name", "city", "brand", "timezone", "is_active"),
    "store_weekly_hours": ("store_id", "weekday", "opens_at", "closes_at"),
    "store_special_hours": ("store_id", "business_date", "opens_at", "closes_at"),
}
BLANKS = r"E' \t\r\n'"
PERIODS = """WITH ends AS (
  SELECT h.{key} AS store_key, period.number, period.value ? 'close' AS closes, e.which,
    SUBSTRING(e.value ->> 'day' FROM '^[0-6]$')::int AS day,
    COALESCE(
      SUBSTRING(e.value ->> 'time' FROM '^([01]\\d|2[0-3])[0-5]\\d$')::int * 60
        + SUBSTRING(e.value ->> 'time' FROM '\\d\\d$')::int,
      SUBSTRING(e.value ->> 'hour' FROM '^(?:1?\\d|2[0-3])$')::int * 60
        + SUBSTRING(COALESCE(e.value ->> 'minute', '0') FROM '^[0-5]?\\d$')::int
    ) AS minute
  FROM {table} h
  CROSS JOIN JSONB_PATH_QUERY(h.{column}, '$.periods[*]') WITH ORDINALITY AS period(value, number)
  CROSS JOIN LATERAL
    (VALUES ('open', period.value -> 'open'), ('close', period.value -> 'close')) e(which, value)
),
periods AS (
  SELECT o.store_key, o.day, o.minute AS opens_minute,
    CASE
      -- of a week's 10,080 minutes, 1 to all of them
      WHEN o.closes THEN (c.day * 1440 + c.minute - o.day * 1440 - o.minute + 10079) % 10080 + 1
      WHEN o.day = 0 AND o.minute = 0 THEN 10080
    END AS minutes
  FROM ends o
  JOIN ends c ON c.store_key = o.store_key AND c.number = o.number AND c.which = 'close'
  WHERE o.which = 'open'
),
hours AS (
  -- a day's row from each 24 hours of a period; no row of a bad one, whose weekday is NULL then
  SELECT p.store_key, (p.day + n + 6) % 7 + 1 AS weekday, p.opens_minute,
    (p.opens_minute + LEAST(p.minutes - n * 1440, 1440)) % 1440 AS closes_minute
  FROM periods p
  LEFT JOIN LATERAL GENERATE_SERIES(0, (p.minutes - 1) / 1440) n ON TRUE
)"""
WEEKLY = """SELECT
  {store_id} AS store_id, 'weekly' AS kind, h.weekday, w.business_date,
  h.opens_minute, h.closes_minute, FALSE AS is_closed
FROM hours h
JOIN {stores} s ON s.{store_key} = h.store_key
JOIN local_windows w ON {zone}
WHERE (
    w.weekday = h.weekday
    -- what is no weekday, once
    OR w.window_minute < 1440 AND COALESCE(h.weekday, 0) NOT BETWEEN 1 AND 7
  )
  -- only what touches the window has to leave PostgreSQL, and what is wrong
  AND (
    h.weekday IS NULL OR h.weekday NOT BETWEEN 1 AND 7
    OR h.opens_minute IS NULL OR h.closes_minute IS NULL
    OR h.opens_minute - w.window_minute < 15
    AND h.closes_minute + CASE WHEN h.closes_minute <= h.opens_minute THEN 1440 ELSE 0 END
      - w.window_minute > 0
  )"""
SPECIAL = """
UNION ALL
SELECT
  {store_id}, 'special', NULL, h.business_date, h.opens_minute, h.closes_minute,
  h.opens_minute IS NULL AND h.closes_minute IS NULL
FROM (
  SELECT h.{key} AS store_key, h.{date} AS business_date,
    {opens} AS opens_minute,
    {closes} AS closes_minute
  FROM {table} h
) h
JOIN {stores} s ON s.{store_key} = h.store_key
JOIN local_windows w ON w.business_date = h.business_date
  AND {zone}"""
NOTHING = """SELECT
  NULL::text AS store_id, 'weekly' AS kind, NULL::int AS weekday, NULL::date AS business_date,
  NULL::int AS opens_minute, NULL::int AS closes_minute, FALSE AS is_closed
WHERE FALSE"""


@dataclass(frozen=True)
class Guessed:
    """Everything that was guessed of PostgreSQL."""

    ids: GuessedIds
    stores: GuessedStores
    weekly: Weekly | None
    dated: DatedRows | None

    @property
    def store_id(self) -> str:
        """SQL for the store's id, of the stores' table `s`."""
        column = f"s.{quoted(self.ids.column)}"
        return column if self.ids.sql == "{0}" else self.ids.sql.format(column)


def is_default(tables: Sequence[SeenTable]) -> bool:
    """Whether the tables are those that the platform reads without any query of one's own."""
    known = {table.name: table.columns for table in tables}
    return all(
        name in known and known[name].keys() >= set(columns)
        for name, columns in DEFAULT_TABLES.items()
    )


def stores_file(guessed: Guessed, made: str) -> str:
    """The text of the stores query.

    Args:
        made: a line on who wrote it, and when.
    """
    stores, table = guessed.stores, guessed.ids.table.name
    lines = [f"  {guessed.store_id} AS store_id"]
    joins = []
    for role in ("name", "address", "city", "brand", "timezone"):
        source = stores.columns.get(role)
        if isinstance(source, Join):
            lines.append(f"  {role}_of.{quoted(source.value)} AS {role}")
            on = f"{role}_of.{quoted(source.theirs)} = s.{quoted(source.own)}"
            joins.append(f"LEFT JOIN {source.table} {role}_of ON {on}")
        else:
            lines.append(f"  {'NULL::text' if source is None else f's.{quoted(source)}'} AS {role}")
    lines += [
        f"  {stores.active or 'TRUE'} AS is_active",
        f"  {_has_weekly(guessed.weekly)} AS has_weekly_hours",
    ]
    query = "\n".join(["SELECT", ",\n".join(lines), f"FROM {table} s", *joins])
    return f"{_comments([made, guessed.ids.why, *stores.why])}{query}\n"


def hours_file(guessed: Guessed, made: str) -> str:
    """The text of the hours query; see `stores_file`."""
    weekly, dated = guessed.weekly, guessed.dated
    zone = guessed.stores.columns.get("timezone")
    in_zone = (
        f"LOWER(w.timezone) = LOWER(COALESCE(BTRIM(s.{quoted(zone)}, {BLANKS}), ''))"
        if isinstance(zone, str)
        else "w.timezone = ''"
    )
    common = {"store_id": guessed.store_id, "stores": guessed.ids.table.name, "zone": in_zone}
    why = ["no table has hours that were recognised: write them as docs/schemas.md shows"]
    query = NOTHING
    if weekly is not None:
        why = [f"weekly hours are in {weekly.table}: {weekly.why}"]
        rows = WEEKLY.format(**common, store_key=quoted(weekly.store_key))
        query = f"{_hours(weekly)}\n{rows}"
    if dated is not None:
        why.append(f"hours of single dates are in {dated.table}; both ends NULL: closed")
        query += SPECIAL.format(
            **common,
            table=dated.table,
            key=quoted(dated.key),
            date=quoted(dated.date),
            opens=dated.ends.opens,
            closes=dated.ends.closes,
            store_key=quoted(dated.store_key),
        )
    return f"{_comments([made, *why])}{query}\n"


def _comments(lines: Sequence[str]) -> str:
    return "".join(f"-- {' '.join(line.split())}\n" for line in lines)


def _has_weekly(weekly: Weekly | None) -> str:
    if weekly is None:
        return "FALSE"
    within = f"FROM {weekly.table} h WHERE h.{quoted(weekly.key)} = s.{quoted(weekly.store_key)}"
    if isinstance(weekly, Periods):
        path = f"JSONB_PATH_EXISTS(h.{quoted(weekly.column)}, '$.periods[*]')"
        return f"EXISTS (SELECT 1 {within} AND {path})"
    if isinstance(weekly, WeekdayColumns):
        opens = ", ".join(ends.opens for _, ends in weekly.days)
        return f"EXISTS (SELECT 1 {within} AND COALESCE({opens}) IS NOT NULL)"
    return f"EXISTS (SELECT 1 {within})"


def _hours(weekly: Weekly) -> str:
    """The relation `hours` of a store's key, weekday and ends, as the start of a WITH."""
    key = quoted(weekly.key)
    if isinstance(weekly, Periods):
        return PERIODS.format(key=key, table=weekly.table, column=quoted(weekly.column))
    if isinstance(weekly, WeeklyRows):
        return _relation(key, weekly.table, weekly.weekday, weekly.ends, "")
    days = ",\n      ".join(
        f"({number}, {ends.opens}, {ends.closes})" for number, ends in weekly.days
    )
    lateral = f"""
  CROSS JOIN LATERAL (
    VALUES
      {days}
  ) d(weekday, opens_minute, closes_minute)
  WHERE d.opens_minute IS NOT NULL OR d.closes_minute IS NOT NULL"""
    return _relation(
        key, weekly.table, "d.weekday", Ends("d.opens_minute", "d.closes_minute"), lateral
    )


def _relation(key: str, table: str, weekday: str, ends: Ends, more: str) -> str:
    return f"""WITH hours AS (
  SELECT h.{key} AS store_key,
    {weekday} AS weekday,
    {ends.opens} AS opens_minute,
    {ends.closes} AS closes_minute
  FROM {table} h{more}
)"""
