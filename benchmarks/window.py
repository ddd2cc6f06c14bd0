"""One window of the platform, step by step with a clock: observe, compute, commit, mark. With and without Dagster."""

from __future__ import annotations

import os
import resource
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storeavail_platform.config import Platform
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.execute import execute_windows
from storeavail_platform.pipeline.compute import add_relations, compute
from storeavail_platform.pipeline.observe import observe
from storeavail_platform.pipeline.runtime import build_runtime

COUNTRY = "BR"
WARM_UP = 2
"""Windows whose time is not counted."""


@dataclass
class Clock:
    """Seconds by what they were spent on, in order."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - started

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


def run_window(platform: Platform, window: Window) -> tuple[Clock, Mapping[str, int]]:
    """Landing to commit of every table in this process. Gives the clock and the stores by status."""
    runtime = build_runtime(platform)
    clock = Clock()
    with clock.on("observe: index, stores, hours"):
        # benchmarks may measure several windows in a row: the readings stand for windows that are over
        found = observe(
            runtime.landing,
            COUNTRY,
            runtime.country(COUNTRY).timezone,
            window,
            index=runtime.index_source(COUNTRY),
            stores=runtime.stores_source(COUNTRY),
            grace=platform.observation_grace,
        )
    names = {table.name for table in runtime.tables}
    with clock.on("compute: open the session"), runtime.engine.session() as session:
        add_relations(session, runtime.landing, found, runtime.country(COUNTRY), window, runtime.markers)
        results = compute(
            session,
            runtime.tables,
            names,
            country=COUNTRY,
            window=window,
            run_id=f"bench-{time.time_ns()}",
            directory=lambda table: runtime.warehouse.location(COUNTRY, table.name, "data", window.key, str(time.time_ns())),
        )
        inside = 0.0
        for computed in results:
            assert computed.error is None, computed.error
            clock.seconds[f"compute: {computed.table.name}"] = computed.seconds
            started = time.perf_counter()
            runtime.warehouse.commit(COUNTRY, computed.table, window, computed.files, "bench")
            commit = time.perf_counter() - started
            clock.seconds["commit: all tables"] = clock.seconds.get("commit: all tables", 0.0) + commit
            inside += computed.seconds + commit
        rows = session.rows("SELECT status, COUNT(*) AS stores FROM store_availability GROUP BY status")
    clock.seconds["compute: open the session"] -= inside
    return clock, {row["status"]: row["stores"] for row in rows}


def peak_memory() -> float:
    """Peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def warm_windows(dump: str, count: int) -> dict[str, Any]:
    """Clocks of windows run one after another; the first ones warm up and are left out where there are enough."""
    platform = Platform.restore(dump)
    runs: list[Mapping[str, float]] = []
    counts: Mapping[str, int] = {}
    for _ in range(count):
        forget_landing(platform)
        clock, counts = run_window(platform, Window.containing(datetime.now(UTC)))
        runs.append(clock.seconds)
    return {"runs": runs[WARM_UP:] or runs, "counts": dict(counts), "memory": peak_memory()}


def dagster_windows(dump: str, count: int) -> list[tuple[float, float]]:
    """Seconds of runs of the window in progress, through the same job and instance as `storeavail run`: until its tables are complete, and in all,
    with its local dates and pages. The first has Dagster's own start in it.
    """
    platform = Platform.restore(dump)
    os.environ["STOREAVAIL_CONFIG"] = platform.origin
    markers = build_runtime(platform).markers
    seconds = []
    for _ in range(count):
        forget_landing(platform)
        window, began = Window.containing(datetime.now(UTC)), datetime.now(UTC)
        (outcome,) = execute_windows(platform, COUNTRY, [window], [])
        assert outcome.reason is None, outcome.reason
        marker = markers.read(COUNTRY, window)
        assert marker is not None
        seconds.append(((marker.completed_at - began).total_seconds(), outcome.seconds))
    return seconds


def forget_landing(platform: Platform) -> None:
    """Make the next window read its sources again, as a new window does."""
    shutil.rmtree(Path(platform.warehouse) / "landing", ignore_errors=True)
