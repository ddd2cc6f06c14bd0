"""Which alerts are true of a country: a list of conditions, one a kind. Pure: health and settings
in, alerts out; how a country is, is found out by `health.py`.

Suspect windows and gaps are no evidence of availability: they neither raise an alert nor end one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby, takewhile
from typing import Any

from storeavail_platform.alerting.alerts import Alert, Cause
from storeavail_platform.alerting.failed_runs import FailedRun
from storeavail_platform.config import Alerts, format_duration
from storeavail_platform.domain.alert_kinds import Kind
from storeavail_platform.domain.text import neutralised
from storeavail_platform.domain.windows import WINDOW_LENGTH, Window
from storeavail_platform.reading.incidents import Incident
from storeavail_platform.reading.recent import Group, Shares, StoreOff
from storeavail_platform.reading.status import age_text
from storeavail_platform.warehouse.markers import FailedCheck, Marker

FORGOTTEN_AFTER = timedelta(days=1)
"""An availability alert about which nothing was heard for so long (a city without stores by
now) is over.
"""
SHOWN = 3
"""Stores and checks that are named in a sentence."""
WEAK_DAYS = 7
"""Past days under which what is usual is not well known."""
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
INCIDENTS = {
    "missing": (Kind.INCIDENT, Cause.STORES_OFFLINE, "off"),
    "rogue": (Kind.ROGUE_INCIDENT, Cause.HOURS_INCOMPLETE, "online outside their hours"),
    "unknown": (Kind.UNKNOWN_INCIDENT, Cause.UNKNOWN, "unknown"),
}
"""By an incident's kind: the alert's, the likely cause, what its stores are."""
NEXT_STEPS = {
    Kind.INCIDENT: "tell those who run them; the page has the list of them",
    Kind.ROGUE_INCIDENT: "compare their opening hours with those who run them",
    Kind.UNKNOWN_INCIDENT: "`storeavail check` shows what is wrong with their rows",
    Kind.AVAILABILITY: "see on the page which stores are off, and tell those who run them",
    Kind.COVERAGE_LOW: "see for which reasons stores are unknown, by the query in the runbook",
    Kind.PROBLEM_ROWS: "`storeavail check` shows examples; correct them in the source",
    Kind.CHECK_FAILED: "the rows are published; see the check on the table's page in Dagster's UI",
    Kind.STORES_OFFLINE: "tell those who run them; one that is closed for good becomes inactive",
}
SAME_EVENT = {"missing share rose": Kind.INCIDENT, "rogue share rose": Kind.ROGUE_INCIDENT}
"""Incidents by the reason of a suspect window that says no more than they do."""
TOLD_OTHERWISE = {
    (table, "quality") for table in ("stores", "store_hours", "online_index", "window_quality")
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

    def alert(self, kind: Kind, what: str, cause: Cause, **more: Any) -> Alert:
        more = {"since": self.now, "hint": NEXT_STEPS.get(kind), **more}
        return Alert(kind, self.country, what, cause=cause, **more)

    def is_down(self, group: Group) -> bool:
        """Whether an incident explains why stores of a group are off."""
        return any(is_explained(each, group) for each in self.incidents)


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


def incidents(health: Health, settings: Alerts, before: Mapping[str, Alert]) -> Iterator[Alert]:
    """One each: far more stores than usual are missing, rogue or unknown."""
    country = health.country
    others = list(health.availability.get(Group(), {}).values())[:1]
    for incident in health.incidents:
        kind, cause, word = INCIDENTS[incident.kind]
        share, days = incident.share_explained, incident.past_days
        figures = [f"usually {incident.usual:.0f}"]
        if share is not None:
            figures.append(f"{share:.0%} of what is more than usual in {country}")
        if others and is_explained(incident, Group()):
            figures.append(f"the others of {country} are at {others[0]:.1%}")
        if days < WEAK_DAYS:
            figures.append(f"what is usual rests on {days} days only")
        yield health.alert(
            kind,
            f"{neutralised(incident.scope_name)}: {incident.stores_now:,} of"
            f" {incident.known_now:,} stores are {word}",
            cause,
            since=incident.started_at,
            scope=incident.incident_id,
            window=Window.containing(incident.last_window).key,
            city=incident.city,
            brand=incident.brand,
            size=incident.stores_now,
            beside="; ".join(figures),
        )


def is_explained(incident: Incident, group: Group) -> bool:
    """Whether stores of a group are off by an incident of a city, a brand or the country."""
    is_named = incident.kind == "missing" and incident.scope != "unexplained"
    return is_named and group.overlaps(Group(incident.brand, incident.city))


def is_told(health: Health, before: Mapping[str, Alert], kind: Kind | None) -> bool:
    """Whether there is an incident of a kind, as far as is known."""
    return any(INCIDENTS[each.kind][0] is kind for each in health.incidents) or (
        kind in health.unknown and any(alert.kind is kind for alert in before.values())
    )


def freshness(health: Health, settings: Alerts, before: Mapping[str, Alert]) -> Iterator[Alert]:
    """At most one: the newest observation of a complete window is older than `warn`, or than
    `fail`. It says what can still save a window, while one can be saved.
    """
    limits = settings.freshness
    if health.age < limits.warn:
        return
    is_fail = health.age >= limits.fail
    age = age_text(health.age.total_seconds())
    which = (
        f"no window has ever been complete, for {age}"
        if health.newest is None
        else f"the newest complete window, {health.window}, was observed {age} ago"
    )
    failed = newest_of(failed for failed in health.failures if is_later(failed, health))
    yield health.alert(
        Kind.FRESHNESS_FAIL if is_fail else Kind.FRESHNESS_WARN,
        f"{which} (limit {format_duration(limits.fail if is_fail else limits.warn)})",
        freshness_cause(health, failed),
        since=health.observed_at,
        window=health.window or None,
        hint="; ".join(what_helps(health)) or None,
        **said_by(failed),
    )


def is_later(failed: FailedRun, health: Health) -> bool:
    """Whether a run failed for a window later than the newest that was observed."""
    return failed.window is not None and failed.window > health.window


def newest_of(failures: Iterable[FailedRun]) -> FailedRun | None:
    return max(failures, key=lambda failed: failed.failed_at, default=None)


def said_by(failed: FailedRun | None) -> dict[str, str]:
    if failed is None:
        return {}
    return {"run_id": failed.run_id, "beside": f"the last run said: {failed.message}"}


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
    """At most one: the newest observed window looks wrong as a whole, and no incident says why."""
    reason, first = health.suspect_reason, health.suspect_from or health.window
    if reason is None or is_told(health, before, SAME_EVENT.get(reason)):
        return
    yield health.alert(
        Kind.SUSPECT_WINDOW,
        f"window {health.window} is suspect ({reason}); availability alerts are held back",
        next((cause for phrase, cause in SUSPECT_CAUSES if phrase in reason), Cause.UNKNOWN),
        since=Window.parse(health.window).start,
        window=health.window,
        hint=f"if the change is real: storeavail trust {health.country} --from {first} --reason"
        ' "..."',
    )


def availability(health: Health, settings: Alerts, before: Mapping[str, Alert]) -> Iterator[Alert]:
    """One for the country, each city and each brand below the objective."""
    objective = settings.availability.objective
    for group, shares in health.availability.items():
        window, share = next(iter(shares.items()))
        alert = health.alert(
            Kind.AVAILABILITY,
            f"availability of {str(group) or 'the country'} is {share:.1%} (objective"
            f" {objective:.1%})",
            Cause.STORES_OFFLINE,
            scope=str(group),
            window=window,
            city=group.city,
            brand=group.brand,
        )
        yield from below(alert, shares, objective, settings, before)
    for alert in before.values():
        # where all of its stores are closed for the night it is not over; where an incident has
        # them all it is
        group = Group(alert.brand, alert.city)
        is_judged = group in health.availability or health.is_down(group)
        if alert.kind is Kind.AVAILABILITY and not is_judged and alert.window is not None:
            heard_at = Window.parse(alert.window).start
            yield from [alert] if health.now - heard_at < FORGOTTEN_AFTER else []


def below(
    alert: Alert, shares: Shares, limit: float, settings: Alerts, before: Mapping[str, Alert]
) -> Iterator[Alert]:
    """The alert, if a share is below its limit: after `after` windows in a row, until `resolve`
    windows in a row are at or above it.
    """
    rule = settings.availability
    bad = list(takewhile(lambda window: shares[window] < limit, shares))
    good = list(takewhile(lambda window: shares[window] >= limit, shares))
    if alert.key in before:
        yield from (
            [replace(alert, since=before[alert.key].since)] if len(good) < rule.resolve else []
        )
    elif len(bad) >= rule.after:
        yield replace(alert, since=Window.parse(bad[-1]).start)


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
    yield health.alert(
        Kind.GAP,
        f"{which} never observed: lost, recorded as a gap, and no command brings it back",
        Cause.DAEMON_NOT_RUNNING if failed is None else failed.cause,
        since=Window.parse(first).start,
        window=newest,
        size=count,
        **said_by(failed),
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
        first, *others = group
        newest = others[-1] if others else first
        of_what = f"run of window {newest.window}" if newest.window else f"run of job {newest.job}"
        more = f" ({len(others)} more failed for the same likely cause)" if others else ""
        yield Alert(
            Kind.RUN_FAILED,
            country,
            f"the {of_what} failed: {newest.message}{more}",
            first.failed_at,
            cause,
            scope=cause,
            window=newest.window,
            run_id=newest.run_id,
        )


def checks(health: Health, settings: Alerts, before: Mapping[str, Alert]) -> Iterator[Alert]:
    """At most one: checks that failed on the newest complete window."""
    failed = [
        neutralised(str(check))
        for check in health.failed_checks
        if (check.table, check.check) not in TOLD_OTHERWISE
    ]
    if failed:
        what = f"a check failed: {some(failed)}"
        yield health.alert(Kind.CHECK_FAILED, what, Cause.UNKNOWN, size=len(failed))


def coverage(health: Health, settings: Alerts, before: Mapping[str, Alert]) -> Iterator[Alert]:
    """At most one: of too many stores nothing is known, though both sources were read."""
    if not health.coverage or is_told(health, before, Kind.UNKNOWN_INCIDENT):
        return
    window, share = next(iter(health.coverage.items()))
    alert = health.alert(
        Kind.COVERAGE_LOW,
        f"coverage is {share:.1%} (limit {settings.coverage:.1%}): of the other stores that should"
        " be open nothing is known",
        problem_cause(health.newest),
        window=window,
    )
    yield from below(alert, health.coverage, settings.coverage, settings, before)


def problem_rows(health: Health, settings: Alerts, before: Mapping[str, Alert]) -> Iterator[Alert]:
    """At most one: many rows of the newest observed window are wrong."""
    if health.newest is None or not (count := health.newest.figures.rows_with_problem):
        return
    figures = health.newest.figures
    known = (figures.listed or 0) + (figures.active_stores or 0)
    if count >= settings.problem_rows * known:
        yield health.alert(
            Kind.PROBLEM_ROWS,
            f"{count:,} rows have problems: {figures.stores_with_problem:,} stores,"
            f" {figures.hours_with_problem:,} of hours, {figures.documents_with_problem:,}"
            " documents; their stores are unknown",
            problem_cause(health.newest),
            window=health.window,
            size=count,
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
    """One a brand: stores that are off for long without an incident; those that are watched, sooner
    and by themselves.
    """
    limits = (settings.store_offline_after, settings.availability.after * WINDOW_LENGTH)
    off: dict[tuple[str | None, bool], list[StoreOff]] = {}
    for store in health.stores_off:
        is_watched = store.store_id in settings.watch_stores
        is_long = timedelta(minutes=store.missed_minutes_total) >= limits[is_watched]
        is_down = health.is_down(Group(store.brand, store.city))
        if (is_long or store.is_started_before) and not is_down:
            off.setdefault((store.brand, is_watched), []).append(store)
    for (brand, is_watched), stores in off.items():
        stores.sort(key=lambda store: (store.started_at, store.store_id))
        noun = ("watched " if is_watched else "") + ("store" if len(stores) == 1 else "stores")
        group = str(Group(brand)) or "no brand"
        yield health.alert(
            Kind.STORES_OFFLINE,
            f"{len(stores):,} {noun} of {group} off for {format_duration(limits[is_watched])} of"
            f" opening hours or longer: {some([str(store) for store in stores])}",
            Cause.STORES_OFFLINE,
            since=stores[0].started_at,
            scope=f"{group}, watched" if is_watched else group,
            brand=brand,
            size=len(stores),
        )


def some(names: Sequence[str]) -> str:
    """Some of several names, and how many more."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


CONDITIONS = (
    incidents,
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
