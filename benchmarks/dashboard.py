"""A country's page: how long it takes to write, how large it is, how long a browser takes to open
it.

`python -m benchmarks.dashboard` prints it for 12,000 stores with 60 days of history, one brand of
which is down: after each of some windows, as it is written with what the page before has kept, and
once more without.

The first screen stands when the sentence, the counts, what is down by cause and the first stores
that are missing have been shown, all four: the browser says when the frame of each was.

`--other FOLDER` takes a checkout of another release, whose page is written of the same warehouse
and opened by turns with this one's.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser
from rich.console import Console
from rich.table import Table

from benchmarks.history import nothing_kept
from storeavail_platform.dashboard import PageWritten, write_country_page
from storeavail_platform.dashboard.page import drawing_library
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_testing.browser import address, browser_running, opened_page
from storeavail_testing.pages import LAST, NOW, fill, make_stores, runtime_in

COUNTRY = "BR"
GOAL_WRITE_SECONDS = 1.5
GOAL_FIRST_SECONDS = 5.0
GOAL_KILOBYTES = 300
"""As it travels, beside the library that draws."""
GOAL_OPEN_SECONDS = 0.5
MEASURED = 3
OPENED = 5
"""How often a page is opened."""
PACKED = 6
"""gzip's level, as most servers have it."""
SCREEN = {"width": 1920, "height": 1080}
WHOLE = "body[data-ready]"
DOWN = "Grill 42"
"""A brand that is down, so that there is a cause."""
PARTS = {
    "sentence": "#verdict",
    "counts": "#tile-missing .count",
    "causes": "#down td .link",
    "stores": "#missing td .link",
}
"""What the first screen has to show: the first element of each."""
WATCHED = f"""(() => {{
  window.shown = {{}};
  const parts = Object.entries({json.dumps(PARTS)});
  const look = () => {{
    for (const [name, place] of parts) document.querySelector(place)?.setAttribute("elementtiming", name);
  }};
  new MutationObserver(look).observe(document, {{ childList: true, subtree: true }});
  const note = (each) => {{ shown[each.identifier] ??= performance.timeOrigin + each.renderTime; }};
  new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({{ type: "element" }});
}})()"""
"""Runs before the page does, and notes when each part was shown: milliseconds of the clock."""
OTHER = """
import sys, time
from pathlib import Path
from storeavail_platform.config import load_text
from storeavail_platform.dashboard import write_country_page
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_testing.pages import CONFIG, NOW
runtime = build_runtime(load_text(CONFIG, base=Path(sys.argv[1]), origin="benchmark"))
for _ in range(3):
    started = time.process_time()
    write_country_page(runtime, "BR", NOW)
    cpu = time.process_time() - started
print(cpu)
"""
"""Writes the page by another release, thrice, and says the CPU seconds of the last time."""
CONSOLE = Console(width=110, highlight=False)


def measure(stores: int = 12_000, other: Path | None = None) -> None:
    """Write the page after each window and open it, and print both.

    Args:
        other: a checkout of another release, to compare with.
    """
    with tempfile.TemporaryDirectory() as folder, browser_running() as browser:
        runtime = runtime_in(Path(folder))
        made = make_stores(stores, 1, {})
        fill(runtime, COUNTRY, made, last=LAST.next(-MEASURED), down=DOWN)
        shown = Table(
            "window",
            "written: seconds",
            "CPU",
            "nothing kept: seconds",
            "CPU",
            "beside the library, gzip: KB",
            "first screen: seconds",
            "charts too",
            title=f"{stores:,} stores, 60 days",
        )
        for back in range(-MEASURED, 1):
            if back > -MEASURED:
                window = LAST.next(back)
                fill(runtime, COUNTRY, made, first=window, last=window, down=DOWN)
            page, cpu = written(runtime)
            with nothing_kept(runtime, COUNTRY):
                without, cpu_without = written(runtime)
            numbers = (page.seconds, cpu, without.seconds, cpu_without, weight(Path(page.path)))
            seconds = opened(browser, Path(page.path))
            shown.add_row(
                "the first" if back == -MEASURED else "a new one",
                *map("{:.2f}".format, (*numbers, *seconds)),
            )
        if other is not None:
            cpu = written_by(other, Path(folder))
            of_other = (weight(Path(page.path)), *opened(browser, Path(page.path)))
            cells = ["-", f"{cpu:.2f}", "-", "-", *map("{:.2f}".format, of_other)]
            shown.add_row("the other release", *cells)
        CONSOLE.print(shown)
        CONSOLE.print(
            f"goals: under {GOAL_WRITE_SECONDS} s, the first page and one without anything kept under"
            f" {GOAL_FIRST_SECONDS} s, under {GOAL_KILOBYTES} KB, opened under {GOAL_OPEN_SECONDS} s"
        )


def opened(browser: Browser, path: Path) -> tuple[float, float]:
    """Seconds until the first screen stands, and until all is drawn; the median of some times."""
    times = [_opened_once(browser, path) for _ in range(OPENED)]
    first, whole = (median(each) for each in zip(*times, strict=True))
    return first, whole


def _opened_once(browser: Browser, path: Path) -> tuple[float, float]:
    with opened_page(browser, viewport=SCREEN) as seen:
        seen.page.add_init_script(WATCHED)
        started = time.time()
        seen.page.goto(address(path), wait_until="commit")
        seen.page.locator(WHOLE).wait_for(state="attached")
        whole = time.time() - started
        shown: dict[str, float] = seen.page.evaluate("shown")
        if shown.keys() != PARTS.keys():
            raise RuntimeError(f"{path} shows on its first screen {sorted(shown)} alone")
        return max(shown.values()) / 1e3 - started, whole


def weight(path: Path) -> float:
    """Kilobytes of a page as it travels, without the library that draws."""
    text = path.read_text(encoding="utf-8").replace(drawing_library(), "")
    return len(gzip.compress(text.encode(), PACKED)) / 1e3


def written_by(other: Path, folder: Path) -> float:
    """CPU seconds of a page that another release writes, with what its page before has kept."""
    done = subprocess.run(
        [sys.executable, "-c", OTHER, str(folder)],
        cwd=other,
        env={"PYTHONPATH": str(other), "PYTHONTZPATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    # before it may stand the progress of a query
    return float(done.stdout.split()[-1])


def written(runtime: Runtime) -> tuple[PageWritten, float]:
    """The page, and the CPU seconds that it took."""
    started = time.process_time()
    page = write_country_page(runtime, COUNTRY, NOW)
    return page, time.process_time() - started


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard")
    parser.add_argument("--stores", type=int, default=12_000)
    parser.add_argument("--other", type=Path, help="checkout of another release, to compare with")
    measure(**vars(parser.parse_args()))
