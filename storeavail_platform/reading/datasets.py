"""Committed Iceberg files as pyarrow datasets: DuckDB reads them as far as a query's filters
reach.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.dataset as ds
from pyiceberg.table import DataScan

from storeavail_platform.domain.addresses import plain
from storeavail_platform.storage.local import Storage


def with_text_ids(schema: pa.Schema) -> pa.Schema:
    """The schema with ids of stores as text, also where a country's table has the first layout."""
    number = schema.get_field_index("store_id")
    return schema if number < 0 else schema.set(number, pa.field("store_id", pa.string()))


def committed_files(storage: Storage, schema: pa.Schema, scans: Iterable[DataScan]) -> ds.Dataset:
    """The files that scans of a table plan, of a country or of several, as one dataset.

    Args:
        schema: the columns to read; one that a file does not have is NULL in its rows.
    """
    paths = [plain(task.file.file_path) for scan in scans for task in scan.plan_files()]
    return ds.dataset(paths, schema=schema, format="parquet", filesystem=storage.filesystem)
