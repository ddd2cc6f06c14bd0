"""The forms in which analysts get rows: Arrow, pandas or Spark. No reading.

Numbers are numbers in pandas: DuckDB's sums have 128 bits, for which pandas has objects alone.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.reading.exact import readable

Form = Literal["arrow", "pandas", "spark"]
EXACT_IN_DOUBLE = 2**53
"""Whole numbers up to which a double has each."""


def in_form(rows: pa.Table, form: Form) -> Any:
    """Rows as an Arrow table, a pandas or a Spark DataFrame.

    Raises:
        ConfigError: the package of the form is not installed.
        ValueError: there is no such form.
    """
    if form == "arrow":
        return rows
    if form not in ("pandas", "spark"):
        raise ValueError(f"form {form!r} is not one of arrow, pandas, spark")
    if find_spec("pandas") is None:
        raise ConfigError(f"form {form!r} needs pandas: install storeavail-platform[notebook]")
    if form == "pandas":
        return _pandas(rows)
    try:
        from storeavail_platform.engines.spark import data_frame
    except ModuleNotFoundError as error:
        raise ConfigError(
            "form 'spark' needs PySpark: install storeavail-platform[spark], or run on the cluster"
        ) from error
    return data_frame(rows)


def _pandas(rows: pa.Table) -> Any:
    """A DataFrame: decimals as int64 or double, moments that Python cannot hold as text.

    Whole numbers that NULLs would make double are Int64 where a double would lose digits.
    """
    import pandas as pd

    for number, field in enumerate(rows.schema):
        column = rows.column(number)
        if pa.types.is_decimal(field.type):
            column = _number(column)
        elif pa.types.is_date(field.type) or pa.types.is_nested(field.type):
            column = readable(pa.table({field.name: column})).column(0)
        rows = rows.set_column(number, field.name, column)
    frame = rows.to_pandas()
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        if pa.types.is_int64(column.type) and column.null_count and _is_wide(column):
            frame[name] = column.to_pandas(types_mapper=lambda _: pd.Int64Dtype())
    return frame


def _number(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.type.scale == 0:
        try:
            return column.cast(pa.int64())
        except pa.ArrowInvalid:
            # beyond 64 bits
            pass
    return column.cast(pa.float64())


def _is_wide(column: pa.ChunkedArray) -> bool:
    ends = pc.min_max(column).as_py()
    return ends["min"] is not None and max(-ends["min"], ends["max"]) > EXACT_IN_DOUBLE
