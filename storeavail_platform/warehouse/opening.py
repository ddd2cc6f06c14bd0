"""Opening tables: by the catalog, held against their pointers, or by a pointer alone.

Not the catalog is the truth but pointers (`pointers.py`) and markers. Whatever opens a table for
writing holds the catalog against its pointer, and no table is made anew over one that exists.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
from pyiceberg.table import StaticTable
from pyiceberg.table import Table as IcebergTable

from storeavail_platform.config import Platform
from storeavail_platform.domain.errors import (
    CatalogLost,
    StorageRefused,
    TableDamaged,
    WarehouseMoved,
)
from storeavail_platform.domain.places import code_of, is_namespace, namespace_of
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.storage.listing import belonging
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.catalog_errors import UNREADABLE, catalog_errors, reason
from storeavail_platform.warehouse.forgotten import forgotten_states
from storeavail_platform.warehouse.iceberg import iceberg_schema, partition_spec, properties_of
from storeavail_platform.warehouse.layout import require_layout
from storeavail_platform.warehouse.markers import Markers
from storeavail_platform.warehouse.pointers import Committed, Pointers

SQLITE_LOCK_SECONDS = 60


class Tables:
    """The tables of all countries.

    Methods that reach the catalog raise `CatalogUnavailable` where it does not answer.
    """

    def __init__(
        self, platform: Platform, storage: Storage, *, catalog: Catalog | None = None
    ) -> None:
        """
        Args:
            catalog: by default the configured one.
        """
        self.platform = platform
        self.storage = storage
        self._catalog = catalog
        self.pointers = Pointers(storage)
        self.markers = Markers(storage)
        self._loaded: dict[tuple[str, str], _Loaded] = {}

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog, connected at first use."""
        config = self.platform.catalog
        require_layout(self.storage)
        if self._catalog is not None:
            return self._catalog
        with self.errors():
            if config.type == "hive":
                from storeavail_platform.warehouse.hive import HiveMetastoreCatalog

                return HiveMetastoreCatalog(
                    "storeavail",
                    uri=config.uri,
                    warehouse=self.storage.uri("tables"),
                    **self.storage.file_io,
                )
            from storeavail_platform.warehouse.remembered import RememberingSqlCatalog

            path = self.storage.path("catalog.db")
            return RememberingSqlCatalog(
                "storeavail",
                uri=f"sqlite:///{quote(path)}?timeout={SQLITE_LOCK_SECONDS}",
                warehouse=self.storage.uri("tables"),
            )

    def has_namespace(self, country: str) -> bool:
        """Whether the catalog has the country's namespace."""
        with self.errors():
            return self.catalog.namespace_exists(self.platform.country(country).namespace)

    def countries(self) -> list[str]:
        """Codes of the configured countries, then of those that are left."""
        return list(dict.fromkeys((*self.platform.countries, *self.left_countries())))

    def left_countries(self) -> list[str]:
        """Codes of the countries that are not in the configuration and whose tables are still here.

        Whoever may list single countries' folders only knows of no other.
        """
        with contextlib.suppress(StorageRefused, PermissionError):
            names = belonging(self.storage, "tables", is_namespace, folders=True)
            found = [code_of(name) for name in names]
            return [code for code in found if code not in self.platform.countries]
        return []

    def names(self, country: str) -> list[str]:
        """Names of the tables that have a folder, also of a country that is left."""
        folder = f"tables/{namespace_of(country)}"
        return belonging(self.storage, folder, str.isidentifier, folders=True)

    def location(self, country: str, table: str, *parts: str) -> str:
        """A path of the storage below a table, also of a country that is left."""
        return "/".join(("tables", namespace_of(country), table, *parts))

    def make_namespace(self, country: str) -> None:
        """Make the country's namespace in the catalog unless it is there."""
        namespace = self.platform.country(country).namespace
        with self.errors():
            # its own place: the metastore's default is on whichever cluster made it first
            self.catalog.create_namespace_if_not_exists(
                namespace, {"location": self.storage.uri("tables", namespace)}
            )

    def make(self, country: str, table: Table) -> IcebergTable:
        """A table without rows, made in the catalog unless it is there."""
        self.make_namespace(country)
        with self.errors():
            return self.catalog.create_table_if_not_exists(
                (self.platform.country(country).namespace, table.name),
                schema=iceberg_schema(table),
                location=self.storage.uri(self.location(country, table.name)),
                partition_spec=partition_spec(table),
                properties=properties_of(table),
            )

    def open_table(self, country: str, table: str) -> IcebergTable | None:
        """The table as the catalog has it, held against its pointer; None where neither has one.

        Raises:
            CatalogLost: the catalog lacks it, or the state that the pointer names.
            TableDamaged: the pointer, or the metadata that it names, is missing or damaged.
            WarehouseMoved: the table was written at another path, or is another warehouse's.
        """
        # the pointer first: whatever it names was in the catalog before
        pointed = self.pointer(country, table)
        if pointed is not None:
            self.pointers.refuse_moved(self.location(country, table), pointed)
        found = self._in_catalog(country, table)
        if found is None and pointed is not None:
            why = (
                f"the catalog at {self.place} does not have it, and its pointer names a state of it"
            )
            raise self._lost(country, table, why)
        if found is not None and not self._is_own(country, table, found):
            raise WarehouseMoved(
                f"table {table} of {country}: the catalog at {self.place} has it at"
                f" {found.location()}, which is not its place in this warehouse"
                f" ({self.storage.uri(self.location(country, table))}): another warehouse uses the"
                f" same catalog for a country {country}. Nothing was written; give this one a"
                " catalog of its own"
            )
        if found is not None and not holds(found, pointed):
            raise self._lost(
                country,
                table,
                f"the catalog at {self.place} does not have the state that the table's pointer"
                " names: it is older than the tables",
            )
        return found

    def _in_catalog(self, country: str, table: str) -> IcebergTable | None:
        with self.errors():
            try:
                return self.catalog.load_table((self.platform.country(country).namespace, table))
            except (NoSuchTableError, NoSuchNamespaceError):
                return None
            except UNREADABLE as error:
                # where the pointer's state is damaged as well, that is told
                self.load(country, table)
                raise self._lost(
                    country,
                    table,
                    f"the catalog at {self.place} names metadata that is missing or damaged"
                    f" ({reason(error)}), and the pointer does not",
                ) from error

    def _refuse_making_anew(self, country: str, table: str) -> None:
        newest = next(self.markers.latest(country), None)
        if newest is not None and table in newest.tables:
            why = (
                f"neither the catalog nor a pointer has it, and window {newest.window} was"
                " committed to it"
            )
            raise self._lost(country, table, why)

    def _lost(self, country: str, table: str, why: str) -> CatalogLost:
        return CatalogLost(
            f"table {table} of {country}: {why}. Nothing was written and nothing is lost; "
            f"`storeavail recover --country {country}` puts the catalog right"
        )

    def pointer(self, country: str, table: str) -> Committed | None:
        """The last committed state, without the catalog. None where nothing was ever committed.

        Raises:
            TableDamaged: see `Pointers.read`.
        """
        return self.pointers.read(self.location(country, table))

    def load(self, country: str, table: str) -> StaticTable | None:
        """The table as last committed, without the catalog. None where nothing was ever committed.

        Raises:
            TableDamaged: the pointer, or the metadata that it names, is missing or damaged.
            WarehouseMoved: the table was written at another path.
        """
        state = self.pointer(country, table)
        if state is None:
            return None
        self.pointers.refuse_moved(self.location(country, table), state)
        known = self._loaded.get((country, table))
        if known is not None and known.is_of(state, self.storage):
            return known.table
        found = self._read(country, table, state)
        path = self.storage.relative(state.metadata_location)
        size = None if path is None else self.storage.size(path)
        self._loaded[country, table] = _Loaded(found, size)
        return found

    def _read(self, country: str, table: str, state: Committed) -> StaticTable:
        with self.errors():
            try:
                found = StaticTable.from_metadata(
                    state.metadata_location, properties=self.storage.file_io
                )
            except UNREADABLE as error:
                raise TableDamaged(
                    f"table {table} of {country}: its metadata {state.metadata_location} is missing"
                    f" or damaged ({reason(error)}). `storeavail recover --country {country}` goes"
                    " back to its last whole state and runs the windows after it again from the"
                    " landing"
                ) from error
        if not self._is_own(country, table, found):
            raise TableDamaged(
                f"table {table} of {country}: its metadata {state.metadata_location} is that of a"
                f" table at {found.location()}: something other than the platform wrote it."
                f" `storeavail recover --country {country}` goes back to its last whole state"
            )
        return found

    def _is_own(self, country: str, table: str, found: IcebergTable) -> bool:
        """Whether a table lies where this warehouse has it."""
        return self.storage.relative(found.location()) == self.location(country, table)

    def errors(self) -> contextlib.AbstractContextManager[None]:
        """What pyiceberg and pyarrow raise, as the platform's errors."""
        return catalog_errors(self.place, self.storage.uri("tables"))

    @property
    def place(self) -> str:
        """The catalog's address, for people."""
        config = self.platform.catalog
        return config.uri if config.type == "hive" else self.storage.path("catalog.db")


@dataclass(frozen=True)
class _Loaded:
    """A table as it was last read by its pointer, and how large its metadata file was. Within a
    window a table is asked for several times, and such a file never changes.
    """

    table: StaticTable
    size: int | None

    def is_of(self, state: Committed, storage: Storage) -> bool:
        """Whether it is this state, whose file is still there and whole."""
        if self.table.metadata_location != state.metadata_location:
            return False
        path = storage.relative(state.metadata_location)
        return path is not None and self.size is not None and storage.size(path) == self.size


def holds(table: IcebergTable, pointed: Committed | None) -> bool:
    """Whether a table has the state that a pointer names, or had it before all that it remembers.

    A table ahead of its pointer is normal: a process was killed between the two.
    """
    if (
        pointed is None
        or pointed.snapshot_id is None
        or table.snapshot_by_id(pointed.snapshot_id) is not None
    ):
        return True
    oldest = min((snapshot.sequence_number or 0 for snapshot in table.snapshots()), default=0)
    return pointed.sequence_number < oldest or any(
        state.snapshot_id == pointed.snapshot_id for state in forgotten_states(table)
    )


def state_of(table: IcebergTable) -> Committed:
    """A table's current state, as a pointer names it."""
    snapshot = table.current_snapshot()
    return Committed(
        snapshot_id=None if snapshot is None else snapshot.snapshot_id,
        sequence_number=(
            snapshot.sequence_number
            if snapshot is not None and snapshot.sequence_number is not None
            else 0
        ),
        metadata_location=table.metadata_location,
    )
