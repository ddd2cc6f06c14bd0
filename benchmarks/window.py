"""One window of the platform, step by step with a clock: observe, compute, commit, mark.

With and without Dagster.
"""

from __future__ import annotations

import os
import resource
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storeavail_platform.config import Platform
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.execute import execute
from storeavail_platform.orchestration.launch import Work
from storeavail_platform.pipeline.compute import Computed
from storeavail_platform.pipeline.events import Marked, TableCommitted
from storeavail_platform.pipeline.observe import Landed, Observing
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.pipeline.window import WindowRun, run_window
from storeavail_platform.reading.query import query

COUNTRY = "BR"
WARM_UP = 2
"""Windows whose time is not counted."""


@dataclass
class Clock:
    """Seconds by what they were spent on, in order."""

    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, what: str, seconds: float) -> None:
        self.seconds[what] = self.seconds.get(what, 0.0) + seconds

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


def timed_window(platform: Platform, window: Window) -> tuple[Clock, Mapping[str, int]]:
    """A window in this process, by the same generator as everywhere.

    Gives the clock and the stores by status.
    """
    runtime = build_runtime(platform)
    tables = frozenset(table.name for table in runtime.tables)
    run = WindowRun(COUNTRY, window, f"bench-{time.time_ns()}", tables, is_last=False)
    clock, at = Clock(), time.perf_counter()
    compute = 0.0
    for event in run_window(runtime, run, observing=Observing(platform.observation_grace)):
        now = time.perf_counter()
        match event:
            case Landed():
                clock.add("observe: index, stores, hours", now - at)
            case Computed():
                assert event.error is None, event.error
                clock.add(f"compute: {event.table.name}", event.seconds)
                compute += now - at
            case TableCommitted():
                clock.add("commit: all tables", now - at)
            case Marked():
                clock.add("mark", now - at)
        at = now
    # the next table is computed while one is committed: what was waited for counts
    inside = sum(seconds for name, seconds in clock.seconds.items() if name.startswith("compute: "))
    clock.add("compute: open the session, less what ran beside commits", compute - inside)
    rows = query(
        runtime,
        "SELECT status, COUNT(*) AS stores FROM store_availability "
        f"WHERE window_start = TIMESTAMPTZ '{window.start.isoformat()}' GROUP BY status",
    ).to_pylist()
    return clock, {row["status"]: row["stores"] for row in rows}


def peak_memory() -> float:
    """Peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def warm_windows(dump: str, count: int) -> dict[str, Any]:
    """Clocks of windows run one after another; the first ones warm up and are left out where
    there are enough.
    """
    platform = Platform.restore(dump)
    runs: list[Mapping[str, float]] = []
    counts: Mapping[str, int] = {}
    for _ in range(count):
        forget_landing(platform)
        clock, counts = timed_window(platform, Window.containing(datetime.now(UTC)))
        runs.append(clock.seconds)
    return {"runs": runs[WARM_UP:] or runs, "counts": dict(counts), "memory": peak_memory()}


def dagster_windows(dump: str, count: int) -> list[tuple[float, float]]:
    """Seconds of runs of the window in progress, through the same job and instance as `storeavail
    run`: until its tables are complete, and in all, with its local dates and pages. The first has
    Dagster's own start in it.
    """
    platform = Platform.restore(dump)
    os.environ["STOREAVAIL_CONFIG"] = platform.origin
    markers = build_runtime(platform).markers
    seconds = []
    for _ in range(count):
        forget_landing(platform)
        window, began = Window.containing(datetime.now(UTC)), datetime.now(UTC)
        (outcome,) = execute(platform, Work(COUNTRY, [window]))
        assert outcome.reason is None, outcome.reason
        marker = markers.read(COUNTRY, window)
        assert marker is not None
        seconds.append(((marker.completed_at - began).total_seconds(), outcome.seconds))
    return seconds


def forget_landing(platform: Platform) -> None:
    """Make the next window read its sources again, as a new window does."""
    shutil.rmtree(Path(platform.warehouse) / "landing", ignore_errors=True)
