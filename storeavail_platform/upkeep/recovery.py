"""Recovering a country: what tables, files, windows and dates need, and what of it needs no run.

The truth is pointers and markers (`warehouse/truth.py`). Rows that are lost are computed again from
the landing, as far as it still holds what was read. Windows are run again by whoever calls this.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from pyiceberg.table import Table as IcebergTable

from storeavail_platform.domain.errors import LandingDamaged, NotObserved
from storeavail_platform.domain.hours import local_start
from storeavail_platform.domain.tables.daily import DAILY_TABLES
from storeavail_platform.domain.windows import Window
from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.pipeline.local_dates import note_window, roll_up_noted
from storeavail_platform.pipeline.observe import landed
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.warehouse.damage import DamagedFile, damaged_files
from storeavail_platform.warehouse.losses import Losses
from storeavail_platform.warehouse.markers import Marker
from storeavail_platform.warehouse.recovery import Repair, carry_out, give_up, repairs
from storeavail_platform.warehouse.relisting import Relisted, relist, relisted
from storeavail_platform.warehouse.truth import lost_windows, recent_markers, runs_by_window, some

ROLL_UP_TAKES = timedelta(hours=1)
"""Within so long after a window was complete its local dates were rolled up, or nothing was."""


@dataclass(frozen=True)
class GivenUp:
    """Damaged files that are taken out of a table, and the windows whose rows go with them."""

    files: Sequence[DamagedFile]
    windows: Sequence[str]


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

    @property
    def is_empty(self) -> bool:
        return not (
            self.repairs or self.lists or self.damaged or self.again or self.gone or self.gone_dates
        )

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
    markers = recent_markers(
        runtime.markers, country, now - runtime.country(country).retention.facts
    )
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
    files = _Files(runtime, country, markers, lost)
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
    again = [key for key in sorted(lost) if files.is_landed(key)]
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
        if window.key in strayed:
            runtime.markers.remove(found.country, window)
    for repair in found.repairs:
        carry_out(runtime.warehouse, found.country, repair, declared.get(repair.table))
    for name, states in found.lists.items():
        relist(runtime.warehouse, found.country, name, states)
    if found.gone_dates:
        Losses(runtime.storage).record(found.country, found.gone_dates, now)
    for name, given_up in found.given_up.items():
        give_up(runtime.warehouse, found.country, name, given_up.files, given_up.windows)


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


class _Files:
    """What follows from damaged data files: those given up, lost windows, dates to roll up."""

    def __init__(
        self,
        runtime: Runtime,
        country: str,
        markers: Sequence[Marker],
        lost: defaultdict[str, set[str]],
    ) -> None:
        """
        Args:
            lost: takes in the windows whose rows are in such files, each with the tables.
        """
        self.runtime, self.country, self.lost = runtime, country, lost
        self.complete = [marker.window for marker in markers]
        self.damaged: dict[str, Sequence[DamagedFile]] = {}
        self.given_up: dict[str, GivenUp] = {}
        self._landed: dict[str, bool] = {}
        self.lost_dates: dict[date, list[str]] = {}
        self.noted: set[Window] = set()

    def add(self, name: str, table: IcebergTable, files: Sequence[DamagedFile]) -> None:
        """Take in the damaged files of a table."""
        if not files:
            return
        self.damaged[name] = files
        dropped: list[DamagedFile] = []
        windows: set[str] = set()
        for file in files:
            if not isinstance(file.first, datetime) or not isinstance(file.last, datetime):
                self._add_date(name, file, dropped)
                continue
            touched = {
                key
                for key in self.complete
                if Window(file.first).key <= key <= Window(file.last).key
            }
            if touched and file.first == file.last and all(map(self.is_landed, touched)):
                # running the window again replaces the file, and nothing is taken out before
                self._lose(name, touched)
                continue
            if file.first < file.last and touched:
                # a window's rows lie in one place: those that are elsewhere are not in this file
                touched -= {
                    window for window, _ in runs_by_window(self.runtime.storage, table, touched)
                }
            dropped.append(file)
            windows |= touched
        if dropped:
            self.given_up[name] = GivenUp(dropped, sorted(windows))
        self._lose(name, windows)

    def is_landed(self, key: str) -> bool:
        """Whether the landing holds both readings of a window, and whole."""
        if key not in self._landed:
            self._landed[key] = self._find_landed(Window.parse(key))
        return self._landed[key]

    def _find_landed(self, window: Window) -> bool:
        try:
            landed(self.runtime.landing, self.country, window)
        except (NotObserved, LandingDamaged):
            return False
        return True

    def _lose(self, table: str, windows: Iterable[str]) -> None:
        for key in windows:
            self.lost[key].add(table)

    def _add_date(self, table: str, file: DamagedFile, dropped: list[DamagedFile]) -> None:
        assert not isinstance(file.first, datetime), "a local date"
        windows = windows_of(self.runtime, self.country, self.complete).get(file.first)
        if windows is None:
            dropped.append(file)
            self.lost_dates.setdefault(file.first, []).append(table)
        else:
            self.noted.update(windows)


def windows_of(
    runtime: Runtime, country: str, keys: Sequence[str]
) -> dict[date, tuple[Window, Window]]:
    """The first and the last of the windows of each local date, in the country's zone."""
    zone = runtime.country(country).timezone
    found = defaultdict[date, list[Window]](list)
    for window in map(Window.parse, sorted(keys)):
        found[local_start(window, zone)[0]].append(window)
    return {day: (windows[0], windows[-1]) for day, windows in found.items()}


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
