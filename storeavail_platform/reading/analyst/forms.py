"""The forms in which analysts get rows: Arrow, pandas or Spark. No reading."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Literal

import pyarrow as pa

from storeavail_platform.domain.errors import ConfigError

Form = Literal["arrow", "pandas", "spark"]


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
        return rows.to_pandas()
    try:
        from storeavail_platform.engines.spark import data_frame
    except ModuleNotFoundError as error:
        raise ConfigError(
            "form 'spark' needs PySpark: install storeavail-platform[spark], or run on the cluster"
        ) from error
    return data_frame(rows)
