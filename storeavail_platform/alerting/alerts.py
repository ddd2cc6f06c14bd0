"""What an alert is. No rules about when one is true (`conditions.py`), no sending (`notify.py`).

`docs/operations.md` has a section for every kind and every cause: an alert names the two to read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from storeavail_platform.domain.alert_kinds import Cause, Kind
from storeavail_platform.reading.recent import Group


class Severity(StrEnum):
    """A warning can wait for the morning, an error cannot."""

    WARNING = "warning"
    ERROR = "error"


ERRORS = frozenset({
    Kind.INCIDENT, Kind.FRESHNESS_FAIL, Kind.ALERTS_BLIND, Kind.DISK_FULL, Kind.HOME_LOST,
    Kind.AVAILABILITY,
})  # fmt: skip
"""Kinds that cannot wait for the morning."""
DAILY = frozenset({Kind.GAP, Kind.CHECK_FAILED, Kind.STORES_OFFLINE, Kind.PROBLEM_ROWS})
"""Kinds that nobody has to be reminded of more than once a day."""
ENDLESS = frozenset({Kind.GAP, Kind.STORES_OFFLINE})
"""Kinds whose end is no news: what is lost stays lost, and the next day's list is shorter."""
MILDER = {
    Kind.FRESHNESS_FAIL: {Kind.FRESHNESS_WARN, Kind.RUN_FAILED},
    Kind.FRESHNESS_WARN: {Kind.RUN_FAILED},
    Kind.GAP: {Kind.RUN_FAILED},
    Kind.DISK_FULL: {Kind.DISK_LOW},
}
"""By an alert's kind those that tell less of the same event."""


@dataclass(frozen=True)
class Alert:
    """Something that is true of a country now.

    Attributes:
        country: code, or `platform` for what belongs to none.
        scope: what of the country, where a kind can hold several times: `city Recife`, a cause, an
            incident's id; empty for the country as a whole.
        window: key of the window that shows it, or None.
        what: one sentence for people.
        since: when it began (UTC).
        cause: the likely cause.
        run_id: the run that shows it, or None.
        hint: what is likely to be done next, or holds it up; None: nothing is known.
        city, brand: whose stores it is about, as they are called in the tables; None: of all.
        size: how many stores, rows or windows; it is told again when this doubles. 0: not counted.
        beside: figures that help to judge it, or None.
    """

    kind: Kind
    country: str
    what: str
    since: datetime
    cause: Cause
    scope: str = ""
    window: str | None = None
    run_id: str | None = None
    hint: str | None = None
    city: str | None = None
    brand: str | None = None
    size: int = 0
    beside: str | None = None

    @property
    def key(self) -> str:
        """What makes two alerts the same one."""
        return f"{self.country}/{self.kind}/{self.scope}"

    @property
    def severity(self) -> Severity:
        return Severity.ERROR if self.kind in ERRORS else Severity.WARNING

    def replaces(self, other: Alert) -> bool:
        """Whether nobody is told that the other one is over, because this one tells more of the
        same: a warning got worse, or there is an incident among stores below the objective.
        """
        if other.kind is Kind.AVAILABILITY and self.kind is Kind.INCIDENT:
            own, others = Group(self.brand, self.city), Group(other.brand, other.city)
            return own.overlaps(others)
        is_same = other.scope in (self.scope, self.cause)
        return is_same and other.kind in MILDER.get(self.kind, ())
