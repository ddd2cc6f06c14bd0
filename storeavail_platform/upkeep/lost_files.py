"""What follows from a table's data files that are missing or damaged: windows and local dates that
are lost, and files that are taken out of the table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from pyiceberg.table import Table as IcebergTable

from storeavail_platform.domain.errors import LandingDamaged, NotObserved
from storeavail_platform.domain.hours import local_start
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.observe import landed
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.warehouse.damage import DamagedFile
from storeavail_platform.warehouse.markers import Marker
from storeavail_platform.warehouse.truth import runs_by_window


@dataclass(frozen=True)
class GivenUp:
    """Damaged files that are taken out of a table, and the windows whose rows go with them."""

    files: Sequence[DamagedFile]
    windows: Sequence[str]


class LostFiles:
    """Damaged data files of a country, those given up, lost windows, dates to roll up."""

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
            self._landed[key] = is_landed(self.runtime, self.country, key)
        return self._landed[key]

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


def is_landed(runtime: Runtime, country: str, key: str) -> bool:
    """Whether the landing holds both readings of a window, and whole."""
    try:
        landed(runtime.landing, country, Window.parse(key))
    except (NotObserved, LandingDamaged):
        return False
    return True


def windows_of(
    runtime: Runtime, country: str, keys: Sequence[str]
) -> dict[date, tuple[Window, Window]]:
    """The first and the last of the windows of each local date, in the country's zone."""
    zone = runtime.country(country).timezone
    found = defaultdict[date, list[Window]](list)
    for window in map(Window.parse, sorted(keys)):
        found[local_start(window, zone)[0]].append(window)
    return {day: (windows[0], windows[-1]) for day, windows in found.items()}
