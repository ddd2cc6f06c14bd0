"""A backup: warehouse and Dagster's home copied to a folder while in use, so that a restore is
whole.

Markers and pointers are read first, the files that they name are copied then, and they themselves
are written into the copy last: whenever it stops, the copy holds at least what they name. What is
no longer in the warehouse is removed from the copy only after that. The catalog is no part of it:
`storeavail recover` makes one from the pointers.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import orjson
from pydantic import TypeAdapter

from storeavail_platform.domain.errors import ConfigError, TableDamaged
from storeavail_platform.domain.places import is_of, namespace_of
from storeavail_platform.storage.json_files import decode
from storeavail_platform.storage.local import Storage
from storeavail_platform.upkeep.copied_tables import CopiedTables
from storeavail_platform.upkeep.copying import Found, copy_all, copy_home, put, remove_others
from storeavail_platform.upkeep.lease import Leases
from storeavail_platform.warehouse.pointers import POINTER

LABEL = "backup.json"
"""Says in the copy which warehouse it is of: a folder without it is somebody's own."""
HOME = "dagster-home"
"""Where Dagster's home lies in the copy, unless it lies below the warehouse."""
CATALOG = "catalog.db"
RENEWED_AFTER = timedelta(minutes=1)
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class _Label:
    warehouse: str


_LABEL = TypeAdapter(_Label)


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
            f"{self.files:,} files copied ({self.size / 1e6:,.1f} MB), {self.unchanged:,} were "
            f"there, {self.removed:,} are no longer in the warehouse and were removed"
        )


def back_up(
    storage: Storage,
    folder: Path,
    home: Path | None,
    *,
    countries: Sequence[str],
    others: Sequence[str],
    clock: Clock,
) -> Copied:
    """Bring the copy in a folder up to date with the warehouse; what is there is not copied again.

    Args:
        home: Dagster's home, or None where there is none on this machine.
        countries: codes of those that are copied, also of such as are not configured any more.
        others: codes of those that are left alone, in the warehouse and in the copy.

    Raises:
        ConfigError: the folder is not a copy of this warehouse, or the warehouse is not there.
        BackupRunning: another backup copies these files.
        StorageUnavailable, OSError: warehouse or folder cannot be used. The copy stays whole.
    """
    refuse(storage, folder, countries)
    with _held(storage, countries, clock) as renew:
        return _Backup(storage, folder, countries, others, renew).run(home)


def refuse(storage: Storage, folder: Path, countries: Sequence[str]) -> None:
    """Refuse a folder of somebody else, and a warehouse that is gone: its copy would go too.

    Raises:
        ConfigError: says which, and what to do.
    """
    root, label = storage.uri(), folder / LABEL
    if storage.relative(str(folder)) is not None:
        raise ConfigError(
            f"{folder} is inside of the warehouse: a copy in it would be lost with it; name a"
            " folder elsewhere"
        )
    if not label.exists() and folder.exists() and any(folder.iterdir()):
        raise ConfigError(
            f"{folder} is not empty and no copy of a warehouse: a backup would remove what is in"
            " it; name another"
        )
    copied = _label(label).warehouse if label.exists() else root
    if copied != root:
        raise ConfigError(
            f"{folder} is the copy of another warehouse, {copied}, and not of {root}: name another"
            " folder"
        )
    for code in countries:
        place = f"tables/{namespace_of(code)}"
        if list((folder / place).glob(f"*/{POINTER}")) and not storage.names(place):
            raise ConfigError(
                f"the warehouse {root} has no tables of {code}, and the copy has some: is it"
                " mounted? Nothing was changed; if they were removed on purpose, remove them from"
                " the copy too"
            )


def _label(path: Path) -> _Label:
    advice = "remove it together with the copy, or name another folder"
    name = f"the label of the copy, {path},"
    return decode(_LABEL, path.read_bytes(), name, advice, error=ConfigError)


@contextlib.contextmanager
def _held(storage: Storage, countries: Sequence[str], clock: Clock) -> Iterator[Callable[[], None]]:
    """Hold the countries' files; gives what renews the hold where it is time to."""
    leases = Leases(storage)
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    held: list[str] = []
    renewed = clock()

    def renew() -> None:
        nonlocal renewed
        if clock() - renewed > RENEWED_AFTER:
            renewed = clock()
            for namespace in held:
                leases.renew(namespace, holder, renewed)

    try:
        for namespace in map(namespace_of, countries):
            # where there are no tables nothing is removed
            if storage.names(f"tables/{namespace}"):
                leases.take(namespace, holder, clock())
                held.append(namespace)
        yield renew
    finally:
        for namespace in held:
            leases.release(namespace, holder)


class _Backup:
    def __init__(
        self,
        storage: Storage,
        folder: Path,
        countries: Sequence[str],
        others: Sequence[str],
        renew: Callable[[], None],
    ) -> None:
        self.storage, self.folder = storage, folder
        self.countries, self.others, self.renew = countries, others, renew
        self.tables, self.done = CopiedTables(storage, folder, renew), Copied()

    def run(self, home: Path | None) -> Copied:
        """All of it, in the order that makes the copy whole at every moment."""
        markers, pointers = self._markers(), self._pointers()
        place = self._place_of(home)
        files = {
            path: found
            for path, found in self.tables.source.files().items()
            if self._is_copied(path, place)
        }
        put(
            self.folder / LABEL,
            orjson.dumps({"warehouse": self.storage.uri()}, option=orjson.OPT_INDENT_2),
        )
        first = [
            found for path, found in files.items() if path not in markers and path not in pointers
        ]
        for found, is_copied in copy_all(self.tables.source, first, self.folder):
            self.done.count(found, is_copied=is_copied)
            self.renew()
        kept = {LABEL, *files, *markers, *pointers, *self._copy_home(home, place)}
        whole = {path: self.tables.whole(path, data, kept) for path, data in pointers.items()}
        os.sync()
        for path, data in (*whole.items(), *markers.items()):
            if isinstance(data, bytes):
                put(self.folder / path, data)
                self.renew()
        self.done.problems += [problem for problem in whole.values() if isinstance(problem, str)]
        # a table that is not whole in the warehouse keeps all that the copy has of it
        damaged = tuple(
            path.removesuffix(POINTER) for path, data in whole.items() if isinstance(data, str)
        )

        def is_kept(path: str) -> bool:
            return (
                path in kept
                or path.startswith(damaged)
                or any(is_of(path, code) for code in self.others)
            )

        self.done.removed = remove_others(self.folder, is_kept)
        return self.done

    def _is_copied(self, path: str, home: str) -> bool:
        if path.startswith((CATALOG, f"{home}/")) or path == LABEL:
            return False
        return not any(is_of(path, code) for code in self.others)

    def _markers(self) -> dict[str, bytes]:
        """The markers of complete windows, by path."""
        folders = [f"windows/{code}" for code in self.countries]
        paths = [f"{folder}/{name}" for folder in folders for name in self.storage.names(folder)]
        return {path: data for path in paths if (data := self.storage.read(path)) is not None}

    def _pointers(self) -> dict[str, bytes]:
        """The tables' pointers, by path; their metadata is copied at once: commits remove it."""
        folders = [f"tables/{namespace_of(code)}" for code in self.countries]
        paths = [
            f"{folder}/{name}/{POINTER}"
            for folder in folders
            for name in self.storage.names(folder)
        ]
        found = {path: data for path in paths if (data := self.storage.read(path)) is not None}
        for path, data in found.items():
            # it is told when its files are looked at
            with contextlib.suppress(TableDamaged):
                self.tables.copy_metadata(path, data)
        return found

    def _place_of(self, home: Path | None) -> str:
        """Where Dagster's home lies in the copy: as in the warehouse, if it is there."""
        inside = None if home is None else self.storage.relative(str(home))
        return HOME if inside is None else inside

    def _copy_home(self, home: Path | None, place: str) -> set[str]:
        """Copy Dagster's home; gives the paths in the copy."""
        kept = set()
        for found, copied in copy_home(home, self.folder / place) if home is not None else ():
            kept.add(f"{place}/{found.path}")
            if isinstance(copied, sqlite3.Error):
                self.done.problems.append(
                    f"{found.path} of Dagster's home was not copied: {copied}; the copy keeps what"
                    " it had of it"
                )
            else:
                self.done.count(found, is_copied=copied)
            self.renew()
        return kept
