"""Running windows from the command line: one process a country, the same job and Dagster instance
as schedules and the UI.

What each country's process does is `execute.py`. Nothing here imports Dagster, so that a command
answers quickly.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event

import orjson

from storeavail_platform.config import CONFIG_VARIABLE, Platform, dagster_home
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.up.guard import guarded

COUNTRIES_AT_ONCE = max(4, 2 * (os.cpu_count() or 1))
EXECUTE_MODULE = "storeavail_platform.orchestration.execute"


@dataclass(frozen=True)
class Outcome:
    """How one window's run ended.

    `reason` is None where it completed; `seconds` is the run's own time.
    """

    country: str
    window: str
    run_id: str | None
    seconds: float
    reason: str | None = None


@dataclass(frozen=True)
class Launched:
    """The processes that were started, to end them with the command."""

    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    is_ending: Event = field(default_factory=Event)

    def end(self) -> None:
        self.is_ending.set()
        for process in self.processes:
            process.terminate()

    def add(self, process: subprocess.Popen[bytes]) -> None:
        self.processes.append(process)
        # begun while the command was being ended
        if self.is_ending.is_set():
            process.terminate()


def launch(
    platform: Platform,
    work: Mapping[str, Sequence[Window]],
    *,
    select: Sequence[str] = (),
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Run windows, each country's in order in a process of its own, which has the secrets of its
    country only; a country's failure leaves the others running.

    Args:
        work: windows by country.
        select: tables to compute; empty for the observation and every table.
        on_outcome: told each outcome as it comes, from several threads.

    The processes end with this one, also where it is killed.
    """
    launched = Launched()
    with ThreadPoolExecutor(max_workers=COUNTRIES_AT_ONCE, thread_name_prefix="country") as pool:
        jobs = [
            pool.submit(_run_country, platform, country, windows, select, on_outcome, launched)
            for country, windows in work.items()
        ]
        try:
            return [outcome for job in jobs for outcome in job.result()]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            launched.end()
            raise


def _run_country(
    platform: Platform,
    country: str,
    windows: Sequence[Window],
    select: Sequence[str],
    on_outcome: Callable[[Outcome], None],
    launched: Launched,
) -> list[Outcome]:
    request = orjson.dumps(
        {"country": country, "windows": [window.key for window in windows], "select": list(select)}
    ).decode()
    outcomes: list[Outcome] = []
    foreign = platform.foreign_variables(country)
    environment = {
        **{name: value for name, value in os.environ.items() if name not in foreign},
        CONFIG_VARIABLE: platform.origin,
        "DAGSTER_HOME": str(dagster_home(platform)),
    }
    command = [sys.executable, "-m", EXECUTE_MODULE, request]
    with guarded(command, env=environment, stdout=subprocess.PIPE) as process:
        launched.add(process)
        assert process.stdout is not None
        for line in process.stdout:
            outcome = Outcome(**orjson.loads(line))
            outcomes.append(outcome)
            on_outcome(outcome)
    if len(outcomes) < len(windows):
        ended = (
            f"the country's process ended with exit code {process.returncode} before the window was"
            " done; run it again"
        )
        for window in windows[len(outcomes) :]:
            outcome = Outcome(country, window.key, None, 0.0, ended)
            outcomes.append(outcome)
            on_outcome(outcome)
    return outcomes
