"""Pointers: `tables/<namespace>/<table>/current.json`, each naming a table's last committed state.

Pointers and markers are the truth, and the catalog is held against them. Readers follow a pointer,
so that they need no catalog; the newest metadata file on disk is no proof of a commit.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import orjson
from pydantic import TypeAdapter

from storeavail_platform.domain.errors import TableDamaged, WarehouseMoved
from storeavail_platform.domain.places import lies_below
from storeavail_platform.storage.json_files import decode
from storeavail_platform.storage.local import Storage

POINTER = "current.json"


@dataclass(frozen=True)
class Committed:
    """A table's state after a commit. `snapshot_id` is None while it has never had a row."""

    snapshot_id: int | None
    sequence_number: int
    metadata_location: str


STATE = TypeAdapter(Committed)


class Pointers:
    """Reads and moves pointers. A table is named by its folder, `tables/<namespace>/<table>`."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def read(self, folder: str) -> Committed | None:
        """The last committed state; None where nothing was ever committed.

        Raises:
            TableDamaged: the pointer cannot be understood.
        """
        data = self.storage.read(f"{folder}/{POINTER}")
        return None if data is None else self.decode(folder, data)

    def decode(self, folder: str, data: bytes) -> Committed:
        """The state that a pointer's bytes name.

        Raises:
            TableDamaged: they cannot be understood, or name the state of another table.
        """
        name = f"pointer {self.storage.path(folder, POINTER)}"
        advice = "`storeavail recover` finds the table's last whole state"
        state = decode(STATE, data, name, advice, error=TableDamaged)
        location = self.storage.relative(state.metadata_location)
        # one outside of the warehouse is told by `refuse_moved`
        if location is not None and not lies_below(location, folder):
            raise TableDamaged(
                f"{name} cannot be understood (it names {state.metadata_location}, which is no"
                f" state of this table): something other than the platform wrote it; {advice}"
            )
        return state

    def refuse_moved(self, folder: str, committed: Committed) -> None:
        """Refuse a table that was written at another path: its files would be named from here.

        Raises:
            WarehouseMoved: the state's metadata is not below this warehouse.
        """
        if self.storage.relative(committed.metadata_location) is None:
            raise WarehouseMoved(
                f"pointer {self.storage.path(folder, POINTER)} names {committed.metadata_location},"
                f" which is not below this warehouse ({self.storage.uri()}): the tables were"
                " written at another path, and their files name each other by whole paths. Put the"
                " folder back where it was, or correct `warehouse` in the configuration"
            )

    def advance(self, folder: str, committed: Committed) -> None:
        """Name a newer state. A pointer that names a state with a higher sequence number stays."""
        before = self.read(folder)
        if before is None or (
            before != committed and before.sequence_number <= committed.sequence_number
        ):
            self.replace(folder, committed)

    def replace(self, folder: str, committed: Committed) -> None:
        """Name a state, whatever was named before: for a table that goes back."""
        self.storage.replace(f"{folder}/{POINTER}", orjson.dumps(asdict(committed)))

    def remove(self, folder: str) -> None:
        """Forget a table's state: only where nothing of it is left."""
        self.storage.delete(f"{folder}/{POINTER}")
