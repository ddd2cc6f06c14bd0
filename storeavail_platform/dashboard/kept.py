"""What was made of committed files for an earlier page, so that the next one does not open them
again. What it is made of is said in `relations.py`.

    dashboard/<country>/.kept/<relation>.parquet

A committed file never changes. So the rows that were made of a day's files hold for as long as the
table names all of these files: a window that is run again, a compacted day and a date that is
rolled up anew have other ones. A file of another release, of other SQL or other settings is passed
over. Nothing here is true by itself: without it, all is made of the tables, and is the same.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storeavail_platform.dashboard.summaries import FOLDER
from storeavail_platform.storage.local import Storage

PACKAGE = "storeavail-platform"
DAY = "day"
"""The column of kept rows that says which partition of the table they are of."""
NOTE = b"storeavail.kept"
"""Key of the Parquet metadata that says what the rows are made of."""

Planned = Mapping[date, Mapping[str, int]]
"""A table's files with how many rows they have, by the partition that they are of."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeptRows:
    """Rows with the column DAY, and the files that they are made of."""

    files: Mapping[date, Set[str]]
    rows: pa.Table

    def still_of(self, planned: Planned) -> KeptRows:
        """What holds of a table that has other files now: days whose files are all still there."""
        files = {day: of for day, of in self.files.items() if of <= planned.get(day, {}).keys()}
        if len(files) == len(self.files):
            return self
        days = pa.array(list(files), pa.date32())
        return KeptRows(files, self.rows.filter(pc.is_in(self.rows[DAY], days)))


@dataclass(frozen=True)
class KeptFile:
    """The kept rows of one relation of a country.

    Attributes:
        made_by: what decides about the rows beside the files: SQL, columns, settings.
    """

    storage: Storage
    country: str
    name: str
    made_by: Sequence[str]

    @property
    def path(self) -> str:
        return f"{folder_of(self.country)}/{self.name}.parquet"

    @property
    def key(self) -> str:
        """What the rows' file must say of itself."""
        text = orjson.dumps([release_of(PACKAGE), self.country, *self.made_by])
        return hashlib.sha256(text).hexdigest()

    def read(self) -> KeptRows | None:
        """What is kept; None where there is nothing, or nothing that this release has made."""
        data = self.storage.read(self.path)
        if data is None:
            return None
        try:
            rows = pq.read_table(pa.BufferReader(data), page_checksum_verification=True)
            note = orjson.loads(rows.schema.metadata[NOTE])
            if note["key"] != self.key:
                return None
            files = {date.fromisoformat(day): frozenset(of) for day, of in note["files"].items()}
            return KeptRows(files, rows.replace_schema_metadata())
        except (pa.ArrowException, OSError, ValueError, LookupError, TypeError) as error:
            logger.warning(
                "%s is passed over, and written anew: %s", self.storage.path(self.path), error
            )
            return None

    def write(self, rows: KeptRows) -> None:
        """Keep these instead."""
        files = {day.isoformat(): sorted(paths) for day, paths in rows.files.items()}
        note = {NOTE: orjson.dumps({"key": self.key, "files": files})}
        stream = pa.BufferOutputStream()
        pq.write_table(
            rows.rows.replace_schema_metadata(note),
            stream,
            compression="zstd",
            write_page_checksum=True,
        )
        self.storage.replace(self.path, stream.getvalue().to_pybytes())


def folder_of(country: str) -> str:
    """Where a country's kept rows lie: the dot hides them from who asks for pages."""
    return f"{FOLDER}/{country}/.kept"


def release_of(package: str) -> str:
    """The version of an installed package; empty where its code came as a zip, which does not say
    it.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
