"""Results as a sheet of XLSX: numbers as numbers, text as text that nothing runs."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any

import pyarrow as pa
import xlsxwriter

from storeavail_platform.domain.errors import QueryStopped
from storeavail_platform.reading.exact import rows_of
from storeavail_platform.reading.formats.text import exact_text

MOST_ROWS = 1_048_576
MOST_COLUMNS = 16_384
MOST_CHARACTERS = 32_767
"""What the format holds: rows (the headings among them), columns, characters of a cell."""
DIGITS = 15
"""Digits that a spreadsheet's number holds; one with more is written as text."""
FIRST_DATE = date(1900, 3, 1)
"""Before it spreadsheets do not agree on the date of a number."""
ELSEWHERE = "take --format parquet or csv"


def write_sheet(result: pa.Table, stream: IO[bytes]) -> None:
    """Write the result as one sheet, headings first. Moments are in UTC, to the millisecond.

    Raises:
        QueryStopped: more rows, columns or characters in a cell than the format holds.
    """
    if result.num_rows >= MOST_ROWS or result.num_columns > MOST_COLUMNS:
        raise QueryStopped(
            f"a sheet of XLSX holds {MOST_ROWS - 1:,} rows below its headings and"
            f" {MOST_COLUMNS:,} columns; the result has {result.num_rows:,} rows and"
            f" {result.num_columns:,} columns: narrow it down, or {ELSEWHERE}"
        )
    names = result.schema.names
    # row by row into a file of its own, which it removes: memory stays small
    book = xlsxwriter.Workbook(stream, {"constant_memory": True})
    moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    sheet = book.add_worksheet("result")
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(names):
        sheet.write_string(0, column, _text(name, 0, name))
    for row, values in enumerate(rows_of(result), 1):
        for column, value in enumerate(values):
            match _cell(value):
                case None:
                    pass
                case bool() as truth:
                    sheet.write_boolean(row, column, truth)
                case datetime() as when:
                    sheet.write_datetime(row, column, when.replace(tzinfo=None), moment)
                case date() as when:
                    sheet.write_datetime(row, column, when, day)
                case str() as text:
                    sheet.write_string(row, column, _text(text, row, names[column]))
                case number:
                    sheet.write_number(row, column, number)
    book.close()


def _cell(value: Any) -> Any:
    """The value as a cell has it: text for what its numbers and dates do not hold exactly."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, date):
        day = value.date() if isinstance(value, datetime) else value
        return value if day >= FIRST_DATE else value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int | Decimal):
        digits = len(Decimal(value).normalize().as_tuple().digits)
        return float(value) if digits <= DIGITS else exact_text(value)
    return exact_text(value)


def _text(text: str, row: int, column: str) -> str:
    if len(text.encode("utf-16-le")) // 2 > MOST_CHARACTERS:
        raise QueryStopped(
            f"a cell of XLSX holds {MOST_CHARACTERS:,} characters; {column} in row {row} has"
            f" {len(text):,}: shorten it by LEFT({column}, 1000), or {ELSEWHERE}"
        )
    return text
