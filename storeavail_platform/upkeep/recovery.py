"""Recovering a country: what tables, files, windows and dates need, and what of it needs no run.

The truth is pointers and markers (`warehouse/truth.py`). Rows that are lost are computed again from
the landing, as far as it still holds what was read. Windows are run again by whoever calls this.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from storeavail_platform.domain.tables.daily import DAILY_TABLES
from storeavail_platform.domain.tables.declarations import WINDOW_QUALITY
from storeavail_platform.domain.windows import Window
from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.pipeline.local_dates import note_window, roll_up_noted
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.upkeep.lost_files import GivenUp, LostFiles, windows_of
from storeavail_platform.upkeep.marking import Unmarked, mark_again, read_markers, unmarked
from storeavail_platform.warehouse.damage import DamagedFile, damaged_files
from storeavail_platform.warehouse.losses import Losses
from storeavail_platform.warehouse.markers import Marker
from storeavail_platform.warehouse.recovery import Repair, carry_out, give_up, repairs
from storeavail_platform.warehouse.relisting import Relisted, relist, relisted
from storeavail_platform.warehouse.truth import lost_windows, some

ROLL_UP_TAKES = timedelta(hours=1)
"""Within so long after a window was complete its local dates were rolled up, or nothing was."""


@dataclass(frozen=True)
class Plan:
    """What a country needs; nothing of it is done yet.

    Attributes:
        repairs: tables that are registered again, go back, or are made anew.
        lists: tables whose list of forgotten states is made again.
        damaged: data files that are missing or damaged, by table.
        given_up: those of them that cannot be replaced by running their window again, by table.
        again: windows whose rows are lost and that can be run again from the landing.
        gone: windows whose rows are lost, because the landing no longer holds what they were made
            of, and the tables that miss them.
        gone_dates: the same of local dates: no window of theirs is complete any more.
        noted: windows whose local dates are rolled up again.
        unmarked: windows whose marker is damaged or gone.
    """

    country: str
    repairs: Sequence[Repair]
    lists: Mapping[str, Relisted]
    damaged: Mapping[str, Sequence[DamagedFile]]
    given_up: Mapping[str, GivenUp]
    again: Sequence[Window]
    gone: Mapping[str, Sequence[str]]
    gone_dates: Mapping[date, Sequence[str]]
    noted: Sequence[Window]
    unmarked: Unmarked

    @property
    def is_empty(self) -> bool:
        tables = (self.repairs, self.lists, self.damaged)
        return not any((*tables, self.again, self.gone, self.gone_dates, self.unmarked.others))

    def lines(self) -> Iterator[str]:
        """The plan in words, a line for each thing."""
        for repair in self.repairs:
            yield f"table {repair.table}: {repair.text}"
        yield from (f"table {name}: {found}" for name, found in self.lists.items())
        for name, files in self.damaged.items():
            yield from (f"table {name}: {file}" for file in files)
        for name, given_up in self.given_up.items():
            rows = (
                f", and with them the rows of {some(given_up.windows)}" if given_up.windows else ""
            )
            yield f"table {name}: {len(given_up.files)} damaged files are taken out of it{rows}"
        if self.again:
            yield f"{some([window.key for window in self.again])}: run again from the landing"
        if self.unmarked.others:
            yield f"{some(self.unmarked.others)}: marked as complete again, of the tables' rows"
        if self.noted:
            yield f"local dates of {some([window.key for window in self.noted])}: rolled up again"
        lost = "LOST, the landing no longer holds what was read; a backup may have the rows"
        if self.gone:
            yield f"{some(list(self.gone))}: {lost}"
        yield from (f"local date {day}: {lost}" for day in self.gone_dates)

    def losses(self) -> Iterator[str]:
        """What is gone in words, a line for each window or local date, with the tables."""
        yield from (f"window {key}: {', '.join(tables)}" for key, tables in self.gone.items())
        yield from (
            f"local date {day}: {', '.join(tables)}" for day, tables in self.gone_dates.items()
        )


def plan(
    runtime: Runtime, country: str, now: datetime, *, is_catalog_damaged: bool = False
) -> Plan:
    """What a country needs. Changes nothing.

    Args:
        is_catalog_damaged: the catalog as a whole is made anew, so that it is not asked.

    Raises:
        WarehouseMoved: the tables were written at another path.
        CatalogUnavailable, StorageUnavailable: the catalog, or the storage, does not answer.
    """
    warehouse = runtime.warehouse
    declared = [table.name for table in runtime.all_tables]
    there = runtime.storage.names(f"tables/{runtime.country(country).namespace}")
    names = list(dict.fromkeys((*declared, *there)))
    needed = list(repairs(warehouse, country, names, is_catalog_damaged=is_catalog_damaged))
    since = now - runtime.country(country).retention.facts
    complete = runtime.markers.complete(country)
    first = Window.containing(since).key
    markers, damaged = read_markers(runtime, country, [key for key in complete if key >= first])
    repaired = {repair.table: repair.found for repair in needed}
    opened = {
        name: repaired[name] if name in repaired else warehouse.load(country, name)
        for name in names
    }
    with warehouse.errors():
        lists = {
            name: found
            for name, table in opened.items()
            if table is not None and (found := relisted(runtime.storage, table)) is not None
        }
    lost = defaultdict[str, set[str]](set)
    for name in declared:
        known = lists[name].known if name in lists else None
        for key in lost_windows(runtime.storage, opened[name], name, markers, known):
            lost[key].add(name)
    files = LostFiles(runtime, country, markers, lost)
    for name, table in opened.items():
        if table is not None:
            with warehouse.errors():
                files.add(
                    name,
                    table,
                    list(damaged_files(runtime.storage, table, warehouse.location(country, name))),
                )
    for marker in markers:
        for repair in needed:
            if (marker.window, marker.run_id) in repair.strayed:
                lost[marker.window].add(repair.table)
    without = unmarked(
        None if WINDOW_QUALITY.name in files.damaged else opened[WINDOW_QUALITY.name],
        damaged,
        complete,
        since,
        files.is_landed,
    )
    again = [key for key in sorted({*lost, *without.again}) if files.is_landed(key)]
    noted = {
        *files.noted,
        *(
            window
            for repair in needed
            for window in _rolled_up_since(runtime, country, repair, markers)
        ),
    }
    return Plan(
        country,
        needed,
        lists,
        files.damaged,
        files.given_up,
        [Window.parse(key) for key in again],
        {key: sorted(lost[key]) for key in sorted(lost) if key not in again},
        files.lost_dates,
        sorted(noted, key=lambda window: window.start),
        without,
    )


def put_right(runtime: Runtime, found: Plan, now: datetime) -> None:
    """Register, take back or make anew the plan's tables, and take damaged files out of them.

    Lost local dates are recorded: nothing else tells of them once their files are out of the
    tables. Windows that were committed to what the catalog had in a table's place are not complete
    from now on: nothing else would tell that they are lost, were this killed half way.

    Raises:
        CatalogUnavailable, CommitConflict: what is not done yet is done by the next recovery.
    """
    declared = {table.name: table for table in runtime.all_tables}
    strayed = {window for repair in found.repairs for window, _ in repair.strayed}
    for window in found.again:
        if window.key in strayed.union(found.unmarked.again):
            runtime.markers.remove(found.country, window)
    for repair in found.repairs:
        carry_out(runtime.warehouse, found.country, repair, declared.get(repair.table))
    for name, states in found.lists.items():
        relist(runtime.warehouse, found.country, name, states)
    if found.gone_dates:
        Losses(runtime.storage).record(found.country, found.gone_dates, now)
    for name, given_up in found.given_up.items():
        give_up(runtime.warehouse, found.country, name, given_up.files, given_up.windows)
    mark_again(runtime, found.country, found.unmarked.others, now)


def roll_up_again(runtime: Runtime, found: Plan) -> None:
    """Roll up the plan's local dates, by DuckDB whatever the engine: a cluster may be missing.

    Raises:
        TableError, WarehouseError: a date could not be; the country's next window tries all again.
    """
    runtime = replace(runtime, engine=DuckDBEngine(runtime.storage))
    for window in found.noted:
        note_window(runtime, found.country, window)
    for _ in roll_up_noted(runtime, found.country, f"recover-{uuid.uuid4()}"):
        pass


def _rolled_up_since(
    runtime: Runtime, country: str, repair: Repair, markers: Sequence[Marker]
) -> list[Window]:
    """Windows by which the local dates are found that a table of local dates has lost."""
    if repair.table not in {table.name for table in DAILY_TABLES} or (
        repair.found is not None and repair.went_back_to is None
    ):
        return []
    since = None if repair.went_back_to is None else repair.went_back_to - ROLL_UP_TAKES
    keys = [marker.window for marker in markers if since is None or marker.completed_at >= since]
    return [window for ends in windows_of(runtime, country, keys).values() for window in ends]
