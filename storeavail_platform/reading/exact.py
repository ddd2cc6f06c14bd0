"""Results of DuckDB as Arrow without losing or shifting a value: what neither Arrow nor Python
holds becomes text, and columns of one name are told apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

JSON_TEXT = {b"sql_type": b"JSON"}
"""Metadata of a column whose text is JSON."""
INTEGERS = {
    "tinyint",
    "smallint",
    "integer",
    "bigint",
    "hugeint",
    "utinyint",
    "usmallint",
    "uinteger",
    "ubigint",
}
MOMENTS = {
    "date",
    "timestamp",
    "timestamp_s",
    "timestamp_ms",
    "timestamp_ns",
    "timestamp with time zone",
    "timestamptz_ns",
}
HELD = (
    INTEGERS
    | MOMENTS
    | {
        "boolean",
        "float",
        "double",
        "decimal",
        "varchar",
        "uuid",
        "enum",
        "blob",
        "null",
    }
)
"""Types that Arrow holds whole. Of others it loses something: 24:00 becomes 00:00, an offset goes,
a UHUGEINT turns negative.
"""
AS_JSON = {"union", "variant"}
BATCH_ROWS = 50_000
DAY = timedelta(days=1)
UNITS = {
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
    "us": timedelta(microseconds=1),
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = datetime.min.replace(tzinfo=UTC) - EPOCH
AFTER_LAST = datetime(9999, 12, 31, tzinfo=UTC) - EPOCH + DAY
"""Moments that Python holds, from the epoch on."""


def exact_columns(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The relation with those columns as text (or JSON) that Arrow would not hold whole."""
    casts = [_cast(kind, HELD) for kind in relation.types]
    if not any(casts):
        return relation
    return relation.project(
        ", ".join(
            f"#{number}" if cast is None else f"CAST(#{number} AS {cast})"
            for number, cast in enumerate(casts, 1)
        )
    )


def exact_schema(schema: pa.Schema, names: Iterable[str], kinds: Iterable[Any]) -> pa.Schema:
    """An Arrow schema under the names that the statement gives, JSON marked as such.

    Args:
        names: may repeat: the second `a` becomes `a_1`.
        kinds: DuckDB's types.
    """
    return pa.schema(
        [
            field.with_name(name).with_metadata(JSON_TEXT if _is_json(kind) else None)
            for field, name, kind in zip(schema, distinct(names), kinds, strict=True)
        ]
    )


def _is_json(kind: Any) -> bool:
    return str(kind) == "JSON" or kind.id in AS_JSON


def distinct(names: Iterable[str]) -> list[str]:
    """Names told apart by `_1`, `_2`; SQL does not tell capitals apart, and nor does this."""
    wanted = list(names)
    taken = {name.lower() for name in wanted}
    seen: set[str] = set()
    unique: list[str] = []
    for name in wanted:
        candidate, number = name, 0
        while candidate.lower() in seen or (number and candidate.lower() in taken):
            number += 1
            candidate = f"{name}_{number}"
        seen.add(candidate.lower())
        unique.append(candidate)
    return unique


def rows_of(rows: pa.Table) -> Iterator[tuple[Any, ...]]:
    """The rows as Python's values.

    Maps are dictionaries with text as keys, JSON is what it holds (numbers as Decimal), bytes are
    DuckDB's text of them, moments as in `readable`.
    """
    plain = [
        _from_json if field.metadata == JSON_TEXT else _plain(field.type) for field in rows.schema
    ]
    for batch in readable(rows).to_batches(max_chunksize=BATCH_ROWS):
        columns = [
            map(function, column.to_pylist())
            for function, column in zip(plain, batch.columns, strict=True)
        ]
        yield from zip(*columns, strict=True)


def readable(rows: pa.Table) -> pa.Table:
    """The rows; a column with a moment that Python cannot hold (BC, after 9999, infinity,
    nanoseconds) as DuckDB's text.
    """
    for number, field in enumerate(rows.schema):
        if any(_is_beyond(leaf) for chunk in rows.column(number).chunks for leaf in _leaves(chunk)):
            rows = rows.set_column(number, field.name, _moments_as_text(rows.column(number)))
    return rows


def _moments_as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        relation = connection.from_arrow(pa.table({"value": column}))
        cast = _cast(relation.types[0], HELD - MOMENTS)
        return relation.project(f"CAST(value AS {cast}) AS value").to_arrow_table()["value"]


def _leaves(array: pa.Array) -> Iterator[pa.Array]:
    """The moments in an array, of lists, structs and maps too."""
    kind = array.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        yield array
    elif pa.types.is_map(kind):
        yield from _leaves(array.keys)
        yield from _leaves(array.items)
    elif pa.types.is_struct(kind):
        for number in range(kind.num_fields):
            yield from _leaves(array.field(number))
    elif pa.types.is_nested(kind):
        yield from _leaves(array.flatten())


def _is_beyond(moments: pa.Array) -> bool:
    """Whether Python's own types cannot hold one of these."""
    if pa.types.is_date(moments.type):
        unit, numbers = DAY, moments.cast(pa.int32())
    else:
        if moments.type.unit == "ns":
            return True
        unit, numbers = UNITS[moments.type.unit], moments.cast(pa.int64())
    ends = pc.min_max(numbers).as_py()
    if ends["min"] is None:
        return False
    return bool(ends["min"] < FIRST // unit or ends["max"] >= AFTER_LAST // unit)


def _cast(kind: Any, held: set[str]) -> str | None:
    """The SQL type to cast a column to; None where it is held as it is."""
    name = kind.id
    if name in held:
        return None
    if name in AS_JSON:
        return "JSON"
    if name not in ("list", "array", "struct", "map"):
        return "VARCHAR"
    parts = [(part, child) for part, child in kind.children if part != "size"]
    casts = [_cast(child, held) for _, child in parts]
    if not any(casts):
        return None
    inner = [cast or str(child) for cast, (_, child) in zip(casts, parts, strict=True)]
    if name == "struct":
        quoted = [f'"{part.replace(chr(34), chr(34) * 2)}"' for part, _ in parts]
        return f"STRUCT({', '.join(map(' '.join, zip(quoted, inner, strict=True)))})"
    if name == "map":
        return f"MAP({', '.join(inner)})"
    return f"{inner[0]}[{dict(kind.children).get('size', '')}]"


def _plain(kind: pa.DataType) -> Callable[[Any], Any]:
    """What makes a value of a type one that JSON has, where it is not one already."""
    if pa.types.is_map(kind):
        key, item = _plain(kind.key_type), _plain(kind.item_type)
        return lambda value: (
            None if value is None else {_key(key(name)): item(inner) for name, inner in value}
        )
    if pa.types.is_struct(kind):
        parts = {field.name: _plain(field.type) for field in kind}
        return lambda value: (
            None if value is None else {name: part(value[name]) for name, part in parts.items()}
        )
    if pa.types.is_nested(kind):
        each = _plain(kind.value_type)
        return lambda value: None if value is None else list(map(each, value))
    if pa.types.is_binary(kind):
        return lambda value: None if value is None else _blob_text(value)
    return lambda value: value


def _key(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _blob_text(value: bytes) -> str:
    """Bytes as DuckDB writes them: `\\xAA` where they are not ASCII that can be seen."""
    return "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in "\\'\"" else f"\\x{byte:02X}"
        for byte in value
    )


def _from_json(text: str | None) -> Any:
    if text is None:
        return None
    # NaN and infinity, which DuckDB writes and JSON has not, are null
    return json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=lambda _: None)
