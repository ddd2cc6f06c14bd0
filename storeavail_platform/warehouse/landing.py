"""The landing: raw readings as immutable Parquet by path. It needs neither a catalog nor an engine,
so that nothing downstream can lose them.

    landing/<country>/<window>/<source>/<attempt>/part-*.parquet    an attempt's files
    landing/<country>/<window>/<source>/manifest.json               of the one attempt that counts
    landing/<country>/<window>/<source>/reread-<n>.json             of one that was made later

A manifest is created only if absent, after its files: whoever creates it first wins, and the loser
removes its own attempt and uses the winner's reading. What is not named by a manifest does not
exist. Where a source was read again the first manifest stays, and the reading again with the
highest number counts. Deadlines, retries and what is read again are not decided here
(`pipeline/observe.py`).
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import orjson
import pyarrow as pa
from pydantic import Field, TypeAdapter

from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.errors import LandingDamaged
from storeavail_platform.domain.log import Log
from storeavail_platform.domain.places import lies_below
from storeavail_platform.domain.source import Snapshot, Source
from storeavail_platform.domain.windows import Window, is_key
from storeavail_platform.storage.json_files import decode
from storeavail_platform.storage.listing import belonging
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.landed_files import (
    LandedFile,
    LandSplits,
    Tally,
    in_threads,
    land_batches,
    land_split,
)


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

    def rows(self, relation: str) -> int:
        return sum(file.rows for file in self.files if file.relation == relation)

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


MANIFEST = TypeAdapter(Reading)
MANIFEST_NAME = "manifest.json"
REREAD = re.compile(r"reread-([1-9]\d*)\.json")


class Landing:
    """Reads and writes the landing of all countries."""

    def __init__(self, storage: Storage, *, clock: Clock = utc_now) -> None:
        self.storage = storage
        self.clock = clock

    def find(self, country: str, window: Window, source: str) -> Reading | None:
        """The reading that counts, or None where there is none.

        Raises:
            LandingDamaged: the manifest cannot be understood, or speaks for another country,
                window or source, or names files that are not its own.
        """
        path = _manifest(country, window.key, source)
        data = self.storage.read(path)
        if data is None:
            return None
        number = self._rereads(country, window.key, source)
        if number:
            return self._read(country, window.key, source, number)
        return self._decode(data, country, window.key, source)

    def has(self, country: str, window: Window, source: str) -> bool:
        """Whether there is a reading that counts; it is not looked into."""
        return self.storage.size(_manifest(country, window.key, source)) is not None

    def land(
        self,
        country: str,
        window: Window,
        source: Source,
        snapshot: Snapshot,
        *,
        tables: Mapping[str, pa.Table] | None = None,
        details: Mapping[str, Any] | None = None,
        tally: Tally | None = None,
        accept: Callable[[Mapping[str, int]], None] | None = None,
        land_splits: LandSplits = in_threads,
        again: bool = False,
        log: Log | None = None,
    ) -> Reading:
        """Read every split of a snapshot into files and make them the window's reading.

        Args:
            tables: further small relations to land with the reading.
            details: what else the manifest says of the reading.
            tally: counts of a batch; their sums join the details.
            accept: is told the sums, and raises where such a reading is not to count.
            land_splits: where the splits are read.
            again: land it beside the reading that is there, to count in its place.

        Returns:
            The reading that counts: this one, or the one that was there first.

        Raises:
            SourceError: a split could not be read, or `accept` refused the reading. Nothing of
                the attempt is left.
        """
        attempt = uuid.uuid4().hex
        number = self._rereads(country, window.key, source.name) + 1 if again else 0
        folder = f"{_folder(country, window.key, source.name)}/{attempt}"
        try:
            landed = list(
                land_splits(
                    partial(land_split, self.storage, source, folder, tally), snapshot.splits
                )
            )
            for name, table in (tables or {}).items():
                batches = iter(table.to_batches())
                landed.append(
                    land_batches(
                        self.storage, name, table.schema, batches, f"{folder}/{name}.parquet", None
                    )
                )
            sums: Counter[str] = Counter()
            for _, counts in landed:
                sums.update(counts)
            if accept is not None:
                accept(sums)
        except BaseException:
            self.storage.delete_tree(folder)
            raise
        reading = Reading(
            country=country,
            window=window.key,
            source=source.name,
            attempt=attempt,
            read_at=snapshot.read_at,
            landed_at=self.clock(),
            details={**(details or {}), **sums},
            files=tuple(file for file, _ in landed),
            reread=number,
        )
        return self._publish(reading, log)

    def record(
        self,
        country: str,
        window: Window,
        source: str,
        details: Mapping[str, Any],
        *,
        read_at: datetime,
    ) -> Reading:
        """Make a reading without rows, for what could not be read.

        The reading that counts is returned.
        """
        return self._publish(
            Reading(country, window.key, source, "none", read_at, self.clock(), dict(details), ()),
            None,
        )

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

    def remove(self, country: str, window: Window) -> None:
        """Remove a window's readings.

        Their manifests go first, so that half of a reading never counts.
        """
        folder = f"landing/{country}/{window.key}"
        for source in self.storage.names(folder):
            self.storage.delete(_manifest(country, window.key, source))
        self.storage.delete_tree(folder)

    def withdraw(self, reading: Reading) -> None:
        """Remove a reading whose time turned out to be false; one that is in its place by now
        stays.
        """
        window = Window.parse(reading.window)
        found = self.find(reading.country, window, reading.source)
        if found is None or found.attempt != reading.attempt:
            return
        self.storage.delete(_manifest(reading.country, reading.window, reading.source))
        self.storage.delete_tree(_folder(reading.country, reading.window, reading.source))
        folder = f"landing/{reading.country}/{reading.window}"
        # a country's windows are counted from the first that has a folder
        if not self.storage.names(folder):
            self.storage.delete_tree(folder)

    def _publish(self, reading: Reading, log: Log | None) -> Reading:
        path = _manifest(reading.country, reading.window, reading.source, reading.reread)
        if self.storage.create(path, _encode(reading)):
            return reading
        winner = self._read(reading.country, reading.window, reading.source, reading.reread)
        if log is not None:
            log.info(
                "%s of %s %s was landed by another run first; using that reading",
                reading.source,
                reading.country,
                reading.window,
            )
        self.storage.delete_tree(
            f"{_folder(reading.country, reading.window, reading.source)}/{reading.attempt}"
        )
        return winner

    def _read(self, country: str, window: str, source: str, number: int) -> Reading:
        path = _manifest(country, window, source, number)
        data = self.storage.read(path)
        if data is None:
            raise LandingDamaged(
                f"manifest {self.storage.path(path)} was there and is gone: something other than"
                " the platform removed it"
            )
        return self._decode(data, country, window, source, number)

    def _rereads(self, country: str, window: str, source: str) -> int:
        """The highest number of a reading again; 0 where there is none."""
        names = self.storage.names(_folder(country, window, source), after=MANIFEST_NAME)
        return max(
            (int(found[1]) for name in names if (found := REREAD.fullmatch(name))), default=0
        )

    def _decode(
        self, data: bytes, country: str, window: str, source: str, number: int = 0
    ) -> Reading:
        name = f"manifest {self.storage.path(_manifest(country, window, source, number))}"
        advice = "restore it from a backup or the bucket's versions"
        found = decode(MANIFEST, data, name, advice, error=LandingDamaged)
        folder, foreign = _folder(country, window, source), None
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


def _folder(country: str, window: str, source: str) -> str:
    return f"landing/{country}/{window}/{source}"


def _manifest(country: str, window: str, source: str, number: int = 0) -> str:
    name = f"reread-{number}.json" if number else MANIFEST_NAME
    return f"{_folder(country, window, source)}/{name}"


def _encode(reading: Reading) -> bytes:
    # without the key a first reading can be read by 0.1.0, which knows of no second one
    unsaid = set() if reading.reread else {"reread"}
    fields = MANIFEST.dump_python(reading, by_alias=True, exclude=unsaid)
    return orjson.dumps(fields, option=orjson.OPT_INDENT_2)
