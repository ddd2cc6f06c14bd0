"""The one job of a window, its tags and its run configuration. Every way to run a window (schedule, command, UI) uses it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from storeavail_platform.assets import observation
from storeavail_platform.assets.partitions import COUNTRY, WINDOW
from storeavail_platform.tables.table import Table
from storeavail_platform.windows import Window

WINDOW_JOB = "window"
LONGEST_RUN = timedelta(minutes=30)
"""A run that takes longer is stuck: run monitoring ends it, and with it its hold on the country's place in the queue."""
LIVE_PRIORITY = 10
"""Priority of the window in progress in the run queue: above windows that are made up for."""


def window_job(tables: Sequence[Table]) -> Any:
    """Observe, then compute and commit every table: two steps in one process."""
    return dg.define_asset_job(
        WINDOW_JOB,
        selection=dg.AssetSelection.assets(observation.KEY, *(table.name for table in tables)),
        description="One country's window: observe both sources, then compute, check and commit every table.",
        executor_def=dg.in_process_executor,
        tags={"dagster/max_runtime": str(int(LONGEST_RUN.total_seconds()))},
    )


def window_tags(country: str, window: Window, *, priority: int = LIVE_PRIORITY) -> dict[str, str]:
    """The tags by which runs of a window are found, limited and ordered."""
    return {COUNTRY: country, WINDOW: window.key, "dagster/priority": str(priority)}


def window_run_config(*, until_deadline: bool) -> dict[str, Any]:
    """Run configuration of the job."""
    return {"ops": {"observation": {"config": {"until_deadline": until_deadline}}}}
