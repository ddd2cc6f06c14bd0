"""Dagster's daemon on the home of the environment: `python -m
storeavail_platform.orchestration.up.daemon WORKSPACE`.

It hands the home as this platform opens it (`home_storage.py`) to the runs, schedules and sensors
that it has the code server look at.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dagster._daemon.cli import run_command
from dagster._serdes import serialize_value

from storeavail_platform.config import DAGSTER_HOME_VARIABLE
from storeavail_platform.domain.library_warnings import ignore_library_warnings
from storeavail_platform.orchestration.home_storage import home_ref

if __name__ == "__main__":
    ignore_library_warnings()
    home = serialize_value(home_ref(Path(os.environ[DAGSTER_HOME_VARIABLE])))
    run_command(["--instance-ref", home, "-w", sys.argv[1]])
