"""Bringing tables of the first layout over: whole numbers for the ids of stores become text.

Iceberg cannot widen a number to text. So each table is copied, day by day, to one beside it, each
day is compared, and the catalog's entry and the pointer move last. What is not done is done by the
next call: `migration.json` beside the pointer names the copy. The table that was copied stays for
`retention.history` (`warehouse/earlier.py`).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date

import orjson
import pyarrow as pa
import pyarrow.dataset as ds
from pydantic import TypeAdapter
from pyiceberg.catalog import load_catalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.serializers import ToOutputFile
from pyiceberg.table import StaticTable
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.metadata import new_table_metadata
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.types import StringType

from storeavail_platform.domain.addresses import plain
from storeavail_platform.domain.errors import TableError, WarehouseError
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.storage.json_files import decode
from storeavail_platform.upkeep.compaction import files_by_day
from storeavail_platform.warehouse.earlier import COPYING, METADATA, UNTIL
from storeavail_platform.warehouse.forgotten import FORGOTTEN
from storeavail_platform.warehouse.iceberg import is_first_layout, plain_text, properties_of
from storeavail_platform.warehouse.opening import state_of
from storeavail_platform.warehouse.recovery import Repair, carry_out
from storeavail_platform.warehouse.replacing import carried_on
from storeavail_platform.warehouse.transaction import RememberingTransaction

NOTE = "migration.json"


@dataclass(frozen=True)
class Copied:
    """A day of a table that was copied and compared; no day: the copy has taken the table's
    place.
    """

    table: str
    day: date | None = None
    rows: int = 0
    number: int = 0
    days: int = 0

    def __str__(self) -> str:
        if self.day is None:
            return f"{self.table}: brought over"
        return f"{self.table}: {self.day} copied, {self.rows:,} rows ({self.number} of {self.days})"


@dataclass(frozen=True)
class _Note:
    """Metadata of the table that is copied, and of its copy as far as it is."""

    source: str
    copy: str


_NOTE = TypeAdapter(_Note)


def tables_to_bring_over(runtime: Runtime, country: str) -> list[Table]:
    """A country's tables that have the first layout, or whose copy has not wholly taken its
    place.
    """
    return [
        table
        for table in runtime.all_tables
        if has_first_layout(runtime, country, table)
        or _read_note(runtime, country, table) is not None
    ]


def has_first_layout(runtime: Runtime, country: str, table: Table) -> bool:
    """Whether a table is still to be brought over. Upkeep leaves it, and its copy, alone."""
    found = runtime.warehouse.load(country, table.name)
    return found is not None and is_first_layout(found, table)


def migrate_country(runtime: Runtime, country: str) -> Iterator[Copied]:
    """Bring a country's tables over, one after the other.

    Yields:
        Each day once it is in the copy, and each table once its copy has taken its place.

    Raises:
        WarehouseError: a day of the copy is not what the table has; nothing was changed.
        CatalogUnavailable: the catalog does not answer; the next call goes on.
    """
    for table in tables_to_bring_over(runtime, country):
        if has_first_layout(runtime, country, table):
            yield from _bring_over(runtime, country, table)
        else:
            _finish(runtime, country, table)
            yield Copied(table.name)


def _bring_over(runtime: Runtime, country: str, table: Table) -> Iterator[Copied]:
    source = runtime.warehouse.load(country, table.name)
    assert source is not None, "the table was just found"
    copy = _open_copy(runtime, country, table, source)
    files = files_by_day(source)
    done = files_by_day(copy)
    for number, day in enumerate(sorted(files), start=1):
        if day in done:
            continue
        paths = [path for path, _ in files[day]]
        try:
            rows = _copy_day(runtime, country, table, (source, copy), (day, paths))
        except (TableError, OSError) as error:
            raise WarehouseError(
                f"table {table.name} of {country}: {day} cannot be copied: {error}. Nothing was"
                f" changed; `storeavail recover --country {country}` looks for damaged files"
            ) from error
        _write_note(runtime, country, table, _Note(source.metadata_location, _location(copy)))
        yield Copied(table.name, day, rows, number, len(files))
    with RememberingTransaction(copy) as transaction:
        if COPYING in copy.properties:
            transaction.remove_properties(COPYING)
        # not before now: until here its states are a part of the table
        until = str(int(runtime.clock().timestamp() * 1000))
        transaction.set_properties({METADATA: source.metadata_location, UNTIL: until})
    _write_note(runtime, country, table, _Note(source.metadata_location, _location(copy)))
    pointed = runtime.warehouse.pointer(country, table.name)
    if pointed is None or pointed.metadata_location != source.metadata_location:
        raise WarehouseError(
            f"table {table.name} of {country} was written to while it was copied: stop the release"
            " of before, and run `storeavail migrate` again. Nothing was changed"
        )
    _move(runtime, country, table, _location(copy))
    yield Copied(table.name)


def _open_copy(runtime: Runtime, country: str, table: Table, source: StaticTable) -> IcebergTable:
    """The copy as far as it is, in a catalog of this process alone: nobody else sees half of it."""
    aside = load_catalog("copy", type="in-memory", **runtime.storage.file_io)
    aside.create_namespace("copy")
    note = _read_note(runtime, country, table)
    if note is None or note.source != source.metadata_location:
        metadata = new_table_metadata(
            schema=_text_schema(source),
            partition_spec=_same_partitions(source),
            sort_order=UNSORTED_SORT_ORDER,
            location=source.location(),
            properties={
                **properties_of(table),
                **{key: value for key, value in source.properties.items() if key != FORGOTTEN},
                COPYING: "true",
            },
        )
        # numbers of commits go on: pointers and markers name those of before
        metadata = metadata.model_copy(
            update={"last_sequence_number": state_of(source).sequence_number}
        )
        place = f"{source.location()}/metadata/00000-{uuid.uuid4()}.metadata.json"
        with runtime.warehouse.errors():
            ToOutputFile.table_metadata(metadata, source.io.new_output(place))
        note = _Note(source.metadata_location, place)
        _write_note(runtime, country, table, note)
    with runtime.warehouse.errors():
        return aside.register_table(("copy", table.name), note.copy)


def _text_schema(source: StaticTable) -> Schema:
    """Every column of the table, one of a later release too, its store_id as text."""
    return Schema(
        *(
            field.model_copy(update={"field_type": StringType()})
            if field.name == "store_id"
            else field
            for field in source.schema().fields
        )
    )


def _same_partitions(source: StaticTable) -> PartitionSpec:
    return PartitionSpec(
        *(
            PartitionField(field.source_id, field.field_id, field.transform, field.name)
            for field in source.spec().fields
        )
    )


def _copy_day(
    runtime: Runtime,
    country: str,
    table: Table,
    tables: tuple[StaticTable, IcebergTable],
    files: tuple[date, Sequence[str]],
) -> int:
    """Write a day's rows to the copy and compare them; gives how many."""
    (source, copy), (day, paths) = tables, files
    directory = runtime.warehouse.location(
        country, table.name, "data", day.isoformat(), f"migrated-{uuid.uuid4().hex}"
    )
    schema = plain_text(copy.schema().as_arrow())
    order_by = [name for name in (*table.order_by, "window_start") if name in schema.names]
    with DuckDBEngine(runtime.storage).session() as session, runtime.warehouse.errors():
        before = _rows(runtime, plain_text(source.schema().as_arrow()), paths)
        session.connection.register("before", before)
        session.connection.register("day_rows", _rows(runtime, schema, paths))
        (written,) = session.write("day_rows", schema, {}, order_by, directory)
        session.connection.register("after", _rows(runtime, schema, [written.path]))
        figures = _figures(schema)
        (was,) = session.rows(f"SELECT {figures} FROM before")
        (now,) = session.rows(f"SELECT {figures} FROM after")
    if was != now:
        raise WarehouseError(
            f"table {table.name} of {country}: the copy of {day} has {now} where the table has"
            f" {was}; nothing was changed. `storeavail check --country {country}` says whether a"
            " data file is damaged"
        )
    properties = {"storeavail.migrated-day": day.isoformat(), **carried_on(source)}
    with RememberingTransaction(copy) as transaction:
        transaction.add_files(
            [written.path], snapshot_properties=properties, check_duplicate_files=False
        )
    return written.rows


def _rows(runtime: Runtime, schema: pa.Schema, paths: Sequence[str]) -> ds.Dataset:
    # a file that has whole numbers where the schema has text is cast as it is read
    return ds.dataset(
        [plain(path) for path in paths],
        schema=schema,
        format="parquet",
        filesystem=runtime.storage.filesystem,
    )


def _figures(schema: pa.Schema) -> str:
    """What has to be equal in a day and its copy: rows, stores, minutes."""
    sums = [f"SUM({name}) AS {name}" for name in schema.names if name.endswith("_minutes")]
    return ", ".join(
        [
            "COUNT(*) AS row_count",
            "COUNT(DISTINCT store_id) AS stores",
            "COUNT(DISTINCT run_id) AS runs",
            *sums,
        ]
    )


def _location(table: IcebergTable) -> str:
    return str(table.metadata_location)


def _move(runtime: Runtime, country: str, table: Table, copy: str) -> None:
    """Let a copy take its table's place: the pointer and the catalog's entry."""
    found = StaticTable.from_metadata(copy, properties=runtime.storage.file_io)
    carry_out(runtime.warehouse, country, Repair(table.name, "brought over", found), table)
    runtime.storage.delete(_path(runtime, country, table))


def _finish(runtime: Runtime, country: str, table: Table) -> None:
    """Register a copy that has taken its table's place and was killed before the catalog knew."""
    note = _read_note(runtime, country, table)
    pointed = runtime.warehouse.pointer(country, table.name)
    assert note is not None, "the table was found by its note"
    if pointed is not None and pointed.metadata_location == note.copy:
        _move(runtime, country, table, note.copy)
    else:
        runtime.storage.delete(_path(runtime, country, table))


def _path(runtime: Runtime, country: str, table: Table) -> str:
    return runtime.warehouse.location(country, table.name, NOTE)


def _read_note(runtime: Runtime, country: str, table: Table) -> _Note | None:
    path = _path(runtime, country, table)
    data = runtime.storage.read(path)
    return None if data is None else decode(_NOTE, data, f"note {path}", "remove it")


def _write_note(runtime: Runtime, country: str, table: Table, note: _Note) -> None:
    runtime.storage.replace(_path(runtime, country, table), orjson.dumps(asdict(note)))
