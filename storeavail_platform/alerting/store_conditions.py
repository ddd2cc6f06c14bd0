"""Conditions about stores: what is down, and what is not well known. Pure, as `conditions.py`,
which has the list of all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import takewhile

from storeavail_platform.alerting.alerts import Alert
from storeavail_platform.alerting.health import Health
from storeavail_platform.config import Alerts, format_duration
from storeavail_platform.domain.alert_kinds import Cause, Kind
from storeavail_platform.domain.text import neutralised
from storeavail_platform.domain.windows import WINDOW_LENGTH, Window
from storeavail_platform.reading.recent import Group, Shares, StoreOff, is_explained
from storeavail_platform.warehouse.markers import Marker

FORGOTTEN_AFTER = timedelta(days=1)
"""An availability alert of which nothing was heard for so long (a city without stores) is over."""
SHOWN = 3  # stores and checks that are named in a sentence
WEAK_DAYS = 7  # of the past, under which what is usual is not well known
TELL = "tell those who run them; the page has the list of them"
CHECK = "`storeavail check` shows what is wrong, with examples; correct it in the source"
INCIDENTS = {
    "missing": (Kind.INCIDENT, Cause.STORES_OFFLINE, "off", TELL),
    "rogue": (
        Kind.ROGUE_INCIDENT,
        Cause.HOURS_INCOMPLETE,
        "online outside their hours",
        "compare their opening hours with those who run them",
    ),
    "unknown": (Kind.UNKNOWN_INCIDENT, Cause.UNKNOWN, "unknown", CHECK),
}
"""By an incident's kind: the alert's, the likely cause, what its stores are, the next step."""


def incidents(health: Health, settings: Alerts, before: Mapping[str, Alert]) -> Iterator[Alert]:
    """One each: far more stores than usual are missing, rogue or unknown."""
    country = health.country
    others = list(health.availability.get(Group(), {}).values())[:1]
    for incident in health.incidents:
        kind, cause, word, hint = INCIDENTS[incident.kind]
        share, days = incident.share_explained, incident.past_days
        figures = [f"usually {incident.usual:.0f}"]
        if share is not None:
            figures.append(f"{share:.0%} of what is more than usual in {country}")
        if others and is_explained(incident, Group()):
            figures.append(f"the others of {country} are at {others[0]:.1%}")
        if incident.kind == "missing" and health.confirmation is not None:
            figures.append(health.confirmation)
        if days < WEAK_DAYS:
            figures.append(
                f"what is usual is known from {days} days only" if days else "no past yet"
            )
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
            hint=hint,
            beside="; ".join(figures),
        )


def is_told(health: Health, before: Mapping[str, Alert], kind: Kind | None) -> bool:
    """Whether there is an incident of a kind, as far as is known."""
    return any(INCIDENTS[each.kind][0] is kind for each in health.incidents) or (
        kind in health.unknown and any(alert.kind is kind for alert in before.values())
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
            hint=TELL,
            beside=health.confirmation,
            **group._asdict(),
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
        hint="see for which reasons stores are unknown, by the query in the runbook",
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
            hint=CHECK,
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
        if (is_long or store.is_started_before) and not health.is_down(store.group):
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
            hint="tell those who run them; one that is closed for good becomes inactive",
        )


def some(names: Sequence[str]) -> str:
    """Some of several names, and how many more."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
