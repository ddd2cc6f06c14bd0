"""The forms in which analysts get rows: Arrow, pandas or Spark. No reading."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Literal

import pyarrow as pa

from storeavail_platform.errors import ConfigError

Form = Literal["arrow", "pandas", "spark"]


def given(rows: pa.Table, form: Form) -> Any:
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
    return _spark(rows)


def _spark(rows: pa.Table) -> Any:
    """A DataFrame of the notebook's Spark session, which is made where there is none."""
    try:
        from pyspark.sql import SparkSession
    except ModuleNotFoundError as error:
        raise ConfigError("form 'spark' needs PySpark: install storeavail-platform[spark], or run on the cluster") from error
    from storeavail_platform.engines.spark import spark_schema

    spark = SparkSession.builder.getOrCreate()
    # Arrow's way to Spark; plain rows would take their timestamps for local ones
    spark.conf.set("spark.sql.execution.arrow.pyspark.enabled", "true")
    return spark.createDataFrame(rows.to_pandas(integer_object_nulls=True, date_as_object=True), schema=spark_schema(rows.schema))
