"""A country's page: how long it takes to write, how large it is, how long a browser takes to open
it.

`python -m benchmarks.dashboard` prints it for 12,000 stores with 60 days of history.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from storeavail_platform.dashboard import write_country_page
from storeavail_testing.browser import address, browser_running, opened_page
from storeavail_testing.pages import NOW, fill, make_stores, runtime_in

COUNTRY = "BR"
GOAL_WRITE_SECONDS = 5.0
GOAL_MEGABYTES = 5.0
GOAL_OPEN_SECONDS = 2.0
MEASURED = 3
CONSOLE = Console(width=110, highlight=False)


def measure(stores: int = 12_000) -> None:
    """Write the page and open it several times, and print both."""
    with tempfile.TemporaryDirectory() as folder, browser_running() as browser:
        runtime = runtime_in(Path(folder))
        fill(runtime, COUNTRY, make_stores(stores, 1, {}))
        shown = Table(
            "time",
            "written, seconds",
            "megabytes",
            "opened, seconds",
            title=f"{stores:,} stores, 60 days",
        )
        for number in range(MEASURED):
            page = write_country_page(runtime, COUNTRY, NOW)
            with opened_page(browser) as seen:
                started = time.perf_counter()
                seen.page.goto(address(page.path))
                seen.page.wait_for_function("document.body.dataset.ready > 0")
                opened = time.perf_counter() - started
            shown.add_row(
                str(number + 1), f"{page.seconds:.2f}", f"{page.bytes / 1e6:.2f}", f"{opened:.2f}"
            )
        CONSOLE.print(shown)
        CONSOLE.print(
            f"goals: under {GOAL_WRITE_SECONDS} s, under {GOAL_MEGABYTES} MB, under"
            f" {GOAL_OPEN_SECONDS} s; the first page of a warehouse makes the drawing library too"
        )


if __name__ == "__main__":
    measure()
