"""Room on a disk: how much is left, and which errors say that there is none. What needs how much is
not decided here.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storeavail_platform.domain.errors import SourceError

FULL_PHRASES = ("No space left on device", "Disk quota exceeded", "database or disk is full")
"""How the kernel (and so pyarrow and DuckDB) and SQLite say that a disk is full."""
FULL = (errno.ENOSPC, errno.EDQUOT)
MEGABYTE = 1024 * 1024


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
        device, room = there.stat().st_dev, os.statvfs(there)
        before = found.get(device, Disk((), folder, room.f_bavail * room.f_frsize))
        found[device] = Disk((*before.uses, use), before.folder, before.free)
    return list(found.values())


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or what it came of, says that a disk of this machine is full.

    A database's server has a disk of its own: what a source says is not meant.
    """
    return any(
        getattr(one, "errno", None) in FULL or any(phrase in str(one) for phrase in FULL_PHRASES)
        for one in _causes(error)
    ) and not any(isinstance(one, SourceError) for one in _causes(error))


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
