"""Where a document says what of a store, by the configuration: its fields, and its rows.

A document has one row, or one for each entry of its nested list. Nothing is read here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa

from storeavail_platform.config import DocumentFields, OnlineFlag
from storeavail_platform.domain.errors import SourceRejected
from storeavail_platform.domain.source import BATCH_ROWS, Taken
from storeavail_platform.sources.documents import as_text, columns_batch, documents_batch

DOCUMENT_ID = "_id"
"""The field name that stands for the document's own id."""
INEXACT = {"float", "half_float", "double", "scaled_float"}
"""Types of an index that do not hold every whole number of their size."""
WORDS_KEPT = 1_000
"""Values of flags whose meaning is remembered."""

Row = tuple[Any, Any, Any]
"""Values of store id, online flag and update time."""


def value_at(document: Any, path: str) -> Any:
    """A document's value by its name, dots leading into objects or standing in names.

    None where there is none; of a list of objects all values, in a list.
    """
    if isinstance(document, list | tuple):
        found = [value for each in document if (value := value_at(each, path)) is not None]
        return found or None
    if not isinstance(document, Mapping):
        return None
    if path in document:
        return document[path]
    head, _, tail = path.partition(".")
    while tail:
        if head in document and (value := value_at(document[head], tail)) is not None:
            return value
        more, _, tail = tail.partition(".")
        head = f"{head}.{more}"
    return None


def flag_reader(flag: OnlineFlag) -> Callable[[Any], str | None]:
    """What gives a document's flag as `true` or `false`, any other value as text, None as None."""
    meanings = flag.meanings()

    @lru_cache(WORDS_KEPT)
    def meaning(text: str) -> str:
        word = text.strip().lower()
        if word in meanings:
            return "true" if meanings[word] else "false"
        # what reads as a flag by itself is none where the configuration has other words
        return f"'{text}'" if word in ("true", "false") else text

    def read(value: Any) -> str | None:
        text = as_text(value)
        return None if text is None else meaning(text)

    return read


class Shape:
    """How documents become rows of `raw_online_index`."""

    def __init__(self, fields: DocumentFields) -> None:
        self.fields = fields
        self.flag = flag_reader(fields.online)
        self.names = (fields.store_id, fields.online.field, fields.updated_at)
        prefix = f"{fields.nested}."
        self._below = [
            name.removeprefix(prefix) if fields.nested and name.startswith(prefix) else None
            for name in self.names
        ]

    def values(self, hit: Mapping[str, Any]) -> Row:
        """The row of a server's hit, of its doc values."""
        fields = hit.get("fields", {})
        store_id, online, updated_at = self.names
        return (
            hit["_id"] if store_id == DOCUMENT_ID else fields.get(store_id),
            fields.get(online),
            fields.get(updated_at),
        )

    def batch(self, rows: Sequence[Row]) -> pa.RecordBatch:
        ids, flags, times = zip(*rows, strict=True) if rows else ((), (), ())
        return documents_batch(ids, [self.flag(value) for value in flags], times)

    def columns_batch(self, ids: pa.Array, flags: pa.Array, times: pa.Array) -> pa.RecordBatch:
        """What `batch` gives, of columns."""
        return columns_batch(ids, flags, times, self.flag)

    def batches(self, documents: Iterable[tuple[str | None, Any]]) -> Iterator[pa.RecordBatch]:
        """The rows of documents, which come with their own ids."""
        rows = itertools.chain.from_iterable(
            self.rows(document, own_id) for own_id, document in documents
        )
        while batch := list(itertools.islice(rows, BATCH_ROWS)):
            yield self.batch(batch)

    def rows(self, document: Any, own_id: Any) -> Iterator[Row]:
        """A document's rows: one, or with `nested` one an entry."""
        whole = [
            own_id if name == DOCUMENT_ID and own_id is not None else value_at(document, name)
            for name in self.names
        ]
        if self.fields.nested is None:
            yield (whole[0], whole[1], whole[2])
            return
        for entry in _entries(value_at(document, self.fields.nested)):
            values = [
                outer if name is None else value_at(entry, name)
                for name, outer in zip(self._below, whole, strict=True)
            ]
            yield (values[0], values[1], values[2])


def _entries(value: Any) -> Iterator[Any]:
    """The entries of a list, of lists in it too; an object that is in none is one."""
    if isinstance(value, list | tuple):
        for each in value:
            yield from _entries(each)
    elif value is not None:
        yield value


def listed(fields: DocumentFields, taken: Taken) -> str:
    """What was read of an index, and what that cost, in words."""
    counts, rows = taken.counts, sum(taken.rows.values())
    entries = f" with {rows:,} stores in {fields.nested}" if fields.nested else ""
    return (
        f"{counts['index_documents']:,} documents{entries} ({counts['index_bytes']:,} bytes in"
        f" {counts['index_milliseconds'] / 1000:.1f} s)"
    )


def refuse_fields(
    fields: DocumentFields, types: Mapping[str, Mapping[str, bool]], index: str, by_values: bool
) -> None:
    """Refuse fields that cannot be read.

    Args:
        types: of the fields that the index has, and whether each has doc values; an alias over
            several indices can give a field more than one.
        by_values: whether they are read by doc values.

    Raises:
        SourceRejected: the index lacks the store id or the flag, or a type cannot be read.
    """
    wanted = {"store_id": fields.store_id, "online": fields.online.field}
    if fields.nested is not None:
        wanted["nested"] = fields.nested
    if fields.several == "newest":
        wanted["updated_at"] = fields.updated_at
    for setting, name in wanted.items():
        if name not in types and name != DOCUMENT_ID:
            whole = f" by its whole name, {fields.nested}.NAME" if fields.nested else ""
            raise SourceRejected(
                f"index {index!r} has no field {name!r}; set online_index.{setting} to the field"
                f" that holds it{whole}"
            )
    if inexact := sorted(INEXACT & types.get(fields.store_id, {}).keys()):
        raise SourceRejected(
            f"index {index!r}: field {fields.store_id!r} is of type {inexact[0]}, which takes"
            " several ids for one (16777217 for 16777216); map it as keyword or long and index the"
            " documents again, or set online_index.store_id to a field that is"
        )
    if not by_values:
        return
    for name in (fields.store_id, fields.online.field, fields.updated_at):
        for kind, has_values in types.get(name, {}).items():
            if not has_values:
                raise SourceRejected(
                    f"index {index!r}: field {name!r} is of type {kind}, which has no doc values;"
                    f" use a field that has them, such as a keyword sub-field {name}.keyword"
                )
