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
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.recorded import live_company
from storeavail_platform.config import load_platform
from storeavail_platform.domain.windows import WINDOW_LENGTH, Window
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_testing.postgres import PostgresServer
from storeavail_testing.processes import service_folder

COUNTRIES, STORES = 30, 10_000
GOAL = timedelta(minutes=3)
LONGEST = timedelta(minutes=14)
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
CONSOLE = Console(width=110, highlight=False)


def measure(countries: int = COUNTRIES, stores: int = STORES) -> None:
    """Measure and print."""
    codes = [f"{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(countries)]
    with service_folder("tick") as server_folder, tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(server_folder)
        server.start()
        try:
            config = live_company(Path(folder), server, codes, stores)
            with running(config) as pid:
                report(build_runtime(load_platform(str(config))), pid, stores)
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
    codes = list(runtime.platform.countries)
    while datetime.now(UTC) < window.middle() + LONGEST:
        if all(runtime.markers.read(code, window) is not None for code in codes):
            break
        threading.Event().wait(0.5)
    took = datetime.now(UTC) - window.middle()
    spent = cpu_of_tree(pid) - before
    markers = [runtime.markers.read(code, window) for code in codes]
    late = sorted(each.completed_at - window.middle() for each in markers if each is not None)
    cores = os.cpu_count() or 1
    without = (WINDOW_LENGTH - took).total_seconds() * idle_share
    share = (spent + without) / (WINDOW_LENGTH.total_seconds() * cores)
    table = Table(
        "what", "figure", "goal", title=f"a tick of {len(codes)} countries of {stores:,} stores"
    )
    table.add_row("windows complete", f"{len(late)} of {len(codes)}", "all")
    table.add_row("the first after its tick, seconds", f"{late[0].total_seconds():.1f}", "")
    table.add_row("the median", f"{late[len(late) // 2].total_seconds():.1f}", "")
    table.add_row("the last", f"{late[-1].total_seconds():.1f}", f"{GOAL.total_seconds():.0f}")
    table.add_row("CPU seconds from the tick until the last", f"{spent:.1f}", "")
    table.add_row("CPU seconds a country", f"{spent / len(codes):.2f}", "")
    table.add_row("CPU without windows, of a core", f"{idle_share:.1%}", "")
    table.add_row(f"share of {cores} cores over the quarter hour", f"{share:.1%}", "room to spare")
    table.add_row("load of the machine at the end", f"{os.getloadavg()[0]:.1f}", "")
    CONSOLE.print(table)


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
    children: dict[int, list[int]] = defaultdict(list)
    spent: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # what comes after the command's name, which may hold anything
            fields = path.read_text().rpartition(")")[2].split()
            pid = int(path.parent.name)
            children[int(fields[1])].append(pid)
            spent[pid] = sum(map(int, fields[11:15]))
    total, coming = 0, [root]
    while coming:
        pid = coming.pop()
        total += spent.get(pid, 0)
        coming += children[pid]
    return total / TICKS_A_SECOND


if __name__ == "__main__":
    measure(*map(int, sys.argv[1:]))
