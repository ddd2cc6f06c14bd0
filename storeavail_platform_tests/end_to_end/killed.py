"""A country's process that kills itself at a point: `python -m
storeavail_platform_tests.end_to_end.killed POINT PATH REQUEST`.

POINT is `before` or `after`; PATH is part of a file's path. Just before, or just after, the
platform makes that file, the process gets SIGKILL.
$SHIFTED_SECONDS says by how much its clock differs from this machine's.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from functools import cache
from typing import cast

import dagster as dg

from storeavail_platform.config import load_platform
from storeavail_platform.orchestration import execute
from storeavail_platform.orchestration.build import build_definitions
from storeavail_platform.orchestration.jobs import WINDOW_JOB
from storeavail_testing.clock import SetClock
from storeavail_testing.storage import WRITING, WatchedStorage, When, at, die

SHIFT = "SHIFTED_SECONDS"


def deadly_window_job() -> dg.JobDefinition:
    """The window job of the configuration in the environment, on a storage that kills."""
    return built()


@cache
def built() -> dg.JobDefinition:
    """One for this process, which dies once: Dagster asks for the job several times."""
    platform = load_platform()
    when, path = cast(When, sys.argv[1]), sys.argv[2]
    storage = WatchedStorage(platform.warehouse, at(when, WRITING, path, die))
    clock = SetClock(timedelta(seconds=float(os.environ.get(SHIFT, "0"))))
    definitions = build_definitions(platform, clock=clock, storage=storage)
    return definitions.resolve_job_def(WINDOW_JOB)


if __name__ == "__main__":
    # by the module's name: Dagster finds the job again by it
    from storeavail_platform_tests.end_to_end.killed import deadly_window_job as job

    execute.main(sys.argv[3], job)
