"""What Dagster's bookkeeping of a run costs: CPU, events, checks, transactions and connections, with
Dagster's own storages for SQLite and with the platform's, on the same windows.

`python -m benchmarks.runs [STORES]` prints it; each in a process of its own.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as db
from dagster._core.events import ASSET_CHECK_EVENTS
from rich.console import Console
from rich.table import Table
from sqlalchemy.pool import Pool

from benchmarks.apart import apart
from benchmarks.recorded import company
from storeavail_platform.config import CONFIG_VARIABLE, dagster_home, load_platform
from storeavail_platform.domain.windows import WINDOW_LENGTH, Window
from storeavail_platform.orchestration.execute import execute
from storeavail_platform.orchestration.home import prepare_home
from storeavail_platform.orchestration.home_storage import SETTINGS, open_home
from storeavail_platform.orchestration.launch import EVENT_BATCHES, Work
from storeavail_testing.postgres import PostgresServer
from storeavail_testing.processes import service_folder

COUNTRY = "BR"
WARM_UP, MEASURED = 2, 4
OWN_STORAGES = "storage: {{sqlite: {{base_dir: {home}}}}}\n"
"""Dagster's own, in the files where they are by default."""
CONSOLE = Console(width=110, highlight=False)


def run_windows(config: Path, keys: list[str], is_dagsters_own: bool) -> dict[str, float]:
    """Run windows one after another in this process. What the warm ones took: the median of CPU
    seconds, the mean of what is counted.
    """
    os.environ[CONFIG_VARIABLE] = str(config)
    if not is_dagsters_own:
        os.environ.update(EVENT_BATCHES)
    platform = load_platform(str(config))
    home = prepare_home(platform)
    if is_dagsters_own:
        with (home / SETTINGS).open("a") as settings:
            settings.write(OWN_STORAGES.format(home=home))
    counted: Counter[str] = Counter()

    def count(what: str) -> Any:
        def note(*_: Any) -> None:
            counted[what] += 1

        return note

    db.event.listen(db.Engine, "commit", count("transactions"))
    db.event.listen(Pool, "connect", count("connections"))
    spent, run_ids = [], []
    at = time.process_time()
    for outcome in execute(platform, Work(COUNTRY, [Window.parse(key) for key in keys])):
        assert outcome.reason is None, outcome.reason
        now = time.process_time()
        spent.append(now - at)
        run_ids.append(str(outcome.run_id))
        if len(spent) == WARM_UP:
            counted.clear()
        at = time.process_time()
    found = {name: total / MEASURED for name, total in counted.items()}
    with open_home(dagster_home(platform)) as instance:
        types = [
            event.dagster_event_type
            for run_id in run_ids[WARM_UP:]
            for event in instance.all_logs(run_id)
        ]
    return {
        "CPU seconds": statistics.median(spent[WARM_UP:]),
        "of the first": spent[0],
        "events": len(types) / MEASURED,
        "of checks": sum(kind in ASSET_CHECK_EVENTS for kind in types) / MEASURED,
        **found,
    }


def measure(stores: int = 2_000) -> None:
    """Measure and print."""
    last = Window.containing(datetime.now(UTC) - timedelta(hours=1))
    windows = [
        Window(last.start - number * WINDOW_LENGTH)
        for number in reversed(range(WARM_UP + MEASURED))
    ]
    found = {}
    with service_folder("runs") as server_folder:
        server = PostgresServer(server_folder)
        server.start()
        try:
            for what, is_dagsters_own in {"Dagster's own": True, "the platform's": False}.items():
                with tempfile.TemporaryDirectory() as folder:
                    config = company(Path(folder), server, [COUNTRY], windows, stores)
                    keys = [window.key for window in windows]
                    found[what] = apart(run_windows, config, keys, is_dagsters_own)
        finally:
            server.kill()
    table = Table(
        "a run", *found, "ratio", title=f"a window of {stores:,} stores, warm, page in the last run"
    )
    for name in next(iter(found.values())):
        own, ours = (each.get(name, 0.0) for each in found.values())
        table.add_row(name, f"{own:.2f}", f"{ours:.2f}", f"{ours / own:.2f}" if own else "")
    CONSOLE.print(table)


if __name__ == "__main__":
    measure(*map(int, sys.argv[1:]))
