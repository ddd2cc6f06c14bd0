"""PostgreSQL: the rows of a statement by COPY, streamed into Arrow."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import IO, Any

import psycopg2
import pyarrow as pa
import pyarrow.csv as pa_csv

from storeavail_platform.domain.errors import SourceRejected

CSV_BLOCK_BYTES = 8 << 20
"""The largest row that can be read, and how much is parsed at once."""


@dataclass
class Cost:
    """What a statement cost the database.

    Attributes:
        size: bytes that it sent.
        seconds: from asking to the last row; as long as that it was busy, or waited for the reader.
    """

    size: int = 0
    seconds: float = 0.0


def copied(
    cursor: Any, statement: str, schema: pa.Schema, cost: Cost
) -> Generator[pa.RecordBatch, None, None]:
    """The rows of a `COPY ... TO STDOUT (FORMAT csv)`: one thread takes them from the server while
    this one parses them.

    Raises:
        psycopg2.Error: the server's.
        SourceRejected: rows that are no CSV of the schema.
    """
    started = time.perf_counter()
    with _pipe() as (reading, writing):
        failure: list[BaseException] = []

        def copy() -> None:
            try:
                with writing:
                    cursor.copy_expert(statement, writing, size=1 << 20)
            except (psycopg2.Error, BrokenPipeError) as error:
                failure.append(error)
            cost.seconds = time.perf_counter() - started

        copying = threading.Thread(target=copy, name="copy")
        copying.start()
        try:
            yield from _parse(_Counted(reading, cost), schema, failure)
        finally:
            reading.close()
            copying.join()
        if failure and isinstance(failure[0], psycopg2.Error):
            raise failure[0]


class _Counted:
    """A stream that counts what is read from it."""

    def __init__(self, stream: IO[bytes], cost: Cost) -> None:
        self.stream = stream
        self.cost = cost

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(size)
        self.cost.size += len(data)
        return data

    @property
    def closed(self) -> bool:
        return self.stream.closed

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.stream.close()


def _parse(
    stream: Any, schema: pa.Schema, failure: list[BaseException]
) -> Iterator[pa.RecordBatch]:
    options = pa_csv.ConvertOptions(
        column_types={field.name: field.type for field in schema},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    try:
        reader = pa_csv.open_csv(
            stream,
            read_options=pa_csv.ReadOptions(column_names=schema.names, block_size=CSV_BLOCK_BYTES),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=options,
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):
            return
        raise SourceRejected(f"PostgreSQL gave rows that cannot be read: {error}") from error
    try:
        yield from reader
    except pa.ArrowInvalid as error:
        # a COPY that broke off leaves half a row; its own error is the one to tell
        if not failure:
            raise SourceRejected(f"PostgreSQL gave rows that cannot be read: {error}") from error


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader:
        yield reader, os.fdopen(writing, "wb")
