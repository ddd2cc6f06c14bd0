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
from dataclasses import dataclass

import orjson
from pydantic import TypeAdapter, ValidationError

from storeavail_platform.config import CONFIG_VARIABLE, Platform, dagster_home
from storeavail_platform.domain.windows import Window

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


OUTCOME = TypeAdapter(Outcome)


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
    """
    with ThreadPoolExecutor(max_workers=COUNTRIES_AT_ONCE, thread_name_prefix="country") as pool:
        jobs = [
            pool.submit(_run_country, platform, country, windows, select, on_outcome)
            for country, windows in work.items()
        ]
        return [outcome for job in jobs for outcome in job.result()]


def _run_country(
    platform: Platform,
    country: str,
    windows: Sequence[Window],
    select: Sequence[str],
    on_outcome: Callable[[Outcome], None],
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
    with subprocess.Popen(
        [sys.executable, "-m", EXECUTE_MODULE, request],
        env=environment,
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            try:
                outcome = OUTCOME.validate_json(line)
            except ValidationError:
                # whatever a library prints there
                sys.stderr.write(line.decode(errors="replace"))
                continue
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
