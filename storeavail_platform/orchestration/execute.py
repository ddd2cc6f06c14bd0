"""The process of one country: `python -m storeavail_platform.orchestration.execute REQUEST`, started by `launch.py`. Prints an outcome a line.

A lock file a country, held by its process and freed by the kernel however it ends, keeps two commands apart and shows which of a command's
own runs are dead.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import dagster as dg
import orjson
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from storeavail_platform.config import Platform, dagster_home, load_platform
from storeavail_platform.domain.errors import ConfigError, WindowBusy
from storeavail_platform.domain.windows import Window, partition_key
from storeavail_platform.orchestration.assets import observation
from storeavail_platform.orchestration.build import load_window_job
from storeavail_platform.orchestration.jobs import window_run_config, window_tags
from storeavail_platform.orchestration.launch import Outcome
from storeavail_platform.orchestration.partitions import COUNTRY, WINDOW

HOST_TAG = "storeavail/host"
MOVED_MODULES = {"storeavail_platform.orchestration.run_launcher": "storeavail_platform.automation.run_launcher"}
"""Modules that a home of 0.2.0 names as only that release does, and the name that every release knows."""
UNFINISHED = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def main(request: str) -> None:
    work = orjson.loads(request)
    windows = [Window.parse(key) for key in work["windows"]]
    for outcome in execute_windows(load_platform(), work["country"], windows, work["select"]):
        sys.stdout.buffer.write(encode(outcome))
        sys.stdout.buffer.flush()


def prepare_home(platform: Platform) -> Path:
    """Dagster's home for this configuration, with the local `dagster.yaml` in it unless there is one, and its databases made.

    Dagster makes its SQLite tables at first use, and processes that do so at once get in each other's way: here one does it for all.
    """
    home = dagster_home(platform)
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_bytes((files("storeavail_platform.orchestration") / "dagster.yaml").read_bytes())
    else:
        rename_modules(settings)
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with DagsterInstance.from_config(str(home)) as instance:
            instance.get_run_records(limit=1)
            instance.get_latest_materialization_event(observation.KEY)
    return home


def rename_modules(settings: Path) -> None:
    """Make a `dagster.yaml` name the modules as every release does; whatever else is in it stays."""
    text = settings.read_text(encoding="utf-8")
    renamed = functools.reduce(lambda text, names: text.replace(*names), MOVED_MODULES.items(), text)
    if renamed != text:
        draft = settings.with_suffix(f".{os.getpid()}.draft")
        draft.write_text(renamed, encoding="utf-8")
        draft.replace(settings)


def execute_windows(platform: Platform, country: str, windows: Sequence[Window], select: Sequence[str]) -> Iterator[Outcome]:
    """Run a country's windows one after another in this process.

    Yields:
        The outcome of each window.
    """
    home = prepare_home(platform)
    with DagsterInstance.from_config(str(home)) as instance:
        for window in windows:
            started = time.perf_counter()
            try:
                with country_lock(home, instance, country, window):
                    heal_dead_runs(instance, country)
                    refuse_running(instance, country, window)
                    run_id, reason = _execute(instance, country, window, select)
            except (WindowBusy, ConfigError) as error:
                run_id, reason = None, str(error)
            yield Outcome(country, window.key, run_id, round(time.perf_counter() - started, 3), reason)


def _execute(instance: DagsterInstance, country: str, window: Window, select: Sequence[str]) -> tuple[str, str | None]:
    config = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if not select or "observation" in select:
        config |= window_run_config(until_deadline=False)
    with dg.execute_job(
        dg.reconstructable(load_window_job),
        instance=instance,
        run_config=config,
        tags={
            **window_tags(country, window),
            HOST_TAG: socket.gethostname(),
            "dagster/partition": partition_key(country, window),
            f"dagster/partition/{COUNTRY}": country,
            f"dagster/partition/{WINDOW}": window.key,
        },
        asset_selection=[dg.AssetKey(name) for name in select] or None,
        raise_on_error=False,
    ) as result:
        return result.run_id, None if result.success else _reason(result)


def _reason(result: Any) -> str:
    """What went wrong in a run, in the words of the step that failed."""
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data is not None and data.user_failure_data.description:
                return str(data.user_failure_data.description)
            error = data.error
            while error is not None and error.cause is not None:
                error = error.cause
            return str(error.message).strip() if error is not None else f"step {event.step_key} failed"
    return f"run {result.run_id} failed outside its steps; see its log in the Dagster UI"


@contextlib.contextmanager
def country_lock(home: Path, instance: DagsterInstance, country: str, window: Window) -> Iterator[None]:
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
            if lock.read().strip() == window.key:
                refuse_running(instance, country, window)
                raise WindowBusy(
                    f"window {window} of {country} is just being started by another storeavail command; wait for it"
                ) from None
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(window.key)
        lock.flush()
        yield


def heal_dead_runs(instance: DagsterInstance, country: str) -> None:
    """Mark this machine's own unfinished command-line runs of a country as failed. The caller holds the country's lock, so they are dead."""
    tags = {COUNTRY: country, HOST_TAG: socket.gethostname()}
    for run in instance.get_runs(RunsFilter(tags=tags, statuses=UNFINISHED)):
        instance.report_run_failed(
            run, "The process of this run is gone (killed, or the machine restarted). The window can be run again."
        )


def refuse_running(instance: DagsterInstance, country: str, window: Window) -> None:
    """Refuse a window that has an unfinished run.

    Raises:
        WindowBusy: names the run.
    """
    runs: Sequence[DagsterRun] = instance.get_runs(RunsFilter(tags={COUNTRY: country, WINDOW: window.key}, statuses=UNFINISHED))
    if runs:
        raise WindowBusy(
            f"window {window} of {country} is already running as run {runs[0].run_id} ({runs[0].status.value.lower()}); "
            "wait for it, or terminate it in the Dagster UI"
        )


def encode(outcome: Outcome) -> bytes:
    """An outcome as the line that a country's process prints."""
    return orjson.dumps(asdict(outcome), option=orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    main(sys.argv[1])
