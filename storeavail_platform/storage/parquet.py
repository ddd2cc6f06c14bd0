"""How Parquet files of rows are written, by whichever engine: nothing but the choices."""

from __future__ import annotations

import pyarrow as pa

IDS = ("store_id", "source_id")
"""Columns whose values do not recur in a file: a dictionary costs time and space there."""


def dictionary_columns(schema: pa.Schema) -> list[str]:
    """Columns that are written with a dictionary."""
    return [name for name in schema.names if name not in IDS]
