"""Copying files to a folder: whole, and only what is not there; SQLite files while in use."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow.fs as pafs

from storeavail_platform.domain.addresses import plain
from storeavail_platform.storage.local import LocalStorage, Storage

AT_ONCE = 8
SQLITE = b"SQLite format 3\x00"
SQLITE_BESIDE = ("-wal", "-shm", "-journal")
"""Ends of the names of files that belong to a SQLite file and are of no use without it."""
SQLITE_SECONDS = 60


@dataclass(frozen=True)
class Found:
    """A file of the source: path below its root, size (bytes), last change (nanoseconds)."""

    path: str
    size: int
    changed: int


class Source:
    """The files below a storage's root, but those whose name begins with a dot: drafts, leases."""

    def __init__(self, storage: Storage) -> None:
        self.filesystem = storage.filesystem
        self.root = plain(storage.path()).rstrip("/")

    def files(self) -> dict[str, Found]:
        """All of them, by path."""
        selector = pafs.FileSelector(self.root, recursive=True, allow_not_found=True)
        found = {}
        for info in self.filesystem.get_file_info(selector):
            path = info.path.removeprefix(f"{self.root}/")
            if info.is_file and not any(part.startswith(".") for part in path.split("/")):
                found[path] = Found(path, info.size, info.mtime_ns)
        return found

    def copy(self, found: Found, target: Path) -> bool:
        """Copy a file unless it is there; whether it was copied. One that vanished is passed over.

        Raises:
            OSError: the source or the folder cannot be used.
        """
        with contextlib.suppress(FileNotFoundError):
            there = target.stat()
            is_same = is_written_once(found.path) or there.st_mtime_ns == found.changed
            if is_same and there.st_size == found.size:
                return False
        with contextlib.suppress(FileNotFoundError), made_whole(target, found.changed) as draft:
            with (
                self.filesystem.open_input_stream(f"{self.root}/{found.path}") as stream,
                draft.open("wb") as out,
            ):
                shutil.copyfileobj(stream, out, 2**20)
            return True
        return False


def is_written_once(path: str) -> bool:
    """Whether a file of the warehouse never changes once it is there: readings, rows, metadata."""
    folders = path.split("/")
    is_table = folders[0] == "tables" and len(folders) > 4
    return folders[0] == "landing" or (is_table and folders[3] in ("data", "metadata"))


def copy_all(source: Source, files: Iterable[Found], folder: Path) -> Iterator[tuple[Found, bool]]:
    """Copy files, several at once; gives each with whether it was copied, as it is done."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        work = [(found, pool.submit(source.copy, found, folder / found.path)) for found in files]
        try:
            for found, job in work:
                yield found, job.result()
        finally:
            pool.shutdown(cancel_futures=True)


def copy_home(home: Path, folder: Path) -> Iterator[tuple[Found, bool | sqlite3.Error]]:
    """Copy Dagster's home while in use; gives each file, and whether it was copied or why not."""
    source = Source(LocalStorage(home))
    for path, found in source.files().items():
        if path.endswith(SQLITE_BESIDE):
            continue
        outcome: bool | sqlite3.Error
        try:
            is_database = _is_sqlite(home / path)
            target = folder / path
            outcome = (
                copy_sqlite(home / path, target) if is_database else source.copy(found, target)
            )
        except sqlite3.Error as error:
            outcome = error
        yield found, outcome


def copy_sqlite(file: Path, target: Path) -> bool:
    """Copy a SQLite file as it is at one moment, unless it is there; whether it was copied."""
    beside = [file, *(file.with_name(file.name + end) for end in SQLITE_BESIDE)]
    changed = max(other.stat().st_mtime_ns for other in beside if other.exists())
    if target.exists() and target.stat().st_mtime_ns == changed:
        return False
    with made_whole(target, changed) as draft:
        with (
            contextlib.closing(sqlite3.connect(file, timeout=SQLITE_SECONDS)) as source,
            contextlib.closing(sqlite3.connect(draft)) as copy,
        ):
            source.backup(copy)
        return True


def put(target: Path, data: bytes) -> None:
    """Write a file whole, unless it says the same."""
    if not target.exists() or target.read_bytes() != data:
        with made_whole(target, time.time_ns()) as draft:
            draft.write_bytes(data)


@contextlib.contextmanager
def made_whole(target: Path, changed: int) -> Iterator[Path]:
    """A draft that takes the target's place, and time of change, when the context ends well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        yield draft
        os.utime(draft, ns=(changed, changed))
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def remove_others(folder: Path, is_kept: Callable[[str], bool]) -> int:
    """Remove the files of a copy that are not kept, and empty folders; gives how many files.

    Args:
        is_kept: whether a path below the folder is.
    """
    removed = 0
    for place, _, files in os.walk(folder, topdown=False):
        for path in (Path(place, name) for name in files):
            if not is_kept(path.relative_to(folder).as_posix()):
                path.unlink()
                removed += 1
        if Path(place) != folder:
            with contextlib.suppress(OSError):
                Path(place).rmdir()
    return removed


def _is_sqlite(file: Path) -> bool:
    with contextlib.suppress(FileNotFoundError), file.open("rb") as stream:
        return stream.read(len(SQLITE)) == SQLITE
    return False
