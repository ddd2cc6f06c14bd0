"""What a page shows of incidents, and the verdict that is made of them.

The sentences are `reading/verdict.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from storeavail_platform.dashboard.figures import Scope
from storeavail_platform.domain.alert_kinds import Kind
from storeavail_platform.domain.tables.causes import WINDOW_CAUSES
from storeavail_platform.domain.text import neutralised
from storeavail_platform.domain.windows import WINDOW_LENGTH
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.incidents import GOING_ON, Incident, incidents_since
from storeavail_platform.reading.silences import Silence
from storeavail_platform.reading.verdict import Situation, by_gravity, cause_sentence, verdict
from storeavail_platform.warehouse.iceberg import rows_of


def read_incidents(runtime: Runtime, scope: Scope) -> list[Incident] | None:
    """A country's incidents of the last dates, oldest first; None: causes are not judged yet.

    Raises:
        TableDamaged, WarehouseMoved: the table cannot be read.
    """
    if not _is_judged(runtime, scope):
        return None
    return incidents_since(runtime.warehouse, scope.country, scope.today - GOING_ON)


def _is_judged(runtime: Runtime, scope: Scope) -> bool:
    """Whether the newest window has rows of causes: each judged one has."""
    table = runtime.warehouse.load(scope.country, WINDOW_CAUSES.name)
    return table is not None and table.scan(row_filter=rows_of(scope.window)).count() > 0


def judged(
    figures: Mapping[str, Any],
    scope: Scope,
    cities: Mapping[str, int],
    incidents: Sequence[Incident] | None,
    silences: Sequence[Silence] = (),
) -> dict[str, Any]:
    """The keys `verdict`, `causes` and `held_back` of a summary whose other figures are made.

    Args:
        cities: in how many cities each brand has stores that should be open.
        incidents: None: causes are not judged yet, and `causes` is None.
        silences: what holds; each cause has those that are about it, `held_back` all of them.
    """
    going_on = None if incidents is None else [each for each in incidents if each.is_ongoing]
    now = figures["periods"]["now"]
    situation = Situation(
        country=figures.get("brand") or scope.country,
        timezone=scope.timezone,
        at=scope.window.start,
        availability=now["availability"],
        expected=now["expected_minutes"] > 0,
        missing=figures["stores"]["missing"],
        suspect=figures["suspect"],
        causes=going_on,
        cities=cities,
    )
    names = {_alert(each): each.scope_name for each in going_on or ()}
    texts = {silence: _held(silence, scope, names) for silence in silences}
    causes = None
    if going_on is not None:
        causes = [
            {
                **_shown(cause, situation),
                "held": [text for silence, text in texts.items() if _is_about(silence, cause)],
            }
            for cause in by_gravity(going_on)
        ]
    return {"verdict": verdict(situation), "causes": causes, "held_back": [*texts.values()]}


def _held(silence: Silence, scope: Scope, names: Mapping[str, str]) -> str:
    """What is held back, by whom, why and until when, on the country's clock.

    Args:
        names: whom an incident's alert is about, by its key.
    """
    incident = names.get(silence.alert or "")
    about = [f"{name} {value}" for name, value in silence.scope.items()]
    if incident is not None:
        about = [incident]
    of = f" ({neutralised(', '.join(about))})" if about else ""
    until = silence.until.astimezone(ZoneInfo(scope.timezone))
    return f"{silence.word}{of} by {silence.who}: {silence.reason}; until {until:%a %H:%M}"


def _is_about(silence: Silence, cause: Incident) -> bool:
    own = {"city": cause.city, "brand": cause.brand, "alert": _alert(cause)}
    return bool(silence.scope) and silence.is_about(**own)


def _alert(cause: Incident) -> str:
    """Key of the alert that tells of an incident."""
    return f"{cause.country}/{Kind.INCIDENT}/{cause.incident_id}"


def recent(incidents: Sequence[Incident] | None, scope: Scope) -> list[list[Any]]:
    """Incidents of missing stores that have a recent window: number of the first window (negative:
    before) and of the first one without it (None: it goes on), whom it is about.
    """
    first = scope.first_recent.start
    return [
        [
            (each.started_at - first) // WINDOW_LENGTH,
            None if each.ended_at is None else (each.ended_at - first) // WINDOW_LENGTH,
            each.scope_name,
        ]
        for each in incidents or ()
        if each.kind == "missing" and (each.ended_at is None or each.ended_at > first)
    ]


def _shown(cause: Incident, situation: Situation) -> dict[str, Any]:
    return {
        "incident_id": cause.incident_id,
        "kind": cause.kind,
        "scope": cause.scope,
        "city": cause.city,
        "brand": cause.brand,
        "name": cause.scope_name,
        "sentence": cause_sentence(cause, situation),
        "since": cause.started_at,
        "stores": cause.stores_now,
        "known": cause.known_now,
        "usual": cause.usual,
        "share_explained": cause.share_explained,
        "past_days": cause.past_days,
        "missed_minutes": cause.missed_minutes,
    }
