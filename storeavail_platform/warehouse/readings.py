"""What is landed, looked at: which readings count, and what their manifests say.

Nothing is landed here (`landing.py`), and nothing that reads rows is imported.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from storeavail_platform.domain.errors import LandingDamaged
from storeavail_platform.domain.places import lies_below
from storeavail_platform.domain.windows import Window, is_key
from storeavail_platform.storage.json_files import SELDOM, decode
from storeavail_platform.storage.listing import belonging
from storeavail_platform.storage.local import Storage

INDEX = "online_index"
POSTGRES = "postgres"
"""The two sources of a window, by the names of their folders."""


@dataclass(frozen=True)
class LandedFile:
    """A file of a reading: relation, path relative to the warehouse, rows, size in bytes,
    SHA-256.
    """

    relation: str
    path: str
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True)
class Reading:
    """What one source gave for one window.

    Attributes:
        read_at: when the source's consistent state was fixed (UTC).
        landed_at: when the manifest was written (UTC).
        details: what the reader found out beside the rows (JSON values).
        files: every file of the reading.
        reread: how many readings of the source were made before this one, which counts in their
            place.
    """

    country: str
    window: str
    source: str
    attempt: str
    read_at: datetime
    landed_at: datetime
    # the manifest's own name for them: every release reads it
    details: Annotated[Mapping[str, Any], Field(alias="facts")]
    files: tuple[LandedFile, ...]
    reread: int = 0
    __pydantic_config__ = SELDOM

    def rows(self, relation: str) -> int:
        return sum(file.rows for file in self.files if file.relation == relation)

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


MANIFEST = TypeAdapter(Reading)
MANIFEST_NAME = "manifest.json"
REREAD = re.compile(r"reread-([1-9]\d*)\.json")


class Readings:
    """Reads the landing of all countries."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def find(self, country: str, window: Window, source: str) -> Reading | None:
        """The reading that counts, or None where there is none.

        Raises:
            LandingDamaged: the manifest cannot be understood, or speaks for another country,
                window or source, or names files that are not its own.
        """
        path = manifest_of(country, window.key, source)
        data = self.storage.read(path)
        if data is None:
            return None
        number = self._rereads(country, window.key, source)
        if number:
            return self._read(country, window.key, source, number)
        return self._decode(data, country, window.key, source)

    def has(self, country: str, window: Window, source: str) -> bool:
        """Whether there is a reading that counts; it is not looked into."""
        return self.storage.size(manifest_of(country, window.key, source)) is not None

    def verify(self, reading: Reading) -> None:
        """Check that every file of a reading is there and what its manifest says.

        Raises:
            LandingDamaged: names the file.
        """
        for file in reading.files:
            data = self.storage.read(file.path)
            if data is None:
                found = "is missing"
            elif len(data) != file.size:
                found = f"has {len(data)} bytes instead of {file.size}"
            elif hashlib.sha256(data).hexdigest() != file.sha256:
                found = "has another content than when it was landed (SHA-256)"
            else:
                continue
            raise LandingDamaged(
                f"landed file {self.storage.path(file.path)} {found}: something other than the"
                " platform changed the landing; restore the file from a backup or the bucket's"
                " versions"
            )

    def paths(self, readings: Mapping[str, Reading], relation: str) -> list[str]:
        """Addresses of the files that hold a relation."""
        return [
            self.storage.path(file.path)
            for reading in readings.values()
            for file in reading.files
            if file.relation == relation
        ]

    def windows(self, country: str, *, after: str = "") -> list[str]:
        """Keys of the windows that have a folder in the landing, complete or not, in order;
        only those greater than `after`.
        """
        folder = f"landing/{country}"
        return belonging(self.storage, folder, is_key, folders=True, after=after)

    def _read(self, country: str, window: str, source: str, number: int) -> Reading:
        path = manifest_of(country, window, source, number)
        data = self.storage.read(path)
        if data is None:
            raise LandingDamaged(
                f"manifest {self.storage.path(path)} was there and is gone: something other than"
                " the platform removed it"
            )
        return self._decode(data, country, window, source, number)

    def _rereads(self, country: str, window: str, source: str) -> int:
        """The highest number of a reading again; 0 where there is none."""
        names = self.storage.names(folder_of(country, window, source), after=MANIFEST_NAME)
        return max(
            (int(found[1]) for name in names if (found := REREAD.fullmatch(name))), default=0
        )

    def _decode(
        self, data: bytes, country: str, window: str, source: str, number: int = 0
    ) -> Reading:
        name = f"manifest {self.storage.path(manifest_of(country, window, source, number))}"
        advice = "restore it from a backup or the bucket's versions"
        found = decode(MANIFEST, data, name, advice, error=LandingDamaged)
        folder, foreign = folder_of(country, window, source), None
        if (found.country, found.window, found.source) != (country, window, source):
            foreign = f"it speaks for {found.source} of {found.country} {found.window}"
        elif not all(lies_below(file.path, folder) for file in found.files):
            foreign = "it names files that do not lie beside it"
        if foreign is not None:
            raise LandingDamaged(
                f"{name} cannot be understood ({foreign}): something other than the platform wrote"
                f" it; {advice}"
            )
        return found


def folder_of(country: str, window: str, source: str) -> str:
    """Where the readings of a source lie."""
    return f"landing/{country}/{window}/{source}"


def manifest_of(country: str, window: str, source: str, number: int = 0) -> str:
    """The manifest of a reading; `number`: of which reading again."""
    name = f"reread-{number}.json" if number else MANIFEST_NAME
    return f"{folder_of(country, window, source)}/{name}"
