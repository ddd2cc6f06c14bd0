"""`storeavail demo`: prepare the simulated countries, run the windows that are not complete
yet, show the figures, say what to open next.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from storeavail_platform.commands.report import outcome_line, print_countries
from storeavail_platform.config import CONFIG_VARIABLE, Platform, demo_config_path, load_platform
from storeavail_platform.demo import postgres_running, prepare, record_live
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.home import prepare_home
from storeavail_platform.orchestration.launch import Outcome, Work, launch
from storeavail_platform.pipeline.runtime import Runtime, build_runtime

WORKSPACE = Path("workspace.yaml")
UI_PORT = 3000


def run_demo(out: Console, err: Console, *, hours: int, ui: bool) -> bool:
    """Run the demo. Returns whether every window completed."""
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
    with postgres_running(home):
        platform = load_platform(str(demo_config_path()))
        runtime = build_runtime(platform)
        windows = list(demo.windows)
        failed = run_missing(runtime, windows, err)
        if len(failed) == len(platform.countries) * len(windows):
            return False
        print_countries(out, runtime, windows[0], windows[-1])
        print_next(out, platform)
        if ui:
            serve_ui(platform, home, out)
    return not failed


def run_missing(runtime: Runtime, windows: list[Window], err: Console) -> list[Outcome]:
    """Run the windows that are not complete, all countries at once.

    Returns the outcomes that failed.
    """
    work: list[Work] = []
    for code in runtime.platform.countries:
        complete = set(runtime.markers.complete(code))
        missing = [window for window in windows if window.key not in complete]
        if missing:
            work.append(Work(code, missing))
    if not work:
        err.print(
            f"all {len(windows)} windows of {len(runtime.platform.countries)} countries are"
            " complete; nothing to run"
        )
        return []
    with progress_bar(err) as progress:
        task = progress.add_task("running windows", total=sum(len(each.windows) for each in work))

        def tell(outcome: Outcome) -> None:
            progress.advance(task)
            if outcome.reason is not None:
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


def serve_ui(platform: Platform, home: Path, out: Console) -> None:
    """Run `dagster dev` until it ends, with the index of the window in progress recorded as
    time goes on.
    """
    location = (
        ["-w", str(WORKSPACE)] if WORKSPACE.exists() else ["-m", "storeavail_platform.definitions"]
    )
    environment = {
        **os.environ,
        CONFIG_VARIABLE: platform.origin,
        "DAGSTER_HOME": str(prepare_home(platform)),
        # Dagster's own command says that there is a newer one, which is another package
        "PYTHONWARNINGS": "ignore:Function `dev_command` is superseded",
    }
    stop = threading.Event()
    recorder = threading.Thread(
        target=record_live, args=(home, stop), name="record-live", daemon=True
    )
    recorder.start()
    out.print(f"\nDagster UI: http://127.0.0.1:{UI_PORT}  (Ctrl-C ends it)")
    try:
        subprocess.run(
            [
                sys.executable,
                "-m",
                "dagster",
                "dev",
                *location,
                "-h",
                "127.0.0.1",
                "-p",
                str(UI_PORT),
            ],
            env=environment,
            check=False,
        )
    except KeyboardInterrupt:
        out.print("ended")
    finally:
        stop.set()
        recorder.join(timeout=5)
