"""Index documents as rows of `raw_online_index`: values as text, whatever a document holds.

Judging them is the tables' work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storeavail_platform.domain.source import RAW_ONLINE_INDEX
from storeavail_platform.sources.store_ids import store_ids

EXACT = 2**53 - 1
"""Beyond it a float stands for several whole numbers."""
LONGEST_TEXT = 1_000
"""Characters kept of a value that is not what it should be."""
SMALLEST_MILLISECONDS = 10**11
"""As seconds it is the year 5138, as milliseconds 1973: a number below it counts seconds."""
EXACT_MILLISECONDS = 2**42
"""The year 2109: below it a float of seconds is exact to the microsecond."""


def documents_batch(
    ids: Iterable[Any], flags: Iterable[Any], times: Sequence[Any]
) -> pa.RecordBatch:
    """A batch of `raw_online_index` from the documents' values of store id, online flag and
    update time.
    """
    values = list(ids)
    columns = [
        store_ids(pa.array([id_text(value) for value in values], pa.string())),
        pa.array([as_text(value) for value in values], pa.string()),
        pa.array([as_text(value) for value in flags], pa.string()),
        pa.array([as_time(value) for value in times], pa.timestamp("us", tz="UTC")),
        pa.array([as_text(value) for value in times], pa.string()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=RAW_ONLINE_INDEX)


def columns_batch(
    ids: pa.Array, flags: pa.Array, times: pa.Array, flag: Callable[[Any], str | None]
) -> pa.RecordBatch:
    """What `documents_batch` gives, of values that are columns already: text, whole numbers, or
    true and false.

    Args:
        flag: what gives the text of a flag.
    """
    are_ids = not pa.types.is_boolean(ids.type)
    columns = [
        store_ids(ids.cast(pa.string()) if are_ids else pa.nulls(len(ids), pa.string())),
        _texts(ids),
        _mapped(flags, flag, pa.string()),
        _moments(times),
        _texts(times),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=RAW_ONLINE_INDEX)


def _texts(values: pa.Array) -> pa.StringArray:
    """`as_text` of each value."""
    return pc.utf8_slice_codeunits(values.cast(pa.string()), 0, LONGEST_TEXT)


def _moments(values: pa.Array) -> pa.TimestampArray:
    """`as_time` of each value."""
    kind = RAW_ONLINE_INDEX.field("updated_at").type
    if pa.types.is_boolean(values.type):
        return pa.nulls(len(values), kind)
    if pa.types.is_string(values.type):
        shortest, longest = pc.min_max(pc.binary_length(values)).as_py().values()
        is_number = shortest is not None and shortest >= 12 and longest <= 13
        if not is_number or not pc.all(pc.ascii_is_decimal(values), min_count=0).as_py():
            return _mapped(values, as_time, kind)
    numbers = values.cast(pa.int64())
    least, most = pc.min_max(numbers).as_py().values()
    if least is None or not SMALLEST_MILLISECONDS <= least <= most < EXACT_MILLISECONDS:
        return _mapped(values, as_time, kind)
    return numbers.cast(pa.timestamp("ms", tz="UTC")).cast(kind)


def _mapped(values: pa.Array, function: Callable[[Any], Any], kind: pa.DataType) -> pa.Array:
    """A function of each value, called once for equal ones."""
    distinct = values.dictionary_encode()
    found = [function(value) for value in distinct.dictionary.to_pylist()]
    return pa.array(found, kind).take(distinct.indices)


def id_text(value: Any) -> str | None:
    """A document's store id as text, None where the value names no one store: it is none, several,
    true or false, or a number whose type does not hold every whole number of its size.
    """
    if value.__class__ is str:
        return value if value.isascii() or _is_text(value) else None
    if isinstance(value, list | tuple):
        return id_text(value[0]) if len(value) == 1 else None
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) <= EXACT else None
    return str(value) if isinstance(value, int) else None


def _is_text(value: str) -> bool:
    """Whether it is text that can be written: a lone half of a surrogate pair cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_text(value: Any) -> str | None:
    """A document's value as text: whole numbers without a fraction, several values joined by
    commas, None where there is none.
    """
    if value.__class__ is str:
        text = value
    elif value is None:
        return None
    elif value.__class__ is bool:
        return "true" if value else "false"
    elif value.__class__ is float and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    elif isinstance(value, list | tuple):
        if not value:
            return None
        return (
            as_text(value[0])
            if len(value) == 1
            else ",".join(str(as_text(item)) for item in value)[:LONGEST_TEXT]
        )
    else:
        text = str(value)
    # Arrow takes no lone surrogates; a value with one is not what it should be anyway
    return (
        text[:LONGEST_TEXT].encode("utf-8", "replace").decode()
        if not text.isascii() or len(text) > LONGEST_TEXT
        else text
    )


def as_time(value: Any) -> datetime | None:
    """A document's update time: a number since 1970, or ISO 8601 (UTC where it names no offset).

    None where it is neither.
    """
    if isinstance(value, list | tuple):
        value = value[0] if len(value) == 1 else None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    if value is None or isinstance(value, bool):
        return None
    try:
        if isinstance(value, int | float):
            return _since_1970(value)
        if value.replace(".", "", 1).isdigit():
            return _since_1970(float(value))
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError, AttributeError):
        return None


def _since_1970(number: float) -> datetime:
    """A moment by the size of its number: seconds, or milliseconds.

    Raises:
        ValueError, OverflowError, OSError: it is neither.
    """
    seconds = number if abs(number) < SMALLEST_MILLISECONDS else number / 1000
    return datetime.fromtimestamp(seconds, UTC)
