"""A sheet as another library reads it: numbers as numbers, text as text, limits told in words."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pyarrow as pa
import pytest

from storeavail_platform.domain.errors import QueryStopped
from storeavail_platform.reading.formats.sheet import MOST_COLUMNS, MOST_ROWS, write_sheet

HOSTILE = ["=1+1", "@x", "https://a.example", "007", "12", "a\x1bb", "_x0041_", " x ", "\n", ""]


def read(result: pa.Table) -> list[list[Any]]:
    """The cells, headings first."""
    stream = io.BytesIO()
    write_sheet(result, stream)
    sheet = openpyxl.load_workbook(stream).active
    assert sheet is not None
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


def test_numbers_are_numbers_and_text_is_text() -> None:
    """A text id keeps its leading zeros; a number that a spreadsheet would round is text."""
    result = pa.table(
        {
            "id": pa.array(["007", "7", None]),
            "minutes": pa.array([15, 2**53 + 1, None]),
            "sum": pa.array([Decimal("9007199254740993"), Decimal(12), None], pa.decimal128(38, 0)),
            "share": [0.5, float("nan"), -1e-9],
            "is_online": [True, False, None],
        }
    )
    assert read(result) == [
        ["id", "minutes", "sum", "share", "is_online"],
        ["007", 15, "9007199254740993", 0.5, True],
        ["7", "9007199254740993", 12, "nan", False],
        [None, None, None, -1e-9, None],
    ]


def test_moments_are_dates() -> None:
    """In UTC; what a spreadsheet has no number for is text."""
    result = pa.table(
        {
            "day": [date(2026, 11, 23), date(1899, 12, 31)],
            "at": pa.array(
                [datetime(2026, 11, 23, 10, 15, 0, 500_000, tzinfo=UTC), None],
                pa.timestamp("us", tz="UTC"),
            ),
        }
    )
    assert read(result)[1:] == [
        [datetime(2026, 11, 23), datetime(2026, 11, 23, 10, 15, 0, 500_000)],
        ["1899-12-31", None],
    ]


def test_text_runs_nothing_and_is_what_it_was() -> None:
    """No formula, no link, no number made of text; control characters included."""
    stream = io.BytesIO()
    write_sheet(pa.table({"=x": HOSTILE}), stream)
    sheet = openpyxl.load_workbook(stream).active
    assert sheet is not None
    cells = [row[0] for row in sheet.iter_rows()]
    unescape = openpyxl.utils.escape.unescape
    assert [unescape(cell.value) if cell.value else "" for cell in cells] == ["=x", *HOSTILE]
    assert {cell.data_type for cell in cells if cell.value} == {"s"}
    assert not [cell for cell in cells if cell.hyperlink]


def test_nested_values_are_json() -> None:
    """In one cell."""
    assert read(pa.table({"list": [[1, 2]], "of": [{"a": None}]}))[1:] == [["[1,2]", '{"a":null}']]


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (
            pa.table({"n": pa.nulls(MOST_ROWS)}),
            r"1,048,575 rows below its headings .* has 1,048,576 rows",
        ),
        (
            pa.table(
                [pa.nulls(1)] * (MOST_COLUMNS + 1), [f"c{n}" for n in range(MOST_COLUMNS + 1)]
            ),
            "16,384 columns; the result has 1 rows and 16,385 columns",
        ),
        (pa.table({"name": ["x", "é" * 32_768]}), "name in row 2 has 32,768: shorten it"),
    ],
    ids=["rows", "columns", "characters"],
)
def test_limits_are_told(result: pa.Table, said: str) -> None:
    """The message says what the format holds, and what to take instead."""
    with pytest.raises(QueryStopped, match=said):
        write_sheet(result, io.BytesIO())
