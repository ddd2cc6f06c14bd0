"""Whether catalog, pointers and markers say the same, by a look at their files alone.

As a rule they do, and what opens tables takes ten times as long to import as this look takes. What
may be wrong is opened (`truth.py`, `opening.py`), which tells whether it is, and what helps.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Protocol
from urllib.parse import quote

from pydantic import Field, TypeAdapter

from storeavail_platform.domain.errors import TableDamaged, WarehouseError
from storeavail_platform.domain.places import namespace_of
from storeavail_platform.storage.json_files import decode
from storeavail_platform.warehouse.forgotten import FILE as FORGOTTEN_FILE
from storeavail_platform.warehouse.forgotten import FORGOTTEN
from storeavail_platform.warehouse.layout import LAYOUT, layout_of
from storeavail_platform.warehouse.markers import Marker
from storeavail_platform.warehouse.opening import CATALOG, SQLITE_LOCK_SECONDS, Tables
from storeavail_platform.warehouse.pointers import Committed

ROWS_LOST = "storeavail.rows-lost"
"""Snapshot property: the windows whose rows went with a data file that was given up."""
LOCATIONS = """
    SELECT table_name, metadata_location FROM iceberg_tables
    WHERE catalog_name = ? AND table_namespace = ?
"""
STORE_AVAILABILITY, FIRST_LAYOUT_ID = "store_availability", "long"
"""The table that says which layout they all have, and Iceberg's type of its ids in the first."""


class State(Protocol):
    """A state of a table: pyiceberg's snapshot, or what is read of one here."""

    @property
    def snapshot_id(self) -> int: ...
    @property
    def sequence_number(self) -> int | None: ...


@dataclass(frozen=True)
class _Snapshot:
    snapshot_id: Annotated[int, Field(alias="snapshot-id")]
    sequence_number: Annotated[int | None, Field(alias="sequence-number")] = None
    summary: Mapping[str, str] | None = None


@dataclass(frozen=True)
class _Column:
    name: str
    type: object


@dataclass(frozen=True)
class _Schema:
    schema_id: Annotated[int, Field(alias="schema-id")]
    fields: Sequence[_Column]


@dataclass(frozen=True)
class _Metadata:
    """What is looked at of a table's metadata file."""

    location: str
    format_version: Annotated[Literal[2], Field(alias="format-version")]
    current_schema_id: Annotated[int, Field(alias="current-schema-id")]
    schemas: Sequence[_Schema]
    properties: Mapping[str, str]
    snapshots: Sequence[_Snapshot]


METADATA = TypeAdapter(_Metadata)


@dataclass(frozen=True)
class _Pointed:
    """A table as its pointer names it."""

    tables: Tables
    folder: str
    pointer: Committed

    @cached_property
    def metadata(self) -> _Metadata:
        address = self.pointer.metadata_location
        found = decode(METADATA, self._read(address), address, "", error=TableDamaged)
        if self.tables.storage.relative(found.location) != self.folder:
            raise TableDamaged(address)
        return found

    @cached_property
    def states(self) -> set[int]:
        """Snapshot ids of its states, those among them that upkeep has forgotten."""
        found = {snapshot.snapshot_id for snapshot in self.metadata.snapshots}
        name = self.metadata.properties.get(FORGOTTEN)
        if name is not None:
            address = f"{self.metadata.location}/metadata/{name}"
            data = self._read(address)
            forgotten = decode(FORGOTTEN_FILE, data, address, "", error=TableDamaged)
            found |= {state.snapshot_id for state in forgotten}
        return found

    @property
    def has_its_state(self) -> bool:
        return self.pointer.snapshot_id in {None, *self.states}

    @property
    def is_first_layout(self) -> bool:
        return any(
            column.name == "store_id" and column.type == FIRST_LAYOUT_ID
            for schema in self.metadata.schemas
            if schema.schema_id == self.metadata.current_schema_id
            for column in schema.fields
        )

    def _read(self, address: str) -> bytes:
        relative = self.tables.storage.relative(address)
        data = None if relative is None else self.tables.storage.read(relative)
        if data is None:
            raise TableDamaged(address)
        return data


def have_rows(tables: Tables, country: str, markers: Sequence[Marker]) -> bool:
    """Whether every table has the states that markers name. False: it may be otherwise."""
    with contextlib.suppress(WarehouseError, OSError):
        pointed = _pointed(tables, country)
        named = {name for marker in markers for name in marker.tables}
        return all(
            name in pointed and not any(_missed_by(pointed[name], name, markers)) for name in named
        )
    return False


def _missed_by(table: _Pointed, name: str, markers: Sequence[Marker]) -> Iterator[Marker]:
    states = table.metadata.snapshots
    given_up = {
        window: snapshot.sequence_number or 0
        for snapshot in states
        for window in ((snapshot.summary or {}).get(ROWS_LOST) or "").split()
    }
    yield from rows_given_up(name, markers, given_up)
    yield from doubtful(name, markers, states, table.states)


def rows_given_up(
    name: str, markers: Iterable[Marker], given_up: Mapping[str, int]
) -> Iterator[Marker]:
    """Those of the markers whose rows in a table went with a data file.

    Args:
        given_up: the windows of such files, and the number of the commit that gave each up.
    """
    for marker in markers:
        state = marker.tables.get(name)
        if (
            state is not None
            and state.snapshot_id is not None
            and state.sequence_number < given_up.get(marker.window, 0)
        ):
            yield marker


def doubtful(
    name: str, markers: Iterable[Marker], states: Iterable[State], known: Collection[int]
) -> Iterator[Marker]:
    """Those of the markers whose state of a table is neither one of its states nor older than all
    that it remembers.

    Args:
        states: those that the table remembers.
        known: snapshot ids of its states, those among them that upkeep has forgotten.
    """
    oldest = min((state.sequence_number or 0 for state in states), default=0)
    for marker in markers:
        state = marker.tables.get(name)
        if (
            state is not None
            and state.snapshot_id is not None
            and state.snapshot_id not in known
            and state.sequence_number >= oldest
        ):
            yield marker


def is_catalog_whole(tables: Tables, country: str) -> bool:
    """Whether the catalog has each table of a country just as its pointer names it, whole and of
    this release's layout. False: it may be otherwise, or is no SQLite file.
    """
    if tables.database is None:
        return False
    with contextlib.suppress(WarehouseError, OSError, sqlite3.Error):
        pointed = _pointed(tables, country)
        if not pointed and not tables.database.exists():
            return True
        locations = _catalogued(tables.database, country)
        return (
            layout_of(tables.storage) == LAYOUT
            and locations == {name: one.pointer.metadata_location for name, one in pointed.items()}
            and all(one.has_its_state for one in pointed.values())
            and not (STORE_AVAILABILITY in pointed and pointed[STORE_AVAILABILITY].is_first_layout)
        )
    return False


def _pointed(tables: Tables, country: str) -> dict[str, _Pointed]:
    """The tables of a country that have a pointer."""
    found = {}
    for name in tables.names(country):
        folder = tables.location(country, name)
        pointer = tables.pointers.read(folder)
        if pointer is not None:
            tables.pointers.refuse_moved(folder, pointer)
            found[name] = _Pointed(tables, folder, pointer)
    return found


def _catalogued(database: Path, country: str) -> dict[str, str | None]:
    """Where the catalog has the tables of a country."""
    address = f"file:{quote(str(database))}?mode=ro"
    with contextlib.closing(
        sqlite3.connect(address, uri=True, timeout=SQLITE_LOCK_SECONDS)
    ) as connection:
        return dict(connection.execute(LOCATIONS, (CATALOG, namespace_of(country))).fetchall())
