"""The process of one country: `python -m storeavail_platform.orchestration.execute REQUEST`,
started by `launch.py`. Prints an outcome a line.

A lock file a country, held by its process and freed by the kernel however it ends, keeps two
commands apart and shows which runs of a release before are dead; a run of this one says by a tag
which process it is (`processes.py`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import dagster as dg
import orjson
from dagster import DagsterInstance, DagsterRun, RunsFilter
from dagster._core.errors import DagsterExecutionInterruptedError

from storeavail_platform.config import Platform, load_platform
from storeavail_platform.domain.errors import ConfigError, StoreAvailError, WindowBusy
from storeavail_platform.domain.library_warnings import ignore_library_warnings
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.build import load_window_job
from storeavail_platform.orchestration.home import home_errors, prepare_home
from storeavail_platform.orchestration.jobs import window_run_config, window_tags
from storeavail_platform.orchestration.launch import Outcome
from storeavail_platform.orchestration.processes import PROCESS_TAG, RunProcess
from storeavail_platform.orchestration.runs import (
    COUNTRY_TAG,
    GONE,
    UNFINISHED,
    end_dead_runs,
    failure_of,
    named,
    of_country,
)

HOST_TAG = "storeavail/host"
INTERRUPTED = 130


def main(request: str, job: Callable[[], dg.JobDefinition] = load_window_job) -> None:
    ignore_library_warnings()
    work = orjson.loads(request)
    windows = [Window.parse(key) for key in work["windows"]]
    for outcome in execute_windows(load_platform(), work["country"], windows, work["select"], job):
        sys.stdout.buffer.write(encode(outcome))
        sys.stdout.buffer.flush()


def execute_windows(
    platform: Platform,
    country: str,
    windows: Sequence[Window],
    select: Sequence[str],
    job: Callable[[], dg.JobDefinition] = load_window_job,
) -> Iterator[Outcome]:
    """Run a country's windows one after another in this process.

    Args:
        job: gives the window job, also where Dagster reconstructs it.

    Yields:
        The outcome of each window.
    """
    done = 0
    try:
        with home_errors(platform):
            for outcome in _executed(platform, country, windows, select, job):
                yield outcome
                done += 1
    except StoreAvailError as error:
        # what holds one up, such as Dagster's own storage without room, holds up all
        for window in windows[done:]:
            yield Outcome(country, window.key, None, 0.0, str(error))


def _executed(
    platform: Platform,
    country: str,
    windows: Sequence[Window],
    select: Sequence[str],
    job: Callable[[], dg.JobDefinition],
) -> Iterator[Outcome]:
    home = prepare_home(platform)
    with DagsterInstance.from_config(str(home)) as instance:
        for window in windows:
            started = time.perf_counter()
            try:
                with country_lock(home, instance, country, window):
                    heal_dead_runs(instance, country)
                    refuse_running(instance, country, window)
                    run_id, reason = _execute(instance, window_tags(country, window), select, job)
            except (WindowBusy, ConfigError) as error:
                run_id, reason = None, str(error)
            yield Outcome(
                country, window.key, run_id, round(time.perf_counter() - started, 3), reason
            )


def _execute(
    instance: DagsterInstance,
    tags: Mapping[str, str],
    select: Sequence[str],
    job: Callable[[], dg.JobDefinition],
) -> tuple[str, str | None]:
    config = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if not select or "observation" in select:
        config |= window_run_config(until_deadline=False)
    with dg.execute_job(
        dg.reconstructable(job),
        instance=instance,
        run_config=config,
        # the release before heals its own runs by the host
        tags={**tags, HOST_TAG: socket.gethostname(), **RunProcess.own().tags},
        asset_selection=[dg.AssetKey(name) for name in select] or None,
        raise_on_error=False,
    ) as result:
        return result.run_id, (
            None if result.success else failure_of(instance, result.run_id).message
        )


@contextlib.contextmanager
def country_lock(
    home: Path, instance: DagsterInstance, country: str, window: Window
) -> Iterator[None]:
    """Hold the country for one window; wait while another command runs another window of it.

    Raises:
        WindowBusy: another command is running this very window; names its run.
    """
    folder = home / "locks"
    folder.mkdir(exist_ok=True)
    with (folder / country).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            held = lock.read().strip()
            if held == window.key:
                refuse_running(instance, country, window)
                raise WindowBusy(
                    f"window {window} of {country} is just being started by another storeavail"
                    " command; wait for it"
                ) from None
            tell_waiting_for(instance, country, window, held)
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(window.key)
        lock.flush()
        yield


def tell_waiting_for(instance: DagsterInstance, country: str, window: Window, held: str) -> None:
    """Say on the terminal behind which run a window waits.

    Args:
        held: key of the window that another command runs.
    """
    runs = instance.get_runs(of_country(country, UNFINISHED, Window.parse(held))) if held else []
    behind = named(runs[0]) if runs else f"another storeavail command (window {held or 'unknown'})"
    sys.stderr.write(f"{country} {window}  waits behind {behind}\n")
    sys.stderr.flush()


def heal_dead_runs(instance: DagsterInstance, country: str) -> None:
    """Mark this machine's own dead runs of a country as failed.

    The caller holds the country's lock, so that command-line runs which name no process (of a
    release before) are dead too.
    """
    end_dead_runs(instance, country)
    tags = {COUNTRY_TAG: country, HOST_TAG: socket.gethostname()}
    for run in instance.get_runs(RunsFilter(tags=tags, statuses=list(UNFINISHED))):
        if PROCESS_TAG not in run.tags:
            instance.report_run_failed(run, GONE)


def refuse_running(instance: DagsterInstance, country: str, window: Window) -> None:
    """Refuse a window that has an unfinished run.

    Raises:
        WindowBusy: names the run.
    """
    runs: Sequence[DagsterRun] = instance.get_runs(of_country(country, UNFINISHED, window))
    if runs:
        raise WindowBusy(
            f"window {window} of {country} is already running as run {runs[0].run_id}"
            f" ({runs[0].status.value.lower()}); wait for it, or terminate it in the Dagster UI"
        )


def encode(outcome: Outcome) -> bytes:
    """An outcome as the line that a country's process prints."""
    return orjson.dumps(asdict(outcome), option=orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (KeyboardInterrupt, DagsterExecutionInterruptedError, BrokenPipeError):
        # stopped by hand, or the command that reads the outcomes was: Dagster knows of the run
        os._exit(INTERRUPTED)
