"""A page of an index as the server sends it: its hits as columns, all at once, where they are what
hits usually are, else one by one.

Between two hits stands `},{"_`, which no text inside them can hold (its quote would be escaped):
with a line break there they are lines of JSON, which Arrow reads by a schema and refuses where
anything is of another type.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json

from storeavail_platform.sources.index_errors import RequestFailed
from storeavail_platform.sources.index_shapes import DOCUMENT_ID

PAGE = b'{"pit_id":'
"""What an answer with hits of a point in time starts with; no error does."""
FIRST, BETWEEN, ORDER, END = b'"hits":[', b'},{"_', b'"sort":[', b"]}}"
TYPES: Mapping[type, pa.DataType] = {str: pa.string(), int: pa.int64(), bool: pa.bool_()}
"""Of values that can be read as a column."""
USUAL = (pa.string(), pa.bool_(), pa.string())
"""Types of store id, online flag and update time where a page's first hit has none."""
Columns = tuple[pa.Array, pa.Array, pa.Array]
"""Values of store id, online flag and update time: text, whole numbers, or true and false."""


class Page:
    """An answer with hits, taken apart as far as it is needed.

    Attributes:
        around: its JSON, but for the hits.
    """

    def __init__(self, answer: Any) -> None:
        """
        Args:
            answer: its bytes; its JSON where that is already taken apart.

        Raises:
            RequestFailed: it is no JSON.
        """
        self._answer = answer
        self._rows: int | None = None
        self._hits: bytes | None
        self.around, self._hits = _apart(answer) or (json_of(answer), None)

    def __len__(self) -> int:
        """How many hits there are."""
        return len(self.hits) if self._rows is None else self._rows

    @cached_property
    def hits(self) -> list[dict[str, Any]]:
        """The hits, one by one."""
        found: list[dict[str, Any]] = json_of(self._answer)["hits"]["hits"]
        return found

    @property
    def is_empty(self) -> bool:
        return not (self.hits if self._hits is None else self._hits)

    @property
    def last_order(self) -> Any:
        """The values that the last hit is ordered by."""
        if self._hits is not None:
            try:
                return orjson.loads(b"{" + self._hits[self._hits.rindex(ORDER) :])["sort"]
            except ValueError:
                pass
        return self.hits[-1]["sort"]

    def columns(self, names: tuple[str, str, str]) -> Columns | None:
        """What the fields of store id, online flag and update time hold by doc values: of each hit
        the only value, NULL where it has none.

        None where the hits have to be read one by one: several values, or of several types.
        """
        columns = _columns(self._hits, names) if self._hits else None
        if columns is not None:
            self._rows = len(columns[0])
        return columns


def json_of(answer: Any) -> Any:
    """An answer's JSON.

    Args:
        answer: bytes; what is none was taken apart before.

    Raises:
        RequestFailed: it is no JSON.
    """
    if not isinstance(answer, bytes):
        return answer
    try:
        return orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise RequestFailed(f"its answer is no JSON: {error}") from None


def _apart(answer: Any) -> tuple[Any, bytes] | None:
    """JSON around the hits, and their bytes; None where the answer is not written as usual."""
    if not isinstance(answer, bytes) or not answer.endswith(END):
        return None
    start, end = answer.find(FIRST) + len(FIRST), len(answer) - len(END)
    try:
        around = orjson.loads(answer[:start] + answer[end:])
        is_usual = start <= end and around["hits"]["hits"] == []
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return (around, answer[start:end]) if is_usual else None


def _columns(hits: bytes, names: tuple[str, str, str]) -> Columns | None:
    lines = hits.replace(BETWEEN, b'}\n{"_')
    try:
        if not hits.isascii():
            # Arrow does not look whether text is UTF-8
            hits.decode()
        schema = _schema(orjson.loads(lines.partition(b"\n")[0]), names)
        table = pa_json.read_json(
            pa.BufferReader(lines),
            pa_json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
            pa_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
    except ValueError:
        # what JSON, UTF-8 and Arrow refuse
        return None
    fields = table.column("fields").combine_chunks()
    values = dict(zip(fields.type.names, map(_only, fields.flatten()), strict=True))
    found = [values[name] for name in names]
    if names[0] == DOCUMENT_ID:
        found[0] = table.column(DOCUMENT_ID).combine_chunks()
        if found[0].null_count:
            return None
    ids, flags, times = found
    return None if ids is None or flags is None or times is None else (ids, flags, times)


def _schema(first: Any, names: tuple[str, str, str]) -> pa.Schema:
    """Hits by the types that the first one's values have."""
    fields = (first.get("fields") or {}) if isinstance(first, dict) else {}
    kinds = dict(zip(names, USUAL, strict=True))
    for name in kinds:
        values = fields.get(name)
        if isinstance(values, list) and values:
            kinds[name] = TYPES.get(type(values[0]), kinds[name])
    columns = [pa.field("fields", pa.struct([(name, pa.list_(kinds[name])) for name in kinds]))]
    if DOCUMENT_ID in names:
        columns.append(pa.field(DOCUMENT_ID, pa.string()))
    return pa.schema(columns)


def _only(lists: pa.ListArray) -> pa.Array | None:
    """The only value of each list, NULL where there is no list; None where one is not alone."""
    lengths = pc.unique(lists.value_lengths()).to_pylist()
    values = lists.flatten()
    if any(length not in (1, None) for length in lengths) or values.null_count:
        return None
    return pc.list_element(lists, 0) if lists.null_count else values
