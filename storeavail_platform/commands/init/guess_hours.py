"""Guesses of where opening hours are and how their weekdays are numbered: pure functions of what
was seen.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from storeavail_platform.commands.init.guess_stores import quoted
from storeavail_platform.commands.init.tables import SeenTable

DAYS = (
    ("mon", "seg", "lun"),
    ("tue", "ter", "mar"),
    ("wed", "qua", "mie"),
    ("thu", "qui", "jue"),
    ("fri", "sex", "vie"),
    ("sat", "sab"),
    ("sun", "dom"),
)
"""What the names of the weekdays begin with, Monday first."""
OPENS = ("open", "from", "start", "begin", "abre", "inicio")
CLOSES = ("clos", "to", "until", "end", "fecha", "cierra", "fim", "fin")
WEEKDAY = ("weekday", "day_of_week", "dayofweek", "dow", "day", "dia")
CLOCK = r"^\d\d?:[0-5]\d(?::[0-5]\d)?$"
NUMBERS = ("smallint", "integer", "bigint")
TEXTS = ("text", "character varying")
FEWER = 0.95
"""Of another day's rows: a day that has less of them has fewer."""
MOST_HOURS, MOST_MINUTES, MOST_HHMM = 24, 1440, 2400


@dataclass(frozen=True)
class Ends:
    """SQL for minutes after midnight, of the table `h`."""

    opens: str
    closes: str


@dataclass(frozen=True)
class WeeklyRows:
    """A row an interval: `weekday` is SQL for the ISO weekday, of the table `h`."""

    table: str
    key: str
    store_key: str
    weekday: str
    ends: Ends
    why: str


@dataclass(frozen=True)
class WeekdayColumns:
    """Two columns a weekday; the table may be the stores' own.

    Attributes:
        days: ISO weekday and its ends.
    """

    table: str
    key: str
    store_key: str
    days: tuple[tuple[int, Ends], ...]
    why: str


@dataclass(frozen=True)
class Periods:
    """A `jsonb` column of periods as Google Places has them."""

    table: str
    key: str
    store_key: str
    column: str
    why: str


@dataclass(frozen=True)
class DatedRows:
    """A row an interval of one date; both ends NULL: closed."""

    table: str
    key: str
    store_key: str
    date: str
    ends: Ends


Weekly = WeeklyRows | WeekdayColumns | Periods


def guess_weekly(stores: SeenTable, tables: Sequence[SeenTable]) -> Weekly | None:
    """Where the weekly hours are; None where nothing looks so."""
    for table in sorted(tables, key=lambda each: each is stores):
        link = link_to(stores, table)
        if link is None:
            continue
        for guess in (_rows, _columns, _periods):
            if (found := guess(table, *link)) is not None:
                return found
    return None


def guess_dated(stores: SeenTable, tables: Sequence[SeenTable]) -> DatedRows | None:
    """Where hours of single dates are; None where nothing looks so."""
    for table in tables:
        dates = [name for name, kind in table.columns.items() if kind == "date"]
        link = link_to(stores, table)
        if table is stores or link is None or len(dates) != 1 or _weekday_of(table):
            continue
        if (ends := _ends_of(table, list(table.columns))) is not None:
            return DatedRows(table.name, *link, dates[0], ends)
    return None


def link_to(stores: SeenTable, table: SeenTable) -> tuple[str, str] | None:
    """The column that names a table's store, and the column of the stores that it is.

    A table without rows is linked by the names of the columns.
    """
    if table is stores:
        key = next((name for name in table.ids if table.is_unique(name)), None)
        return None if key is None else (key, key)
    best: tuple[tuple[float, bool], tuple[str, str]] | None = None
    for column, ids in table.ids.items():
        for key, store_ids in stores.ids.items():
            if not stores.is_unique(key):
                continue
            alike = column.lower() in (key.lower(), f"store_{key}", f"shop_{key}")
            share = len(ids & store_ids) / len(ids) if ids else float(alike)
            if share >= 0.5 and (best is None or (share, alike) > best[0]):
                best = (share, alike), (column, key)
    return None if best is None else best[1]


def _rows(table: SeenTable, key: str, store_key: str) -> WeeklyRows | None:
    day = _weekday_of(table)
    ends = _ends_of(table, [name for name in table.columns if name not in (day, key)])
    if day is None or ends is None:
        return None
    numbered = weekday_sql(table.counts.get(day, {}), f"h.{quoted(day)}")
    if numbered is None:
        return None
    return WeeklyRows(table.name, key, store_key, numbered[0], ends, numbered[1])


def _weekday_of(table: SeenTable) -> str | None:
    for wanted in WEEKDAY:
        for name in table.columns:
            if wanted not in name.lower() or (table.rows and name not in table.counts):
                continue
            if weekday_sql(table.counts.get(name, {}), "") is not None:
                return name
    return None


def weekday_sql(rows: Mapping[str, int], day: str) -> tuple[str, str] | None:
    """SQL for the ISO weekday of a column, and why; None where its values are no weekdays.

    Args:
        rows: how many have each value.
    """
    counts = Counter[str]()
    for value, count in rows.items():
        counts[value.strip().lower()] += count
    shown = ", ".join(f"{value} {count:,}" for value, count in sorted(counts.items())[:9])
    numbers = {int(value): count for value, count in counts.items() if value.isdigit()}
    if counts and len(numbers) < 0.5 * len(counts):
        return _weekday_names(counts, day, shown)
    if not counts or set(numbers) - set(range(9)):
        return None if counts else (day, "no row says otherwise: ISO, 1 for Monday")
    if 0 in numbers and 7 not in numbers:
        if numbers.get(6, 0) < FEWER * numbers[0]:
            return f"{day} + 1", f"0 for Monday: 6 has fewer rows than 0, as Sundays have ({shown})"
        return (
            f"CASE {day} WHEN 0 THEN 7 ELSE {day} END",
            f"0 for Sunday, as in JavaScript; where 0 is Monday write {day} + 1 ({shown})",
        )
    least = min(numbers, key=lambda each: (numbers[each], -each))
    if least == 1 and set(numbers) >= {1, 7} and numbers[1] < FEWER * numbers[7]:
        return (
            f"CASE WHEN {day} = 1 THEN 7 WHEN {day} BETWEEN 2 AND 7 THEN {day} - 1 END",
            f"1 for Sunday: it has the fewest rows ({shown})",
        )
    return day, f"ISO, 1 for Monday ({shown})"


def _weekday_names(counts: Mapping[str, int], day: str, shown: str) -> tuple[str, str] | None:
    plain = {value.replace("á", "a").replace("é", "e")[:3] for value in counts}
    for language in range(3):
        names = [each[min(language, len(each) - 1)] for each in DAYS]
        if len(plain & set(names)) >= 0.8 * len(plain):
            listed = ",".join(names)
            return (
                f"ARRAY_POSITION('{{{listed}}}',"
                f" LEFT(TRANSLATE(LOWER(BTRIM({day}::text)), 'áÁéÉ', 'aaee'), 3))",
                f"names of weekdays ({shown})",
            )
    return None


def _columns(table: SeenTable, key: str, store_key: str) -> WeekdayColumns | None:
    days = []
    for number, names in enumerate(DAYS, 1):
        of_day = [
            name
            for name in table.columns
            if any(re.search(rf"(^|_){each}[a-z]*(_|$)", name.lower()) for each in names)
        ]
        ends = _ends_of(table, of_day)
        if ends is not None:
            days.append((number, ends))
    if len(days) < 5:
        return None
    return WeekdayColumns(table.name, key, store_key, tuple(days), "two columns a weekday")


def _periods(table: SeenTable, key: str, store_key: str) -> Periods | None:
    for name, kind in table.columns.items():
        values = [value for value in table.values(name) if isinstance(value, dict)]
        if kind != "jsonb" or not values:
            continue
        if sum(isinstance(value.get("periods"), list) for value in values) > 0.5 * len(values):
            why = f"{name} has periods as Google Places: day 0 is Sunday"
            return Periods(table.name, key, store_key, name, why)
    return None


def _ends_of(table: SeenTable, names: Sequence[str]) -> Ends | None:
    """SQL for the minutes at which it opens and closes, of the first columns that say so."""
    opens, closes = (next(_times(table, names, wanted), None) for wanted in (OPENS, CLOSES))
    if opens is None or closes is None:
        return None
    numbers = [
        value for name in (opens, closes) for value in table.values(name) if isinstance(value, int)
    ]
    most = max(numbers, default=0)
    return Ends(*(_minutes(table, name, most) for name in (opens, closes)))


def _times(table: SeenTable, names: Sequence[str], wanted: Sequence[str]) -> Iterator[str]:
    """The columns whose name says what is wanted, and that hold times of a day."""
    for name in names:
        kind, values = table.columns[name], table.values(name)
        clocks = sum(re.match(CLOCK, str(value).strip()) is not None for value in values)
        is_time = (
            kind.startswith(("time without", "interval"))
            or (kind in NUMBERS and bool(values))
            or (kind in TEXTS and bool(values) and clocks > 0.5 * len(values))
        )
        tokens = name.lower().split("_")
        if is_time and any(token.startswith(each) for token in tokens for each in wanted):
            yield name


def _minutes(table: SeenTable, name: str, most: int) -> str:
    """SQL for minutes after midnight.

    Args:
        most: the largest number of both ends: its size says what they count.
    """
    column, kind = f"h.{quoted(name)}", table.columns[name]
    if kind in TEXTS:
        column = f"SUBSTRING(BTRIM({column}) FROM '{CLOCK}')::interval"
    if kind not in NUMBERS:
        return f"CEIL(EXTRACT(EPOCH FROM {column}) / 60)::int"
    if most <= MOST_HOURS:
        return f"({column} * 60)::int"
    if most <= MOST_MINUTES:
        return f"{column}::int"
    if most <= MOST_HHMM:
        return f"({column} / 100 * 60 + {column} % 100)::int"
    return f"CEIL({column} / 60.0)::int"
