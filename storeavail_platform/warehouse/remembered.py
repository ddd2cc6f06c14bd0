"""Catalogs that read no metadata file a second time, and copy no state of it: such a file never
changes.

Nothing of the tables' meaning (`catalog.py`).
"""

from __future__ import annotations

from collections.abc import Callable

from pyiceberg.catalog import Catalog, MetastoreCatalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.table import CommitTableResponse, StagedTable, Table
from pyiceberg.table.locations import load_location_provider
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.typedef import Identifier

from storeavail_platform.warehouse.transaction import updated_metadata


class RememberingCatalog(MetastoreCatalog):
    """Remembers the last metadata of each table that was read or committed, by its location."""

    def __init__(self, name: str, **properties: str) -> None:
        self._known: dict[Identifier, tuple[str, TableMetadata]] = {}
        super().__init__(name, **properties)

    def commit_table(
        self,
        table: Table,
        requirements: tuple[TableRequirement, ...],
        updates: tuple[TableUpdate, ...],
    ) -> CommitTableResponse:
        # of the catalog that stands behind this class in the order of resolution
        done = super().commit_table(table, requirements, updates)  # type: ignore[safe-super]
        self._known[table.name()] = done.metadata_location, done.metadata
        return done

    def _update_and_stage_table(
        self,
        current_table: Table | None,
        table_identifier: Identifier,
        requirements: tuple[TableRequirement, ...],
        updates: tuple[TableUpdate, ...],
    ) -> StagedTable:
        if current_table is None:
            return super()._update_and_stage_table(None, table_identifier, requirements, updates)
        base, before = current_table.metadata, current_table.metadata_location
        for requirement in requirements:
            requirement.validate(base)
        metadata = updated_metadata(base, before, updates)
        provider = load_location_provider(metadata.location, metadata.properties)
        version = self._parse_metadata_version(before) + 1
        location = provider.new_table_metadata_file_location(version)
        return StagedTable(
            identifier=table_identifier,
            metadata=metadata,
            metadata_location=location,
            io=self._load_file_io(metadata.properties, location),
            catalog=self,
        )

    def remembered(
        self, name: Identifier, location: str | None, read: Callable[[], Table]
    ) -> Table:
        """The table at a location, read only where its metadata is not known."""
        if not location:
            return read()
        known = self._known.get(name)
        if known is None or known[0] != location:
            found = read()
            self._known[name] = location, found.metadata
            return found
        io = self._load_file_io(known[1].properties, location)
        return Table(
            identifier=name, metadata=known[1], metadata_location=location, io=io, catalog=self
        )


class RememberingSqlCatalog(RememberingCatalog, SqlCatalog):
    """pyiceberg's catalog in a database."""

    def _convert_orm_to_iceberg(self, orm_table: IcebergTables) -> Table:
        read = super()._convert_orm_to_iceberg
        name = (*Catalog.identifier_to_tuple(orm_table.table_namespace), orm_table.table_name)
        return self.remembered(name, orm_table.metadata_location, lambda: read(orm_table))
