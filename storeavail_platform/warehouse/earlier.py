"""The table of an earlier layout that a table is a copy of.

It stays for `retention.history`, serves moments before the copy (`as_of`), and upkeep spares its
files.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pyiceberg.table import StaticTable
from pyiceberg.table import Table as IcebergTable

from storeavail_platform.domain.errors import TableDamaged

METADATA = "storeavail.earlier-metadata"
"""Table property: metadata of the table that this one is a copy of, as it was last."""
UNTIL = "storeavail.earlier-until-ms"
"""Table property: when the copy took its place, in milliseconds since 1970, UTC."""
COPYING = "storeavail.copying"
"""Table property while a copy is not whole: no state of it is ever gone back to."""


@dataclass(frozen=True)
class Earlier:
    """A table as it was before its copy took its place, and when that was (UTC)."""

    table: StaticTable
    until: datetime


def earlier_of(table: IcebergTable) -> Earlier | None:
    """What a table is a copy of; None where it is none, or the other's time is over.

    Raises:
        TableDamaged: the other's metadata is missing or damaged.
    """
    location, until = table.properties.get(METADATA), table.properties.get(UNTIL)
    if location is None or until is None:
        return None
    try:
        found = StaticTable.from_metadata(location, properties=table.io.properties)
    except (OSError, ValueError) as error:
        raise TableDamaged(
            f"table {'.'.join(table.name())}: the metadata of its earlier layout, {location}, is"
            f" missing or damaged ({error}). The table is whole; only moments before"
            f" {until} cannot be asked for. Restore it from a backup"
        ) from error
    return Earlier(found, datetime.fromtimestamp(int(until) / 1000, UTC))
