"""What is the truth: the catalog held against pointers, the tables against markers.

A marker says that a window's rows were committed by a run. They are there if the state that it
names is an earlier one of the table, kept or thinned out, or was forgotten with the table's
history, or if the table's rows of the window carry the run's id. Whatever else is lost, and
`storeavail recover` runs it again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from storeavail_platform.domain.addresses import plain
from storeavail_platform.domain.errors import (
    CatalogLost,
    LayoutRefused,
    TableDamaged,
    WarehouseMoved,
)
from storeavail_platform.domain.windows import Window
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.agreement import ROWS_LOST, doubtful, rows_given_up
from storeavail_platform.warehouse.forgotten import forgotten_states
from storeavail_platform.warehouse.iceberg import data_files
from storeavail_platform.warehouse.markers import Marker
from storeavail_platform.warehouse.opening import Tables

AT_ONCE = 16


@dataclass(frozen=True)
class Problem:
    """What is wrong with a table, in words that name it and say what to do."""

    table: str
    text: str


def catalog_problems(tables: Tables, country: str, names: Iterable[str]) -> Iterator[Problem]:
    """Tables that the catalog lacks, or has an older state of, or that cannot be opened.

    Raises:
        CatalogUnavailable: the catalog does not answer.
    """
    for name in names:
        try:
            tables.open_table(country, name)
        except (CatalogLost, LayoutRefused, TableDamaged, WarehouseMoved) as error:
            yield Problem(name, str(error))


def marker_problems(
    tables: Tables, country: str, names: Iterable[str], markers: Sequence[Marker]
) -> Iterator[Problem]:
    """Tables that lack rows which markers name, without the catalog and those that cannot be
    opened.
    """
    for name in names:
        try:
            table = tables.load(country, name)
        except (TableDamaged, WarehouseMoved):
            continue
        try:
            lost = lost_windows(tables.storage, table, name, markers)
        except TableDamaged as error:
            yield Problem(name, f"table {name} of {country}: {error}")
            continue
        if lost:
            yield Problem(
                name,
                f"table {name} of {country}: the rows of {some(lost)} are not in it, and these"
                f" windows were complete; `storeavail recover --country {country}` runs them again"
                " from the landing",
            )


def lost_windows(
    storage: Storage,
    table: IcebergTable | None,
    name: str,
    markers: Iterable[Marker],
    known: Collection[int] | None = None,
) -> list[str]:
    """Keys of the windows that markers say were committed to a table and that it does not have.

    Args:
        table: as its pointer names it, loaded after the markers were read; None: there is none.
        known: snapshot ids of its states, where the list of its forgotten ones cannot be read.

    Raises:
        TableDamaged: that list is missing or damaged.
    """
    markers = list(markers)
    if table is None:
        return [
            marker.window
            for marker in markers
            if name in marker.tables and marker.tables[name].snapshot_id is not None
        ]
    snapshots = sorted(table.snapshots(), key=_number)
    lost = {marker.window for marker in rows_given_up(name, markers, _given_up(snapshots))}
    known = known_states(table) if known is None else known
    doubted = [
        marker for marker in doubtful(name, markers, snapshots, known) if marker.window not in lost
    ]
    if doubted:
        runs = runs_by_window(storage, table, {marker.window for marker in doubted})
        with_rows = {window for window, _ in runs}
        runs |= {(window, run) for window, run in named_in(snapshots) if window not in with_rows}
        lost |= {marker.window for marker in doubted if (marker.window, marker.run_id) not in runs}
    return sorted(lost)


def known_states(table: IcebergTable) -> set[int]:
    """Snapshot ids of a table's states, those among them that upkeep has forgotten.

    Raises:
        TableDamaged: the list of the forgotten ones is missing or damaged.
    """
    forgotten = {state.snapshot_id for state in forgotten_states(table)}
    return forgotten | {snapshot.snapshot_id for snapshot in table.snapshots()}


def runs_by_window(
    storage: Storage, table: IcebergTable, windows: set[str]
) -> set[tuple[str, str]]:
    """The runs that a table's current rows of windows come from, as pairs of window and run id."""
    starts = [Window.parse(key).start for key in windows]
    first, last = min(starts).isoformat(), max(starts).isoformat()
    between = f"window_start >= '{first}' AND window_start <= '{last}'"
    paths = [plain(file.file_path) for file in data_files(table.scan(row_filter=between))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = set[tuple[str, str]]().union(*pool.map(partial(_runs_of_file, storage), paths))
    return {pair for pair in found if pair[0] in windows}


def named_in(snapshots: Sequence[Snapshot]) -> set[tuple[str, str]]:
    """Windows and runs that commits name: a commit without rows leaves nothing else."""
    return {
        (_summary(snapshot, "storeavail.window"), _summary(snapshot, "dagster.run-id"))
        for snapshot in snapshots
    }


def some(windows: Sequence[str], most: int = 4) -> str:
    """Windows in words: the first of them, and how many more."""
    noun = "window" if len(windows) == 1 else "windows"
    shown = ", ".join(windows[:most])
    return (
        f"{noun} {shown}"
        if len(windows) <= most
        else f"{noun} {shown} and {len(windows) - most} more"
    )


def _given_up(snapshots: Sequence[Snapshot]) -> dict[str, int]:
    """Windows whose rows went with a data file, and the number of the commit that gave it up."""
    return {
        window: _number(snapshot)
        for snapshot in snapshots
        for window in _summary(snapshot, ROWS_LOST).split()
    }


def _runs_of_file(storage: Storage, path: str) -> set[tuple[str, str]]:
    try:
        rows = pq.read_table(
            path,
            columns=["window_start", "run_id"],
            filesystem=storage.filesystem,
            read_dictionary=["run_id"],
        )
    except (FileNotFoundError, pa.ArrowInvalid):
        # told as a damaged file; its rows are not there
        return set()
    pairs = rows.group_by(["window_start", "run_id"]).aggregate([]).to_pylist()
    return {
        (Window.containing(pair["window_start"].astimezone(UTC)).key, pair["run_id"])
        for pair in pairs
    }


def _number(snapshot: Snapshot) -> int:
    return snapshot.sequence_number or 0


def _summary(snapshot: Snapshot, name: str) -> str:
    return (snapshot.summary and snapshot.summary.get(name)) or ""
