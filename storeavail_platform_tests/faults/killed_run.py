"""A country's process at a shifted time that kills itself: `python -m ...killed_run POINT PATH
REQUEST` (`killed.py` says how).

$SHIFTED_SECONDS says by how much its clock differs.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta

import dagster as dg

from storeavail_platform.config import load_platform
from storeavail_platform.orchestration import execute
from storeavail_platform.orchestration.build import build_definitions
from storeavail_platform.orchestration.jobs import WINDOW_JOB
from storeavail_platform_tests.end_to_end import killed
from storeavail_testing.clock import SetClock

SHIFT = "SHIFTED_SECONDS"


def shifted_window_job() -> dg.JobDefinition:
    """The window job of the configuration in the environment, at the shifted time."""
    clock = SetClock(timedelta(seconds=float(os.environ[SHIFT])))
    return build_definitions(load_platform(), clock=clock).resolve_job_def(WINDOW_JOB)


if __name__ == "__main__":
    # by the module's name: Dagster finds the job again by it
    from storeavail_platform_tests.faults.killed_run import shifted_window_job as job

    killed.install(sys.argv[1], sys.argv[2])
    execute.main(sys.argv[3], job)
