"""Where each country stands: last complete window, figures, what waits, what is missing. Read from
markers and landing.

Whether tables hold what pointers and markers name is told as well, as far as the catalog answers.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice

from storeavail_platform.config import format_duration
from storeavail_platform.domain.errors import (
    CatalogUnavailable,
    LandingDamaged,
    StorageRefused,
    StorageUnavailable,
    TableDamaged,
    WarehouseError,
    WarehouseMoved,
)
from storeavail_platform.domain.tables.declarations import STORE_AVAILABILITY
from storeavail_platform.domain.windows import WINDOW_LENGTH, Window, day_of
from storeavail_platform.pipeline.local_dates import noted_windows
from storeavail_platform.pipeline.observe import INDEX
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading import silences
from storeavail_platform.warehouse.iceberg import is_first_layout
from storeavail_platform.warehouse.layout import FIRST_LAYOUT, not_migrated
from storeavail_platform.warehouse.losses import Losses
from storeavail_platform.warehouse.markers import Marker
from storeavail_platform.warehouse.trust import Trust, Verdict
from storeavail_platform.warehouse.truth import catalog_problems, marker_problems, recent_markers

DAY = timedelta(days=1)
GAPS_PASSED_OVER = 7 * 96
GAP_DAYS = 7
"""Days whose lost windows are counted."""


@dataclass(frozen=True)
class CountryStatus:
    """A country's state at a moment.

    Attributes:
        last_window: key of the last complete window, or None.
        observed_at: when it was observed (UTC).
        age_seconds: how long ago that was.
        availability, coverage: of that window, 0..1; None where their divisor is 0.
        waiting: windows that are landed and not complete.
        gaps: windows since the country's first that were never observed and whose deadline has
            passed, and that are not recorded yet.
        not_rolled_up: complete windows whose local dates are not rolled up: more than the newest
            ones mean that the roll-up fails.
        silences: until when, by whom and why alerts are held back.
        recorded_gaps: windows of the last `GAP_DAYS` days that were never observed, and are
            recorded as such.
        acknowledged: which alerts somebody looks after.
        problems: what is wrong with the tables or the catalog, and what to do.
        lost: windows and local dates some of whose rows are lost for good, as is recorded.
        rows_with_problem: rows of that window's source tables with a problem; None: not counted.
        verdict: what a person said of that window by `trust` or `distrust`, or None.
    """

    country: str
    last_window: str | None
    observed_at: datetime | None
    age_seconds: float | None
    availability: float | None
    coverage: float | None
    suspect: str | None
    waiting: list[str]
    gaps: list[str]
    not_rolled_up: list[str]
    silences: list[str]
    acknowledged: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    recorded_gaps: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    rows_with_problem: int | None = None
    verdict: str | None = None


def all_statuses(runtime: Runtime, now: datetime) -> list[CountryStatus]:
    """The state of every country at `now` (UTC), with what is wrong with its tables.

    A catalog that does not answer is told once, and not waited for again. Countries that are not
    configured any more come last, with nothing but their last window.
    """
    found, is_up = [], True
    for code in runtime.platform.countries:
        status = CountryStatus(code, None, None, None, None, None, None, [], [], [], [])
        problems: list[str] = []
        try:
            status = country_status(runtime, code, now)
            status = replace(status, recorded_gaps=recorded_gaps(runtime, code, now))
            problems += rows_lost(runtime, code, now)
            # one that cannot be understood holds nothing back
            silences.read(runtime.storage, code)
        except StorageUnavailable:
            raise
        except (WarehouseError, LandingDamaged) as error:
            # a file of this country's is damaged
            problems.append(str(error))
        try:
            problems += catalog_behind(runtime, code) if is_up else []
        except CatalogUnavailable as error:
            is_up = False
            problems.append(str(error))
        except StorageRefused as error:
            # whose role is another country's sees nothing of this one
            problems += [] if problems else [str(error)]
        found.append(replace(status, problems=problems))
    return found + [left_status(runtime, code) for code in runtime.warehouse.left_countries()]


def recorded_gaps(runtime: Runtime, country: str, now: datetime, days: int = GAP_DAYS) -> list[str]:
    """Keys of the windows of the last days that were lost, oldest first."""
    markers = recent_markers(runtime.markers, country, now - timedelta(days=days))
    return [marker.window for marker in markers if marker.observed_at is None]


def left_status(runtime: Runtime, code: str) -> CountryStatus:
    """What is told of a country that is not configured any more."""
    windows = runtime.markers.complete(code)
    last = windows[-1] if windows else None
    return CountryStatus(
        code,
        last,
        None,
        None,
        None,
        None,
        None,
        [],
        [],
        [],
        [],
        problems=[left_text(runtime, code)],
    )


def left_text(runtime: Runtime, code: str) -> str:
    """What a country is that is not configured any more, and what can be done; the same for one
    that was renamed.
    """
    new = [other for other in runtime.platform.countries if not runtime.markers.complete(other)]
    renamed = f" If it is {' or '.join(new)} now: a" if new else " A"
    return (
        f"is not in {runtime.platform.origin}, and its tables are still here: `storeavail query`"
        f" reads them, nothing else is done with them. `storeavail remove-country {code}` removes"
        f" them.{renamed} country's code is for ever, under another one its windows begin anew: to"
        " go on with them write the country under its old code"
    )


def rows_lost(runtime: Runtime, country: str, now: datetime) -> list[str]:
    """Tables without the rows that markers within `retention.history` name, in words.

    Needs no catalog.
    """
    markers = recent_markers(
        runtime.markers, country, now - runtime.country(country).retention.history
    )
    names = [table.name for table in runtime.all_tables]
    return [problem.text for problem in marker_problems(runtime.warehouse, country, names, markers)]


def catalog_behind(runtime: Runtime, country: str) -> list[str]:
    """Tables that the catalog lacks, or does not have as their pointers name them, in words.

    Raises:
        CatalogUnavailable: the catalog does not answer.
    """
    names = [table.name for table in runtime.all_tables]
    problems = [problem.text for problem in catalog_problems(runtime.warehouse, country, names)]
    # a table that cannot be loaded is told by then
    with contextlib.suppress(TableDamaged, WarehouseMoved):
        loaded = runtime.warehouse.load(country, STORE_AVAILABILITY.name)
        if loaded is not None and is_first_layout(loaded, STORE_AVAILABILITY):
            problems.append(str(not_migrated(f"store_availability of {country}", FIRST_LAYOUT)))
    # a catalog that is damaged as a whole says the same of every table
    return list(dict.fromkeys(problems))


def country_status(runtime: Runtime, country: str, now: datetime) -> CountryStatus:
    """The state of a country at `now` (UTC)."""
    marker = last_observed(runtime, country, now)
    waiting, gaps = unfinished(runtime, country, now)
    held = silences.current(runtime.storage, country, now)
    verdicts = Trust(runtime.storage).verdicts(country)
    observed_at = None if marker is None else marker.observed_at
    return CountryStatus(
        country=country,
        last_window=None if marker is None else marker.window,
        observed_at=observed_at,
        age_seconds=None if observed_at is None else round((now - observed_at).total_seconds(), 1),
        availability=None if marker is None else marker.figures.availability,
        coverage=None if marker is None else marker.figures.coverage,
        suspect=None if marker is None else verdicts.suspicion_of(marker),
        waiting=waiting,
        gaps=gaps,
        not_rolled_up=[
            key for key in noted_windows(runtime.storage, country) if key not in waiting
        ],
        silences=[str(silence) for silence in held if silence.alert is None],
        acknowledged=[str(silence) for silence in held if silence.alert is not None],
        lost=[loss.part for loss in Losses(runtime.storage).current(country)],
        rows_with_problem=None if marker is None else marker.figures.rows_with_problem,
        verdict=None if marker is None else _text(verdicts.of(marker.window)),
    )


def _text(verdict: Verdict | None) -> str | None:
    return None if verdict is None else str(verdict)


def unfinished(
    runtime: Runtime, country: str, now: datetime, *, after: str = ""
) -> tuple[list[str], list[str]]:
    """Keys of the windows that should be complete and are not: those landed, and those that can no
    longer be observed.

    Args:
        after: the window up to which all are known to be finished; empty: look from the country's
            first window.
    """
    complete = set(runtime.markers.complete(country, after=after))
    landed = runtime.landing.windows(country, after=after)
    first = Window.parse(after).next().key if after else _first(runtime, country, complete, landed)
    if first is None:
        return [], []
    folders = set(landed)
    waiting, gaps = [], []
    for window in _not_among(complete, Window.parse(first), now):
        if window.key in folders and runtime.landing.has(country, window, INDEX):
            waiting.append(window.key)
        elif now > window.deadline(runtime.platform.observation_grace):
            gaps.append(window.key)
    return waiting, gaps


def _not_among(complete: Collection[str], first: Window, now: datetime) -> Iterator[Window]:
    """The windows from one on that have begun and are not complete, oldest first.

    Days that are complete are passed over whole: nearly all are, and there may be hundreds.
    """
    windows = Counter(day_of(key) for key in complete)
    window = first
    while window.start <= now:
        if windows[day_of(window.key)] == DAY // WINDOW_LENGTH:
            window = Window(window.start.replace(hour=0, minute=0) + DAY)
            continue
        if window.key not in complete:
            yield window
        window = window.next()


def _first(
    runtime: Runtime, country: str, complete: Collection[str], landed: Sequence[str]
) -> str | None:
    """Key of the country's first window: complete, or read. Windows that were tried before, while
    it was being set up, are not missing.
    """
    for key in sorted({*complete, *landed}):
        if key in complete or runtime.landing.has(country, Window.parse(key), INDEX):
            return key
    return None


def last_observed(runtime: Runtime, country: str, now: datetime) -> Marker | None:
    """The newest complete window at `now` that was observed; where the newest ones are all
    gaps, the newest of them.
    """
    newest: Marker | None = None
    for marker in islice(
        runtime.markers.latest(country, before=Window.containing(now).next()), GAPS_PASSED_OVER
    ):
        if marker.observed_at is not None:
            return marker
        newest = newest or marker
    return newest


def lateness(
    runtime: Runtime, country: str, observed_at: datetime | None, now: datetime
) -> str | None:
    """Why a country is late at `now` (UTC), in words; None: it is not.

    Late is a newest observation that is older than `alerts.freshness.fail`.
    """
    if observed_at is None:
        return "no window that was observed is complete"
    limit, age = runtime.country(country).alerts.freshness.fail, now - observed_at
    if age < limit:
        return None
    return (
        f"its newest complete window was observed {age_text(age.total_seconds())} ago (limit"
        f" {format_duration(limit)})"
    )


def age_text(seconds: float | None) -> str:
    """An age for people: `8 min`, `3 h 05 min`, `2 d 4 h`."""
    if seconds is None:
        return "-"
    minutes = int(timedelta(seconds=seconds) / timedelta(minutes=1))
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"
