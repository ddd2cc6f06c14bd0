"""What a start costs: CPU seconds of two libraries that no command does without, of Dagster, of the
code location and of commands, side by side.

`python -m benchmarks.weight` prints it, each in a process of its own that has its bytecode already.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from storeavail_platform.config import CONFIG_VARIABLE
from storeavail_platform.domain.windows import Window
from storeavail_testing.pages import fill, make_stores, runtime_in

MEASURED = 3
CLI = ("-m", "storeavail_platform.commands.cli")
QUERY = "SELECT status, COUNT(*) FROM store_availability GROUP BY ALL"
STORES = 200
DAYS = 2
STARTS = {
    "import duckdb, pyiceberg": ["-c", "import duckdb, pyiceberg"],
    "import dagster": ["-c", "import dagster"],
    "load the definitions": ["-c", "import storeavail_platform.definitions"],
    "storeavail --help": [*CLI, "--help"],
    "storeavail status": [*CLI, "status"],
    "storeavail query": [*CLI, "query", QUERY],
}
CONSOLE = Console(width=110, highlight=False)


def measure() -> None:
    """Start each several times on the embedded default, three countries with two days of windows,
    and print the least that it took.
    """
    with tempfile.TemporaryDirectory() as folder:
        runtime, last = runtime_in(Path(folder)), Window.containing(datetime.now(UTC)).next(-1)
        config = Path(folder) / "platform.yaml"
        config.write_text(json.loads(runtime.platform.dump())["text"], encoding="utf-8")
        for country in runtime.platform.countries:
            fill(runtime, country, make_stores(STORES, 1, {}), last=last, days=DAYS)
        # by turns: what else the machine does weighs on each alike
        rounds = [
            {what: cpu_seconds(command, config) for what, command in STARTS.items()}
            for _ in range(MEASURED)
        ]
        taken = {what: min(each[what] for each in rounds) for what in STARTS}
    shown = Table("start", "CPU seconds", "ratio", title="weight, SQLite catalog")
    for what, seconds in taken.items():
        shown.add_row(what, f"{seconds:.2f}", f"{seconds / taken['import duckdb, pyiceberg']:.2f}")
    CONSOLE.print(shown)


def cpu_seconds(command: list[str], config: Path) -> float:
    """CPU seconds, user and system, of a Python process.

    Raises:
        RuntimeError: it ended by a traceback.
    """
    process = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, CONFIG_VARIABLE: str(config)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, _, used = os.wait4(process.pid, 0)
    if "Traceback" in said:
        raise RuntimeError(f"{command}: {said}")
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    measure()
