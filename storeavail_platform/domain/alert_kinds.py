"""The kinds of alerts and their likely causes: two closed lists. When one is true says
`alerting/conditions.py`; who is told of which, the configuration.
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What is wrong; what comes first here comes first in a message."""

    INCIDENT = "incident"
    FRESHNESS_FAIL = "freshness_fail"
    ALERTS_BLIND = "alerts_blind"
    DISK_FULL = "disk_full"
    HOME_LOST = "home_lost"
    AVAILABILITY = "availability"
    GAP = "gap"
    FRESHNESS_WARN = "freshness_warn"
    SUSPECT_WINDOW = "suspect_window"
    RUN_FAILED = "run_failed"
    CHECK_FAILED = "check_failed"
    COVERAGE_LOW = "coverage_low"
    ROGUE_INCIDENT = "rogue_incident"
    UNKNOWN_INCIDENT = "unknown_incident"
    STORES_OFFLINE = "stores_offline"
    PROBLEM_ROWS = "problem_rows"
    DISK_LOW = "disk_low"


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
