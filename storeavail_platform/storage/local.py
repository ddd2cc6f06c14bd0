"""Files below one root, with the few operations whose atomicity the platform relies on. No
knowledge of what the files mean.

`create` succeeds for exactly one of several writers, and what it made is whole; `replace` is seen
either before or after, never half. What the system refuses is told by the platform's errors.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol
from urllib.parse import unquote

from storeavail_platform.domain.addresses import FILE, plain
from storeavail_platform.domain.errors import StorageRefused, StorageUnavailable
from storeavail_platform.storage.room import FULL, disk_full

if TYPE_CHECKING:
    import pyarrow.fs as pafs

FOLDER = os.O_RDONLY | os.O_DIRECTORY
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


class Name(str):
    """A name in a folder, and what has it: on S3 a file and a folder may have the same one."""

    is_file: bool
    is_folder: bool

    def __new__(cls, name: str, *, is_file: bool, is_folder: bool) -> Name:
        made = super().__new__(cls, name)
        made.is_file, made.is_folder = is_file, is_folder
        return made


class Storage(Protocol):
    """Files by paths relative to a root, with `/` between the parts."""

    @property
    def filesystem(self) -> pafs.FileSystem:
        """For readers that take a pyarrow file system; `path` gives the paths it knows."""

    @property
    def file_io(self) -> dict[str, str]:
        """Properties that make pyiceberg reach the files in the same way."""

    def path(self, *parts: str) -> str:
        """The address that engines read and write: a path, or `s3://bucket/key`."""

    def uri(self, *parts: str) -> str:
        """The address that a catalog records: `file:///...` or `s3://bucket/key`."""

    def relative(self, address: str) -> str | None:
        """The relative path of what `path` or `uri` gave, or None where an address lies
        elsewhere.
        """

    def read(self, relative: str) -> bytes | None:
        """A file's bytes, or None where there is no such file."""

    def read_own(self, relative: str) -> bytes | None:
        """As `read`, of a file that lies there itself: None for a link and below one, which may
        lead to any file of this machine.
        """

    def create(self, relative: str, data: bytes) -> bool:
        """Make a file unless there is one.

        False, and nothing changed, where there is one already.
        """

    def replace(self, relative: str, data: bytes) -> None:
        """Make a file or replace it, atomically."""

    def open_output(self, relative: str) -> contextlib.AbstractContextManager[IO[bytes]]:
        """A new file to write to, durable when the context ends without an error."""

    def size(self, relative: str) -> int | None:
        """A file's size in bytes, or None where there is no such file."""

    def names(self, relative: str, *, after: str = "") -> list[Name]:
        """Names of the files and folders directly below a folder, sorted; only those greater
        than `after`.
        """

    def delete(self, relative: str) -> None:
        """Remove a file. No error where there is none."""

    def delete_tree(self, relative: str) -> None:
        """Remove a folder with all that is in it. No error where there is none."""

    def delete_empty_folders(self, relative: str, *, until: datetime) -> None:
        """Remove the folders below a folder that are empty and in which nothing has changed
        since then.
        """


class LocalStorage:
    """`Storage` in a folder of this machine."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    @property
    def filesystem(self) -> pafs.FileSystem:
        # takes long to import, and small files are read without it
        import pyarrow.fs as pafs

        return pafs.LocalFileSystem()

    @property
    def file_io(self) -> dict[str, str]:
        return {}

    def path(self, *parts: str) -> str:
        return str(self.root.joinpath(*parts))

    def uri(self, *parts: str) -> str:
        # not as a URI has it: nobody who reads these addresses decodes them, and with `%20` for a
        # blank there would be a second folder of that name
        return f"{FILE}{self.root.joinpath(*parts).absolute()}"

    def relative(self, address: str) -> str | None:
        if address.startswith(start := f"{self.uri()}/"):
            return address.removeprefix(start)
        # as earlier releases wrote it
        if address.startswith(start := f"{self.root.absolute().as_uri()}/"):
            return unquote(address.removeprefix(start))
        # by way of links it may be the same folder
        found = Path(unquote(plain(address)) if address.startswith(FILE) else address).resolve()
        root = self.root.resolve()
        return str(found.relative_to(root)) if found.is_relative_to(root) else None

    def read(self, relative: str) -> bytes | None:
        with self._errors(relative):
            try:
                return (self.root / relative).read_bytes()
            except OSError as error:
                if not self._is_absent(error):
                    raise
                return None

    def read_own(self, relative: str) -> bytes | None:
        *folders, name = Path(relative).parts
        with self._errors(relative), contextlib.ExitStack() as opened:
            try:
                folder = os.open(self.root, FOLDER)
                opened.callback(os.close, folder)
                for each in folders:
                    folder = os.open(each, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                    opened.callback(os.close, folder)
                # a pipe, which nobody may ever write into, is not waited for
                file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            except OSError as error:
                if error.errno != errno.ELOOP and not self._is_absent(error):
                    raise
                return None
            with os.fdopen(file, "rb") as stream:
                return stream.read() if stat.S_ISREG(os.fstat(file).st_mode) else None

    def create(self, relative: str, data: bytes) -> bool:
        target = self.root / relative
        with self._errors(relative):
            if target.exists():
                return False
            with self._scratch(target, data) as scratch:
                try:
                    os.link(scratch, target)
                except FileExistsError:
                    return False
                _sync_folder(target.parent)
                return True

    def replace(self, relative: str, data: bytes) -> None:
        target = self.root / relative
        with self._errors(relative), self._scratch(target, data) as scratch:
            scratch.replace(target)
            _sync_folder(target.parent)

    @contextlib.contextmanager
    def open_output(self, relative: str) -> Iterator[IO[bytes]]:
        target = self.root / relative
        with self._errors(relative):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())

    def size(self, relative: str) -> int | None:
        with self._errors(relative):
            try:
                found = (self.root / relative).stat()
            except OSError as error:
                if not self._is_absent(error):
                    raise
                return None
            return None if stat.S_ISDIR(found.st_mode) else found.st_size

    def names(self, relative: str, *, after: str = "") -> list[Name]:
        with self._errors(relative):
            try:
                with os.scandir(self.root / relative) as entries:
                    found = [
                        Name(entry.name, is_file=entry.is_file(), is_folder=entry.is_dir())
                        for entry in entries
                        if entry.name > after and not entry.name.startswith(".")
                    ]
            except OSError as error:
                if not self._is_absent(error):
                    raise
                return []
        return sorted(found)

    def delete(self, relative: str) -> None:
        with self._errors(relative):
            (self.root / relative).unlink(missing_ok=True)

    def delete_tree(self, relative: str) -> None:
        shutil.rmtree(self.root / relative, ignore_errors=True)

    def delete_empty_folders(self, relative: str, *, until: datetime) -> None:
        for folder, _, _ in os.walk(self.root / relative, topdown=False):
            path = Path(folder)
            # one that is not empty refuses; another process may remove it first
            with contextlib.suppress(OSError):
                if path != self.root / relative and path.stat().st_mtime < until.timestamp():
                    path.rmdir()

    def _is_absent(self, error: OSError) -> bool:
        """Whether there is no file of this path: a folder is none, and nothing lies below a file,
        the root apart.
        """
        return isinstance(error, FileNotFoundError | IsADirectoryError) or (
            isinstance(error, NotADirectoryError) and self.root.is_dir()
        )

    @contextlib.contextmanager
    def _errors(self, relative: str) -> Iterator[None]:
        """Raise what the system says of a file as an error of the platform.

        Raises:
            DiskFull: there is no room.
            StorageRefused: a right is missing, or the disk is mounted for reading only.
            StorageUnavailable: anything else.
        """
        try:
            yield
        except OSError as error:
            if error.errno in FULL:
                raise disk_full(f"the disk of {self.root}") from error
            said = f"{self.root / relative}: {error.strerror or error}"
            if error.errno in REFUSED:
                raise StorageRefused(
                    f"{said}; check this user's rights below {self.root}, and how its disk is"
                    " mounted"
                ) from error
            raise StorageUnavailable(
                f"{said}; check the path, and whether its disk is mounted and whole"
            ) from error

    @contextlib.contextmanager
    def _scratch(self, target: Path, data: bytes) -> Iterator[Path]:
        """A durable file with `data` beside the target, gone when the context ends."""
        scratch = target.parent / f".{target.name}.{uuid.uuid4().hex}"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with scratch.open("xb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            yield scratch
        finally:
            scratch.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a folder's new entry survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
