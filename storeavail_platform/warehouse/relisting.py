"""A list of forgotten states that is missing or damaged, made again of what can still be named.

Named are states by the lists and metadata files that lie in the table's folder. Which commits a
table is made of is also in the manifests of its kept states: a state that says otherwise is of a
history that the table went back from. What cannot be named stays a hole in the list, and moments
in it cannot be asked for (`reading/as_of.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pyiceberg.table import StaticTable
from pyiceberg.table import Table as IcebergTable

from storeavail_platform.domain.errors import TableDamaged
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform.warehouse.catalog_errors import UNREADABLE
from storeavail_platform.warehouse.forgotten import (
    LIST,
    Forgotten,
    forgotten_states,
    states_in,
    write_forgotten,
)
from storeavail_platform.warehouse.opening import state_of
from storeavail_platform.warehouse.transaction import RememberingTransaction


@dataclass(frozen=True)
class Relisted:
    """What is known of a table whose list of forgotten states cannot be read.

    Attributes:
        states: the forgotten states that can be named, oldest first.
        missing: how many cannot be.
        known: snapshot ids of all that are states of the table, as far as that can be seen.
    """

    states: Sequence[Forgotten]
    missing: int
    known: frozenset[int]

    def __str__(self) -> str:
        count = len(self.states)
        return (
            "the list of its forgotten states is missing or damaged; it is made again:"
            f" {count:,} of {count + self.missing:,} states can still be named"
            + (", moments between the others cannot be asked for" if self.missing else "")
        )


def relisted(storage: Storage, table: IcebergTable) -> Relisted | None:
    """What can be named of a table's forgotten states; None where its list is whole.

    Raises:
        OSError, ValueError: the lists of its data files cannot be read (`is_whole` is False).
    """
    with contextlib.suppress(TableDamaged):
        forgotten_states(table)
        return None
    kept = {state.snapshot_id: state for state in table.snapshots()}
    numbers = {state.sequence_number or 0 for state in kept.values()}
    holes = set(range(min(numbers), max(numbers))) - numbers if numbers else set[int]()
    committed = _committed(table)
    found = {
        state.sequence_number: state
        for state in _named(storage, table)
        if state.sequence_number in holes
        and committed.get(state.sequence_number, state.snapshot_id) == state.snapshot_id
    }
    states = [found[number] for number in sorted(found)]
    known = {*kept, *committed.values(), *(state.snapshot_id for state in states)}
    return Relisted(states, len(holes) - len(states), frozenset(known))


def relist(warehouse: Warehouse, country: str, name: str, found: Relisted) -> None:
    """Write the list again, and have the table name it.

    Raises:
        CommitConflict: windows were committed in between each time it was tried.
    """
    namespace = warehouse.platform.country(country).namespace
    with warehouse.errors():
        table = warehouse.catalog.load_table((namespace, name))
    # a pointer that lags behind would be held against the list that cannot be read
    warehouse.pointers.advance(warehouse.location(country, name), state_of(table))

    def write(current: IcebergTable) -> bool:
        with RememberingTransaction(current) as transaction:
            transaction.set_properties(write_forgotten(current, found.states))
        return True

    warehouse.change(country, name, write)


def _committed(table: IcebergTable) -> dict[int, int]:
    """Snapshot ids of the commits that added files which a kept state has, by sequence number."""
    manifests = {
        manifest.manifest_path: manifest
        for snapshot in table.snapshots()
        for manifest in snapshot.manifests(table.io)
    }
    return {
        entry.sequence_number: entry.snapshot_id
        for manifest in manifests.values()
        for entry in manifest.fetch_manifest_entry(table.io)
        if entry.sequence_number is not None and entry.snapshot_id is not None
    }


def _named(storage: Storage, table: IcebergTable) -> Iterator[Forgotten]:
    """The states that files in the table's metadata folder name, damaged ones passed over."""
    folder = storage.relative(f"{table.location()}/metadata")
    for name in storage.names(folder) if folder is not None else ():
        path = f"{table.location()}/metadata/{name}"
        if name.startswith(LIST):
            with contextlib.suppress(TableDamaged):
                yield from states_in(table.io, path)
        elif name.endswith(".metadata.json"):
            with contextlib.suppress(*UNREADABLE):
                other = StaticTable.from_metadata(path, properties=storage.file_io)
                if other.metadata.table_uuid == table.metadata.table_uuid:
                    yield from (
                        Forgotten(state.sequence_number or 0, state.snapshot_id, state.timestamp_ms)
                        for state in other.snapshots()
                    )
