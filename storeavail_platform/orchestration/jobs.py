"""The jobs of a country, their tags and run configuration.

Schedules, commands and the UI use them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from storeavail_platform.domain.tables.daily import DAILY_TABLES
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import Window, partition_key
from storeavail_platform.orchestration import describe
from storeavail_platform.orchestration.assets.gaps import record_gaps
from storeavail_platform.orchestration.assets.window import WINDOW_STEP
from storeavail_platform.orchestration.runs import COUNTRY_TAG, WINDOW_TAG

WINDOW_JOB = "window"
DATE_JOB = "local_dates"
GAPS_JOB = "gaps"
LONGEST_RUN = timedelta(minutes=30)
"""A run that takes longer is stuck: run monitoring ends it, and with it its hold on the country's
place in the queue."""
MAX_RUNTIME = {"dagster/max_runtime": str(int(LONGEST_RUN.total_seconds()))}
LIVE_PRIORITY = 10
"""Priority of the window in progress in the run queue: above windows that are made up for."""
CATCH_UP_PRIORITY = 0


def window_job(tables: Sequence[Table]) -> Any:
    """Observe, then compute and commit every table: two steps in one process."""
    names = (describe.OBSERVATION, *(table.name for table in tables))
    return dg.define_asset_job(
        WINDOW_JOB,
        selection=dg.AssetSelection.assets(*names),
        description=(
            "One country's window: observe both sources, then compute, check and commit every"
            " table."
        ),
        executor_def=dg.in_process_executor,
        tags=MAX_RUNTIME,
    )


def date_job() -> Any:
    """Roll up a country's local date again.

    Windows do it in their own runs; this is for people, and for steps on a cluster.
    """
    return dg.define_asset_job(
        DATE_JOB,
        selection=dg.AssetSelection.assets(*(table.name for table in DAILY_TABLES)),
        description="One country's local date, rolled up again from the committed facts.",
        executor_def=dg.in_process_executor,
        tags=MAX_RUNTIME,
    )


def priority_tag(priority: int) -> dict[str, str]:
    """The tag by which the run queue orders runs."""
    return {"dagster/priority": str(priority)}


def country_tags(country: str, priority: int) -> dict[str, str]:
    """The tags of a country's run that is of no partition."""
    return {COUNTRY_TAG: country, **priority_tag(priority)}


def window_run_config(
    *, until_deadline: bool, record_gap: bool = False, reread: bool = False, follow_up: bool = True
) -> dict[str, Any]:
    """Run configuration of the window job; what it means is said at the asset `observation`, and
    in `assets/follow_up.py`.
    """
    observation = {"until_deadline": until_deadline, "record_gap": record_gap, "reread": reread}
    # what is not said has its default, and a release before knows less
    said = {name: value for name, value in observation.items() if value or name == "until_deadline"}
    ops: dict[str, Any] = {describe.OBSERVATION: {"config": said}}
    if not follow_up:
        ops[WINDOW_STEP] = {"config": {"follow_up": False}}
    return {"ops": ops}


def window_tags(country: str, window: Window, *, priority: int = LIVE_PRIORITY) -> dict[str, str]:
    """All tags of a window's run.

    On runs of a partition Dagster itself sets those of the partition.
    """
    return {
        **country_tags(country, priority),
        "dagster/partition": partition_key(country, window),
        WINDOW_TAG: window.key,
    }


@dg.job(
    name=GAPS_JOB,
    description=(
        "Record windows of a country that were never observed, many in one run: every store"
        " unknown/not_observed."
    ),
    executor_def=dg.in_process_executor,
    tags=MAX_RUNTIME,
)
def gaps_job() -> None:
    """One op: a gap needs no asset of its own, it materialises those of its windows."""
    record_gaps()
