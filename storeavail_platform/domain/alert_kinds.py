"""The kinds of alerts. When one is true says `alerting/conditions.py`; who is told of which, the
configuration.
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
