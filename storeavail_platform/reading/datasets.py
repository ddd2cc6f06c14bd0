"""Committed Iceberg files as pyarrow datasets: DuckDB reads them as far as a query's filters
reach.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.dataset as ds
from pyiceberg.table import DataScan

from storeavail_platform.domain.addresses import plain
from storeavail_platform.domain.errors import TableDamaged
from storeavail_platform.domain.places import lies_below
from storeavail_platform.storage.local import Storage


def with_text_ids(schema: pa.Schema) -> pa.Schema:
    """The schema with ids of stores as text, also where a country's table has the first layout."""
    number = schema.get_field_index("store_id")
    return schema if number < 0 else schema.set(number, pa.field("store_id", pa.string()))


def committed_files(scan: DataScan) -> list[str]:
    """The files that a scan of a table plans, as their own file system takes them.

    Raises:
        TableDamaged: the table names files of another.
    """
    folder = plain(scan.table_metadata.location)
    paths = [plain(task.file.file_path) for task in scan.plan_files()]
    for path in paths:
        if not lies_below(path, folder):
            raise TableDamaged(
                f"the table at {folder} names {path}, which is no file of its own: something other"
                " than the platform wrote it; `storeavail recover` brings back what can be"
            )
    return paths


def dataset_of(storage: Storage, schema: pa.Schema, paths: Sequence[str]) -> ds.Dataset:
    """Committed files as one dataset.

    Args:
        schema: the columns to read; one that a file does not have is NULL in its rows.
    """
    return ds.dataset(paths, schema=schema, format="parquet", filesystem=storage.filesystem)
