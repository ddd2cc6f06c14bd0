"""The cluster's side of a step: restore the launcher's configuration, execute the one step, write
its events to the attempt's folder as they come.

`step_main.py` is the program that calls it.
"""

from __future__ import annotations

import os
import queue
import threading
import time

import dagster as dg
from dagster._core.definitions.step_launcher import StepRunRef
from dagster._core.events.log import EventLogEntry
from dagster._core.execution.plan.external_step import (
    external_instance_from_step_run_ref,
    run_step_from_ref,
)

from storeavail_platform.domain.errors import StepFailed
from storeavail_platform.domain.library_warnings import ignore_library_warnings
from storeavail_platform.domain.masking import masked
from storeavail_platform.orchestration.assets import daily
from storeavail_platform.orchestration.emr.staging import STEP_FILE, Batch, RemoteStep, Staging
from storeavail_platform.orchestration.jobs import DATE_JOB, WINDOW_JOB
from storeavail_platform.storage.s3 import S3Storage

BUILD = "storeavail_platform.orchestration.build"
BATCH_SECONDS = 0.5
"""Events are written at most this often."""
TIMED_OUT = 124
"""Exit code of a step that ended itself, as of `timeout`."""


def run_step(address: str) -> int:
    """Execute the step of an attempt's folder; the exit code that EMR is to see: 1 where the
    step failed.
    """
    ignore_library_warnings()
    staging = Staging(S3Storage(address))
    step = staging.read_step()
    if step is None:
        raise StepFailed(
            f"{address}/{STEP_FILE} is not there: the run that submitted this step has given it up"
        )
    watchdog = threading.Timer(step.timeout_seconds, os._exit, args=(TIMED_OUT,))
    watchdog.daemon = True
    watchdog.start()
    events: queue.Queue[EventLogEntry | Batch] = queue.Queue()
    writer = threading.Thread(target=write_events, args=(events, staging), name="write-events")
    writer.start()
    problem = "it was interrupted"
    try:
        is_failed = execute(step, events)
        problem = ""
    except Exception as error:
        problem = masked(f"{type(error).__name__}: {error}")
        raise
    finally:
        events.put(Batch([], is_last=True, problem=problem or None))
        writer.join()
    return int(is_failed)


def execute(step: RemoteStep, events: queue.Queue[EventLogEntry | Batch]) -> bool:
    """Execute a step, handing over its events; whether it failed."""
    # by the step, because a run started from the asset graph is of no job of ours
    job = DATE_JOB if step.step_key == daily.LOCAL_DATE_STEP else WINDOW_JOB
    reference = StepRunRef(
        run_config=step.run_config,
        dagster_run=step.run,
        run_id=step.run.run_id,
        retry_mode=step.retry_mode,
        step_key=step.step_key,
        recon_job=dg.build_reconstructable_job(
            BUILD, "launched_job", (step.configuration,), {"job": job}
        ),
        known_state=step.known_state,
    )
    instance = external_instance_from_step_run_ref(reference, event_listener_fn=events.put)
    is_failed = False
    for event in run_step_from_ref(reference, instance):
        is_failed |= event.is_step_failure
    return is_failed


def write_events(events: queue.Queue[EventLogEntry | Batch], staging: Staging) -> None:
    """Write events in batches as they come, until the last batch (without events of its own)
    has come too.
    """
    number = 0
    last: Batch | None = None
    while last is None:
        first = events.get()
        until = time.monotonic() + BATCH_SECONDS
        batch: list[EventLogEntry] = []
        item: EventLogEntry | Batch | None = first
        while item is not None:
            if isinstance(item, Batch):
                last = item
                break
            batch.append(item)
            try:
                item = events.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                item = None
        number += 1
        staging.write_batch(number, Batch(batch, last is not None, last.problem if last else None))
