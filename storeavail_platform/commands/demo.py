"""`storeavail demo`: prepare the simulated countries, run the windows that are not complete
yet, show the figures, say what to open next.
"""

from __future__ import annotations

import socket
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from storeavail_platform.commands.report import outcome_line, print_countries
from storeavail_platform.commands.up import run_everything
from storeavail_platform.config import Platform, demo_config_path, load_platform
from storeavail_platform.demo import prepare, sources_running
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.launch import Outcome, Work, launch
from storeavail_platform.pipeline.runtime import Runtime, build_runtime


def run_demo(out: Console, err: Console, *, hours: int, listener: socket.socket | None) -> bool:
    """Run the demo. Returns whether every window completed.

    Args:
        listener: where to show it then, with live schedules, until it is told to end.
    """
    home = demo_config_path().parent
    now = datetime.now(UTC)
    with progress_bar(err) as progress:
        preparing = progress.add_task("simulating stores and index", total=None)
        demo = prepare(
            home,
            now,
            hours,
            lambda done, total: progress.update(preparing, completed=done, total=total),
        )
    with sources_running(home):
        platform = load_platform(str(demo_config_path()))
        runtime = build_runtime(platform)
        windows = list(demo.windows)
        failed = run_missing(runtime, windows, err)
        if len(failed) == len(platform.countries) * len(windows):
            return False
        print_countries(out, runtime, windows[0], windows[-1])
        print_next(out, platform)
        if listener is not None:
            run_everything(platform, listener)
    return not failed


def run_missing(runtime: Runtime, windows: list[Window], err: Console) -> list[Outcome]:
    """Run the windows that are not complete, all countries at once; the newest of each country
    first, so that its figures are there within seconds.

    Returns the outcomes that failed.
    """
    work: list[Work] = []
    for code in runtime.platform.countries:
        complete = set(runtime.markers.complete(code))
        missing = [window for window in windows if window.key not in complete]
        if missing:
            work.append(Work(code, [missing[-1], *missing[:-1]]))
    if not work:
        err.print(
            f"all {len(windows)} windows of {len(runtime.platform.countries)} countries are"
            " complete; nothing to run"
        )
        return []
    with progress_bar(err) as progress:
        task = progress.add_task("running windows", total=sum(len(each.windows) for each in work))
        first = {(each.country, each.windows[0].key) for each in work}

        def tell(outcome: Outcome) -> None:
            progress.advance(task)
            if outcome.reason is not None or (outcome.country, outcome.window) in first:
                progress.console.print(outcome_line(runtime, outcome))

        outcomes = launch(runtime.platform, work, tell)
    return [outcome for outcome in outcomes if outcome.reason is not None]


def progress_bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def print_next(out: Console, platform: Platform) -> None:
    country = next(iter(platform.countries))
    out.print(
        Text(
            '\nNext:\n  storeavail status\n  storeavail query "SELECT status, reason, COUNT(*)'
            f" FROM store_availability WHERE country = '{country}' GROUP BY ALL\"\n "
            f" {platform.warehouse}/dashboard/index.html    the dashboard, to open in a browser\n "
            " storeavail run                    the window in progress\n  make ui                 "
            f"          the Dagster UI: lineage, checks, live schedules\n  {platform.origin}    the"
            " configuration, to copy for your own countries"
        )
    )
