"""What a page shows of the incidents that go on, and the verdict that is made of them.

The sentences are `reading/verdict.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from storeavail_platform.dashboard.figures import Scope
from storeavail_platform.reading.verdict import (
    Cause,
    Situation,
    by_gravity,
    cause_sentence,
    verdict,
)


class GoingOn(Cause, Protocol):
    """What a page takes of an incident: columns of `incidents`."""

    @property
    def incident_id(self) -> str: ...
    @property
    def city(self) -> str | None: ...
    @property
    def missed_minutes(self) -> int: ...
    @property
    def usual(self) -> float: ...
    @property
    def share_explained(self) -> float | None: ...
    @property
    def past_days(self) -> int: ...


def judged(
    figures: Mapping[str, Any],
    scope: Scope,
    cities: Mapping[str, int],
    going_on: Sequence[GoingOn] | None,
) -> dict[str, Any]:
    """The keys `verdict` and `causes` of a summary whose other figures are made.

    Args:
        cities: in how many cities each brand has stores that should be open.
        going_on: the incidents; None: causes are not judged yet, and `causes` is None.
    """
    now = figures["periods"]["now"]
    situation = Situation(
        country=scope.country,
        timezone=scope.timezone,
        at=scope.window.start,
        availability=now["availability"],
        expected=now["expected_minutes"] > 0,
        missing=figures["stores"]["missing"],
        suspect=figures["suspect"],
        causes=going_on,
        cities=cities,
    )
    causes = None
    if going_on is not None:
        causes = [_shown(cause, situation) for cause in by_gravity(going_on)]
    return {"verdict": verdict(situation), "causes": causes}


def _shown(cause: GoingOn, situation: Situation) -> dict[str, Any]:
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
