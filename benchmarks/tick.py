"""A quarter hour of many countries on one machine: a real `storeavail up`, whose schedules all tick at
once, as they do at minute 7.

`python -m benchmarks.tick [COUNTRIES] [STORES]` waits for the next tick and prints how long after it
each country's window was complete, and what share of the machine's cores that took, the rest of the
quarter hour included. The servers are not counted.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import statistics
import string
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.table import Table

from benchmarks.apart import apart
from benchmarks.recorded import live_company
from benchmarks.window import COUNTRY, WARM_UP, warm_windows
from storeavail_platform.config import dagster_home, load_platform
from storeavail_platform.domain.windows import WINDOW_LENGTH, Window
from storeavail_platform.orchestration.home_storage import open_home
from storeavail_platform.orchestration.runs import WINDOW_TAG
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_testing.postgres import PostgresServer
from storeavail_testing.processes import service_folder

COUNTRIES, STORES, MEASURED = 30, 10_000, 3
STAGES = {
    "in the queue": dg.DagsterEventType.RUN_ENQUEUED,
    "out of the queue": dg.DagsterEventType.RUN_DEQUEUED,
    "its process begins": dg.DagsterEventType.RUN_START,
}
"""What Dagster notes of a run on its way."""
GOAL = timedelta(minutes=3)
LONGEST = timedelta(minutes=14)
LOOK_SECONDS = 1.0
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
CONSOLE = Console(width=110, highlight=False)


def measure(countries: int = COUNTRIES, stores: int = STORES) -> None:
    """Measure and print."""
    letters = string.ascii_uppercase
    codes = [COUNTRY, *(a + b for a in "STUV" for b in letters)][:countries]
    with service_folder("tick") as server_folder, tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(server_folder)
        server.start()
        try:
            config = live_company(Path(folder), server, codes, stores)
            platform = load_platform(str(config))
            with running(config) as pid:
                report(build_runtime(platform), pid, stores)
            runs = apart(warm_windows, platform.dump(), WARM_UP + MEASURED)["runs"]
            best = min(sum(run.values()) for run in runs)
            CONSOLE.print(f"a window warm, in a process of its own, without Dagster: {best:.2f} s")
        finally:
            server.kill()


def report(runtime: Runtime, pid: int, stores: int) -> None:
    """Wait for a tick and its windows, and print."""
    window = Window.containing(datetime.now(UTC))
    if datetime.now(UTC) > window.middle() - timedelta(seconds=20):
        window = window.next()
    CONSOLE.print(f"waiting for the tick of {window}, at {window.middle():%H:%M} UTC")
    began, idle = time.monotonic(), cpu_of_tree(pid)
    wait_until(window.middle())
    before = cpu_of_tree(pid)
    idle_share = (before - idle) / (time.monotonic() - began)
    codes, memory = list(runtime.platform.countries), 0.0
    while datetime.now(UTC) < window.middle() + LONGEST:
        if all(runtime.markers.read(code, window) is not None for code in codes):
            break
        memory = max(memory, memory_of_tree(pid))
        threading.Event().wait(LOOK_SECONDS)
    took = datetime.now(UTC) - window.middle()
    spent = cpu_of_tree(pid) - before
    markers = [runtime.markers.read(code, window) for code in codes]
    late = sorted(
        (each.completed_at - window.middle()).total_seconds()
        for each in markers
        if each is not None
    )
    cores = os.cpu_count() or 1
    without = (WINDOW_LENGTH - took).total_seconds() * idle_share
    share = (spent + without) / (WINDOW_LENGTH.total_seconds() * cores)
    table = Table(
        "what", "figure", "goal", title=f"a tick of {len(codes)} countries of {stores:,} stores"
    )
    table.add_row("windows complete", f"{len(late)} of {len(codes)}", "all")
    table.add_row("the first after its tick, seconds", f"{late[0]:.1f}", "")
    for what, seconds in waits(runtime, window).items():
        table.add_row(f"median: {what}", f"{seconds:.1f}", "")
    table.add_row("median: complete", f"{statistics.median(late):.1f}", "")
    table.add_row("the last", f"{late[-1]:.1f}", f"{GOAL.total_seconds():.0f}")
    table.add_row("CPU seconds from the tick until the last", f"{spent:.1f}", "")
    table.add_row("CPU seconds a country", f"{spent / len(codes):.2f}", "")
    table.add_row("peak memory of all processes, MB", f"{memory:,.0f}", "")
    table.add_row("CPU without windows, of a core", f"{idle_share:.1%}", "")
    table.add_row(f"share of {cores} cores over the quarter hour", f"{share:.1%}", "room to spare")
    table.add_row("load of the machine at the end", f"{os.getloadavg()[0]:.1f}", "")
    CONSOLE.print(table)


def waits(runtime: Runtime, window: Window) -> dict[str, float]:
    """When runs of the window were so far: the median of seconds after the tick."""
    tick = window.middle().timestamp()
    found: dict[str, list[float]] = {what: [] for what in STAGES}
    with open_home(dagster_home(runtime.platform)) as instance:
        for run in instance.get_runs(dg.RunsFilter(tags={WINDOW_TAG: window.key})):
            times = {log.dagster_event_type: log.timestamp for log in instance.all_logs(run.run_id)}
            for what, kind in STAGES.items():
                found[what].append(times[kind] - tick)
    return {what: statistics.median(seconds) for what, seconds in found.items()}


@contextlib.contextmanager
def running(config: Path) -> Iterator[int]:
    """`storeavail up` that answers; gives its process' id."""
    command = [sys.executable, "-m", "storeavail_platform.commands.cli", "up", "--port", "0"]
    log = config.with_suffix(".log")
    with log.open("wb") as printed:
        process = subprocess.Popen(
            [*command, "--config", str(config)],
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while re.search(r"/dashboard/", log.read_text()) is None:
            assert process.poll() is None, log.read_text()
            threading.Event().wait(0.5)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def wait_until(moment: datetime) -> None:
    while (left := (moment - datetime.now(UTC)).total_seconds()) > 0:
        threading.Event().wait(left)


def cpu_of_tree(root: int) -> float:
    """CPU seconds, user and system, of a process and all that it has started, the ended ones too."""
    return sum(sum(map(int, fields[11:15])) for fields in tree(root).values()) / TICKS_A_SECOND


def memory_of_tree(root: int) -> float:
    """What the processes take in MB, each page that several share counted once."""
    total = 0
    for pid in tree(root):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found = re.search(
                r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M
            )
            total += int(found[1]) if found else 0
    return total / 1024


def tree(root: int) -> dict[int, list[str]]:
    """A process and all below it, with what the system says of each after its name."""
    children: dict[int, list[int]] = defaultdict(list)
    found: dict[int, list[str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # a name may hold anything
            fields = path.read_text().rpartition(")")[2].split()
            pid = int(path.parent.name)
            children[int(fields[1])].append(pid)
            found[pid] = fields
    pids = [root]
    for pid in pids:
        pids += children[pid]
    return {pid: found[pid] for pid in pids if pid in found}


if __name__ == "__main__":
    measure(*map(int, sys.argv[1:]))
