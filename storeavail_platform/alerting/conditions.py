"""Which alerts are true of a country: a list of conditions, one a kind, those about stores in
`store_conditions.py`. Pure: health and settings in, alerts out; how a country is, is found out by
`health.py`.

Suspect windows and gaps are no evidence of availability: they neither raise an alert nor end one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from storeavail_platform.alerting import store_conditions as stores
from storeavail_platform.alerting.alerts import Alert
from storeavail_platform.alerting.failed_runs import FailedRun
from storeavail_platform.alerting.health import Health
from storeavail_platform.config import Alerts, format_duration
from storeavail_platform.domain.alert_kinds import Cause, Kind
from storeavail_platform.domain.text import neutralised
from storeavail_platform.domain.windows import Window
from storeavail_platform.reading.status import age_text

SUSPECT_CAUSES = (
    ("index is stale", Cause.INDEXER_FROZEN),
    ("half of the missing contradicted", Cause.INDEXER_FROZEN),
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
SAME_EVENT = {"missing share rose": Kind.INCIDENT, "rogue share rose": Kind.ROGUE_INCIDENT}
"""Incidents by the reason of a suspect window that says no more than they do."""
TOLD_OTHERWISE = {
    (table, "quality") for table in ("stores", "store_hours", "online_index", "window_quality")
}
"""Checks that are conditions of their own: rows with problems, a suspect window."""


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
    """Why no newer window is complete: by the failed run; else by how far the next one got."""
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
    if reason is None or stores.is_told(health, before, SAME_EVENT.get(reason)):
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
        yield health.alert(
            Kind.CHECK_FAILED,
            f"a check failed: {stores.some(failed)}",
            Cause.UNKNOWN,
            size=len(failed),
            hint="the rows are published; see the check on the table's page in Dagster's UI",
        )


CONDITIONS = (
    stores.incidents,
    freshness,
    suspect,
    stores.availability,
    stores.coverage,
    stores.stores_offline,
    stores.problem_rows,
    checks,
    lost_windows,
    runs,
)
"""Each gives the alerts of its kind that are true."""
