"""Which alerts are true of a country: a list of conditions, one a kind. Pure: health and settings
in, alerts out; how a country is, is found out by `health.py`.

Suspect windows and gaps are no evidence of availability: they neither raise an alert nor end one.
The engineers get `suspect_window` instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby, takewhile

from storeavail_platform.alerting.alerts import Alert, Cause
from storeavail_platform.alerting.failed_runs import FailedRun
from storeavail_platform.config import Alerts, format_duration
from storeavail_platform.domain.alert_kinds import Kind
from storeavail_platform.domain.text import neutralised
from storeavail_platform.domain.windows import WINDOW_LENGTH, Window
from storeavail_platform.reading.recent import Group, Shares, StoreOff
from storeavail_platform.reading.status import age_text
from storeavail_platform.warehouse.markers import FailedCheck, Marker

FORGOTTEN_AFTER = timedelta(days=1)
"""An availability alert about which nothing was heard for so long (a city without stores by
now) is over.
"""
SHOWN = 3
"""Stores, checks and the like that are named in a sentence."""
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
TOLD_OTHERWISE = {(table, "quality") for table in ("stores", "store_hours", "online_index")} | {
    ("window_quality", "quality")
}
"""Checks that are conditions of their own: rows with problems, a suspect window."""


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
        availability: of each group, in windows that count as evidence.
        coverage: of the country, in these windows.
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
    availability: Mapping[Group, Shares] = field(default_factory=dict)
    coverage: Shares = field(default_factory=dict)
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


def evaluate(health: Health, settings: Alerts, before: Mapping[str, Alert]) -> list[Alert]:
    """The alerts that are true.

    Args:
        before: the alerts that were true last time, by key: what began below an objective ends by
            other windows than it began.
    """
    found = [alert for condition in CONDITIONS for alert in condition(health, settings, before)]
    return [
        *(alert for alert in found if alert.kind not in health.unknown),
        *(alert for alert in before.values() if alert.kind in health.unknown),
    ]


def freshness(health: Health, settings: Alerts, before: Mapping[str, Alert]) -> Iterator[Alert]:
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
    what = (
        f"no window has ever been complete, for {age} (limit {limit_text})"
        if health.newest is None
        else f"the newest complete window, {health.window}, was observed {age} ago (limit"
        f" {limit_text})"
    )
    failed = newest_of(failed for failed in health.failures if is_later(failed, health))
    yield Alert(
        kind,
        health.country,
        what,
        health.observed_at,
        freshness_cause(health, failed),
        window=health.window or None,
        run_id=failed.run_id if failed else None,
        hint="; ".join(what_helps(health)) or None,
        beside=None if failed is None else f"the last run said: {failed.message}",
    )


def is_later(failed: FailedRun, health: Health) -> bool:
    """Whether a run failed for a window later than the newest that was observed."""
    return failed.window is not None and failed.window > health.window


def newest_of(failures: Iterable[FailedRun]) -> FailedRun | None:
    return max(failures, key=lambda failed: failed.failed_at, default=None)


def what_helps(health: Health) -> Iterator[str]:
    """What holds the next window up, and until when and by what it can still be observed."""
    if health.waits_behind is not None:
        yield f"the next run waits behind {health.waits_behind}"
    if health.observable is not None:
        window, until = health.observable
        yield f"window {window} can still be observed until {until:%H:%M:%S} UTC" + (
            ", and a run is at it: it goes on trying"
            if health.is_running
            else f": `storeavail run --country {health.country} --window {window}`"
        )
    elif health.has_landed:
        yield "what was read is landed and not lost: it completes when the cause is gone"


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


def suspect(health: Health, settings: Alerts, before: Mapping[str, Alert]) -> Iterator[Alert]:
    """At most one: the newest observed window looks wrong as a whole."""
    if health.suspect_reason is None:
        return
    reason, first = health.suspect_reason, health.suspect_from or health.window
    yield Alert(
        Kind.SUSPECT_WINDOW,
        health.country,
        f"window {health.window} is suspect ({reason}); availability alerts are held back",
        Window.parse(health.window).start,
        next((cause for phrase, cause in SUSPECT_CAUSES if phrase in reason), Cause.UNKNOWN),
        window=health.window,
        hint=f"if the change is real: storeavail trust {health.country} --from {first} --reason"
        ' "..."',
    )


def availability(health: Health, settings: Alerts, before: Mapping[str, Alert]) -> Iterator[Alert]:
    """One for the country, each city and each brand below the objective."""
    rule = settings.availability
    for group, shares in health.availability.items():
        window, share = next(iter(shares.items()))
        alert = Alert(
            Kind.AVAILABILITY,
            health.country,
            f"availability of {str(group) or 'the country'} is {share:.1%} (objective"
            f" {rule.objective:.1%})",
            health.now,
            Cause.STORES_OFFLINE,
            scope=str(group),
            window=window,
            city=group.city,
            brand=group.brand,
            hint="see on the page which stores are off, and tell those who run them",
        )
        since = below_since(shares, rule.objective, settings, before.get(alert.key))
        if since is not None:
            yield replace(alert, since=since)
    # where all of its stores are closed for the night, it is not over
    for alert in before.values():
        is_heard = Group(alert.brand, alert.city) in health.availability
        if alert.kind is Kind.AVAILABILITY and not is_heard and not is_forgotten(alert, health):
            yield alert


def is_forgotten(alert: Alert, health: Health) -> bool:
    return alert.window is None or health.now - Window.parse(alert.window).start >= FORGOTTEN_AFTER


def below_since(
    shares: Shares, limit: float, settings: Alerts, before: Alert | None
) -> datetime | None:
    """Since when a share is below its limit: after `after` windows in a row, until `resolve`
    windows in a row are at or above it; None: it is not.
    """
    rule = settings.availability
    bad = list(takewhile(lambda window: shares[window] < limit, shares))
    good = list(takewhile(lambda window: shares[window] >= limit, shares))
    if before is not None:
        return before.since if len(good) < rule.resolve else None
    return Window.parse(bad[-1]).start if len(bad) >= rule.after else None


def lost_windows(health: Health, settings: Alerts, before: Mapping[str, Alert]) -> Iterator[Alert]:
    """At most one: windows of the last day that nobody observed, and by what they were lost."""
    if not health.gaps:
        return
    first, newest, count = health.gaps[0], health.gaps[-1], len(health.gaps)
    failed = newest_of(failed for failed in health.failures if failed.window in health.gaps)
    which = (
        f"window {newest} was"
        if count == 1
        else f"{count} windows of the last day, {first} to {newest}, were"
    )
    yield Alert(
        Kind.GAP,
        health.country,
        f"{which} never observed: lost, recorded as a gap, and no command brings it back",
        Window.parse(first).start,
        Cause.DAEMON_NOT_RUNNING if failed is None else failed.cause,
        window=newest,
        run_id=None if failed is None else failed.run_id,
        size=count,
        beside=None if failed is None else f"the last run said: {failed.message}",
    )


def runs(health: Health, settings: Alerts, before: Mapping[str, Alert]) -> Iterator[Alert]:
    """Failed runs, but for those that staleness or a lost window tells of."""
    is_stale = health.age >= settings.freshness.warn
    yield from failed_runs(
        health.country,
        [
            failed
            for failed in health.failures
            if failed.window not in health.gaps and not (is_stale and is_later(failed, health))
        ],
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


def checks(health: Health, settings: Alerts, before: Mapping[str, Alert]) -> Iterator[Alert]:
    """At most one: checks that failed on the newest complete window."""
    failed = [
        check for check in health.failed_checks if (check.table, check.check) not in TOLD_OTHERWISE
    ]
    if failed:
        yield Alert(
            Kind.CHECK_FAILED,
            health.country,
            f"a check failed: {some([neutralised(str(check)) for check in failed])}",
            health.now,
            Cause.UNKNOWN,
            size=len(failed),
            hint="the rows are published; see the check in the Dagster UI, and its rule in the"
            " table's declaration",
        )


def coverage(health: Health, settings: Alerts, before: Mapping[str, Alert]) -> Iterator[Alert]:
    """At most one: of too many stores nothing is known, though both sources were read."""
    if not health.coverage:
        return
    window, share = next(iter(health.coverage.items()))
    alert = Alert(
        Kind.COVERAGE_LOW,
        health.country,
        f"coverage is {share:.1%} (limit {settings.coverage:.1%}): of the other stores that"
        " should be open nothing is known",
        health.now,
        problem_cause(health.newest),
        window=window,
        hint="see the reasons of status unknown: `storeavail query`, runbook",
    )
    since = below_since(health.coverage, settings.coverage, settings, before.get(alert.key))
    if since is not None:
        yield replace(alert, since=since)


def problem_rows(health: Health, settings: Alerts, before: Mapping[str, Alert]) -> Iterator[Alert]:
    """At most one: many rows of the newest observed window are wrong."""
    figures = None if health.newest is None else health.newest.figures
    if figures is None or not figures.rows_with_problem:
        return
    share = figures.rows_with_problem / max(1, (figures.listed or 0) + (figures.active_stores or 0))
    if share >= settings.problem_rows:
        yield Alert(
            Kind.PROBLEM_ROWS,
            health.country,
            f"{figures.rows_with_problem:,} rows have problems: {figures.stores_with_problem:,}"
            f" stores, {figures.hours_with_problem:,} of hours, {figures.documents_with_problem:,}"
            " documents; their stores are unknown",
            Window.parse(health.window).start,
            problem_cause(health.newest),
            window=health.window,
            size=figures.rows_with_problem,
            hint=f"`storeavail check --country {health.country}` shows examples",
        )


def problem_cause(newest: Marker | None) -> Cause:
    """Which side most rows with problems are on."""
    if newest is None or not newest.figures.rows_with_problem:
        return Cause.UNKNOWN
    counts = {
        newest.figures.stores_with_problem: Cause.STORES_INCOMPLETE,
        newest.figures.hours_with_problem: Cause.HOURS_INCOMPLETE,
        newest.figures.documents_with_problem: Cause.INDEX_INCOMPLETE,
    }
    return counts[max(counts, key=lambda count: count or 0)]


def stores_offline(
    health: Health, settings: Alerts, before: Mapping[str, Alert]
) -> Iterator[Alert]:
    """One a brand: stores that have been off for long; those that are watched, sooner and by
    themselves.
    """
    soon = settings.availability.after * WINDOW_LENGTH
    long = settings.store_offline_after
    off: dict[tuple[str | None, bool], list[StoreOff]] = {}
    for store in health.stores_off:
        is_watched = store.store_id in settings.watch_stores
        limit = min(soon, long) if is_watched else long
        if store.is_started_before or timedelta(minutes=store.missed_minutes_total) >= limit:
            off.setdefault((store.brand, is_watched), []).append(store)
    for (brand, is_watched), stores in off.items():
        stores.sort(key=lambda store: (store.started_at, store.store_id))
        count, limit_text = len(stores), format_duration(soon if is_watched else long)
        noun = ("watched " if is_watched else "") + ("store" if count == 1 else "stores")
        group = str(Group(brand=brand)) or "no brand"
        yield Alert(
            Kind.STORES_OFFLINE,
            health.country,
            f"{count:,} {noun} of {group} off for {limit_text} of opening hours or longer:"
            f" {some([str(store) for store in stores])}",
            stores[0].started_at,
            Cause.STORES_OFFLINE,
            scope=f"{group}, watched" if is_watched else group,
            brand=brand,
            size=count,
            hint="tell those who run them; a store that is closed for good becomes inactive in"
            " PostgreSQL",
        )


def some(names: Sequence[str]) -> str:
    """Some of several names, and how many more."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


CONDITIONS = (
    freshness,
    suspect,
    availability,
    coverage,
    stores_offline,
    problem_rows,
    checks,
    lost_windows,
    runs,
)
"""Each gives the alerts of its kind that are true."""
