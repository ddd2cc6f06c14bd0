"""Catalogs in which something happens at a commit: another writer is first, or the answer is lost."""

from __future__ import annotations

from collections.abc import Callable

from pyiceberg.catalog import MetastoreCatalog
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.update import TableRequirement, TableUpdate

from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform.warehouse.hive import HiveMetastoreCatalog
from storeavail_platform.warehouse.remembered import RememberingSqlCatalog

Commit = Callable[[], CommitTableResponse]


class WatchedCatalog(MetastoreCatalog):
    """Hands each commit to `watch`, which may make it."""

    watch: Callable[[Commit], CommitTableResponse]

    def commit_table(
        self,
        table: Table,
        requirements: tuple[TableRequirement, ...],
        updates: tuple[TableUpdate, ...],
    ) -> CommitTableResponse:
        commit = super().commit_table  # type: ignore[safe-super]  # of the catalog behind this class
        return self.watch(lambda: commit(table, requirements, updates))


class WatchedSqlCatalog(WatchedCatalog, RememberingSqlCatalog):
    """The one of a folder."""


class WatchedHiveCatalog(WatchedCatalog, HiveMetastoreCatalog):
    """The one of a metastore."""


def watched(warehouse: Warehouse, watch: Callable[[Commit], CommitTableResponse]) -> Warehouse:
    """The same tables, in a catalog that hands over its commits."""
    is_hive = isinstance(warehouse.catalog, HiveMetastoreCatalog)
    opened = WatchedHiveCatalog if is_hive else WatchedSqlCatalog
    catalog = opened(warehouse.catalog.name, **warehouse.catalog.properties)
    catalog.watch = watch
    return Warehouse(
        warehouse.platform, warehouse.storage, patience=warehouse.patience, catalog=catalog
    )


def overtaken(warehouse: Warehouse, by: Callable[[], object], *, times: int = 1) -> Warehouse:
    """The same tables, where another writer is first: between loading a table and committing to
    it, so many times.
    """
    left = iter(range(times))

    def watch(commit: Commit) -> CommitTableResponse:
        if next(left, None) is not None:
            by()
        return commit()

    return watched(warehouse, watch)
