"""Which windows are complete: `windows/<country>/<window>.json`, written last, naming the committed
snapshots.

A window is complete if and only if its marker exists. `status`, catch-up, the dashboard and the
next window's baseline read markers; they need neither the catalog nor Dagster.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson
from pydantic import TypeAdapter

from storeavail_platform.domain.availability import availability, coverage
from storeavail_platform.domain.confirmation import confirmation_text
from storeavail_platform.domain.errors import MarkerDamaged
from storeavail_platform.domain.places import namespace_of
from storeavail_platform.domain.windows import Window, is_key
from storeavail_platform.storage.json_files import decode
from storeavail_platform.storage.listing import belonging, pass_over
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.pointers import Committed


@dataclass(frozen=True)
class Figures:
    """A window's figures for the whole country, as in `availability_summary` and
    `window_quality`.
    """

    expected_minutes: int
    available_minutes: int
    missing_minutes: int
    unknown_minutes: int
    rogue_minutes: int
    stores_missing: int
    stores_rogue: int
    suspect: bool
    suspect_reason: str | None = None
    listed: int | None = None
    missing_share: float | None = None
    active_stores: int | None = None
    weekly_hours_share: float | None = None
    rogue_share: float | None = None
    no_hours_share: float | None = None
    coverage_without_edge: float | None = None
    stores_with_problem: int | None = None
    hours_with_problem: int | None = None
    documents_with_problem: int | None = None
    stores_asked: int | None = None
    stores_confirmed: int | None = None
    stores_contradicted: int | None = None

    @property
    def rows_with_problem(self) -> int | None:
        """Rows with a problem of all source tables; None where a release before did not count."""
        counts = (self.stores_with_problem, self.hours_with_problem, self.documents_with_problem)
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def confirmation(self) -> str | None:
        """What an API said of the missing stores, in words; None where nobody was asked."""
        if not self.stores_asked:
            return None
        return confirmation_text(
            self.stores_asked, self.stores_confirmed or 0, self.stores_contradicted or 0
        )

    @property
    def availability(self) -> float | None:
        """Available over expected less unknown minutes; None where nothing is known."""
        return availability(
            available=self.available_minutes,
            expected=self.expected_minutes,
            unknown=self.unknown_minutes,
        )

    @property
    def coverage(self) -> float | None:
        """The share of the expected minutes that is known; None where nothing was expected."""
        return coverage(expected=self.expected_minutes, unknown=self.unknown_minutes)


@dataclass(frozen=True)
class FailedCheck:
    """A check that failed without keeping rows back.

    Attributes:
        partition: the window's key, or the local date.
    """

    table: str
    check: str
    partition: str
    figures: Mapping[str, Any]

    def __str__(self) -> str:
        figures = ", ".join(f"{name}: {value}" for name, value in self.figures.items())
        return f"{self.check} of {self.table} {self.partition} failed ({figures})"


@dataclass(frozen=True)
class Marker:
    """A complete window: when it was observed (None: a recorded gap) and completed (UTC), by
    which run, its figures, its snapshots, and the checks that failed.
    """

    country: str
    window: str
    run_id: str
    observed_at: datetime | None
    completed_at: datetime
    figures: Figures
    tables: Mapping[str, Committed]
    failed_checks: tuple[FailedCheck, ...] = ()


FILE = TypeAdapter(Marker)
ENDING = ".json"
AT_ONCE = 16
"""Files read at once: from S3 each takes its time."""
REACHES = (4, 96, 7 * 96, 60 * 96, None)
"""How many windows back is listed, one after another, until what is looked for is found; None:
all.
"""


class Markers:
    """Reads and writes the markers of all countries."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def write(self, marker: Marker) -> None:
        self.storage.replace(
            _path(marker.country, marker.window),
            orjson.dumps(asdict(marker), option=orjson.OPT_INDENT_2),
        )

    def read(self, country: str, window: Window) -> Marker | None:
        """The marker of a window, or None while it is not complete.

        Raises:
            MarkerDamaged: the file cannot be understood, or speaks for another country or window.
        """
        path = _path(country, window.key)
        data = self.storage.read(path)
        if data is None:
            return None
        advice = (
            f"`storeavail recover --country {country}` makes it again, of the landing or the tables"
        )
        name = f"marker {self.storage.path(path)}"
        marker = decode(FILE, data, name, advice, error=MarkerDamaged)
        if (foreign := _foreign(marker, country, window)) is not None:
            raise MarkerDamaged(
                f"{name} cannot be understood ({foreign}): something other than the platform wrote"
                f" it; {advice}"
            )
        return marker

    def remove(self, country: str, window: Window) -> None:
        """Make a window one that is not complete."""
        self.storage.delete(_path(country, window.key))

    def complete(self, country: str, *, after: str = "") -> list[str]:
        """Keys of the complete windows in order; only those of windows later than the one whose
        key `after` is.
        """
        start = f"{after}{ENDING}" if after else ""
        names = belonging(self.storage, f"windows/{country}", _is_name, folders=False, after=start)
        return [name.removesuffix(ENDING) for name in names]

    def since(self, country: str, moment: datetime) -> list[Marker]:
        """The markers of the windows from a moment (UTC) on, oldest first.

        Raises:
            MarkerDamaged: see `read`.
        """
        keys = self.complete(country, after=Window.containing(moment).next(-1).key)

        def read(share: Sequence[str]) -> list[Marker]:
            found = (self.read(country, Window.parse(key)) for key in share)
            return [marker for marker in found if marker is not None]

        # a task for each marker takes as long as reading it does
        shares = [keys[number::AT_ONCE] for number in range(AT_ONCE)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = itertools.chain.from_iterable(pool.map(read, filter(None, shares)))
            return sorted(found, key=lambda marker: marker.window)

    def latest(self, country: str, *, before: Window | None = None) -> Iterator[Marker]:
        """Complete windows from the newest to the oldest; only those before a window where one is
        given. One that cannot be understood is passed over, see `whole`.

        With `before` the window just before it is asked for by its key, and no more is listed than
        it takes to find what is asked for next.
        """
        if before is None:
            yield from self._read_all(country, reversed(self.complete(country)))
            return
        just_before = self.whole(country, before.next(-1))
        if just_before is not None:
            yield just_before
        until = before.next(-1).key
        for reach in REACHES:
            start = "" if reach is None else before.next(-reach).key
            keys = [key for key in self.complete(country, after=start) if key < until]
            yield from self._read_all(country, reversed(keys))
            until = min([until, *keys])

    def _read_all(self, country: str, keys: Iterable[str]) -> Iterator[Marker]:
        for key in keys:
            marker = self.whole(country, Window.parse(key))
            if marker is not None:
                yield marker

    def whole(self, country: str, window: Window) -> Marker | None:
        """The marker of a window, or None where there is none that can be understood: it stops no
        other window, `check` tells it, and `recover` makes it again.
        """
        try:
            return self.read(country, window)
        except MarkerDamaged as error:
            pass_over(self.storage.path(_path(country, window.key)), str(error))
            return None


def _path(country: str, window: str) -> str:
    return f"windows/{country}/{window}{ENDING}"


def _is_name(name: str) -> bool:
    return name.endswith(ENDING) and is_key(name.removesuffix(ENDING))


def _foreign(marker: Marker, country: str, window: Window) -> str | None:
    """What a marker says of another country, window or table than its own."""
    if (marker.country, marker.window) != (country, window.key):
        return f"it speaks for {marker.country} {marker.window}"
    for name, state in marker.tables.items():
        if f"/tables/{namespace_of(country)}/{name}/" not in state.metadata_location:
            return f"its {name} is not a table of {country}"
    return None
