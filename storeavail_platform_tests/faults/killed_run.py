"""A country's process at a shifted time that kills itself: `python -m ...killed_run OFFSET_SECONDS POINT PATH REQUEST` (`killed.py` says how)."""

from __future__ import annotations

import sys
from datetime import timedelta

from storeavail_platform.orchestration import execute
from storeavail_platform_tests.end_to_end import killed
from storeavail_platform_tests.faults.clock import Clock

if __name__ == "__main__":
    clock = Clock()
    clock.offset = timedelta(seconds=float(sys.argv[1]))
    clock.install()
    killed.install(sys.argv[2], sys.argv[3])
    execute.main(sys.argv[4])
