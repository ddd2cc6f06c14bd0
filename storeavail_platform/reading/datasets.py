"""Committed Iceberg files as pyarrow datasets: DuckDB reads them as far as a query's filters
reach.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from pyiceberg.manifest import DataFile
from pyiceberg.table import DataScan

from storeavail_platform.domain.addresses import plain
from storeavail_platform.domain.errors import TableDamaged, WarehouseError
from storeavail_platform.domain.places import lies_below
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.iceberg import data_files, partition_date


def with_text_ids(schema: pa.Schema) -> pa.Schema:
    """The schema with ids of stores as text, also where a country's table has the first layout."""
    number = schema.get_field_index("store_id")
    return schema if number < 0 else schema.set(number, pa.field("store_id", pa.string()))


def committed_files(scan: DataScan) -> list[str]:
    """The files that a scan of a table plans, as their own file system takes them.

    Raises:
        TableDamaged: the table names files of another.
    """
    return [path for path, _ in _own_files(scan)]


def committed_partitions(scan: DataScan) -> dict[date, dict[str, int]]:
    """The same, with how many rows they have, by partition: the UTC day of windows, or the local
    date.
    """
    found = defaultdict[date, dict[str, int]](dict)
    for path, file in _own_files(scan):
        found[partition_date(file.partition[0])][path] = file.record_count
    return found


def _own_files(scan: DataScan) -> Iterator[tuple[str, DataFile]]:
    folder = plain(scan.table_metadata.location)
    for file in data_files(scan):
        path = plain(file.file_path)
        if not lies_below(path, folder):
            raise TableDamaged(
                f"the table at {folder} names {path}, which is no file of its own: something other"
                " than the platform wrote it; `storeavail recover` brings back what can be"
            )
        yield path, file


def dataset_of(storage: Storage, schema: pa.Schema, paths: Sequence[str]) -> ds.Dataset:
    """Committed files as one dataset.

    Args:
        schema: the columns to read; one that a file does not have is NULL in its rows.
    """
    return ds.dataset(paths, schema=schema, format="parquet", filesystem=storage.filesystem)


@contextlib.contextmanager
def told_as_damage(country: str, what: str) -> Iterator[None]:
    """What reading a country's tables raises, in the platform's words.

    Args:
        what: what they do not give then.

    Raises:
        WarehouseError: they cannot be read.
    """
    try:
        yield
    # of a damaged list of files pyiceberg raises the last two
    except (duckdb.Error, pa.ArrowException, OSError, ValueError, EOFError) as error:
        raise WarehouseError(
            f"the tables of {country} do not give {what} ({error}); a committed file may be"
            f" missing or damaged: `storeavail check --country {country}` says which, and"
            f" `storeavail recover --country {country}` brings back what can be"
        ) from error
