"""All upkeep of a country, table by table, in the order in which each step finds most to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from storeavail_platform.domain.errors import StoreAvailError
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.upkeep.compaction import compact
from storeavail_platform.upkeep.lease import Leases
from storeavail_platform.upkeep.migration import has_first_layout
from storeavail_platform.upkeep.orphans import remove_orphans
from storeavail_platform.upkeep.retention import (
    damage_of,
    delete_old_rows,
    expire_snapshots,
    remove_markers,
    remove_readings,
)
from storeavail_platform.upkeep.views import update_views

BACKUP = "backup"
"""What is told of where upkeep waits for a backup."""


@dataclass(frozen=True)
class Done:
    """One thing that was done, or could not be.

    Attributes:
        what: a table, `landing`, `markers`, `views`, or `backup` where upkeep waits for one.
        text: what was done to it, with figures; where `is_error`, why it could not be.
    """

    what: str
    text: str
    is_error: bool = False

    def __str__(self) -> str:
        return f"{self.what}: {self.text}"


def maintain(runtime: Runtime, country: str, now: datetime) -> Iterator[Done]:
    """Compact, expire and clean a country's tables, remove old readings, bring the views of all
    countries up to date.

    While a backup copies the country's files it waits: what is not done then is done by the next
    upkeep.

    Yields:
        What was done, as it is done; nothing for what needs nothing. What fails for one table is
        told and holds up no other.
    """
    leases, namespace = Leases(runtime.storage), runtime.country(country).namespace
    for table in runtime.all_tables:
        try:
            if (lease := leases.current(namespace, now)) is not None:
                yield Done(BACKUP, f"{lease}; the next upkeep goes on")
                return
            if has_first_layout(runtime, country, table):
                yield Done(table.name, "left alone until `storeavail migrate` has brought it over")
                continue
            yield from _maintain_table(runtime, country, table, now)
        except StoreAvailError as error:
            yield Done(table.name, str(error), is_error=True)
    try:
        removed = sum(1 for _ in remove_readings(runtime, country, now))
        if removed:
            yield Done("landing", f"readings of {removed} complete windows removed")
        markers = remove_markers(runtime, country, now)
        if markers:
            yield Done(
                "markers", f"markers of {markers:,} windows older than retention.facts removed"
            )
    except (StoreAvailError, OSError) as error:
        yield Done("landing", str(error), is_error=True)
    try:
        changed = update_views(runtime)
        if changed:
            yield Done("views", f"{', '.join(changed)} of all countries")
    except StoreAvailError as error:
        yield Done("views", str(error), is_error=True)


def _maintain_table(runtime: Runtime, country: str, table: Table, now: datetime) -> Iterator[Done]:
    yield from _damage(runtime, country, table)
    rows = delete_old_rows(runtime, country, table, now)
    if rows:
        yield Done(table.name, f"{rows:,} rows older than retention.facts deleted")
    for compacted in compact(runtime, country, table, now):
        yield Done(
            table.name,
            f"{compacted.day} compacted: {compacted.files} files to 1, {compacted.rows:,} rows,"
            f" {compacted.size:,} bytes",
        )
    snapshots = expire_snapshots(runtime, country, table, now)
    if snapshots:
        yield Done(
            table.name,
            f"{snapshots:,} states forgotten: older than retention.history, or told by later ones",
        )
    removed = remove_orphans(runtime, country, table, now)
    if removed.files:
        yield Done(
            table.name,
            f"{removed.files:,} files that nothing refers to removed, {removed.size:,} bytes",
        )


def _damage(runtime: Runtime, country: str, table: Table) -> Iterator[Done]:
    """Data files that are missing or damaged: nobody may read them for days, and what they are made
    again of does not stay for ever.
    """
    found = list(damage_of(runtime, country, table.name))
    if found:
        more = f", and {len(found) - 1:,} more such files" if len(found) > 1 else ""
        yield Done(
            table.name,
            f"{found[0]}{more}. `storeavail recover --country {country}` brings back what can be",
            is_error=True,
        )
