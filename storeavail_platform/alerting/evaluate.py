"""Which alerts are true of a country. Pure: health and settings in, alerts out; how a
country is, is found out by `health.py`.

Suspect windows and gaps are no evidence of availability: they neither raise an alert nor end one.
The engineers get `suspect_window` instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby, takewhile

from storeavail_platform.alerting.alerts import Alert, Cause, Kind
from storeavail_platform.alerting.failed_runs import FailedRun
from storeavail_platform.config import Alerts, format_duration
from storeavail_platform.domain.windows import Window
from storeavail_platform.reading.status import age_text

FORGOTTEN_AFTER = timedelta(days=1)
"""An availability alert about which nothing was heard for so long (a city without stores by
now) is over.
"""
SUSPECT_CAUSES = (
    ("index is stale", Cause.INDEXER_FROZEN),
    ("listed stores", Cause.INDEX_INCOMPLETE),
    ("few usable documents", Cause.INDEX_INCOMPLETE),
    ("few usable stores", Cause.STORES_INCOMPLETE),
    ("active stores", Cause.STORES_INCOMPLETE),
    ("few usable hours", Cause.HOURS_INCOMPLETE),
    ("share with weekly hours dropped", Cause.HOURS_INCOMPLETE),
    ("share without hours rose", Cause.HOURS_INCOMPLETE),
    ("coverage dropped", Cause.INDEX_INCOMPLETE),
    ("missing share rose", Cause.STORES_OFFLINE),
    ("rogue share rose", Cause.HOURS_INCOMPLETE),
)
"""Likely cause by the words of `suspect_reason`; the first that it holds."""


@dataclass(frozen=True)
class Observed:
    """A complete window and when it was observed (UTC)."""

    window: str
    observed_at: datetime


@dataclass(frozen=True)
class Judgement:
    """Availability (0..1) of the country or a group of its stores in a window."""

    window: str
    availability: float


@dataclass(frozen=True)
class Observable:
    """A window by its key, and until when it may still be observed (UTC)."""

    window: str
    until: datetime


@dataclass(frozen=True)
class Health:
    """How a country is at a moment, as far as that is known.

    Attributes:
        counted_from: where the age of a country that never completed a window is counted from
            (UTC).
        observed: the newest complete window that was observed, or None.
        suspect_reason: why that window is suspect, or None.
        suspect_from: the first of the suspect windows that end with it, as far as was looked.
        has_landed: whether an observation later than that waits to be computed or committed.
        observable: the oldest window that is not landed and may still be observed.
        gaps: keys of the last day's windows that were lost, oldest first.
        is_running: whether a run of the country is unfinished.
        waits_behind: the run that holds the country while others wait, in words.
        failures: failed runs that nothing has made up for, a task's newest.
        judgements: windows that count as evidence, newest first, by scope: empty for the country,
            `city ...`, `brand ...`.
        are_groups_known: False where cities and brands could not be read.
    """

    country: str
    now: datetime
    counted_from: datetime
    observed: Observed | None = None
    suspect_reason: str | None = None
    suspect_from: str | None = None
    has_landed: bool = False
    observable: Observable | None = None
    gaps: Sequence[str] = ()
    is_running: bool = False
    waits_behind: str | None = None
    failures: Sequence[FailedRun] = ()
    judgements: Mapping[str, Sequence[Judgement]] = field(default_factory=dict)
    are_groups_known: bool = True

    @property
    def age(self) -> timedelta:
        """Age of the newest observation of a complete window."""
        return self.now - (self.observed.observed_at if self.observed else self.counted_from)


def evaluate(health: Health, settings: Alerts, before: Mapping[str, Alert]) -> list[Alert]:
    """The alerts that are true.

    Args:
        before: the alerts that were true last time, by key: what began below an objective ends by
            other windows than it began.
    """
    return [
        *freshness(health, settings),
        *suspect(health),
        *availability(health, settings, before),
        *lost_windows(health),
        *failed_runs(
            health.country,
            [failed for failed in health.failures if failed.window not in health.gaps],
        ),
    ]


def freshness(health: Health, settings: Alerts) -> Iterator[Alert]:
    """At most one: the newest observation of a complete window is older than `warn`, or than
    `fail`. It says what can still save a window, while one can be saved.
    """
    limits = settings.freshness
    if health.age < limits.warn:
        return
    kind, limit = (
        (Kind.FRESHNESS_FAIL, limits.fail)
        if health.age >= limits.fail
        else (Kind.FRESHNESS_WARN, limits.warn)
    )
    age, limit_text = age_text(health.age.total_seconds()), format_duration(limit)
    if health.observed is None:
        what, since = (
            f"no window has ever been complete, for {age} (limit {limit_text})",
            health.counted_from,
        )
    else:
        what = (
            f"the newest complete window, {health.observed.window}, was observed {age} ago (limit"
            f" {limit_text})"
        )
        since = health.observed.observed_at
    newest_known = health.observed.window if health.observed else ""
    later = [
        failed
        for failed in health.failures
        if failed.window is not None and failed.window > newest_known
    ]
    failed = max(later, key=lambda failed: failed.failed_at, default=None)
    yield Alert(
        kind,
        health.country,
        what,
        since,
        freshness_cause(health, failed),
        window=newest_known or None,
        run_id=failed.run_id if failed else None,
        hint="; ".join(what_helps(health)) or None,
    )


def what_helps(health: Health) -> Iterator[str]:
    """What holds the next window up, and until when and by what it can still be observed."""
    if health.waits_behind is not None:
        yield f"the next run waits behind {health.waits_behind}"
    if health.observable is not None:
        window, until = health.observable.window, health.observable.until
        yield f"window {window} can still be observed until {until:%H:%M:%S} UTC" + (
            ", and a run is at it: it goes on trying"
            if health.is_running
            else f": `storeavail run --country {health.country} --window {window}`"
        )
    elif health.has_landed:
        yield "what was read is landed and not lost: it completes when the cause is gone"


def lost_windows(health: Health) -> Iterator[Alert]:
    """At most one: windows of the last day that nobody observed, and by what they were lost."""
    if not health.gaps:
        return
    newest = health.gaps[-1]
    failed = max(
        (failed for failed in health.failures if failed.window in health.gaps),
        key=lambda failed: failed.failed_at,
        default=None,
    )
    count = len(health.gaps)
    which = (
        f"window {newest} was"
        if count == 1
        else f"{count} windows of the last day, {health.gaps[0]} to {newest}, were"
    )
    said = "" if failed is None else f"; the last run said: {failed.message}"
    yield Alert(
        Kind.GAP,
        health.country,
        f"{which} never observed: lost, recorded as a gap, and no command brings it back{said}",
        Window.parse(health.gaps[0]).start,
        Cause.DAEMON_NOT_RUNNING if failed is None else failed.cause,
        window=newest,
        run_id=None if failed is None else failed.run_id,
    )


def freshness_cause(health: Health, failed: FailedRun | None) -> Cause:
    """Why no newer window is complete: what the failed run says; else that the next one waits; else
    how far its run got; else nothing ran at all.
    """
    if failed is not None:
        return failed.cause
    if health.waits_behind is not None:
        return Cause.RUN_WAITING
    if health.is_running:
        return Cause.CATALOG_UNREACHABLE if health.has_landed else Cause.SOURCE_UNREACHABLE
    return Cause.RUN_LOST if health.has_landed else Cause.DAEMON_NOT_RUNNING


def suspect(health: Health) -> Iterator[Alert]:
    """At most one: the newest observed window looks wrong as a whole."""
    if health.observed is None or health.suspect_reason is None:
        return
    reason = health.suspect_reason
    cause = next((cause for phrase, cause in SUSPECT_CAUSES if phrase in reason), Cause.UNKNOWN)
    first = health.suspect_from or health.observed.window
    what = (
        f"window {health.observed.window} is suspect ({reason}); availability alerts are held"
        f" back. If the change is real: storeavail trust {health.country} --from {first}"
        ' --reason "..."'
    )
    since = Window.parse(health.observed.window).start
    yield Alert(
        Kind.SUSPECT_WINDOW, health.country, what, since, cause, window=health.observed.window
    )


def availability(health: Health, settings: Alerts, before: Mapping[str, Alert]) -> Iterator[Alert]:
    """One for the country, each city and each brand below the objective."""
    rule = settings.availability
    for scope, windows in health.judgements.items():
        if not windows:
            continue
        newest = windows[0]
        alert = Alert(
            Kind.AVAILABILITY,
            health.country,
            f"availability of {scope or 'the country'} is {newest.availability:.1%} (objective"
            f" {rule.objective:.1%})",
            Window.parse(newest.window).start,
            Cause.STORES_OFFLINE,
            scope=scope,
            window=newest.window,
        )
        bad = list(takewhile(lambda window: window.availability < rule.objective, windows))
        good = list(takewhile(lambda window: window.availability >= rule.objective, windows))
        if alert.key in before and len(good) < rule.resolve:
            yield replace(alert, since=before[alert.key].since)
        elif alert.key not in before and len(bad) >= rule.after:
            yield replace(alert, since=Window.parse(bad[-1].window).start)
    yield from (alert for alert in before.values() if _goes_on_unheard(alert, health))


def _goes_on_unheard(alert: Alert, health: Health) -> bool:
    """Whether an availability alert of before stays because nothing is known of its stores
    since.
    """
    if alert.kind is not Kind.AVAILABILITY or health.judgements.get(alert.scope):
        return False
    if alert.scope and not health.are_groups_known:
        return True
    return (
        alert.window is not None and health.now - Window.parse(alert.window).start < FORGOTTEN_AFTER
    )


def failed_runs(country: str, failures: Sequence[FailedRun]) -> Iterator[Alert]:
    """One a likely cause, so that an outage is told once and not once a window."""
    by_cause = sorted(failures, key=lambda failed: (failed.cause, failed.failed_at))
    for cause, group in groupby(by_cause, key=lambda failed: failed.cause):
        runs = list(group)
        newest = runs[-1]
        of_what = f"run of window {newest.window}" if newest.window else f"run of job {newest.job}"
        more = f" ({len(runs) - 1} more failed for the same likely cause)" if len(runs) > 1 else ""
        yield Alert(
            Kind.RUN_FAILED,
            country,
            f"the {of_what} failed: {newest.message}{more}",
            runs[0].failed_at,
            cause,
            scope=cause,
            window=newest.window,
            run_id=newest.run_id,
        )
