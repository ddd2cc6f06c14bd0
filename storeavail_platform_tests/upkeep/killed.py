"""`python -m storeavail_platform_tests.upkeep.killed FOLDER POINT TIME`: upkeep of BR in a
process that kills itself at a point.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from storeavail_platform.config import load_text
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.upkeep import maintain
from storeavail_platform.warehouse.pointers import POINTER
from storeavail_platform_tests.upkeep.conftest import CONFIG
from storeavail_testing.storage import Step, WatchedStorage, at, die

POINTS: dict[str, Callable[[Step], None]] = {
    "file written": at("after", ("open_output",), "/compacted-", die),
    # four days are committed, then what is expired; the pointer follows each time
    "committed": at("before", ("replace",), POINTER, die),
    "second day": at("after", ("replace",), POINTER, die, time=2),
    "expired": at("before", ("replace",), POINTER, die, time=5),
    "removing files": at("after", ("delete",), "/data/", die, time=3),
    # its manifest is gone, its files are there
    "removing a reading": at("before", ("delete_tree",), "landing/", die),
}


def main(folder: str, point: str, now: str) -> None:
    platform = load_text(CONFIG, base=Path(folder), origin="test.yaml")
    storage = WatchedStorage(platform.warehouse, POINTS[point])
    list(maintain(build_runtime(platform, storage=storage), "BR", datetime.fromisoformat(now)))


if __name__ == "__main__":
    main(*sys.argv[1:])
