"""Which layout a warehouse has, and refusing one that this release neither reads nor writes.

    warehouse.json    {"layout": 1}

Within a layout any release reads and writes what any other has written
(docs/adr/0010-layouts-and-releases.md). Whatever writes first into a warehouse makes the file; a
warehouse of before, without one, has the first layout.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Annotated

import orjson
import pyarrow.fs as pafs
from pydantic import Field, TypeAdapter

from storeavail_platform.domain.errors import LayoutRefused, StorageUnavailable, WarehouseError
from storeavail_platform.storage.json_files import decode
from storeavail_platform.storage.local import Storage

LAYOUT = 1
"""The layout that this release reads and writes."""
FIRST_LAYOUT = 1
LAYOUT_FILE = "warehouse.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Warehouse:
    layout: Annotated[int, Field(ge=FIRST_LAYOUT)]


_CONTENT = TypeAdapter(_Warehouse)


def require_layout(storage: Storage, *, layout: int = LAYOUT) -> bool:
    """Refuse a warehouse of another layout. Whether the file that says so is still to be made.

    Whoever may not read the file goes on with a warning, because roles made by a release of before
    do not name it.

    Raises:
        LayoutRefused: it has another one; the message says what to do.
        WarehouseError: the file cannot be understood.
        StorageUnavailable: the storage does not answer.
    """
    if isinstance(storage, WarehouseStorage):
        storage = storage.storage
    place = storage.path(LAYOUT_FILE)
    try:
        data = storage.read(LAYOUT_FILE)
    except StorageUnavailable:
        raise
    except (PermissionError, WarehouseError) as error:
        logger.warning("%s cannot be read, so its layout is taken for %s: %s", place, layout, error)
        return False
    if data is None:
        return True
    advice = f'restore it: {{"layout": {layout}}} is what this release writes'
    found = decode(_CONTENT, data, f"the warehouse's layout, {place},", advice).layout
    if found != layout:
        remedy = (
            "a later release has brought it over: use that one, or a later one"
            if found > layout
            else "`storeavail migrate` brings it over (`--dry-run` first says how)"
        )
        raise LayoutRefused(
            f"{place}: the warehouse has layout {found}, and this release reads and writes layout "
            f"{layout}; {remedy}. Nothing was changed"
        )
    return False


class WarehouseStorage:
    """A warehouse's storage: the layout is held against this release's before its first use.

    One look a process: it is kept when the storage is pickled.
    """

    def __init__(self, storage: Storage, *, layout: int = LAYOUT) -> None:
        self.storage = storage
        self.layout = layout
        self._is_checked = False
        self._is_to_be_made = False

    def _reading(self) -> Storage:
        if not self._is_checked:
            self._is_to_be_made = require_layout(self.storage, layout=self.layout)
            self._is_checked = True
        return self.storage

    def _writing(self) -> Storage:
        storage = self._reading()
        if self._is_to_be_made:
            try:
                storage.create(LAYOUT_FILE, orjson.dumps(_Warehouse(self.layout)))
            except StorageUnavailable:
                raise
            except (PermissionError, WarehouseError) as error:
                logger.warning("%s cannot be made: %s", storage.path(LAYOUT_FILE), error)
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

    def names(self, relative: str, *, after: str = "") -> list[str]:
        return self._reading().names(relative, after=after)

    def delete(self, relative: str) -> None:
        self._reading().delete(relative)

    def delete_tree(self, relative: str) -> None:
        self._reading().delete_tree(relative)

    def delete_empty_folders(self, relative: str, *, until: datetime) -> None:
        self._reading().delete_empty_folders(relative, until=until)
