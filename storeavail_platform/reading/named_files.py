"""Files that a user names beside the tables (`--table contacts=contacts.csv`): read here, so that
SQL itself has no access to files.

A column of a CSV is a number, a date or a boolean only where each of its values is written exactly
as such: `007` stays text, and so does every column that is text in the platform's own tables.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from storeavail_platform.domain.errors import QueryRefused
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.reading.exact import distinct

SEPARATORS = ",;\t"
ENDINGS = (".csv", ".tsv", ".txt", ".parquet")
NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
EXACT = (
    # what int64 and the digits of a double hold
    (r"^(?:0|-?[1-9][0-9]{0,17})$", pa.int64()),
    (r"^(?:0|-?0\.[0-9]{1,6}|-?[1-9][0-9]{0,8}(?:\.[0-9]{1,6})?)$", pa.float64()),
    (r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", pa.date32()),
    (r"^(?i:true|false)$", pa.bool_()),
)
"""How values of a type are written, the first that fits all of a column's."""


def read_named(files: Mapping[str, str | Path], declared: Collection[Table]) -> dict[str, pa.Table]:
    """The rows of each file, by the name it has in SQL.

    Args:
        declared: the platform's tables: their names are taken, their text columns are text here.

    Raises:
        QueryRefused: a name that is taken or is none, or a file that cannot be read.
    """
    texts = {
        column.name for table in declared for column in table.all_columns if column.type == "text"
    }
    taken = {table.name for table in declared}
    rows: dict[str, pa.Table] = {}
    for name, path in files.items():
        if NAME.fullmatch(name) is None:
            raise QueryRefused(
                f"{name!r} is no name for a table: letters, digits and _, no digit first"
            )
        if name.lower() in taken:
            raise QueryRefused(f"{name} is the platform's own table: give the file another name")
        taken.add(name.lower())
        rows[name.lower()] = _read(Path(path), texts)
    return rows


def _read(path: Path, texts: Collection[str]) -> pa.Table:
    if path.suffix.lower() not in ENDINGS:
        raise QueryRefused(
            f"{path} is none of {', '.join(ENDINGS)}: save a spreadsheet as CSV in UTF-8"
        )
    try:
        if path.suffix.lower() == ".parquet":
            found = pq.read_table(path, partitioning=None)
            return found.rename_columns(distinct(found.column_names))
        return _read_csv(path.read_bytes(), texts)
    except UnicodeDecodeError as error:
        raise QueryRefused(
            f"{path} is not UTF-8 (at byte {error.start:,}): save it as CSV in UTF-8"
        ) from None
    except (pa.ArrowException, OSError, csv.Error) as error:
        raise QueryRefused(f"{path} cannot be read: {error}") from error


def _read_csv(data: bytes, texts: Collection[str]) -> pa.Table:
    text = data.decode("utf-8-sig")
    heading, separator = _heading(text)
    names = distinct(name.strip() or f"column_{n}" for n, name in enumerate(heading, 1))
    rows = pa_csv.read_csv(
        io.BytesIO(text.encode()),
        pa_csv.ReadOptions(column_names=names, skip_rows=1),
        pa_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return pa.table(
        {
            name: column if name.lower() in texts else _typed(column)
            for name, column in zip(names, rows.columns, strict=True)
        }
    )


def _heading(text: str) -> tuple[list[str], str]:
    """The names in a file's first line, and the separator that cuts it into most of them.

    Raises:
        csv.Error: there is no line.
    """
    cut = [(next(csv.reader(io.StringIO(text), delimiter=one), []), one) for one in SEPARATORS]
    names, separator = max(cut, key=lambda found: len(found[0]))
    if not names:
        raise csv.Error("it has no heading line")
    return names, separator


def _typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.null_count == len(column):
        return column
    for pattern, kind in EXACT:
        if pc.all(pc.match_substring_regex(column, pattern)).as_py():
            try:
                return column.cast(kind)
            except pa.ArrowInvalid:
                # a date that there is not, such as 2026-02-30
                return column
    return column


def named_files(values: Iterable[str]) -> dict[str, str]:
    """`name=file` as written on a command line.

    Raises:
        QueryRefused: one has another form, or two have one name.
    """
    files: dict[str, str] = {}
    for value in values:
        name, sign, path = value.partition("=")
        if not (sign and path):
            raise QueryRefused(f"{value!r} is not name=file, like contacts=contacts.csv")
        if name in files:
            raise QueryRefused(f"two files are named {name}: give each a name of its own")
        files[name] = path
    return files
