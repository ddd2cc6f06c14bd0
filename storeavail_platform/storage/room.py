"""Room on a disk: how much is left, which errors say that there is none, and how that is said. What
needs how much is not decided here.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from storeavail_platform.domain.errors import DiskFull, SourceError

FULL_PHRASES = ("No space left on device", "Disk quota exceeded", "database or disk is full")
"""How the kernel (and so pyarrow and DuckDB) and SQLite say that a disk is full."""
IO_ERROR = "disk I/O error"
"""SQLite's word where its journal or shared memory has no room; also for a disk that is broken."""
FULL = (errno.ENOSPC, errno.EDQUOT)
MEGABYTE = 1024 * 1024
SQLITE_NEEDS = MEGABYTE
"""With less left, an I/O error of SQLite is taken for one of room."""


@dataclass(frozen=True)
class Disk:
    """A file system that something is written to.

    Attributes:
        uses: what lies on it, in words.
        free: bytes that this user may still write.
    """

    uses: tuple[str, ...]
    folder: Path
    free: int

    def __str__(self) -> str:
        return f"the disk of {' and '.join(self.uses)} ({self.folder})"


def disks_of(folders: dict[str, Path]) -> list[Disk]:
    """The file systems that folders lie on, each once.

    Args:
        folders: by what they are in words; one that is not there yet lies where the first folder
            above it is.

    Raises:
        OSError: a file system cannot be asked.
    """
    found: dict[int, Disk] = {}
    for use, folder in folders.items():
        there = next(path for path in (folder, *folder.parents) if path.exists())
        device = there.stat().st_dev
        before = found.get(device, Disk((), folder, _free(there)))
        found[device] = Disk((*before.uses, use), before.folder, before.free)
    return list(found.values())


def is_disk_full(error: BaseException, folders: Iterable[Path] = ()) -> bool:
    """Whether an error, or what it came of, says that a disk of this machine is full.

    A database's server has a disk of its own: what a source says is not meant.

    Args:
        folders: what lies on the disks that may be meant, for an error that does not tell.
    """
    found = list(_causes(error))
    if any(isinstance(one, SourceError) for one in found):
        return False
    return any(
        getattr(one, "errno", None) in FULL or any(phrase in str(one) for phrase in FULL_PHRASES)
        for one in found
    ) or (
        any(IO_ERROR in str(one) for one in found)
        and any(_free(folder) < SQLITE_NEEDS for folder in folders)
    )


def disk_full(which: str) -> DiskFull:
    """The error of a disk without room.

    Args:
        which: the disk, in words.
    """
    return DiskFull(
        f"{FULL_PHRASES[0]}: {which} is full. Nothing half written counts; make room outside the"
        " warehouse (`df -h`), and the window is completed while it can be"
    )


def _free(folder: Path) -> int:
    """Bytes that this user may still write where a folder is, or is to be."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    room = os.statvfs(there)
    return room.f_bavail * room.f_frsize


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def size_text(size: int) -> str:
    """Bytes in megabytes, rounded up to a whole one below a gigabyte."""
    megabytes = -(-size // MEGABYTE)
    return f"{megabytes} MB" if megabytes < 1024 else f"{megabytes / 1024:.1f} GB"
