"""Which layout a warehouse has, and refusing one that this release does not know.

    warehouse.json    {"layout": 2}

Within a layout any release reads and writes what any other has written
(docs/adr/0010-layouts-and-releases.md). Whatever writes first into a warehouse makes the file.
One of an earlier layout is read, and observed into; nothing is committed to its tables until
`storeavail migrate` has brought them over. 0.2.0 and before made no file: there each table says it
by its types.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TYPE_CHECKING, Annotated

import orjson
from pydantic import Field, TypeAdapter

from storeavail_platform.domain.errors import (
    DiskFull,
    LayoutRefused,
    StorageUnavailable,
    WarehouseError,
)
from storeavail_platform.storage.json_files import decode
from storeavail_platform.storage.local import Name, Storage

if TYPE_CHECKING:
    import pyarrow.fs as pafs

LAYOUT = 2
"""The layout that this release reads and writes. 2: ids of stores are text; 1: whole numbers."""
FIRST_LAYOUT = 1
LAYOUT_FILE = "warehouse.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Warehouse:
    layout: Annotated[int, Field(ge=FIRST_LAYOUT)]


_CONTENT = TypeAdapter(_Warehouse)


def layout_of(storage: Storage) -> int | None:
    """The layout that the file says; None where there is none.

    Whoever may not read the file goes on with a warning, because roles made by a release of before
    do not name it.

    Raises:
        LayoutRefused: a later release has written it; the message says what to do.
        WarehouseError: the file cannot be understood.
        StorageUnavailable: the storage does not answer.
    """
    if isinstance(storage, WarehouseStorage):
        storage = storage.storage
    place = storage.path(LAYOUT_FILE)
    try:
        data = storage.read(LAYOUT_FILE)
        if data is None:
            return None
    except StorageUnavailable:
        raise
    except (PermissionError, WarehouseError) as error:
        logger.warning("%s cannot be read, so its layout is taken for %s: %s", place, LAYOUT, error)
        return LAYOUT
    advice = f'restore it: {{"layout": {LAYOUT}}} is what this release writes'
    found = decode(_CONTENT, data, f"the warehouse's layout, {place},", advice).layout
    if found > LAYOUT:
        raise LayoutRefused(
            f"{place}: the warehouse has layout {found}, and this release reads and writes layout "
            f"{LAYOUT}; a later release has brought it over: use that one, or a later one. Nothing"
            " was changed"
        )
    return found


def require_layout(storage: Storage) -> None:
    """Refuse to commit to a warehouse of an earlier layout; a new one is given this release's.

    Raises:
        LayoutRefused: `storeavail migrate` has to bring it over first.
        WarehouseError, StorageUnavailable: see `layout_of`.
    """
    found = layout_of(storage)
    if found is None:
        make_layout(storage)
    elif found != LAYOUT:
        raise not_migrated(f"{storage.path(LAYOUT_FILE)}: the warehouse", found)


def not_migrated(what: str, found: int) -> LayoutRefused:
    """That something has an earlier layout, and what to do."""
    return LayoutRefused(
        f"{what} has layout {found}, and this release writes layout {LAYOUT}; `storeavail migrate`"
        " brings it over (`--dry-run` first says how). Windows are observed meanwhile, and computed"
        " then. Nothing was changed"
    )


def make_layout(storage: Storage) -> None:
    """Write this release's layout where there is none.

    Whoever may not write the file goes on with a warning: roles made by a release of before do not
    name it.
    """
    if isinstance(storage, WarehouseStorage):
        storage = storage.storage
    try:
        storage.create(LAYOUT_FILE, orjson.dumps(_Warehouse(LAYOUT)))
    except (StorageUnavailable, DiskFull):
        raise
    except (PermissionError, WarehouseError) as error:
        logger.warning("%s cannot be made: %s", storage.path(LAYOUT_FILE), error)


def raise_layout(storage: Storage) -> None:
    """Write this release's layout over an earlier one: those of before refuse it from now on."""
    storage.replace(LAYOUT_FILE, orjson.dumps(_Warehouse(LAYOUT)))


class WarehouseStorage:
    """A warehouse's storage: a layout of later is refused before its first use.

    One look a process: it is kept when the storage is pickled.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._is_checked = False
        self._is_to_be_made = False

    def _reading(self) -> Storage:
        if not self._is_checked:
            self._is_to_be_made = layout_of(self.storage) is None
            self._is_checked = True
        return self.storage

    def _writing(self) -> Storage:
        storage = self._reading()
        if self._is_to_be_made:
            make_layout(storage)
            self._is_to_be_made = False
        return storage

    @property
    def filesystem(self) -> pafs.FileSystem:
        return self.storage.filesystem

    @property
    def file_io(self) -> dict[str, str]:
        return self.storage.file_io

    def path(self, *parts: str) -> str:
        return self.storage.path(*parts)

    def relative(self, address: str) -> str | None:
        return self.storage.relative(address)

    def uri(self, *parts: str) -> str:
        return self.storage.uri(*parts)

    def read(self, relative: str) -> bytes | None:
        return self._reading().read(relative)

    def read_own(self, relative: str) -> bytes | None:
        return self._reading().read_own(relative)

    def create(self, relative: str, data: bytes) -> bool:
        return self._writing().create(relative, data)

    def replace(self, relative: str, data: bytes) -> None:
        self._writing().replace(relative, data)

    @contextlib.contextmanager
    def open_output(self, relative: str) -> Iterator[IO[bytes]]:
        with self._writing().open_output(relative) as stream:
            yield stream

    def size(self, relative: str) -> int | None:
        return self._reading().size(relative)

    def names(self, relative: str, *, after: str = "") -> list[Name]:
        return self._reading().names(relative, after=after)

    def delete(self, relative: str) -> None:
        self._reading().delete(relative)

    def delete_tree(self, relative: str) -> None:
        self._reading().delete_tree(relative)

    def delete_empty_folders(self, relative: str, *, until: datetime) -> None:
        self._reading().delete_empty_folders(relative, until=until)
