"""Replacing the rows of a window, or of a local date, in one commit with as few snapshots as can
be.

A window later than every row of the table has none to replace: its files are appended, and nothing
is searched. Each commit's snapshot says which the newest window is. A marker would be no proof: a
run that was killed has committed tables and no marker.

What adds a state takes out, in the same commit, those that later ones tell (`thinning.py`): a
commit handles as much history in the evening as after the night's upkeep.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date

from pyiceberg.manifest import ManifestEntry, ManifestFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table import Transaction, _parquet_files_to_data_files
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _OverwriteFiles

from storeavail_platform.domain.errors import TableDamaged
from storeavail_platform.domain.windows import Window
from storeavail_platform.warehouse.iceberg import data_files, rows_of, window_bounds
from storeavail_platform.warehouse.thinning import AT_ONCE, choose, forget
from storeavail_platform.warehouse.transaction import SingleTry

logger = logging.getLogger(__name__)

NEWEST_WINDOW = "storeavail.newest-window"
"""Snapshot property: key of the newest window that was ever committed with rows; no later one
has any.
"""


class _Replacement(_OverwriteFiles):
    """Removes files and adds others in one snapshot, without a list of what it removed, nor those
    of earlier ones: nobody reads them, and they would never go.
    """

    def _deleted_entries(self) -> list[ManifestEntry]:
        # looked for all the same: one that is not there is refused
        super()._deleted_entries()
        return []

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        return [
            manifest
            for manifest in manifests
            if manifest.has_added_files()
            or manifest.has_existing_files()
            or manifest.added_snapshot_id == self._snapshot_id
        ]


def replace_rows(
    table: IcebergTable, partition: Window | date, paths: Sequence[str], properties: dict[str, str]
) -> None:
    """Make the files' rows those of a window or local date.

    Args:
        table: as it was just loaded from the catalog.
        properties: of the snapshots.

    Raises:
        CommitFailedException, ValidationException: another writer got in between; nothing was
            changed.
    """
    if isinstance(partition, Window):
        _replace_window(table, partition, paths, properties)
    else:
        _replace_date(table, partition, paths, properties)


def newest_window(table: IcebergTable) -> str | None:
    """Key of the newest window that a table can have rows of, empty for a table without any; None
    where it is not known.

    Where the last commit does not say it (a release of before has written it), the files' bounds
    do.
    """
    snapshot = table.current_snapshot()
    if snapshot is None:
        return ""
    noted = snapshot.summary and snapshot.summary.get(NEWEST_WINDOW)
    if noted:
        return noted
    newest = ""
    for manifest in snapshot.manifests(table.io):
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            bounds = window_bounds(table.schema(), entry.data_file)
            if bounds is None:
                return None
            newest = max(newest, Window.containing(bounds[1]).key)
    return newest


def carried_on(table: IcebergTable) -> dict[str, str]:
    """What a commit that adds no window says of the newest one: what the commit before said."""
    snapshot = table.current_snapshot()
    noted = (
        snapshot.summary.get(NEWEST_WINDOW)
        if snapshot is not None and snapshot.summary is not None
        else None
    )
    return {NEWEST_WINDOW: noted} if noted else {}


def _replace_window(
    table: IcebergTable, window: Window, paths: Sequence[str], properties: dict[str, str]
) -> None:
    newest = newest_window(table)
    if newest is not None:
        properties = {**properties, NEWEST_WINDOW: max(newest, window.key) if paths else newest}
    with SingleTry(table) as transaction:
        if newest is None or window.key <= newest:
            transaction.delete(rows_of(window), snapshot_properties=properties)
        if paths:
            transaction.add_files(
                list(paths), snapshot_properties=properties, check_duplicate_files=False
            )
            _thin_out(transaction, table, is_daily=False)


def _replace_date(
    table: IcebergTable, day: date, paths: Sequence[str], properties: dict[str, str]
) -> None:
    # a local date is a partition: its files hold no other rows
    before = list(data_files(table.scan(row_filter=rows_of(day))))
    with SingleTry(table) as transaction:
        if before and paths:
            files = _parquet_files_to_data_files(transaction.table_metadata, list(paths), table.io)
            with _Replacement(
                Operation.OVERWRITE, transaction, table.io, snapshot_properties=properties
            ) as overwrite:
                for file in before:
                    overwrite.delete_data_file(file)
                for file in files:
                    overwrite.append_data_file(file)
        elif before:
            transaction.delete(rows_of(day), snapshot_properties=properties)
        elif paths:
            transaction.add_files(
                list(paths), snapshot_properties=properties, check_duplicate_files=False
            )
        if paths:
            _thin_out(transaction, table, is_daily=True)


def _thin_out(transaction: Transaction, table: IcebergTable, *, is_daily: bool) -> None:
    """Take out the states that need not be kept, once there are enough of them.

    Where the list of the forgotten ones is damaged they stay: no window fails for it, and upkeep
    fails until it is put right.
    """
    found = choose(table.snapshots(), None, is_daily=is_daily)
    if len(found.thinned) < AT_ONCE:
        return
    try:
        forget(transaction, table, found, is_daily=is_daily)
    except TableDamaged as error:
        logger.warning("states of %s stay: %s", ".".join(table.name()), error)
