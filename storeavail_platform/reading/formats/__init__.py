"""The formats of a result, by name. One module a kind: `text.py`, `sheet.py`; the rule of CSV that
they share with the pages is `csv_cells.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from storeavail_platform.reading.formats.text import as_json, as_table, csv_lines


def _table(result: pa.Table, stream: IO[bytes]) -> None:
    stream.write(as_table(result).encode())


def _csv(result: pa.Table, stream: IO[bytes]) -> None:
    stream.writelines(line.encode() for line in csv_lines(result))


def _json(result: pa.Table, stream: IO[bytes]) -> None:
    stream.write(as_json(result))


def _parquet(result: pa.Table, stream: IO[bytes]) -> None:
    pq.write_table(result, stream, compression="zstd")


def _sheet(result: pa.Table, stream: IO[bytes]) -> None:
    # an import that nothing else needs
    from storeavail_platform.reading.formats.sheet import write_sheet

    write_sheet(result, stream)


FORMATS: dict[str, Callable[[pa.Table, IO[bytes]], None]] = {
    "table": _table,
    "csv": _csv,
    "json": _json,
    "parquet": _parquet,
    "xlsx": _sheet,
}
"""What writes a result in UTF-8 or in a format of bytes."""
BINARY = {"parquet", "xlsx"}
"""Formats that are no text."""
