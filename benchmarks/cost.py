"""What a day of one country costs on the disk: 96 windows of N stores, and what Dagster's daemon
writes beside them.

`python -m benchmarks.cost [STORES] [WINDOWS] [MINUTES]` prints megabytes and files of the landing,
the tables (as they are in the evening, and after nights of upkeep) and Dagster's home, as they are:
with fewer windows than a day's 96, multiply. The daemon runs for some minutes on a home of its own;
what it wrote is counted up to a day.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.recorded import company
from storeavail_platform.config import load_platform
from storeavail_platform.domain.windows import WINDOW_LENGTH, Window
from storeavail_platform.orchestration.home import prepare_home
from storeavail_platform.orchestration.launch import Work, launch
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.upkeep import maintain
from storeavail_testing.postgres import PostgresServer
from storeavail_testing.processes import service_folder

COUNTRY = "BR"
WINDOWS = 96
DAY = timedelta(days=1)
CONSOLE = Console(width=110, highlight=False)


def size(*folders: Path) -> tuple[int, int]:
    """Files below folders, and what they take on the disk in bytes."""
    found = [path.stat() for folder in folders for path in folder.rglob("*") if path.is_file()]
    return len(found), sum(status.st_blocks * 512 for status in found)


def home_parts(home: Path) -> dict[str, tuple[int, int]]:
    """Dagster's home by what is kept for ever and what upkeep removes."""
    index = [path for path in home.rglob("*") if path.name.startswith("index.db")]
    runs = [path for path in home.rglob("*") if path.name.startswith("runs.db")]
    ticks = [path for path in home.rglob("*") if path.name.startswith("schedules.db")]
    steps = [
        path
        for path in (home / "history" / "runs").glob("*.db*")
        if path not in index and path not in runs
    ]
    groups = {
        "Dagster: materialisations and checks (index.db)": index,
        "Dagster: runs (runs.db)": runs,
        "Dagster: step events, a file a run": steps,
        "Dagster: ticks (schedules.db)": ticks,
    }
    sizes = {
        name: (len(paths), sum(path.stat().st_blocks * 512 for path in paths))
        for name, paths in groups.items()
    }
    return sizes | {"Dagster: logs of runs and ticks (storage/)": size(home / "storage")}


def ticks_of(config: Path, home: Path, minutes: float) -> dict[str, tuple[float, float]]:
    """What a running daemon writes, counted up to a day."""
    before = home_parts(home)
    environment = {**os.environ, "STOREAVAIL_CONFIG": str(config), "DAGSTER_HOME": str(home)}
    command = [str(Path(sys.executable).with_name("dagster-daemon")), "run"]
    command += ["-m", "storeavail_platform.definitions"]
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        threading.Event().wait(minutes * 60)
        os.killpg(process.pid, signal.SIGTERM)
    times = DAY / timedelta(minutes=minutes)
    after = home_parts(home)
    return {
        name: ((after[name][0] - files) * times, (after[name][1] - size) * times)
        for name, (files, size) in before.items()
        if after[name] != (files, size)
    }


def measure(stores: int = 10_000, count: int = WINDOWS, minutes: int = 6) -> None:
    """Measure and print all of it."""
    yesterday = datetime.combine(datetime.now(UTC).date() - DAY, time(), UTC)
    windows = [Window(yesterday + number * WINDOW_LENGTH) for number in range(count)]
    with (
        tempfile.TemporaryDirectory() as name,
        service_folder("cost") as server_folder,
    ):
        folder, server = Path(name), PostgresServer(server_folder)
        server.start()
        try:
            config = company(folder, server, [COUNTRY], windows, stores)
            runtime = build_runtime(load_platform(str(config)))
            home = prepare_home(runtime.platform)
            outcomes = launch(runtime.platform, [Work(COUNTRY, windows)])
            assert all(outcome.reason is None for outcome in outcomes), outcomes
            report(runtime, folder / "warehouse", home, f"{count} windows of {stores:,} stores")
            # without windows that it would have to catch up with
            idle = folder / "idle.yaml"
            idle.write_text(config.read_text().replace("./warehouse", "./idle"))
            home = prepare_home(load_platform(str(idle)))
            shown = Table("what", "files", "MB", title=f"the daemon, {minutes} minutes as a day")
            for what, (files, taken) in ticks_of(idle, home, minutes).items():
                shown.add_row(what, f"{files:,.0f}", f"{taken / 1e6:,.1f}")
            CONSOLE.print(shown)
        finally:
            server.kill()


def report(runtime: Runtime, warehouse: Path, home: Path, title: str) -> None:
    """Print what windows have left."""
    shown = Table("what", "files", "MB", title=title)

    def row(what: str, files: float, taken: float) -> None:
        shown.add_row(what, f"{files:,.0f}", f"{taken / 1e6:,.1f}")

    row("landing", *size(warehouse / "landing"))
    row("tables, in the evening", *size(warehouse / "tables"))
    row("markers, notes, page", *size(warehouse / "windows", warehouse / "dashboard"))
    for what, found in home_parts(home).items():
        row(what, *found)
    for days in range(1, 9):
        for done in maintain(runtime, COUNTRY, datetime.now(UTC) + days * DAY):
            CONSOLE.print(f"day {days}: {done}")
        if days in (2, 8):
            row(f"tables, {days} nights later", *size(warehouse / "tables"))
            row(f"landing, {days} nights later", *size(warehouse / "landing"))
    CONSOLE.print(shown)


if __name__ == "__main__":
    measure(*(int(argument) for argument in sys.argv[1:]))
