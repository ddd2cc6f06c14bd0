"""Removing a country that is not configured any more: tables, readings, markers, pages, alerts."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pyiceberg.exceptions import NamespaceNotEmptyError, NoSuchNamespaceError, NoSuchTableError

from storeavail_platform.domain.errors import (
    BackupRunning,
    CatalogLost,
    ConfigError,
    WarehouseError,
)
from storeavail_platform.domain.places import files_of, folders_of, namespace_of
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.upkeep.lease import Leases
from storeavail_platform.upkeep.views import update_views


@dataclass(frozen=True)
class Left:
    """What is still there of a country: tables, complete windows in order, landed windows."""

    code: str
    tables: Sequence[str]
    windows: Sequence[str]
    landed: int

    def __str__(self) -> str:
        span = f" ({self.windows[0]} to {self.windows[-1]})" if self.windows else ""
        return (
            f"{self.code}: {len(self.tables)} tables, {len(self.windows):,} complete windows{span},"
            f" readings of {self.landed:,} windows, pages, alerts and silences"
        )


def left_of(runtime: Runtime, code: str, now: datetime) -> Left:
    """What is there of a country that may be removed.

    Raises:
        ConfigError: it is not a code, or is configured, or there is nothing of it.
        BackupRunning: a backup copies its files.
    """
    platform = runtime.platform
    if not (code.isascii() and code.isalnum() and code == code.upper()):
        # `br` names the tables of BR, and `..` the whole warehouse
        raise ConfigError(
            f"{code!r} is not a country code: 2 to 8 capital letters and digits, as the country was"
            " written in the configuration"
        )
    if code in platform.countries:
        raise ConfigError(
            f"{code} is in {platform.origin}: take it out of the file first, so that no window of"
            " it is run while it is removed"
        )
    folders = [folder for folder in folders_of(code) if runtime.storage.names(folder)]
    if not folders and not any(map(runtime.storage.read, files_of(code))):
        known = ", ".join(runtime.warehouse.left_countries()) or "none"
        raise ConfigError(
            f"there is nothing of {code!r} in {platform.warehouse} (countries not configured:"
            f" {known})"
        )
    if (lease := Leases(runtime.storage).current(namespace_of(code), now)) is not None:
        raise BackupRunning(f"{code}: {lease}; wait for it")
    tables = runtime.storage.names(f"tables/{namespace_of(code)}")
    return Left(code, tables, runtime.markers.complete(code), len(runtime.landing.windows(code)))


def remove_country(runtime: Runtime, left: Left) -> None:
    """Remove all of it. The tables' files go last: while they are there it can be asked for again.

    Raises:
        CatalogUnavailable: the catalog does not answer; nothing was removed.
        WarehouseError: files could not be removed. What is left can be removed by running it again.
    """
    # the views of all countries first: they must not name a table that is gone
    update_views(runtime)
    _forget(runtime, namespace_of(left.code))
    for path in files_of(left.code):
        runtime.storage.delete(path)
    for folder in folders_of(left.code):
        runtime.storage.delete_tree(folder)
    if there := [folder for folder in folders_of(left.code) if runtime.storage.names(folder)]:
        raise WarehouseError(
            f"{', '.join(there)} could not be removed: check this user's rights, then run it again"
        )


def _forget(runtime: Runtime, namespace: str) -> None:
    """Drop the catalog's entries; of a catalog that is damaged there is nothing to drop."""
    with contextlib.suppress(CatalogLost), runtime.warehouse.errors():
        catalog = runtime.warehouse.catalog
        with contextlib.suppress(NoSuchNamespaceError):
            for name in catalog.list_tables(namespace):
                with contextlib.suppress(NoSuchTableError):
                    catalog.drop_table(name)
        with contextlib.suppress(NoSuchNamespaceError, NamespaceNotEmptyError):
            catalog.drop_namespace(namespace)
