"""Catalogs that read no metadata file a second time: such a file never changes.

Nothing of the tables' meaning (`catalog.py`).
"""

from __future__ import annotations

from collections.abc import Callable

from pyiceberg.catalog import Catalog, MetastoreCatalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.typedef import Identifier


class RememberedMetadata:
    """The last metadata of each table that was read or committed, by its location."""

    def __init__(self) -> None:
        self._known: dict[Identifier, tuple[str, TableMetadata]] = {}

    def keep(self, name: Identifier, location: str, metadata: TableMetadata) -> None:
        self._known[name] = location, metadata

    def table(
        self, catalog: MetastoreCatalog, name: Identifier, location: str, read: Callable[[], Table]
    ) -> Table:
        """A table at a location, read only where it is not known."""
        known = self._known.get(name)
        if known is None or known[0] != location:
            found = read()
            self.keep(name, location, found.metadata)
            return found
        metadata = known[1]
        io = catalog._load_file_io(metadata.properties, location)
        return Table(
            identifier=name, metadata=metadata, metadata_location=location, io=io, catalog=catalog
        )


class RememberingSqlCatalog(SqlCatalog):
    """pyiceberg's catalog in a database."""

    def __init__(self, name: str, **properties: str) -> None:
        self._remembered = RememberedMetadata()
        super().__init__(name, **properties)

    def _convert_orm_to_iceberg(self, orm_table: IcebergTables) -> Table:
        read = super()._convert_orm_to_iceberg
        location = orm_table.metadata_location
        if not location:
            return read(orm_table)
        name = (*Catalog.identifier_to_tuple(orm_table.table_namespace), orm_table.table_name)
        return self._remembered.table(self, name, location, lambda: read(orm_table))

    def commit_table(
        self,
        table: Table,
        requirements: tuple[TableRequirement, ...],
        updates: tuple[TableUpdate, ...],
    ) -> CommitTableResponse:
        done = super().commit_table(table, requirements, updates)
        self._remembered.keep(table.name(), done.metadata_location, done.metadata)
        return done
