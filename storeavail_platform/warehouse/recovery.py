"""Putting tables and catalog right: what each table needs, as a plan, and doing it.

A table is registered from its pointer. Where the pointer's state is damaged the table goes back to
its newest whole one, and where nothing is left of it it is made anew. Windows whose rows are lost
by that are found by `truth.py`, and run again by whoever called this.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
from pyiceberg.table import StaticTable
from pyiceberg.table import Table as IcebergTable

from storeavail_platform.domain.errors import CatalogLost, MarkerDamaged, TableDamaged
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.text import moment
from storeavail_platform.domain.windows import Window
from storeavail_platform.warehouse.agreement import ROWS_LOST
from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform.warehouse.catalog_errors import UNREADABLE, reason
from storeavail_platform.warehouse.damage import DamagedFile, is_whole, open_whole
from storeavail_platform.warehouse.earlier import COPYING
from storeavail_platform.warehouse.opening import holds, state_of
from storeavail_platform.warehouse.pointers import Committed
from storeavail_platform.warehouse.relisting import relisted
from storeavail_platform.warehouse.transaction import RememberingTransaction
from storeavail_platform.warehouse.truth import known_states, named_in


@dataclass(frozen=True)
class Repair:
    """What a table needs.

    Attributes:
        text: what is wrong, and what is done.
        found: the state that is registered; None: nothing is left of it, and it is made anew.
        went_back_to: when that state was committed (UTC), where it is not the pointer's.
        strayed: windows and runs that were committed to what the catalog has in the table's place.
    """

    table: str
    text: str
    found: StaticTable | None
    went_back_to: datetime | None = None
    strayed: frozenset[tuple[str, str]] = frozenset()


def catalog_damage(warehouse: Warehouse) -> str | None:
    """What is wrong with the catalog as a whole; None for one that answers.

    Raises:
        CatalogUnavailable: it does not answer.
    """
    try:
        with warehouse.errors():
            warehouse.catalog.list_namespaces()
    except CatalogLost as error:
        return str(error)
    return None


def put_catalog_aside(warehouse: Warehouse, now: datetime) -> Path:
    """Rename a damaged SQLite catalog, so that a new one is made; gives its new path."""
    file = Path(warehouse.storage.path("catalog.db"))
    aside = file.with_name(f"catalog.db.damaged-{now.astimezone(UTC):%Y%m%dT%H%M%S}")
    for suffix in ("", "-journal", "-wal", "-shm"):
        # a journal that stayed would be played into the new file
        with contextlib.suppress(FileNotFoundError):
            file.with_name(f"{file.name}{suffix}").rename(f"{aside}{suffix}")
    return aside


def repairs(
    warehouse: Warehouse, country: str, names: Iterable[str], *, is_catalog_damaged: bool
) -> Iterator[Repair]:
    """What the tables need, each that needs anything.

    Raises:
        WarehouseMoved: the tables were written at another path.
        CatalogUnavailable: the catalog does not answer.
    """
    named = _named(warehouse, country)
    for name in names:
        entry = None if is_catalog_damaged else _entry(warehouse, country, name)
        with warehouse.errors():
            found = _repair(
                warehouse,
                country,
                name,
                entry,
                is_named=name in named,
            )
        if found is not None:
            yield found


def carry_out(warehouse: Warehouse, country: str, repair: Repair, declared: Table | None) -> None:
    """Register the state, or make the table anew; a wrong entry is dropped first, files stay.

    Args:
        declared: the table's declaration, by which it is made anew.
    """
    namespace = warehouse.platform.country(country).namespace
    folder = warehouse.location(country, repair.table)
    with warehouse.errors(), contextlib.suppress(NoSuchTableError, NoSuchNamespaceError):
        warehouse.catalog.drop_table((namespace, repair.table))
    if repair.found is not None:
        state = state_of(repair.found)
        warehouse.pointers.replace(folder, state)
        warehouse.make_namespace(country)
        with warehouse.errors():
            warehouse.catalog.register_table((namespace, repair.table), state.metadata_location)
    elif declared is not None:
        warehouse.pointers.remove(folder)
        warehouse.make(country, declared)


def give_up(
    warehouse: Warehouse,
    country: str,
    name: str,
    damaged: Sequence[DamagedFile],
    windows: Sequence[str],
) -> None:
    """Take damaged files out of a table; the commit names the windows whose rows went with them.

    Raises:
        CommitConflict: windows were committed in between each time it was tried.
    """

    def drop(current: IcebergTable) -> bool:
        with RememberingTransaction(current) as transaction:
            update = transaction.update_snapshot(snapshot_properties={ROWS_LOST: " ".join(windows)})
            with update.overwrite() as overwrite:
                for file in damaged:
                    overwrite.delete_data_file(file.file)
        return True

    warehouse.change(country, name, drop)


def _named(warehouse: Warehouse, country: str) -> Collection[str]:
    """The tables that the newest marker names which can be read."""
    for key in reversed(warehouse.markers.complete(country)):
        with contextlib.suppress(MarkerDamaged):
            marker = warehouse.markers.read(country, Window.parse(key))
            if marker is not None:
                return marker.tables.keys()
    return ()


@dataclass(frozen=True)
class Damaged:
    """In the place of what cannot be read: why."""

    reason: str


def _entry(warehouse: Warehouse, country: str, name: str) -> IcebergTable | Damaged | None:
    """The table as the catalog has it."""
    with warehouse.errors():
        try:
            found = warehouse.catalog.load_table(
                (warehouse.platform.country(country).namespace, name)
            )
        except (NoSuchTableError, NoSuchNamespaceError):
            return None
        except UNREADABLE as error:
            return Damaged(
                f"the catalog names metadata that is missing or damaged ({reason(error)})"
            )
        return (
            found
            if is_whole(found)
            else Damaged("the catalog names a state whose lists of files are damaged")
        )


def _repair(
    warehouse: Warehouse,
    country: str,
    name: str,
    entry: IcebergTable | Damaged | None,
    *,
    is_named: bool,
) -> Repair | None:
    pointed = _pointer(warehouse, country, name)
    found = (
        open_whole(warehouse.storage, pointed.metadata_location)
        if isinstance(pointed, Committed)
        else None
    )
    if isinstance(pointed, Committed) and found is not None:
        if isinstance(entry, IcebergTable) and _holds(entry, pointed, found):
            return None
        wrong = (
            entry.reason
            if isinstance(entry, Damaged)
            else f"the catalog {'lacks it' if entry is None else 'is older'}"
        )
        strayed = _strayed(warehouse, entry, found) if isinstance(entry, IcebergTable) else set()
        return Repair(
            name,
            f"{wrong}; it is registered as its pointer names it",
            found,
            strayed=frozenset(strayed),
        )
    newest = _newest_whole(warehouse, country, name, entry)
    if pointed is None and not is_named and (newest is None or newest.current_snapshot() is None):
        # nobody ever committed to it
        return None
    wrong = (
        pointed.reason
        if isinstance(pointed, Damaged)
        else "its pointer" + (" is gone" if pointed is None else "'s state is damaged")
    )
    if newest is None:
        return Repair(name, f"{wrong}, and no whole state of it is left; it is made anew", None)
    when = datetime.fromtimestamp(newest.metadata.last_updated_ms / 1000, UTC)
    return Repair(
        name, f"{wrong}; it goes back to its last whole state, of {moment(when)}", newest, when
    )


def _holds(entry: IcebergTable, pointed: Committed, found: StaticTable) -> bool:
    try:
        return holds(entry, pointed)
    except TableDamaged:
        # its list of forgotten states cannot be read: the same table, not older, has had the state
        return (
            entry.metadata.table_uuid == found.metadata.table_uuid
            and state_of(entry).sequence_number >= pointed.sequence_number
        )


def _strayed(warehouse: Warehouse, entry: IcebergTable, found: StaticTable) -> set[tuple[str, str]]:
    """Windows and runs of commits that a catalog's table has and the registered one never had."""
    without_list = relisted(warehouse.storage, found)
    known = known_states(found) if without_list is None else without_list.known
    foreign = [snapshot for snapshot in entry.snapshots() if snapshot.snapshot_id not in known]
    return named_in(foreign) - named_in(found.snapshots())


def _pointer(warehouse: Warehouse, country: str, name: str) -> Committed | Damaged | None:
    try:
        found = warehouse.pointer(country, name)
        if found is not None:
            warehouse.pointers.refuse_moved(warehouse.location(country, name), found)
        return found
    except TableDamaged:
        return Damaged("its pointer is damaged")


def _newest_whole(
    warehouse: Warehouse, country: str, name: str, entry: IcebergTable | Damaged | None
) -> StaticTable | None:
    """The newest state that can be read whole; a refused commit's window is not complete."""
    folder = warehouse.location(country, name, "metadata")
    places = {
        warehouse.storage.uri(folder, file)
        for file in warehouse.storage.names(folder)
        if file.endswith(".metadata.json")
    }
    if isinstance(entry, IcebergTable):
        places.add(entry.metadata_location)
    whole = filter(None, (open_whole(warehouse.storage, place) for place in places))
    return max(
        (table for table in whole if COPYING not in table.properties),
        key=lambda table: (state_of(table).sequence_number, table.metadata.last_updated_ms),
        default=None,
    )
