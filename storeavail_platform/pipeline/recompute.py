"""Windows of the past computed again: which of them, in which order, what is already done.

They are computed in the order of time, because a window is judged by the good one before it. After
the last follow those whose judgement rests on the range (`judged_after`). How far a range has come
is kept in Dagster's home, where the runs are, so that a range that was stopped goes on.

    <home>/recompute/<country>.json    a Recompute that is not done
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import orjson
from pydantic import TypeAdapter

from storeavail_platform.config import Country
from storeavail_platform.domain.windows import WINDOW_LENGTH, Window
from storeavail_platform.pipeline.observe import INDEX
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.storage.json_files import read_json
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.trust import Trust


@dataclass(frozen=True)
class Recompute:
    """What was asked for of a country, and how far it has come.

    Attributes:
        first, last: keys of the windows, both included.
        select: names of the tables; empty: all.
        reread: stores and hours are read again, as PostgreSQL has them now.
        settings: what the country's settings were, shortened (`settings_of`).
        begun_at: UTC.
        next: key of the window that comes next; later than `last` where only those remain whose
            judgement rests on the range.
    """

    country: str
    first: str
    last: str
    select: tuple[str, ...]
    reread: bool
    settings: str
    begun_at: datetime
    next: str

    def is_same_as(self, other: Recompute) -> bool:
        """Whether the same was asked for, under the same settings."""
        return self == replace(other, begun_at=self.begun_at, next=self.next)


@dataclass(frozen=True)
class Plan:
    """The windows of a range.

    Attributes:
        windows: to be computed, in this order.
        left_out: those that cannot be, and why.
    """

    windows: Sequence[Window]
    left_out: Sequence[tuple[Window, str]]


FILE = TypeAdapter(Recompute)
NO_LONGER_LANDED = "is complete and no longer landed (retention.landing): its rows stay as they are"
NEVER_OBSERVED = "was never observed, and a live index cannot be read for the past"


class Progress:
    """How far the ranges of all countries have come.

    Args:
        home: Dagster's home.
    """

    def __init__(self, home: Storage) -> None:
        self.home = home

    def begin(self, asked: Recompute, *, anew: bool) -> Recompute:
        """What was asked for, from where it was stopped; from its beginning where it is `anew`,
        is done, or something else was asked for last.

        Raises:
            WarehouseError: the file cannot be understood.
        """
        path = _path(asked.country)
        advice = "remove it: the range is computed from its beginning"
        found = None if anew else read_json(self.home, path, FILE, "the range's progress", advice)
        going_on = asked if found is None or not asked.is_same_as(found) else found
        self.write(going_on)
        return going_on

    def write(self, state: Recompute) -> None:
        data = orjson.dumps(FILE.dump_python(state, mode="json"), option=orjson.OPT_INDENT_2)
        self.home.replace(_path(state.country), data)

    def end(self, country: str) -> None:
        """Forget a range that is done."""
        self.home.delete(_path(country))


def span(first: Window, last: Window) -> list[Window]:
    """The windows from one to another, both included."""
    return [first.next(number) for number in range((last.start - first.start) // WINDOW_LENGTH + 1)]


def plan(runtime: Runtime, country: str, first: Window, last: Window, now: datetime) -> Plan:
    """Which windows of a range can be computed at `now` (UTC).

    Raises:
        StoreAvailError: the landing cannot be read.
    """
    grace = runtime.platform.observation_grace
    just_before = first.next(-1).key
    folders = set(runtime.landing.windows(country, after=just_before))
    complete = set(runtime.markers.complete(country, after=just_before))
    can_be_read = runtime.index_source(country).is_recorded
    windows, left_out = [], []
    for window in span(first, last):
        is_landed = window.key in folders and (
            runtime.landing.find(country, window, INDEX) is not None
        )
        if is_landed or can_be_read or now <= window.deadline(grace):
            windows.append(window)
        elif window.key in complete:
            left_out.append((window, NO_LONGER_LANDED))
        else:
            left_out.append((window, NEVER_OBSERVED))
    return Plan(windows, left_out)


def judged_after(
    runtime: Runtime, country: str, last: Window, *, is_resumed: bool
) -> Iterator[Window]:
    """The complete windows after one whose judgement rests on it or those before it. Each is to be
    computed again before the next is asked for.

    The last of them is good, and has the figures that it had: whatever is judged by it has been
    judged by the same.

    Args:
        is_resumed: the first may have been computed again already, by who was stopped then.
    """
    for key in runtime.markers.complete(country, after=last.key):
        window = Window.parse(key)
        before = runtime.markers.read(country, window)
        if before is not None and before.observed_at is None:
            continue  # a gap is judged by nothing, and nothing by it
        if before is None or runtime.landing.find(country, window, INDEX) is None:
            return
        yield window
        after = runtime.markers.read(country, window)
        verdicts = Trust(runtime.storage).verdicts(country)
        if after is None or (
            not is_resumed and after.figures == before.figures and verdicts.is_good(after)
        ):
            return
        is_resumed = False


def settings_of(country: Country) -> str:
    """A country's settings in short: another text where any of them is another, its queries too."""
    queries = [country.postgres.stores_sql, country.postgres.hours_sql]
    text = repr((country.model_dump(), queries))
    return hashlib.sha256(text.encode()).hexdigest()


def _path(country: str) -> str:
    return f"recompute/{country}.json"
