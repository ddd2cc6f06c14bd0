"""Tables in a backup's copy: what a pointer names, and whether all of it is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pyiceberg.table import StaticTable

from storeavail_platform.domain.errors import TableDamaged
from storeavail_platform.storage.local import Storage
from storeavail_platform.upkeep.copying import Found, Source, put
from storeavail_platform.upkeep.orphans import files_of
from storeavail_platform.warehouse.catalog_errors import UNREADABLE, reason
from storeavail_platform.warehouse.pointers import POINTER, Pointers

POINTERS_READ = 3
"""How often a pointer is read again because commits went on while its files were copied."""


class CopiedTables:
    """The tables of a warehouse in the copy below a folder."""

    def __init__(self, storage: Storage, folder: Path, renew: Callable[[], None]) -> None:
        """
        Args:
            renew: called between files.
        """
        self.storage, self.folder, self.renew = storage, folder, renew
        self.source, self.pointers = Source(storage), Pointers(storage)

    def copy_metadata(self, pointer: str, data: bytes) -> Path | None:
        """The copy of the metadata that a pointer names; None where the warehouse does not have it.

        Raises:
            TableDamaged: the pointer cannot be understood.
        """
        state = self.pointers.decode(pointer.removesuffix(f"/{POINTER}"), data)
        path = self.storage.relative(state.metadata_location)
        if path is None:
            return None
        copy = self.folder / path
        if not copy.exists() and (metadata := self.storage.read(path)) is not None:
            put(copy, metadata)
        return copy if copy.exists() else None

    def whole(self, pointer: str, data: bytes, kept: set[str]) -> bytes | str:
        """A pointer all of whose files are in the copy: as it was read, or as it is now.

        Args:
            kept: takes in the paths of the files that it names.

        Returns:
            Its bytes; where the warehouse itself lacks what it names, a text that says so.
        """
        missing: list[str] = []
        for _ in range(POINTERS_READ):
            try:
                metadata = self.copy_metadata(pointer, data)
                missing = (
                    [f"metadata of {pointer}"]
                    if metadata is None
                    else self._missing(metadata, kept)
                )
            except (*UNREADABLE, TableDamaged) as error:
                missing = [reason(error)]
            now = self.storage.read(pointer) if missing else data
            if not missing:
                return data
            if now is None or now == data:
                break
            data = now
        return (
            f"{pointer.removesuffix(f'/{POINTER}')} is not whole in the warehouse ({len(missing)}"
            f" files, the first: {missing[0]}); the copy keeps what it had of it. `storeavail"
            " check` says more"
        )

    def _missing(self, metadata: Path, kept: set[str]) -> list[str]:
        """Files of a state that are neither in the copy nor in the warehouse."""
        table = StaticTable.from_metadata(str(metadata), properties=self.storage.file_io)
        root, missing = f"{self.source.root}/", []
        kept.add(metadata.relative_to(self.folder).as_posix())
        for address in files_of(table):
            is_below = address.startswith(root)
            path = address.removeprefix(root) if is_below else self.storage.relative(address)
            if path is None or not self._is_there(path):
                missing.append(address)
            if path is not None:
                kept.add(path)
            self.renew()
        return missing

    def _is_there(self, path: str) -> bool:
        """Whether a file is in the copy, where it is put if the warehouse has it."""
        copy = self.folder / path
        if not copy.exists() and (size := self.storage.size(path)) is not None:
            self.source.copy(Found(path, size, 0), copy)
        return copy.exists()
