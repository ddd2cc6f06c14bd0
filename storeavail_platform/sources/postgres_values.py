"""PostgreSQL's values as the raw relations have them: columns by their types, and a value that is
not what its column should hold as a row that says so (`unreadable`), not as a lost window.

What would be shifted or vanish in silence, such as hours with a time zone, is refused with the
expression to write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storeavail_platform.domain.errors import SourceRejected
from storeavail_platform.domain.hours import zones
from storeavail_platform.sources.store_ids import store_ids

BOOL, SMALLINT, INTEGER, BIGINT, NUMERIC, REAL, DOUBLE = 16, 21, 23, 20, 1700, 700, 701
TIME, TIMETZ, TIMESTAMP, TIMESTAMPTZ, INTERVAL, DATE = 1083, 1266, 1114, 1184, 1186, 1082
TEXTS = {18: '"char"', 25: "text", 1042: "char", 1043: "varchar"}
TYPE_NAMES = {
    TIME: "time",
    TIMETZ: "timetz",
    DATE: "date",
    TIMESTAMP: "timestamp",
    TIMESTAMPTZ: "timestamptz",
    INTERVAL: "interval",
    **TEXTS,
}
"""PostgreSQL's types by their OID."""
LONGEST_TEXT, LONGEST_VALUE = 10_000, 200
MINUTES = {
    TIME: "CEIL(EXTRACT(EPOCH FROM {0}) / 60)::int",
    INTERVAL: "CEIL(EXTRACT(EPOCH FROM {0}) / 60)::int",
    TIMETZ: "CEIL(EXTRACT(EPOCH FROM {0}::time) / 60)::int",
    TIMESTAMP: "CEIL(EXTRACT(EPOCH FROM {0}::time) / 60)::int",
    TIMESTAMPTZ: "CEIL(EXTRACT(EPOCH FROM ({0} AT TIME ZONE 'UTC')::time) / 60)::int",
    **dict.fromkeys(TEXTS, "CEIL(EXTRACT(EPOCH FROM {0}::time) / 60)::int"),
}
"""What makes minutes after midnight of a type; a moment's zone is the company's to name."""
IS_EXACT = "is_exact"
"""A column beside an id that is a float: whether it stands for one whole number alone."""
EXACT_BELOW = {REAL: 2**24, DOUBLE: 2**53}
TRUE = frozenset({"t", "true", "y", "yes", "on", "1"})
FALSE = frozenset({"f", "false", "n", "no", "off", "0"})
BLANKS = " \t\r\n\f\v"


@dataclass(frozen=True)
class Column:
    """How a column of a raw relation is asked for.

    Attributes:
        sql: over the query's column `{0}`.
        type: that it is parsed with: the raw relation's own, or text that is judged here.
    """

    name: str
    sql: str
    type: pa.DataType


def asked(field: pa.Field, oid: int | None, label: str) -> list[Column]:
    """What is asked for a raw relation's column.

    Args:
        oid: the type that the query gives it; None: the query does not give it.
        label: the query, for messages.

    Raises:
        SourceRejected: a value of this type would mean something else.
    """
    kind, name = field.type, field.name
    if name == "source_id" and oid in EXACT_BELOW:
        # without its fraction, as the index has it
        whole = "{0} = TRUNC({0}::float8) AND ABS({0}) < " + str(EXACT_BELOW[oid])
        digits = f"CASE WHEN {whole} THEN {{0}}::bigint::text ELSE {{0}}::text END"
        finite = "{0}::text NOT IN ('NaN', 'Infinity', '-Infinity')"
        return [
            Column(name, f"CASE WHEN {finite} THEN {digits} ELSE {{0}}::text END", pa.string()),
            Column(IS_EXACT, f"CASE WHEN {finite} THEN {whole} ELSE FALSE END", pa.bool_()),
        ]
    if name == "source_id" and oid == NUMERIC:
        return [Column(name, "TRIM_SCALE({0})::text", pa.string())]
    if pa.types.is_string(kind):
        return [Column(name, f"LEFT(({{0}})::text, {LONGEST_TEXT})", kind)]
    if oid is not None and name.endswith("_minute") and oid in TYPE_NAMES and oid not in TEXTS:
        raise SourceRejected(
            f"{label}: {name} is of type {TYPE_NAMES[oid]}, and has to be minutes after midnight;"
            f" write {MINUTES[oid].format('...')} AS {name}"
        )
    if pa.types.is_boolean(kind) and oid in TYPE_NAMES and oid not in TEXTS:
        raise SourceRejected(
            f"{label}: {name} is of type {TYPE_NAMES[oid]}; write an expression that is true or"
            f" false AS {name}"
        )
    if name == "business_date" and oid == TIMESTAMPTZ:
        raise SourceRejected(
            f"{label}: {name} is of type timestamptz, whose date depends on a zone; write (..."
            " AT TIME ZONE '<the store's zone>')::date AS business_date"
        )
    return [_typed_or_text(name, kind, oid)]


def _typed_or_text(name: str, kind: pa.DataType, oid: int | None) -> Column:
    if pa.types.is_boolean(kind) and oid in (None, BOOL):
        return Column(name, "({0})::boolean", kind)
    if pa.types.is_integer(kind) and oid in (None, SMALLINT, INTEGER):
        return Column(name, "({0})::integer", kind)
    if pa.types.is_date(kind) and oid in (None, DATE, TIMESTAMP):
        # dates that no calendar of Python's knows become NULL
        known = "({0})::date BETWEEN '0001-01-01' AND '9999-12-31'"
        return Column(name, f"CASE WHEN {known} THEN ({{0}})::date END", kind)
    return Column(name, f"LEFT(({{0}})::text, {LONGEST_VALUE})", pa.string())


def refuse_types(columns: Mapping[str, int], query: str) -> None:
    """Refuse columns of the default tables that are not of the default types: their hours would be
    shifted, or vanish, in silence.

    Args:
        columns: types by `table.column`.
        query: the setting that maps other types.

    Raises:
        SourceRejected: names the column, its type, and what to write.
    """
    for column, oid in columns.items():
        name = column.rpartition(".")[2]
        if name.endswith("_at") and oid not in (TIME, INTERVAL):
            minutes = MINUTES.get(oid, MINUTES[TIME]).format(name)
            what, as_name = minutes, f"{name.removesuffix('_at')}_minute"
        elif name == "weekday" and oid in TEXTS:
            what, as_name = "weekday::int", "weekday"
        elif name == "business_date" and oid != DATE:
            what, as_name = "business_date::date", "business_date"
        else:
            continue
        raise SourceRejected(
            f"{column} is of type {TYPE_NAMES.get(oid, f'number {oid}')}, which the default hours"
            f" query does not read; write a query of your own ({query}) with {what} AS {as_name}"
            " (docs/schemas.md has examples)"
        )


def raw_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch as it was read, as one of a raw relation: ids made, zones found, values typed."""
    notes = _Notes(batch.num_rows)
    found: dict[str, pa.Array] = {}
    for name in batch.schema.names:
        column = batch.column(name)
        if pa.types.is_binary(column.type):
            column = _decoded(name, column, notes)
        if name in schema.names and column.type != schema.field(name).type:
            column = _typed(name, column, schema.field(name).type, notes)
        found[name] = column
    ids = store_ids(found["source_id"])
    for is_id in (notes.is_clean("source_id"), found.get(IS_EXACT)):
        if is_id is not None:
            ids = pc.if_else(pc.fill_null(is_id, True), ids, pa.scalar(None, pa.string()))
    found["store_id"] = ids
    if "timezone" in found:
        found["timezone"] = zone_names(found["timezone"])
    found["unreadable"] = notes.texts()
    return pa.RecordBatch.from_arrays([found[name] for name in schema.names], schema=schema)


def zone_names(texts: pa.StringArray) -> pa.StringArray:
    """Zones without blanks, tabs and line ends around them, by their own name where the case is
    another; what is none stays as it is.
    """
    distinct = texts.dictionary_encode()
    names = [_zone_name(text) for text in distinct.dictionary.to_pylist()]
    return pa.array(names, pa.string()).take(distinct.indices)


def _zone_name(text: str) -> str:
    trimmed = text.strip(BLANKS)
    return _zones_by_small_letters().get(trimmed.lower(), trimmed)


@cache
def _zones_by_small_letters() -> Mapping[str, str]:
    return {name.lower(): name for name in zones()}


class _Notes:
    """What could not be read in the rows of a batch."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._found: dict[int, list[str]] = {}
        self._columns: dict[str, set[int]] = {}

    def add(self, row: int, column: str, what: str) -> None:
        self._found.setdefault(row, []).append(f"{column} {what}")
        self._columns.setdefault(column, set()).add(row)

    def is_clean(self, column: str) -> pa.BooleanArray | None:
        """Which rows have a readable value in a column; None: all."""
        rows = self._columns.get(column)
        return None if rows is None else pa.array([row not in rows for row in range(self.rows)])

    def texts(self) -> pa.StringArray:
        if not self._found:
            return pa.nulls(self.rows, pa.string())
        rows = (self._found.get(row) for row in range(self.rows))
        return pa.array([None if row is None else "; ".join(row) for row in rows], pa.string())


def _decoded(name: str, column: pa.BinaryArray, notes: _Notes) -> pa.StringArray:
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        pass
    texts: list[str | None] = []
    for row, value in enumerate(column.to_pylist()):
        text = None if value is None else value.decode(errors="replace")
        texts.append(text)
        if text is not None and text.encode() != value:
            notes.add(row, name, f"{text!r} is not UTF-8")
    return pa.array(texts, pa.string())


def _typed(name: str, column: pa.StringArray, kind: pa.DataType, notes: _Notes) -> pa.Array:
    read = _READERS[str(kind)]
    values: list[Any] = []
    for row, text in enumerate(column.to_pylist()):
        value = None if text is None else read(text.strip(BLANKS))
        values.append(value)
        if text is not None and value is None:
            notes.add(row, name, repr(text))
    return pa.array(values, kind)


def _bool(text: str) -> bool | None:
    small = _without_zeros(text).lower()
    return True if small in TRUE else False if small in FALSE else None


def _int(text: str) -> int | None:
    digits = _without_zeros(text)
    try:
        value = int(digits) if "_" not in digits else None
    except ValueError:
        return None
    return value if value is not None and abs(value) < 2**31 else None


def _without_zeros(text: str) -> str:
    """A whole number without the zeros that its type's scale adds; other text as it is."""
    return re.sub(r"^([+-]?\d+)\.0*$", r"\1", text)


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


_READERS: Mapping[str, Callable[[str], Any]] = {
    str(pa.bool_()): _bool,
    str(pa.int32()): _int,
    str(pa.date32()): _date,
}
