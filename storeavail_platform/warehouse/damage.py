"""Damaged files of tables: which are missing or not what was written, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pyarrow.fs as pafs
from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile
from pyiceberg.table import StaticTable
from pyiceberg.table import Table as IcebergTable
from pyiceberg.types import DateType, TimestamptzType
from pyiceberg.utils.datetime import days_to_date, micros_to_timestamptz

from storeavail_platform.domain.addresses import plain
from storeavail_platform.domain.windows import Window
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.catalog_errors import UNREADABLE
from storeavail_platform.warehouse.iceberg import data_files

PARTITIONS = ("window_start", "local_date")
"""The column that says which window, or which local date, a row belongs to."""


@dataclass(frozen=True)
class DamagedFile:
    """A data file of a table's current state that is missing, or of another size than committed.

    Attributes:
        reason: what is wrong with it, as the end of a sentence.
        first, last: starts (UTC) of the windows that it has rows of, or local dates.
    """

    file: DataFile
    reason: str
    first: datetime | date
    last: datetime | date

    @property
    def partitions(self) -> str:
        """What it has rows of, in words."""
        if isinstance(self.first, datetime) and isinstance(self.last, datetime):
            first, last, noun = Window(self.first).key, Window(self.last).key, "window"
        else:
            first, last, noun = str(self.first), str(self.last), "local date"
        return f"{noun} {first}" if first == last else f"{noun}s {first} to {last}"

    def __str__(self) -> str:
        return (
            f"data file {self.file.file_path} {self.reason}; it has the rows of {self.partitions}"
        )


def damaged_files(storage: Storage, table: IcebergTable, folder: str) -> Iterator[DamagedFile]:
    """The data files that are not there as they were committed: by one listing, no file is read.

    Args:
        folder: the table's, below the storage's root.

    Raises:
        OSError, ValueError, EOFError: the lists of files cannot be read (`is_whole` is False).
    """
    selector = pafs.FileSelector(
        plain(storage.path(folder, "data")), recursive=True, allow_not_found=True
    )
    sizes = {
        info.path: info.size for info in storage.filesystem.get_file_info(selector) if info.is_file
    }
    for file in data_files(table.scan()):
        size = sizes.get(plain(file.file_path))
        if size is None:
            yield DamagedFile(file, "is missing", *_bounds(table, file))
        elif size != file.file_size_in_bytes:
            yield DamagedFile(
                file,
                f"has {size} bytes instead of {file.file_size_in_bytes}",
                *_bounds(table, file),
            )


def open_whole(storage: Storage, metadata_location: str) -> StaticTable | None:
    """The table as a metadata file has it; None where that file is damaged or `is_whole` fails."""
    try:
        found = StaticTable.from_metadata(metadata_location, properties=storage.file_io)
        return found if is_whole(found) else None
    except UNREADABLE:
        return None


def is_whole(table: IcebergTable) -> bool:
    """Whether the lists of a table's current data files can be read."""
    snapshot = table.current_snapshot()
    try:
        for manifest in snapshot.manifests(table.io) if snapshot is not None else ():
            manifest.fetch_manifest_entry(table.io)
    except UNREADABLE:
        return False
    return True


def _bounds(table: IcebergTable, file: DataFile) -> tuple[datetime | date, datetime | date]:
    column = next(name for name in PARTITIONS if name in table.schema().column_names)
    field = table.schema().find_field(column)
    kind = TimestamptzType() if column == "window_start" else DateType()
    bounds = (file.lower_bounds[field.field_id], file.upper_bounds[field.field_id])
    # pyiceberg's annotation says text
    lower, upper = (int(from_bytes(kind, bound)) for bound in bounds)
    if column == "local_date":
        return days_to_date(lower), days_to_date(upper)
    return micros_to_timestamptz(lower).astimezone(UTC), micros_to_timestamptz(upper).astimezone(
        UTC
    )
