"""The documents of a file, NDJSON or Parquet, a bounded part at a time, with ids that are exact.

Whatever the file's types are, values come as what JSON has, and moments as `datetime`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from storeavail_platform.domain.errors import SourceRejected
from storeavail_platform.domain.source import BATCH_ROWS
from storeavail_platform.sources.index_shapes import DOCUMENT_ID
from storeavail_platform.sources.limits import LARGEST_CHUNK, LONGEST_LINE, megabytes

SUFFIXES = (".ndjson", ".jsonl", ".parquet")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
WRAPPED = "_source"
"""Where a line that elasticdump wrote has the document."""
LONG_NUMBER = re.compile(rb"[0-9]{20}|-[0-9]{19}")
"""What may be a whole number that orjson reads as a float."""

Document = Mapping[str, Any]


def batches(path: Path, names: Collection[str]) -> Iterator[list[Document]]:
    """The documents of a file, in lists of bounded size.

    Args:
        names: the fields that are wanted, dots leading into objects; others may be missing.

    Raises:
        SourceRejected: names the file, and the line or the column that cannot be read.
    """
    return _parquet(path, names) if path.suffix == ".parquet" else _lines(path)


def own_id(document: Document) -> Any:
    """The document's own id, beside it in the line of a dump."""
    return document.get(DOCUMENT_ID)


def unwrapped(document: Document) -> Document:
    """The document itself, out of the line of a dump."""
    inner = document.get(WRAPPED)
    return inner if isinstance(inner, Mapping) else document


def _lines(path: Path) -> Iterator[list[Document]]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise SourceRejected(
            f"{path} cannot be read: {error.strerror}; check that it is there, and this user's"
            " rights"
        ) from error
    with file:
        batch: list[Document] = []
        size = 0
        for number, line in _numbered(path, file):
            batch.append(_document(path, number, line))
            size += len(line)
            if len(batch) == BATCH_ROWS or size > LONGEST_LINE:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch


def _numbered(path: Path, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that hold anything."""
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise SourceRejected(
                f"{path}, line {number}: is longer than {megabytes(LONGEST_LINE)}; write one"
                " document a line"
            )
        if number == 1:
            line = line.removeprefix(BYTE_ORDER_MARK)
        if line.strip():
            yield number, line


def _document(path: Path, number: int, line: bytes) -> Document:
    try:
        # ids that are exact are worth the slower parser
        document = json.loads(line) if LONG_NUMBER.search(line) else orjson.loads(line)
    except ValueError as error:
        raise SourceRejected(
            f"{path}, line {number}: is not JSON ({error}); write one document a line"
        ) from error
    if not isinstance(document, dict):
        raise SourceRejected(
            f"{path}, line {number}: is not a JSON object; write one document a line"
        )
    return document


def _parquet(path: Path, names: Collection[str]) -> Iterator[list[Document]]:
    try:
        with pq.ParquetFile(path) as file:
            columns = [
                column
                for column in file.schema_arrow.names
                if any(name == column or name.startswith(f"{column}.") for name in names)
            ]
            _refuse_large(path, file, columns)
            for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                yield _plain(batch)
    except (pa.ArrowException, OSError) as error:
        raise SourceRejected(f"{path} is not a readable Parquet file: {error}") from error


def refuse_inexact(path: Path, name: str) -> None:
    """Refuse a Parquet file whose ids are of a type that takes several ids for one.

    Raises:
        SourceRejected: names the column and what to write instead.
    """
    if path.suffix != ".parquet":
        return
    try:
        found: Any = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise SourceRejected(f"{path} is not a readable Parquet file: {error}") from error
    for part in [name] if name in found.names else name.split("."):
        fields = {field.name: field.type for field in found}
        if part not in fields:
            return
        found = fields[part]
        if pa.types.is_list(found) or pa.types.is_large_list(found):
            found = found.value_type
        if not pa.types.is_struct(found):
            break
    if pa.types.is_float32(found) or pa.types.is_float16(found):
        raise SourceRejected(
            f"{path}: column {name!r} is of type {found}, which takes several ids for one (16777217"
            " for 16777216); write it as text or as a 64-bit whole number"
        )


def _refuse_large(path: Path, file: pq.ParquetFile, columns: Collection[str]) -> None:
    for group in range(file.metadata.num_row_groups):
        row_group = file.metadata.row_group(group)
        for number in range(row_group.num_columns):
            chunk = row_group.column(number)
            column = chunk.path_in_schema.partition(".")[0]
            if column in columns and chunk.total_uncompressed_size > LARGEST_CHUNK:
                raise SourceRejected(
                    f"{path}: column {column!r} has more than {megabytes(LARGEST_CHUNK)} in row"
                    f" group {group}; write it with smaller row groups"
                )


def _plain(batch: pa.RecordBatch) -> list[Document]:
    """The same values in types that JSON has, and moments as `datetime`."""
    kinds = [_plain_type(kind) for kind in batch.schema.types]
    arrays = [
        column if column.type == kind else column.cast(kind, safe=False)
        for column, kind in zip(batch.columns, kinds, strict=True)
    ]
    documents = pa.RecordBatch.from_arrays(arrays, names=batch.schema.names).to_pylist()
    return [_json_value(document) for document in documents]


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        # nanoseconds need pandas
        return pa.timestamp("us", tz="UTC" if kind.tz else None)
    if pa.types.is_date(kind):
        return pa.timestamp("us")
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return pa.string() if pa.types.is_time(kind) else pa.int64()
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain_type(field.type)) for field in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    return kind


def _json_value(value: Any) -> Any:
    if value.__class__ in (str, int, float, bool, datetime) or value is None:
        return value
    if isinstance(value, dict):
        return {name: _json_value(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_json_value(inner) for inner in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Decimal):
        whole = value.is_finite() and value == value.to_integral_value()
        return int(value) if whole else str(value)
    return str(value)
