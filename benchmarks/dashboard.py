"""A country's page: how long it takes to write, how large it is, how long a browser takes to open
it.

`python -m benchmarks.dashboard` prints it for 12,000 stores with 60 days of history: after each of
some windows, as it is written with what the page before has kept, and once more without.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.history import nothing_kept
from storeavail_platform.dashboard import PageWritten, write_country_page
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_testing.browser import address, browser_running, opened_page
from storeavail_testing.pages import LAST, NOW, fill, make_stores, runtime_in

COUNTRY = "BR"
GOAL_WRITE_SECONDS = 1.5
GOAL_FIRST_SECONDS = 5.0
GOAL_MEGABYTES = 5.0
GOAL_OPEN_SECONDS = 2.0
MEASURED = 3
CONSOLE = Console(width=110, highlight=False)


def measure(stores: int = 12_000) -> None:
    """Write the page after each window and open it, and print both."""
    with tempfile.TemporaryDirectory() as folder, browser_running() as browser:
        runtime = runtime_in(Path(folder))
        made = make_stores(stores, 1, {})
        fill(runtime, COUNTRY, made, last=LAST.next(-MEASURED))
        shown = Table(
            "window",
            "written: seconds",
            "CPU",
            "nothing kept: seconds",
            "CPU",
            "megabytes",
            "opened, seconds",
            title=f"{stores:,} stores, 60 days",
        )
        for back in range(-MEASURED, 1):
            if back > -MEASURED:
                fill(runtime, COUNTRY, made, first=LAST.next(back), last=LAST.next(back))
            page, cpu = written(runtime)
            with nothing_kept(runtime, COUNTRY):
                without, cpu_without = written(runtime)
            with opened_page(browser) as seen:
                started = time.perf_counter()
                seen.page.goto(address(page.path))
                seen.page.wait_for_function("document.body.dataset.ready > 0")
                opened = time.perf_counter() - started
            numbers = (page.seconds, cpu, without.seconds, cpu_without, page.bytes / 1e6, opened)
            shown.add_row(
                "the first" if back == -MEASURED else "a new one", *map("{:.2f}".format, numbers)
            )
        CONSOLE.print(shown)
        CONSOLE.print(
            f"goals: under {GOAL_WRITE_SECONDS} s, the first page and one without anything kept under"
            f" {GOAL_FIRST_SECONDS} s, under {GOAL_MEGABYTES} MB, opened under {GOAL_OPEN_SECONDS} s"
        )


def written(runtime: Runtime) -> tuple[PageWritten, float]:
    """The page, and the CPU seconds that it took."""
    started = time.process_time()
    page = write_country_page(runtime, COUNTRY, NOW)
    return page, time.process_time() - started


if __name__ == "__main__":
    measure()
