"""Finds out how a country is, from markers, landing and what the last windows left in the tables;
what of it is an alert say `conditions.py` and `store_conditions.py`.

It works with the catalog down, and reads only this country's files: the tables once a window, when
its local dates are rolled up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

import pyarrow as pa

from storeavail_platform.alerting.alerts import Alert
from storeavail_platform.alerting.failed_runs import FailedRun
from storeavail_platform.alerting.notify import State
from storeavail_platform.domain.alert_kinds import Cause, Kind
from storeavail_platform.domain.errors import WarehouseError
from storeavail_platform.domain.log import Log
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.notes import noted_windows
from storeavail_platform.pipeline.observe import INDEX
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.incidents import GOING_ON, Incident, incidents_since
from storeavail_platform.reading.recent import (
    Group,
    Shares,
    StoreOff,
    availability_by_group,
    is_explained,
    stores_off,
)
from storeavail_platform.reading.status import last_observed, recorded_gaps, unfinished
from storeavail_platform.warehouse.markers import FailedCheck, Marker
from storeavail_platform.warehouse.trust import Trust

SPARE_WINDOWS = 8  # beyond twice what the rule needs, for those that are no evidence
GAP_DAYS = 1  # a lost window is told of: whoever comes in the morning knows of the night
FAILED_RERUN_LASTS = timedelta(days=1)
ROLL_UP_LASTS = timedelta(minutes=5)
"""How long the roll-up of a complete window is waited for; later it has failed."""
OF_TABLES = frozenset({
    Kind.INCIDENT, Kind.ROGUE_INCIDENT, Kind.UNKNOWN_INCIDENT, Kind.AVAILABILITY,
    Kind.STORES_OFFLINE,
})  # fmt: skip
"""Kinds that are judged by tables."""


@dataclass(frozen=True)
class Health:
    """How a country is at a moment, as far as that is known.

    Attributes:
        observed_at: when the newest window that was observed was; where there is none, from when
            the country's age is counted (UTC).
        newest: that window's marker, or None.
        suspect_reason: why it is suspect, or None.
        suspect_from: the first of the suspect windows that end with it, as far as was looked.
        failed_checks: of the newest complete window.
        has_landed: whether a later observation waits to be computed or committed.
        observable: the oldest window that is not landed and may still be observed, and until when.
        gaps: keys of the last day's windows that were lost, oldest first.
        is_running: whether a run of the country is unfinished.
        waits_behind: the run that holds the country while others wait, in words.
        failures: failed runs that nothing has made up for, a task's newest.
        coverage: of the country, in windows that count as evidence.
        availability: of each group in these windows, without the stores of incidents.
        incidents: those that go on.
        stores_off: outages that go on.
        unknown: kinds of which nothing is known now: what was true of them stays so.
    """

    country: str
    now: datetime
    observed_at: datetime
    newest: Marker | None = None
    suspect_reason: str | None = None
    suspect_from: str | None = None
    failed_checks: Sequence[FailedCheck] = ()
    has_landed: bool = False
    observable: tuple[str, datetime] | None = None
    gaps: Sequence[str] = ()
    is_running: bool = False
    waits_behind: str | None = None
    failures: Sequence[FailedRun] = ()
    coverage: Shares = field(default_factory=dict)
    availability: Mapping[Group, Shares] = field(default_factory=dict)
    incidents: Sequence[Incident] = ()
    stores_off: Sequence[StoreOff] = ()
    unknown: frozenset[Kind] = frozenset()

    @property
    def age(self) -> timedelta:
        """Age of the newest observation of a complete window."""
        return self.now - self.observed_at

    @property
    def window(self) -> str:
        """Key of the newest observed window; empty where there is none."""
        return self.newest.window if self.newest else ""

    @property
    def confirmation(self) -> str | None:
        """What an API said of the newest window's missing stores; None: it was not asked."""
        said = self.newest.figures.confirmation if self.newest else None
        return None if said is None else f"of the missing stores of {self.country} {said}"

    def alert(self, kind: Kind, what: str, cause: Cause, **more: Any) -> Alert:
        return Alert(kind, self.country, what, cause=cause, **{"since": self.now, **more})

    def is_down(self, group: Group) -> bool:
        """Whether an incident explains why stores of a group are off."""
        return any(is_explained(each, group) for each in self.incidents)


def gather(runtime: Runtime, country: str, now: datetime, state: State, *, log: Log) -> Health:
    """How a country is at `now` (UTC).

    Args:
        state: what is known from the last time; what was looked at is noted in it.

    Raises:
        WarehouseError, OSError: markers or landing cannot be read.
    """
    rule = runtime.country(country).alerts.availability
    first = Window.containing(now).next(-2 * max(rule.after, rule.resolve) - SPARE_WINDOWS)
    keys = reversed(runtime.markers.complete(country, after=first.key))
    found = [runtime.markers.whole(country, Window.parse(key)) for key in keys]
    markers = [marker for marker in found if marker is not None]
    newest = next((marker for marker in markers if marker.observed_at is not None), None)
    if newest is None and state.newest is not None:
        newest = runtime.markers.whole(country, Window.parse(state.newest))
    newest = newest or last_observed(runtime, country, now)
    state.newest = newest.window if newest and newest.observed_at else None
    observed_at = None if newest is None else newest.observed_at
    waiting, _ = unfinished(runtime, country, now, after=newest.window if newest else "")
    verdicts = Trust(runtime.storage).verdicts(country)
    evidence = [marker for marker in markers if verdicts.is_good(marker)]
    # gaps between suspect windows are no end of them
    streak = list(takewhile(lambda marker: not verdicts.is_good(marker), markers))
    health = Health(
        country=country,
        now=now,
        observed_at=observed_at
        or (Window.parse(waiting[0]).middle() if waiting else state.watched_since),
        newest=newest if observed_at else None,
        suspect_reason=verdicts.suspicion_of(newest) if newest and observed_at else None,
        suspect_from=next(
            (marker.window for marker in reversed(streak) if marker.observed_at is not None), None
        ),
        failed_checks=markers[0].failed_checks if markers else (),
        has_landed=bool(waiting),
        failures=state.failures,
        gaps=state.gaps,
        observable=still_observable(runtime, country, now),
        coverage={
            marker.window: share
            for marker in evidence
            if (share := marker.figures.coverage_without_edge) is not None
        },
    )
    return with_tables(runtime, health, markers, evidence, state, log)


def still_observable(runtime: Runtime, country: str, now: datetime) -> tuple[str, datetime] | None:
    """The oldest window that can still be observed and is not landed, and until when it can."""
    in_progress = Window.containing(now)
    for window in (in_progress.next(-1), in_progress):
        until = window.deadline(runtime.platform.observation_grace)
        if (
            now <= until
            and runtime.markers.whole(country, window) is None
            and not runtime.landing.has(country, window, INDEX)
        ):
            return window.key, until
    return None


def with_tables(
    runtime: Runtime,
    health: Health,
    markers: Sequence[Marker],
    evidence: Sequence[Marker],
    state: State,
    log: Log,
) -> Health:
    """With what the tables say; where they say nothing new, or cannot be read now, nothing is known
    of the alerts that follow from them.
    """
    country, warehouse = health.country, runtime.warehouse
    is_rolled_up = not noted_windows(runtime.storage, country)
    done = [
        marker.completed_at
        for marker in markers
        if is_rolled_up or health.now - marker.completed_at > ROLL_UP_LASTS
    ]
    if not done or max(done) == state.judged_at:
        return replace(health, unknown=OF_TABLES)
    state.gaps = recorded_gaps(runtime, country, health.now, GAP_DAYS)
    try:
        windows, newest = [marker.window for marker in evidence], Window.parse(markers[0].window)
        found = incidents_since(warehouse, country, newest.start.date() - GOING_ON)
        down = [incident for incident in found if is_explained(incident, Group())]
        health = replace(
            health,
            gaps=state.gaps,
            incidents=[incident for incident in found if incident.is_ongoing],
            availability=availability_by_group(warehouse, country, windows, down),
            stores_off=stores_off(warehouse, country, newest),
        )
    except (WarehouseError, OSError, pa.ArrowException) as error:
        log.warning("cities, brands and stores of %s cannot be judged now: %s", country, error)
        return replace(health, unknown=OF_TABLES)
    state.judged_at = max(done)
    return health


def still_failed(
    runtime: Runtime,
    country: str,
    failures: Sequence[FailedRun],
    now: datetime,
    succeeded_since: Callable[[FailedRun], bool],
) -> list[FailedRun]:
    """The newest failed run of each task, without those that were made up for, and those too old to
    be.

    A window's failure is over when the window was completed later; any other when a later run of
    the same job succeeded. A failed rerun of a window that is complete lost nothing: if its process
    was killed it is over at once, else after a day at the latest. What a window was lost by is kept
    for as long as the window is told of.
    """
    retention = (
        runtime.country(country).retention
        if country in runtime.platform.countries
        else runtime.platform.retention
    )
    newest: Mapping[tuple[str, str | None], FailedRun] = {
        failed.task: failed
        for failed in sorted(failures, key=lambda failed: failed.failed_at)
        if now - failed.failed_at < retention.landing
    }
    windows = [failed.window for failed in newest.values() if failed.window is not None]
    before = Window.parse(min(windows)).next(-1).key if windows else ""
    complete = set(runtime.markers.complete(country, after=before)) if windows else set()

    def is_over(failed: FailedRun) -> bool:
        if failed.window is None:
            return succeeded_since(failed)
        if failed.window not in complete:
            return False
        window = Window.parse(failed.window)
        marker = runtime.markers.whole(country, window)
        if marker is not None and marker.observed_at is None:
            return now - window.start >= timedelta(days=GAP_DAYS)
        if failed.cause is Cause.RUN_LOST:
            return True
        is_made_up_for = marker is not None and marker.completed_at > failed.failed_at
        return (
            is_made_up_for
            or now - failed.failed_at >= FAILED_RERUN_LASTS
            or succeeded_since(failed)
        )

    return [failed for failed in newest.values() if not is_over(failed)]
