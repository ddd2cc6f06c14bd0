"""The process of one country: `python -m storeavail_platform.orchestration.execute REQUEST`,
started by `launch.py`. Prints an outcome a line. With several requests it imports once, forks a
process a country, and prints how each ended too.

A country's lock keeps two commands apart (`locks.py`) and shows which runs of a release before are
dead; a run of this one says by a tag which process it is (`processes.py`).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any

import dagster as dg
import orjson
from dagster import DagsterInstance, RunsFilter
from dagster._core.errors import DagsterExecutionInterruptedError

from storeavail_platform.config import Platform, load_platform
from storeavail_platform.domain.errors import ConfigError, StoreAvailError, WindowBusy
from storeavail_platform.domain.library_warnings import ignore_library_warnings
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.assets.window import WINDOW_STEP
from storeavail_platform.orchestration.build import load_window_job
from storeavail_platform.orchestration.describe import OBSERVATION
from storeavail_platform.orchestration.forking import ready_to_fork
from storeavail_platform.orchestration.home import home_errors, prepare_home
from storeavail_platform.orchestration.home_storage import open_home
from storeavail_platform.orchestration.jobs import window_run_config, window_tags
from storeavail_platform.orchestration.launch import COUNTRIES_AT_ONCE, Ended, Outcome, Work
from storeavail_platform.orchestration.locks import country_lock, give_way, refuse_running
from storeavail_platform.orchestration.processes import PROCESS_TAG, RunProcess
from storeavail_platform.orchestration.runs import (
    COUNTRY_TAG,
    GONE,
    UNFINISHED,
    RunFailure,
    end_dead_runs,
    ended_badly,
)
from storeavail_platform.pipeline.recompute import judged_after
from storeavail_platform.pipeline.runtime import build_runtime

HOST_TAG = "storeavail/host"
INTERRUPTED = 130
STOPPED = DagsterExecutionInterruptedError.__name__
"""The error of a run that was stopped by a signal to its process: it says nothing of its window."""


def main(request: str, job: Callable[[], dg.JobDefinition] = load_window_job) -> None:
    ignore_library_warnings()
    for outcome in execute(load_platform(), Work.decode(request), job):
        say(outcome)


def say(message: Outcome | Ended) -> None:
    sys.stdout.buffer.write(encode(message))
    sys.stdout.buffer.flush()


def execute_together(requests: Sequence[str]) -> None:
    """Each country in a process forked from this one; not more than `COUNTRIES_AT_ONCE`.

    What a child tells comes through this one, line by line, and as far as it came where it is
    killed.
    """
    ignore_library_warnings()
    load_window_job()
    ready_to_fork()
    forking = multiprocessing.get_context("fork")
    coming = deque(Work.decode(request) for request in requests)
    running: dict[Connection, tuple[Work, ForkProcess]] = {}
    while coming or running:
        while coming and len(running) < COUNTRIES_AT_ONCE:
            work = coming.popleft()
            receiving, sending = forking.Pipe(duplex=False)
            process = forking.Process(target=_tell_outcomes, args=(work, sending))
            process.start()
            sending.close()
            running[receiving] = work, process
        for ready in wait(list(running)):
            assert isinstance(ready, Connection)
            try:
                say(ready.recv())
            except EOFError:
                work, process = running.pop(ready)
                process.join()
                code = process.exitcode or 0
                say(Ended(work.country, code if code >= 0 else 128 - code))


def _tell_outcomes(work: Work, sending: Connection) -> None:
    with ended_by_signals():
        for outcome in execute(load_platform(), work):
            sending.send(outcome)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Stopped by hand, or the command that reads the outcomes was: Dagster knows of the run."""
    try:
        yield
    except (KeyboardInterrupt, DagsterExecutionInterruptedError, BrokenPipeError):
        os._exit(INTERRUPTED)


def execute(
    platform: Platform, work: Work, job: Callable[[], dg.JobDefinition] = load_window_job
) -> Iterator[Outcome]:
    """Run a country's windows one after another in this process.

    Args:
        job: gives the window job, also where Dagster reconstructs it.

    Yields:
        The outcome of each window; of a range none after the first that fails.
    """
    done = 0
    try:
        with home_errors(platform):
            for outcome in _executed(platform, work, job):
                yield outcome
                done += 1
    except StoreAvailError as error:
        # what holds one up, such as Dagster's own storage without room, holds up all
        coming = work.windows[done:]
        for window in coming if work.last is None else (coming[:1] or [work.last.next()]):
            yield Outcome(work.country, window.key, None, 0.0, str(error))


def _executed(
    platform: Platform, work: Work, job: Callable[[], dg.JobDefinition]
) -> Iterator[Outcome]:
    home, country = prepare_home(platform), work.country
    with open_home(home) as instance:
        for window, config in _windows(platform, work):
            begun, started = time.time(), time.perf_counter()
            try:
                with country_lock(home, instance, country, window):
                    heal_dead_runs(instance, country)
                    if work.is_range:
                        give_way(instance, country, window)
                    refuse_running(instance, country, window)
                    run_id = _execute(
                        instance, window_tags(country, window), work.select, config, job
                    )
                failure = ended_badly(instance, run_id)
                if failure is not None and failure.error == STOPPED:
                    raise KeyboardInterrupt
            except (WindowBusy, ConfigError) as error:
                run_id, failure = None, RunFailure(type(error).__name__, str(error))
            outcome = Outcome(
                country,
                window.key,
                run_id,
                round(time.perf_counter() - started, 3),
                None if failure is None else failure.message,
                is_gap=failure is not None and failure.is_recorded_gap,
                begun=begun,
            )
            yield outcome
            if work.is_range and failure is not None and not outcome.is_gap:
                return


def _windows(platform: Platform, work: Work) -> Iterator[tuple[Window, Mapping[str, Any]]]:
    """Each window with the configuration of its run. Local dates and the page of several are done
    once, in the run of the last.
    """
    for window in work.windows:
        is_last = window == work.windows[-1]
        yield window, _run_config(work.select, reread=work.reread, follow_up=is_last)
    if work.last is not None and not work.select:
        runtime, is_resumed = build_runtime(platform), not work.windows
        for window in judged_after(runtime, work.country, work.last, is_resumed=is_resumed):
            yield window, _run_config((), reread=False, follow_up=True)


def _run_config(select: Sequence[str], *, reread: bool, follow_up: bool) -> Mapping[str, Any]:
    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    ops = window_run_config(until_deadline=False, reread=reread, follow_up=follow_up)["ops"]
    is_observed = not select or OBSERVATION in select
    is_computed = not select or set(select) > {OBSERVATION} or not is_observed
    wanted = {OBSERVATION: is_observed, WINDOW_STEP: is_computed}
    return config | {"ops": {name: ops[name] for name in ops if wanted[name]}}


def _execute(
    instance: DagsterInstance,
    tags: Mapping[str, str],
    select: Sequence[str],
    config: Mapping[str, Any],
    job: Callable[[], dg.JobDefinition],
) -> str:
    with dg.execute_job(
        dg.reconstructable(job),
        instance=instance,
        run_config=config,
        # the release before heals its own runs by the host
        tags={**tags, HOST_TAG: socket.gethostname(), **RunProcess.own().tags},
        asset_selection=[dg.AssetKey(name) for name in select] or None,
        raise_on_error=False,
    ) as result:
        return result.run_id


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


def encode(message: Outcome | Ended) -> bytes:
    """The line that a country's process prints."""
    return orjson.dumps(asdict(message), option=orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    with ended_by_signals():
        if len(sys.argv) == 2:
            main(sys.argv[1])
        else:
            execute_together(sys.argv[1:])
    # what the interpreter would still clean up, the system does at once
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
