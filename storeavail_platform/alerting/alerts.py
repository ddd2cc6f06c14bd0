"""What an alert is: its kinds, likely causes and parts. No rules about when one is true
(`evaluate.py`), no sending (`notify.py`).

Both lists are closed. `docs/operations.md` has a section for every kind and every cause, and an
alert names the section to read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

RUNBOOK = "docs/operations.md"


class Kind(StrEnum):
    """What is wrong."""

    FRESHNESS_WARN = "freshness_warn"
    FRESHNESS_FAIL = "freshness_fail"
    RUN_FAILED = "run_failed"
    AVAILABILITY = "availability"
    SUSPECT_WINDOW = "suspect_window"
    GAP = "gap"
    DISK_LOW = "disk_low"
    DISK_FULL = "disk_full"
    HOME_LOST = "home_lost"
    ALERTS_BLIND = "alerts_blind"


class Cause(StrEnum):
    """Why it is likely to be so. The value is a heading of the runbook."""

    SOURCE_UNREACHABLE = "source unreachable"
    SOURCE_REFUSED = "source refused"
    NOTHING_USABLE = "nothing usable"
    OBSERVATION_TOO_LATE = "observation too late"
    CLOCK_WRONG = "clock wrong"
    INDEX_INCOMPLETE = "index incomplete"
    STORES_INCOMPLETE = "stores incomplete"
    HOURS_INCOMPLETE = "opening hours incomplete"
    INDEXER_FROZEN = "indexer frozen"
    STORES_OFFLINE = "stores really offline"
    CATALOG_UNREACHABLE = "catalog unreachable"
    CATALOG_LOST = "catalog lost or behind"
    TABLE_DAMAGED = "table damaged"
    STORAGE_UNREACHABLE = "storage unreachable"
    DISK_FULL = "disk full"
    DISK_FILLING = "disk filling up"
    COMMIT_CONFLICT = "commit conflict"
    CLUSTER_LOST = "cluster lost"
    STEP_FAILED = "cluster step failed"
    TABLE_CONTRACT_BROKEN = "table contract broken"
    LANDING_DAMAGED = "landing damaged"
    CONFIGURATION_WRONG = "configuration wrong"
    STATE_DAMAGED = "state damaged"
    RUN_LOST = "run lost"
    RUN_WAITING = "run waiting"
    DAEMON_NOT_RUNNING = "daemon not running"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> Cause | None:
        # a state or note of a later release may have one that is not known here
        return cls.UNKNOWN if isinstance(value, str) else None


class Severity(StrEnum):
    """A warning can wait for the morning, an error cannot."""

    WARNING = "warning"
    ERROR = "error"


SEVERITIES = {
    Kind.FRESHNESS_WARN: Severity.WARNING,
    Kind.FRESHNESS_FAIL: Severity.ERROR,
    Kind.RUN_FAILED: Severity.WARNING,
    Kind.AVAILABILITY: Severity.ERROR,
    Kind.SUSPECT_WINDOW: Severity.WARNING,
    Kind.GAP: Severity.WARNING,
    Kind.DISK_LOW: Severity.WARNING,
    Kind.DISK_FULL: Severity.ERROR,
    Kind.HOME_LOST: Severity.ERROR,
    Kind.ALERTS_BLIND: Severity.ERROR,
}
WARNED_BY = {Kind.FRESHNESS_FAIL: Kind.FRESHNESS_WARN, Kind.DISK_FULL: Kind.DISK_LOW}
"""By an alert's kind that of the warning before it."""


def anchor(heading: str) -> str:
    """The anchor that Markdown makes of a heading."""
    return heading.lower().replace("'", "").replace(" ", "-")


@dataclass(frozen=True)
class Alert:
    """Something that is true of a country now.

    Attributes:
        country: code, or `platform` for runs that belong to none.
        scope: what of the country, where a kind can hold several times: `city Recife`, a cause;
            empty for the country as a whole.
        window: key of the window that shows it, or None.
        what: one sentence for people.
        since: when it began (UTC).
        cause: the likely cause.
        run_id: the run that shows it, or None.
        hint: what can still be done, or holds it up; None: nothing is known.
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

    @property
    def key(self) -> str:
        """What makes two alerts the same one."""
        return f"{self.country}/{self.kind}/{self.scope}"

    @property
    def supersedes(self) -> str | None:
        """Key of the alert that this one replaces: nobody is told that a warning is over
        because it got worse.
        """
        milder = WARNED_BY.get(self.kind)
        return None if milder is None else f"{self.country}/{milder}/{self.scope}"

    @property
    def severity(self) -> Severity:
        return SEVERITIES[self.kind]

    @property
    def section(self) -> str:
        """Where the runbook says what to do."""
        return f"{RUNBOOK}#{anchor(self.kind)}"

    @property
    def cause_section(self) -> str:
        return f"{RUNBOOK}#{anchor(self.cause)}"

    def run_url(self, dagster_url: str | None) -> str | None:
        """The run's page, where there is a run and `dagster_url` is configured."""
        return (
            f"{dagster_url.rstrip('/')}/runs/{self.run_id}" if dagster_url and self.run_id else None
        )
