"""A backup: the warehouse and Dagster's home copied to a folder while both are in use, so that a restore is whole.

Markers and pointers are read first, the files that they name are copied then, and they themselves are
written into the copy last: whenever it stops, the copy holds at least what its markers and pointers
name. What is no longer in the warehouse is removed from the copy only after that. The catalog is no
part of it: `storeavail recover` makes one from the pointers.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import orjson
from pyiceberg.table import StaticTable

from storeavail_platform.domain.errors import ConfigError, TableDamaged
from storeavail_platform.domain.places import is_of, namespace_of
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform.upkeep.copying import (
    SQLITE_BESIDE,
    Found,
    Source,
    copy_all,
    copy_sqlite,
    is_sqlite,
    made_whole,
    remove_others,
)
from storeavail_platform.upkeep.lease import Leases
from storeavail_platform.upkeep.orphans import files_of
from storeavail_platform.warehouse.catalog_errors import UNREADABLE
from storeavail_platform.warehouse.pointers import POINTER

LABEL = "backup.json"
"""Says in the copy which warehouse it is of: a folder without it is somebody's own."""
HOME = "dagster-home"
"""Where Dagster's home lies in the copy, unless it lies below the warehouse."""
CATALOG = "catalog.db"
RENEWED_AFTER = timedelta(minutes=1)
POINTERS_READ = 3
"""How often a pointer is read again because files that it named were gone when they should have been copied."""
Clock = Callable[[], datetime]


@dataclass
class Copied:
    """What a backup did.

    Attributes:
        files, size: copied, in files and bytes.
        unchanged: files that were in the copy already.
        removed: files that were taken out of the copy.
        problems: what is not whole in the warehouse itself, in words.
    """

    files: int = 0
    size: int = 0
    unchanged: int = 0
    removed: int = 0
    problems: list[str] = field(default_factory=list)

    def count(self, found: Found, *, is_copied: bool) -> None:
        self.files += is_copied
        self.size += found.size if is_copied else 0
        self.unchanged += not is_copied

    def __str__(self) -> str:
        return (
            f"{self.files:,} files copied ({self.size / 1e6:,.1f} MB), {self.unchanged:,} were there, "
            f"{self.removed:,} are no longer in the warehouse and were removed"
        )


def back_up(
    runtime: Runtime, folder: Path, home: Path | None, *, countries: Sequence[str], others: Sequence[str], clock: Clock
) -> Copied:
    """Bring the copy in a folder up to date with the warehouse; what is there already is not copied again.

    Args:
        home: Dagster's home, or None where there is none on this machine.
        countries: codes of those that are copied, also of such as are not configured any more.
        others: codes of those that are left alone, in the warehouse and in the copy.

    Raises:
        ConfigError: the folder is not a copy of this warehouse, or the warehouse is not there.
        BackupRunning: another backup copies these files.
        StorageUnavailable, OSError: warehouse or folder cannot be used. The copy is as whole as it was before.
    """
    refuse(runtime, folder, countries)
    done = Copied()
    with _leases(runtime, countries, clock) as renew:
        _Backup(runtime, folder, countries, others, renew, done).run(home)
    return done


def refuse(runtime: Runtime, folder: Path, countries: Sequence[str]) -> None:
    """Refuse a folder of somebody else, and a warehouse that is gone: what is not in it would go from the copy too.

    Raises:
        ConfigError: says which, and what to do.
    """
    root = runtime.storage.uri()
    inside = isinstance(runtime.storage, LocalStorage) and folder.resolve().is_relative_to(runtime.storage.root.resolve())
    if inside:
        raise ConfigError(f"{folder} is inside of the warehouse: a copy in it would be lost with it; name a folder elsewhere")
    label = folder / LABEL
    if label.exists():
        of = orjson.loads(label.read_bytes())["warehouse"]
        if of != root:
            raise ConfigError(f"{folder} is the copy of another warehouse, {of}, and not of {root}: name a folder of its own")
    elif folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty and no copy of a warehouse: a backup would remove what is in it; name another")
    for code in countries:
        place = f"tables/{namespace_of(code)}"
        if list((folder / place).glob(f"*/{POINTER}")) and not runtime.storage.names(place):
            raise ConfigError(
                f"the warehouse {root} has no tables of {code}, and the copy has some: is it mounted? Nothing was "
                "changed; if the country was removed on purpose, remove its folders from the copy"
            )


@contextlib.contextmanager
def _leases(runtime: Runtime, countries: Sequence[str], clock: Clock) -> Iterator[Callable[[], None]]:
    """Hold the countries' files; gives what renews the hold where it is time to."""
    leases, holder = Leases(runtime.storage), f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    held: list[str] = []
    namespaces, renewed = [namespace_of(code) for code in countries], clock()

    def renew() -> None:
        nonlocal renewed
        if clock() - renewed > RENEWED_AFTER:
            renewed = clock()
            for namespace in held:
                leases.renew(namespace, holder, renewed)

    try:
        for namespace in namespaces:
            leases.take(namespace, holder, clock())
            held.append(namespace)
        yield renew
    finally:
        for namespace in held:
            leases.release(namespace, holder)


class _Backup:
    def __init__(
        self,
        runtime: Runtime,
        folder: Path,
        countries: Sequence[str],
        others: Sequence[str],
        renew: Callable[[], None],
        done: Copied,
    ) -> None:
        self.runtime, self.storage, self.folder = runtime, runtime.storage, folder
        self.countries, self.others, self.renew, self.done = countries, others, renew, done
        self.source = Source(runtime.storage)

    def run(self, home: Path | None) -> None:
        """All of it, in the order that makes the copy whole at every moment."""
        markers, pointers = self._markers(), self._pointers()
        place = self._place_of(home)
        files = {path: found for path, found in self.source.files().items() if self._is_copied(path, place)}
        self._write(LABEL, orjson.dumps({"warehouse": self.storage.uri()}, option=orjson.OPT_INDENT_2))
        last = {*markers, *pointers}
        for found, is_copied in copy_all(self.source, (files[path] for path in files if path not in last), self.folder):
            self.done.count(found, is_copied=is_copied)
            self.renew()
        kept = {LABEL, *files, *last, *(self._copy_home(home, place) if home is not None else ())}
        pointed = {path: self._whole(path, data, kept) for path, data in pointers.items()}
        os.sync()
        for path, data in (*pointed.items(), *markers.items()):
            if data is not None:
                self._write(path, data)
        # a table that is not whole in the warehouse keeps all that the copy has of it
        damaged = tuple(path.removesuffix(POINTER) for path, data in pointed.items() if data is None)
        self.done.removed = remove_others(
            self.folder, lambda path: path in kept or path.startswith(damaged) or any(is_of(path, code) for code in self.others)
        )

    def _is_copied(self, path: str, home: str) -> bool:
        if path.startswith((CATALOG, f"{home}/")) or path == LABEL:
            return False
        return not any(is_of(path, code) for code in self.others)

    def _markers(self) -> dict[str, bytes | None]:
        """The markers of complete windows, by path."""
        folders = [f"windows/{code}" for code in self.countries]
        paths = [f"{folder}/{name}" for folder in folders for name in self.storage.names(folder)]
        return {path: self.storage.read(path) for path in paths}

    def _pointers(self) -> dict[str, bytes | None]:
        """The pointers of the tables, by path; the metadata that they name is copied at once, before commits replace it."""
        folders = [f"tables/{namespace_of(code)}" for code in self.countries]
        paths = [f"{folder}/{name}/{POINTER}" for folder in folders for name in self.storage.names(folder)]
        found = {path: data for path in paths if (data := self.storage.read(path)) is not None}
        for path, data in found.items():
            with contextlib.suppress(TableDamaged):
                self._copy_metadata(path, data)
        return dict(found)

    def _copy_metadata(self, pointer: str, data: bytes) -> Path | None:
        """The copy of the metadata that a pointer names, made unless it is there; None where the warehouse does not have it.

        Raises:
            TableDamaged: the pointer cannot be understood.
        """
        state = self.runtime.warehouse.pointers.decode(pointer.removesuffix(f"/{POINTER}"), data)
        path = self.storage.relative(state.metadata_location)
        if path is None:
            return None
        if not (self.folder / path).exists() and (metadata := self.storage.read(path)) is not None:
            self._write(path, metadata)
        return self.folder / path if (self.folder / path).exists() else None

    def _whole(self, pointer: str, data: bytes | None, kept: set[str]) -> bytes | None:
        """A pointer all of whose files are in the copy: as it was read, or as it is now where commits have replaced it.

        None, and a problem, where the warehouse itself lacks what it names. What it names is kept in the copy.
        """
        for _ in range(POINTERS_READ):
            assert data is not None, "pointers are never removed while the files are held"
            try:
                metadata = self._copy_metadata(pointer, data)
                missing = [str(self.storage.path(pointer))] if metadata is None else self._missing(metadata, kept)
            except (*UNREADABLE, TableDamaged) as error:
                missing = [str(error)]
            if not missing:
                return data
            before, data = data, self.storage.read(pointer)
            if data == before:
                break
        self.done.problems.append(
            f"{pointer.removesuffix(f'/{POINTER}')} is not whole in the warehouse ({len(missing)} files, the first: "
            f"{missing[0]}); the copy keeps what it had of it. `storeavail check` says more"
        )
        return None

    def _missing(self, metadata: Path, kept: set[str]) -> list[str]:
        """Files of a state that are neither in the copy nor in the warehouse."""
        table = StaticTable.from_metadata(str(metadata), properties=self.storage.file_io)
        root, missing = f"{self.source.root}/", []
        kept.add(metadata.relative_to(self.folder).as_posix())
        for address in files_of(table):
            path = address.removeprefix(root) if address.startswith(root) else self.storage.relative(address)
            if path is None:
                missing.append(address)
                continue
            kept.add(path)
            if not (self.folder / path).exists():
                size = self.storage.size(path)
                if size is None or not self.source.copy(Found(path, size, 0), self.folder / path):
                    missing.append(path)
            self.renew()
        return missing

    def _place_of(self, home: Path | None) -> str:
        """Where Dagster's home lies in the copy: as in the warehouse, if it is there."""
        if home is not None and isinstance(self.storage, LocalStorage) and home.is_relative_to(self.storage.root):
            return home.relative_to(self.storage.root).as_posix()
        return HOME

    def _copy_home(self, home: Path, place: str) -> set[str]:
        """Copy Dagster's home; gives the paths in the copy."""
        source, kept = Source(LocalStorage(home)), set()
        for path, found in source.files().items():
            if path.endswith(SQLITE_BESIDE):
                continue
            target = self.folder / place / path
            kept.add(f"{place}/{path}")
            try:
                is_copied = copy_sqlite(home / path, target) if is_sqlite(home / path) else source.copy(found, target)
            except sqlite3.Error as error:
                self.done.problems.append(f"{home / path} of Dagster was not copied: {error}; the copy keeps what it had of it")
                continue
            self.done.count(found, is_copied=is_copied)
            self.renew()
        return kept

    def _write(self, path: str, data: bytes) -> None:
        target = self.folder / path
        if not target.exists() or target.read_bytes() != data:
            with made_whole(target, time.time_ns()) as draft:
                draft.write_bytes(data)
