"""`python -m storeavail_platform_tests.upkeep.killed FOLDER POINT TIME`: upkeep of BR in a
process that kills itself at a point.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from storeavail_platform.config import load_text
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform.upkeep import compaction, maintain, orphans
from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform_tests.upkeep.conftest import CONFIG


def killing(real: Callable[..., Any], call: int, *, before: bool) -> Callable[..., Any]:
    """The function, with a SIGKILL before or after its n-th call."""
    calls = itertools.count(1)

    def called(*args: Any, **kwargs: Any) -> Any:
        # files are removed by several threads
        number = next(calls)
        if before and number == call:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*args, **kwargs)
        if number == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return called


def arm(point: str) -> None:
    if point == "file written":
        compaction._rewritten = killing(compaction._rewritten, 1, before=False)
    elif point == "committed":
        Warehouse._follow = killing(Warehouse._follow, 1, before=True)  # type: ignore[method-assign]
    elif point == "second day":
        Warehouse._follow = killing(Warehouse._follow, 2, before=False)  # type: ignore[method-assign]
    elif point == "expired":
        Warehouse._follow = killing(Warehouse._follow, 3, before=True)  # type: ignore[method-assign]
    elif point == "removing files":
        orphans._remove = killing(orphans._remove, 3, before=False)
    elif point == "removing a reading":
        # its manifest is gone, its files are there
        LocalStorage.delete_tree = killing(LocalStorage.delete_tree, 1, before=True)  # type: ignore[method-assign]
    else:
        raise ValueError(point)


def main(folder: str, point: str, now: str) -> None:
    runtime = build_runtime(load_text(CONFIG, base=Path(folder), origin="test.yaml"))
    arm(point)
    list(maintain(runtime, "BR", datetime.fromisoformat(now)))


if __name__ == "__main__":
    main(*sys.argv[1:])
