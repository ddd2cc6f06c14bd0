"""The program that a cluster runs for a step: `spark-submit step_main.py BUCKET PREFIX`.

It restores the launcher's configuration, executes the one step, and writes its events to the attempt's folder as they come.
"""

from __future__ import annotations

import queue
import sys
import threading

import dagster as dg
from dagster._core.definitions.step_launcher import StepRunRef
from dagster._core.events.log import EventLogEntry
from dagster._core.execution.plan.external_step import external_instance_from_step_run_ref, run_step_from_ref

from storeavail_platform.aws import client
from storeavail_platform.emr.staging import STEP, RemoteStep, Staging
from storeavail_platform.errors import StoreAvailError

BATCH_SECONDS = 0.5
"""Events are written at most this often."""


def main(bucket: str, prefix: str) -> None:
    staging = Staging(client("s3"), bucket, prefix)
    data = staging.get(STEP)
    if data is None:
        raise StoreAvailError(f"{staging.uri(STEP)} is not there: the run that submitted this step did not write it, or it was removed")
    step = RemoteStep.decode(data)
    events: queue.Queue[EventLogEntry | None] = queue.Queue()
    writer = threading.Thread(target=write_events, args=(events, staging), name="write-events")
    writer.start()
    try:
        reference = StepRunRef(
            run_config=step.run_config,
            dagster_run=step.run,
            run_id=step.run.run_id,
            retry_mode=step.retry_mode,
            step_key=step.step_key,
            recon_job=dg.build_reconstructable_job("storeavail_platform.build", "restored_window_job", (step.configuration,)),
            known_state=step.known_state,
        )
        instance = external_instance_from_step_run_ref(reference, event_listener_fn=events.put)
        for _ in run_step_from_ref(reference, instance):
            pass
    finally:
        events.put(None)
        writer.join()


def write_events(events: queue.Queue[EventLogEntry | None], staging: Staging) -> None:
    """Write events in batches until None comes, then say that all are written."""
    number, is_done = 0, False
    while not is_done:
        batch: list[EventLogEntry] = []
        try:
            event = events.get()
            while event is not None:
                batch.append(event)
                event = events.get(timeout=BATCH_SECONDS)
            is_done = True
        except queue.Empty:
            pass
        if batch:
            number += 1
            staging.write_events(number, batch)
    staging.finish(number)


if __name__ == "__main__":
    main(*sys.argv[1:3])
