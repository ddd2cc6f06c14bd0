"""What a declared table is in Iceberg: its schema, partitioning and properties, and how a
declaration may change a table that is there, which a later release may have made wider.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import BooleanExpression, EqualTo, Reference
from pyiceberg.expressions.literals import literal
from pyiceberg.manifest import DataFile, DataFileContent, ManifestEntry
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import DataScan, FileScanTask, ManifestGroupPlanner
from pyiceberg.table import Table as IcebergTable
from pyiceberg.transforms import DayTransform, IdentityTransform
from pyiceberg.types import (
    BooleanType,
    DateType,
    DoubleType,
    IcebergType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)
from pyiceberg.utils.datetime import micros_to_timestamptz

from storeavail_platform.domain.errors import SchemaChangeRefused
from storeavail_platform.domain.tables.table import ColumnType, Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.warehouse.layout import FIRST_LAYOUT, not_migrated

ICEBERG_TYPES: dict[ColumnType, IcebergType] = {
    "text": StringType(),
    "bigint": LongType(),
    "int": IntegerType(),
    "double": DoubleType(),
    "boolean": BooleanType(),
    "date": DateType(),
    "timestamptz": TimestamptzType(),
}
DAILY_PROPERTIES = {
    # a date has a manifest of its own while its windows replace it: the first window of the next
    # one merges it with the others
    "commit.manifest.min-count-to-merge": "2",
}
EPOCH = date(1970, 1, 1)
PARTITION_FIELD_ID = 1000
PARTITION_SPEC = "storeavail.partition-spec"
"""A table property, so that the metastore tells the partitioning too: it shows Iceberg tables
as unpartitioned.
"""
TABLE_PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    # a manifest a window would make every commit and plan slower: eight become one
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "8",
}


def iceberg_schema(table: Table) -> Schema:
    """Iceberg schema of a table: field ids in declaration order from 1, the descriptions as
    docs, every field optional.
    """
    return Schema(
        *(
            NestedField(
                number,
                column.name,
                ICEBERG_TYPES[column.type],
                required=False,
                doc=column.description,
            )
            for number, column in enumerate(table.all_columns, start=1)
        )
    )


def partition_spec(table: Table) -> PartitionSpec:
    """Days of `window_start`; `local_date` itself for a daily table."""
    if table.is_daily:
        source = iceberg_schema(table).find_field("local_date").field_id
        return PartitionSpec(
            PartitionField(source, PARTITION_FIELD_ID, IdentityTransform(), "local_date")
        )
    source = iceberg_schema(table).find_field("window_start").field_id
    return PartitionSpec(PartitionField(source, PARTITION_FIELD_ID, DayTransform(), "window_day"))


def plain_text(schema: pa.Schema) -> pa.Schema:
    """Names and types of an Arrow schema that pyiceberg gives, its large text as ordinary text.

    Every reader takes that, and several tables' rows go together.
    """
    return pa.schema(
        [
            (field.name, pa.string() if pa.types.is_large_string(field.type) else field.type)
            for field in schema
        ]
    )


def properties_of(table: Table) -> dict[str, str]:
    """A new table's properties, the partitioning in words for people among them."""
    partitioning = "local_date" if table.is_daily else "day(window_start)"
    daily = DAILY_PROPERTIES if table.is_daily else {}
    return {**TABLE_PROPERTIES, **daily, PARTITION_SPEC: partitioning, "comment": table.description}


def rows_of(partition: Window | date) -> BooleanExpression:
    """The filter for the rows of a window or of a local date."""
    if isinstance(partition, Window):
        return EqualTo(term=Reference("window_start"), value=literal(partition.start.isoformat()))
    return EqualTo(term=Reference("local_date"), value=literal(partition.isoformat()))


class EarlierScan(DataScan):
    """A scan of a state without the files that were committed after another one."""

    last_number: int
    """Sequence number of the last commit whose files count."""

    def is_there(self, entry: ManifestEntry) -> bool:
        return (entry.sequence_number or 0) <= self.last_number

    def plan_files(self) -> Iterable[FileScanTask]:
        manifests = [] if (found := self.snapshot()) is None else found.manifests(self.io)
        return self._manifest_planner.plan_files(manifests, self.is_there)


def data_files(scan: DataScan) -> Iterator[DataFile]:
    """The files that a scan reads.

    Its `plan_files` works out too what of the filter is left to do in each file, which takes half
    of its time: engines here do the whole filter.
    """
    snapshot = scan.snapshot()
    if snapshot is None:
        return
    planner = ManifestGroupPlanner(scan.table_metadata, scan.io, scan.row_filter)
    for entries in planner.plan_manifest_entries(snapshot.manifests(scan.io)):
        for entry in entries:
            if isinstance(scan, EarlierScan) and not scan.is_there(entry):
                continue
            if entry.data_file.content == DataFileContent.DATA:
                yield entry.data_file


def window_bounds(schema: Schema, file: DataFile) -> tuple[datetime, datetime] | None:
    """Starts (UTC) of the first and the last window that a data file of a table of windows has
    rows of, by the file's own figures; None where it has none.
    """
    field_id = schema.find_field("window_start").field_id
    bounds = [(of or {}).get(field_id) for of in (file.lower_bounds, file.upper_bounds)]
    first, last = (
        None
        if bound is None
        else micros_to_timestamptz(int(from_bytes(TimestamptzType(), bound))).astimezone(UTC)
        for bound in bounds
    )
    return None if first is None or last is None else (first, last)


def partition_date(value: int | date) -> date:
    """The date that a data file's partition is: Iceberg counts days."""
    return value if isinstance(value, date) else EPOCH + timedelta(days=value)


def is_first_layout(found: IcebergTable, table: Table) -> bool:
    """Whether a table has whole numbers for the ids of stores that its declaration has as text."""
    declared = {column.name: column.type for column in table.all_columns}
    return declared.get("store_id") == "text" and any(
        field.name == "store_id" and isinstance(field.field_type, LongType)
        for field in found.schema().fields
    )


def widen(found: IcebergTable, table: Table) -> IcebergTable:
    """Add the columns of the declaration that a table has not yet.

    A column that the declaration does not have stays: a later release has added it, and what is
    written by this one is NULL there.

    Raises:
        LayoutRefused: the table has the first layout yet.
        SchemaChangeRefused: a column would have to change its type, or may not be NULL and is not
            declared.
    """
    if is_first_layout(found, table):
        raise not_migrated(f"table {'.'.join(found.name())}", FIRST_LAYOUT)
    there = {field.name: field.field_type for field in found.schema().fields}
    wanted = {column.name: ICEBERG_TYPES[column.type] for column in table.all_columns}
    refused = [
        f"{name} is {there[name]} and would become {wanted[name]}"
        for name in wanted
        if there.get(name, wanted[name]) != wanted[name]
    ]
    refused += [
        f"{field.name} is required and would have no value"
        for field in found.schema().fields
        if field.required and field.name not in wanted
    ]
    if refused:
        raise SchemaChangeRefused(
            f"table {'.'.join(found.name())}: {'; '.join(refused)}. Only nullable columns can be "
            "added, so that every release reads and writes what another has written; give the "
            "column a new name, and keep the old one in the declaration"
        )
    added = [column for column in table.all_columns if column.name not in there]
    if added:
        with found.update_schema() as update:
            for column in added:
                update.add_column(column.name, ICEBERG_TYPES[column.type], doc=column.description)
    return found
