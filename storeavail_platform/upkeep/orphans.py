"""Orphans: files below a table that no state of it refers to, left by expiry, compaction, and runs
that were killed.

What a marker within `retention.history` names is none, even where the table does not have it: it
may be all that is left of a window.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import pyarrow.fs as pafs
from pyiceberg.io import FileIO
from pyiceberg.manifest import ManifestFile
from pyiceberg.table import Table as IcebergTable

from storeavail_platform.domain.addresses import plain
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.earlier import earlier_of
from storeavail_platform.warehouse.forgotten import LIST, location_of
from storeavail_platform.warehouse.truth import lost_windows

YOUNG = timedelta(hours=24)
"""A file younger than this may belong to a commit that is on its way, or to a reader who has
just begun.
"""
LISTS_KEPT = timedelta(days=7)
"""Lists of forgotten states of before stay so long: of them one that is damaged is made again."""
FOLDERS = ("data", "metadata")
"""Where a table's files lie; its pointer lies beside them."""
AT_ONCE = 16


@dataclass(frozen=True)
class Removed:
    """Files and bytes that were removed."""

    files: int = 0
    size: int = 0


def remove_orphans(runtime: Runtime, country: str, table: Table, now: datetime) -> Removed:
    """Remove a table's files that are older than a day and that neither the catalog's nor the
    pointer's state of it refers to.

    Raises:
        WarehouseError: the files cannot be listed, or a state cannot be read; nothing is removed
            then.
        CatalogLost: the catalog is not what the pointer says; nothing is removed.
    """
    # listed first: what is referred to later was not there, or is young
    listed = _listed(runtime, country, table.name)
    old = [info for info in listed if info.mtime < now - _kept(info)]
    states = runtime.warehouse.states(country, table.name) if old else []
    if not states:
        return Removed()
    known = set[str]().union(*map(referenced, states))
    orphans = [info for info in old if info.path not in known]
    if orphans:
        kept = named_by_markers(runtime, country, table.name, states[-1], now)
        orphans = [info for info in orphans if not info.path.startswith(kept)]
    with runtime.warehouse.errors():
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(partial(_remove, runtime.storage), orphans))
        for folder in FOLDERS:
            runtime.storage.delete_empty_folders(
                runtime.warehouse.location(country, table.name, folder), until=now - YOUNG
            )
    return Removed(len(orphans), sum(info.size or 0 for info in orphans))


def named_by_markers(
    runtime: Runtime, country: str, table: str, state: IcebergTable, now: datetime
) -> tuple[str, ...]:
    """How paths begin of what markers within `retention.history` name: metadata, and rows that
    the table does not have.
    """
    markers = runtime.markers.since(country, now - runtime.country(country).retention.history)
    lost = set(lost_windows(runtime.storage, state, table, markers))
    metadata = [
        marker.tables[table].metadata_location for marker in markers if table in marker.tables
    ]
    folders = [
        runtime.warehouse.location(country, table, "data", marker.window, marker.run_id)
        for marker in markers
        if marker.window in lost
    ]
    rows = [f"{runtime.storage.path(folder)}/" for folder in folders]
    return tuple(map(plain, (*metadata, *rows)))


def _remove(storage: Storage, info: pafs.FileInfo) -> None:
    # Not pyarrow's deletion: on S3 it leaves an empty object for the folder of each file.
    storage.delete(info.path.removeprefix(plain(storage.path("x")).removesuffix("x")))


def referenced(table: IcebergTable) -> set[str]:
    """Every file that a state of a table refers to, as paths of its file system: metadata,
    manifest lists, manifests, data.
    """
    log = {table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)}
    return {plain(path) for path in log} | files_of(table)


def files_of(table: IcebergTable) -> set[str]:
    """Every file that a state of a table cannot do without, beside its own metadata file."""
    metadata = table.metadata
    found = {snapshot.manifest_list for snapshot in metadata.snapshots}
    found |= {statistics.statistics_path for statistics in metadata.statistics}
    found |= set(filter(None, [location_of(table)]))
    earlier = earlier_of(table)
    if earlier is not None:
        found |= referenced(earlier.table)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        lists = pool.map(lambda snapshot: snapshot.manifests(table.io), metadata.snapshots)
        manifests = {manifest.manifest_path: manifest for manifest in _flat(lists)}
        found |= set(manifests)
        for paths in pool.map(lambda manifest: _data_files(manifest, table.io), manifests.values()):
            found |= paths
    return {plain(path) for path in found}


def _flat(lists: Iterable[Iterable[ManifestFile]]) -> Iterable[ManifestFile]:
    return (manifest for manifests in lists for manifest in manifests)


def _data_files(manifest: ManifestFile, io: FileIO) -> set[str]:
    return {
        entry.data_file.file_path
        for entry in manifest.fetch_manifest_entry(io, discard_deleted=True)
    }


def _kept(info: pafs.FileInfo) -> timedelta:
    return LISTS_KEPT if info.base_name.startswith(LIST) else YOUNG


def _listed(runtime: Runtime, country: str, table: str) -> list[pafs.FileInfo]:
    found: list[pafs.FileInfo] = []
    with runtime.warehouse.errors():
        for folder in FOLDERS:
            path = plain(runtime.storage.path(runtime.warehouse.location(country, table, folder)))
            selector = pafs.FileSelector(path, recursive=True, allow_not_found=True)
            found += [
                info for info in runtime.storage.filesystem.get_file_info(selector) if info.is_file
            ]
    return found
