"""pyiceberg's transaction without the cost that grows with a table's history. Nothing of the
tables' meaning (`catalog.py`).

pyiceberg copies the whole metadata, with every state that can be queried, each time it looks at it,
which is some thirty times a commit: at seven days of windows that is a second a table. Once more it
does when the catalog writes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import (
    TableUpdate,
    _apply_table_update,
    _TableMetadataUpdateContext,
    _update_table_metadata_log,
)
from pyiceberg.utils.datetime import datetime_to_millis


class RememberingTransaction(Transaction):
    """A transaction that works the metadata out again only when something was staged, and never
    copies it: nothing changes it in place.

    What is committed is made by the catalog from the staged updates, and validated there.
    """

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self._known: tuple[TableMetadata, tuple[TableUpdate, ...], TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        base, updates = self._table.metadata, self._updates
        if self._known is None or self._known[0] is not base or self._known[1] is not updates:
            self._known = (base, updates, _updated(base, updates)[0])
        return self._known[2]


def updated_metadata(
    base: TableMetadata, location: str, updates: Iterable[TableUpdate]
) -> TableMetadata:
    """The metadata that a catalog writes: pyiceberg's `update_table_metadata` without a copy of
    every state.

    Args:
        location: of the metadata that is updated.
    """
    found, is_changed = _updated(base, updates)
    if is_changed:
        found = _update_table_metadata_log(found, location, base.last_updated_ms)
        if found.last_updated_ms == base.last_updated_ms:
            now = datetime_to_millis(datetime.now(UTC))
            found = found.model_copy(update={"last_updated_ms": now})
    found.spec().check_compatible(found.schema())
    found.sort_order().check_compatible(found.schema())
    return found


def _updated(base: TableMetadata, updates: Iterable[TableUpdate]) -> tuple[TableMetadata, bool]:
    """The metadata after updates, and whether they change it."""
    context, found = _TableMetadataUpdateContext(), base
    for update in updates:
        found = _apply_table_update(update, found, context)
    return found, context.has_changes()


class SingleTry(RememberingTransaction):
    """A transaction that is refused where another writer committed after its table was loaded.

    pyiceberg puts an append on top of whatever the other one wrote, which may be the same window.
    What failed for another reason, as a lock that somebody holds, is tried again as pyiceberg does.
    """

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self._loaded_from = table.metadata_location

    def _rebuild_snapshot_updates(self) -> None:
        if self._table.metadata_location != self._loaded_from:
            raise CommitFailedException("another writer committed to the table meanwhile")
        super()._rebuild_snapshot_updates()
