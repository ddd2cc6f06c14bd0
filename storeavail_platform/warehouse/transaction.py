"""pyiceberg's transaction without the cost that grows with a table's history. Nothing of the tables' meaning (`catalog.py`).

pyiceberg copies the whole metadata, with every state that can be queried, each time it looks at it, which is some thirty times a commit: at
seven days of windows that is a second a table.
"""

from __future__ import annotations

from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import TableUpdate


class RememberingTransaction(Transaction):
    """A transaction that works the metadata out again only when something was staged, or the table was reloaded."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self._known: tuple[TableMetadata, tuple[TableUpdate, ...], TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        base, updates = self._table.metadata, self._updates
        if not updates:
            return base
        if self._known is None or self._known[0] is not base or self._known[1] is not updates:
            self._known = (base, updates, super().table_metadata)
        return self._known[2]
