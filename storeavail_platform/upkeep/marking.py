"""Markers that are damaged, or gone while the tables have their windows' rows, made again.

Without its marker such a window would be taken for one that nobody observed, and its rows replaced
by those of a gap. A window that is landed needs none of this: it is simply run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
from pyiceberg.table import Table as IcebergTable

from storeavail_platform.domain.errors import MarkerDamaged
from storeavail_platform.domain.tables.declarations import (
    AVAILABILITY_SUMMARY,
    STORE_AVAILABILITY,
    WINDOW_QUALITY,
)
from storeavail_platform.domain.tables.queries import WINDOW_FIGURES
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.upkeep.lost_files import is_landed
from storeavail_platform.warehouse.markers import Figures, Marker
from storeavail_platform.warehouse.pointers import Committed
from storeavail_platform.warehouse.truth import AT_ONCE, runs_by_window, some


@dataclass(frozen=True)
class Unmarked:
    """Windows whose marker cannot be read, or is not there though the tables have their rows.

    Attributes:
        again: those that are landed: run again, without the marker that cannot be read.
        others: those whose marker is made again of the tables' rows; where there are none it is
            removed, and the window is a gap.
    """

    again: Sequence[str]
    others: Sequence[str]


def unmarked(
    quality: IcebergTable | None,
    damaged: Iterable[str],
    complete: Iterable[str],
    since: datetime,
    is_landed: Callable[[str], bool],
) -> Unmarked:
    """A country's windows without a marker that can be read.

    Args:
        quality: its table `window_quality`; None where there is none.
        damaged: windows whose marker cannot be read.
        complete: windows that have a marker, damaged or not.
        since: the first moment (UTC) whose rows are looked at.
    """
    broken = sorted(damaged)
    marked, first = set(complete), Window.containing(since).key
    missing = (
        [] if quality is None else [key for key in _observed(quality, first) if key not in marked]
    )
    return Unmarked(
        [key for key in broken if is_landed(key)],
        sorted(key for key in (*broken, *missing) if not is_landed(key)),
    )


def mark_again(runtime: Runtime, country: str, keys: Iterable[str], now: datetime) -> None:
    """Write markers of the tables' rows.

    A damaged one whose window has no rows is removed.

    Raises:
        WarehouseError: rows cannot be read; markers that are not written yet stay as they are.
    """
    for key in keys:
        window = Window.parse(key)
        marker = marker_of_rows(runtime, country, window, now)
        if marker is not None:
            runtime.markers.write(marker)
        else:
            runtime.markers.remove(country, window)


def read_markers(
    runtime: Runtime, country: str, keys: Iterable[str]
) -> tuple[list[Marker], list[str]]:
    """Markers of windows, oldest first, and the windows whose marker cannot be read."""

    def read(key: str) -> Marker | str | None:
        try:
            return runtime.markers.read(country, Window.parse(key))
        except MarkerDamaged:
            return key

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(read, keys))
    return (
        [marker for marker in found if isinstance(marker, Marker)],
        [key for key in found if isinstance(key, str)],
    )


def marker_of_rows(runtime: Runtime, country: str, window: Window, now: datetime) -> Marker | None:
    """An observed window's marker as its rows tell it; None where the tables do not have them."""
    qualities = _rows(runtime, country, WINDOW_QUALITY.name, window)
    if qualities is None or qualities.num_rows == 0:
        return None
    quality = qualities.to_pylist()[0]
    if quality["observed_at"] is None:
        return None
    tables = dict(_with_rows(runtime, country, window, quality["run_id"]))
    if not {STORE_AVAILABILITY.name, AVAILABILITY_SUMMARY.name} <= tables.keys():
        return None
    with duckdb.connect(":memory:") as connection:
        connection.register(WINDOW_QUALITY.name, qualities)
        summary = _rows(runtime, country, AVAILABILITY_SUMMARY.name, window)
        connection.register(AVAILABILITY_SUMMARY.name, summary)
        (figures,) = connection.sql(WINDOW_FIGURES.sql).to_arrow_table().to_pylist()
    return Marker(
        country=country,
        window=window.key,
        run_id=quality["run_id"],
        observed_at=quality["observed_at"],
        completed_at=now,
        figures=Figures(**figures),
        tables=tables,
    )


def unmarked_rows(runtime: Runtime, country: str, now: datetime) -> Iterator[str]:
    """Windows within `retention.history` that the tables have rows of, and that neither a marker
    nor the landing knows, in words.

    Raises:
        TableDamaged: `window_quality` cannot be read.
    """
    since = now - runtime.country(country).retention.history
    quality = runtime.warehouse.load(country, WINDOW_QUALITY.name)
    complete = runtime.markers.complete(country, after=Window.containing(since).next(-1).key)
    with runtime.warehouse.errors():
        found = unmarked(quality, (), complete, since, lambda key: is_landed(runtime, country, key))
    if found.others:
        yield (
            f"{some(found.others)} of {country}: the tables have the rows, and the marker is gone;"
            f" `storeavail recover --country {country}` makes it again"
        )


def _observed(quality: IcebergTable, first: str) -> list[str]:
    """Keys of the observed windows from one on that have a row."""
    since = Window.parse(first).start.isoformat()
    scan = quality.scan(
        row_filter=f"observed_at IS NOT NULL AND window_start >= '{since}'",
        selected_fields=("window_start", "observed_at"),
    )
    starts = scan.to_arrow()["window_start"].to_pylist()
    return [Window(start.astimezone(UTC)).key for start in starts]


def _rows(runtime: Runtime, country: str, table: str, window: Window) -> pa.Table | None:
    found = runtime.warehouse.load(country, table)
    if found is None:
        return None
    with runtime.warehouse.errors():
        return found.scan(row_filter=f"window_start = '{window.start.isoformat()}'").to_arrow()


def _with_rows(
    runtime: Runtime, country: str, window: Window, run_id: str
) -> Iterable[tuple[str, Committed]]:
    """The tables that have a run's rows of a window, and their states. One without rows of it
    is not named: nobody misses any there.
    """
    for table in runtime.tables:
        found = runtime.warehouse.load(country, table.name)
        state = runtime.warehouse.pointer(country, table.name)
        if found is None or state is None:
            continue
        with runtime.warehouse.errors():
            runs = runs_by_window(runtime.storage, found, {window.key})
        if (window.key, run_id) in runs:
            yield table.name, state
