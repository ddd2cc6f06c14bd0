"""pandas gets numbers as numbers, with every digit that its types have."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from storeavail_platform.reading.analyst.forms import in_form

SUM = pa.decimal128(38, 0)
IDES = (date(400 - 43, 3, 15) - date(1970, 1, 1)).days - 146_097
"""The Ides of March of the year 44 BC, from the epoch on: the calendar repeats in 400 years."""


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (pa.array([Decimal(15), Decimal(-2)], SUM), "int64", [15, -2]),
        (pa.array([Decimal(2**53 + 1)], SUM), "int64", [2**53 + 1]),
        (pa.array([Decimal(15), None], SUM), "float64", [15.0]),
        (pa.array([Decimal(2**53 + 1), None], SUM), "Int64", [2**53 + 1]),
        (pa.array([2**53 + 1, None]), "Int64", [2**53 + 1]),
        (pa.array([1, None]), "float64", [1.0]),
        (pa.array([Decimal(2**100)], SUM), "float64", [2.0**100]),
        (pa.array([Decimal("1.50")], pa.decimal128(5, 2)), "float64", [1.5]),
        (pa.array([None], SUM), "float64", []),
        (pa.array([date(2026, 11, 23)]), "object", [date(2026, 11, 23)]),
        (pa.array([IDES]).cast(pa.int32()).cast(pa.date32()), "object", ["0044-03-15 (BC)"]),
    ],
    ids=range(11),
)
def test_columns(values: pa.Array, dtype: str, expected: list[Any]) -> None:
    """Sums of 128 bits are int64 where they fit; a date that Python cannot hold is text."""
    column = in_form(pa.table({"value": values}), "pandas")["value"]
    assert column.dtype == dtype
    assert list(column.dropna()) == expected
