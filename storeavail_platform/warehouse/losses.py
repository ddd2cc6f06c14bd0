"""Rows that are lost for good: `losses/<country>.json`.

    losses/<country>.json    a list of {"part", "tables", "recorded_at", "who"}

That a window's rows are lost is accepted by a person. Its marker does not name the table any more
then, so that nobody misses them again; a run of the window makes it one like any other. (A key of
the marker's own would stop the releases before.) Local dates have no markers: theirs are recorded
when their file is taken out.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime

from pydantic import TypeAdapter

from storeavail_platform.domain.text import neutralised
from storeavail_platform.domain.windows import Window
from storeavail_platform.storage.json_files import SELDOM, read_json
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.markers import Markers

AT_ONCE = 16


@dataclass(frozen=True)
class Loss:
    """Rows that are gone: of a window, by its key, or of a local date.

    Attributes:
        tables: those that had the rows.
        recorded_at: UTC.
    """

    part: str
    tables: tuple[str, ...]
    recorded_at: datetime
    who: str


FILE = TypeAdapter(list[Loss], config=SELDOM)


class Losses:
    """Reads and writes the losses of all countries."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.markers = Markers(storage)

    def read(self, country: str) -> list[Loss]:
        """What was recorded as lost, in order; also what was brought back since.

        Raises:
            WarehouseError: the file cannot be understood.
        """
        advice = "remove it: only the count of lost windows in `storeavail status` is lost with it"
        return read_json(self.storage, _path(country), FILE, "list of losses", advice) or []

    def record(
        self,
        country: str,
        lost: Mapping[str, Sequence[str]] | Mapping[date, Sequence[str]],
        now: datetime,
    ) -> None:
        """Record rows as lost, in the name of this machine's user.

        Args:
            lost: the tables that miss them, by window or local date.
            now: UTC.
        """
        who, found = (
            neutralised(getpass.getuser()),
            {loss.part: loss for loss in self.read(country)},
        )
        for part, tables in lost.items():
            before = found[str(part)].tables if str(part) in found else ()
            found[str(part)] = Loss(str(part), tuple(sorted({*before, *tables})), now, who)
        # the record first: a marker that does not name the table any more would hide the loss
        self.storage.replace(
            _path(country),
            FILE.dump_json(sorted(found.values(), key=lambda loss: loss.part), indent=2),
        )
        for part, tables in lost.items():
            if not isinstance(part, date):
                self._give_up(country, Window.parse(part), tables)

    def current(self, country: str) -> Iterator[Loss]:
        """What is lost, in order: a window that was run again since is not, nor is one that is too
        old to be kept.
        """
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = self.read(country)
            kept = pool.map(lambda loss: self._is_lost(country, loss), found)
            yield from (loss for loss, is_lost in zip(found, kept, strict=True) if is_lost)

    def _is_lost(self, country: str, loss: Loss) -> bool:
        if (window := _window(loss.part)) is None:
            return True
        marker = self.markers.read(country, window)
        return marker is not None and any(name not in marker.tables for name in loss.tables)

    def _give_up(self, country: str, window: Window, tables: Iterable[str]) -> None:
        marker = self.markers.read(country, window)
        if marker is None:
            return
        kept = {name: state for name, state in marker.tables.items() if name not in tables}
        self.markers.write(replace(marker, tables=kept))


def _window(part: str) -> Window | None:
    """The window that a part is; None for a local date."""
    try:
        return Window.parse(part)
    except ValueError:
        return None


def _path(country: str) -> str:
    return f"losses/{country}.json"
