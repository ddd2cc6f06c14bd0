"""How a country stands in a sentence or two: made here alone, so that whoever tells it (the page,
the overview) says the same.

    BR: 97.5 %. Galeto Dourado is down in all 12 cities since 23:15: 356 of 423 missing stores.
    Otherwise as usual.

Pure: facts in, text out. Names come from outside; who writes the text makes them harmless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from storeavail_platform.reading.incidents import Incident

NAMED = 2
"""Causes told one by one; the others are counted."""
MOST = 0.9
"""Share of a scope's known stores from which it is down, below which only a part of it is."""
WEAK_DAYS = 7
"""Local dates of past under which usual rates are weak."""
STATES = {
    "missing": "missing",
    "rogue": "online against their hours",
    "unknown": "not known",
}
"""What the stores of a cause of each kind are."""


@dataclass(frozen=True)
class Situation:
    """What a verdict is about.

    Attributes:
        timezone: IANA zone that times are told in.
        at: start of the newest complete window (UTC).
        availability: of that window, 0..1; None: nothing was expected, or nothing is known.
        expected: whether a store should have been open.
        missing: stores that are missing.
        suspect: why the window is suspect; None: it is not.
        causes: incidents that go on; None: they are not judged yet.
        cities: in how many cities a brand has stores that should be open.
    """

    country: str
    timezone: str
    at: datetime
    availability: float | None
    expected: bool
    missing: int
    suspect: str | None = None
    causes: Sequence[Incident] | None = None
    cities: Mapping[str, int] = field(default_factory=dict)


def verdict(situation: Situation) -> str:
    """The sentences, the gravest cause first."""
    if situation.availability is None:
        why = "nothing is known of it" if situation.expected else "no store should be open"
        return f"{situation.country}: {why}."
    said = [f"{situation.country}: {situation.availability:.1%}".replace("%", " %") + "."]
    if situation.suspect is not None:
        said.append(f"The window is suspect ({situation.suspect}): its figures may be wrong.")
    return " ".join([*said, *_why(situation)])


def cause_sentence(cause: Incident, situation: Situation) -> str:
    """One incident: who, since when, how many stores."""
    name = cause.scope_name[:1].upper() + cause.scope_name[1:]
    since = since_when(cause.started_at, situation.at, situation.timezone)
    share = cause.stores_now / cause.known_now if cause.known_now else 0.0
    if cause.kind != "missing" or cause.scope == "unexplained":
        state = STATES[cause.kind]
        of = f"{cause.stores_now:,} of {cause.known_now:,} stores are {state}"
        beyond = ", by no cause that could be named" if cause.scope == "unexplained" else ""
        return f"{name}: {of} since {since}{beyond}."
    if share < MOST:
        of = f"{cause.stores_now:,} of its {cause.known_now:,} stores"
        return f"{name} is down in part since {since}: {of}."
    total = f"{cause.stores_now:,} of {situation.missing:,} missing stores"
    return f"{name} is down{_where(cause, situation)} since {since}: {total}."


def since_when(moment: datetime, at: datetime, timezone: str) -> str:
    """A moment as it is told at another one: the time, with the day where that is another."""
    zone = ZoneInfo(timezone)
    local, now = moment.astimezone(zone), at.astimezone(zone)
    days = (now.date() - local.date()).days
    if days == 0:
        return f"{local:%H:%M}"
    return f"{local:%a %H:%M}" if days < WEAK_DAYS else f"{local:%-d %b %H:%M}"


def by_gravity(causes: Sequence[Incident]) -> list[Incident]:
    """Missing stores first, the most stores first, what could not be explained last."""
    kinds = list(STATES)
    return sorted(
        causes,
        key=lambda each: (kinds.index(each.kind), each.scope == "unexplained", -each.stores_now),
    )


def _why(situation: Situation) -> list[str]:
    if not situation.causes:
        return [_without_causes(situation)]
    causes = by_gravity(situation.causes)
    said = [cause_sentence(cause, situation) for cause in causes[:NAMED]]
    more = len(causes) - NAMED
    return [*said, f"And {more} more." if more > 0 else "Otherwise as usual."]


def _without_causes(situation: Situation) -> str:
    if not situation.missing:
        return "No store is missing."
    missing = f"{situation.missing:,} stores are missing"
    if situation.missing == 1:
        missing = "1 store is missing"
    if situation.causes is None:
        return f"{missing}; causes are not judged yet."
    return f"{missing}, as usual."


def _where(cause: Incident, situation: Situation) -> str:
    if cause.scope != "brand" or cause.only_in is not None:
        return ""
    cities = situation.cities.get(cause.brand or "", 0)
    return f" in all {cities} cities" if cities > 1 else ""
