"""The cluster's side of a step, in this process: the step as it travelled, executed without
Spark, its events as files.
"""

from __future__ import annotations

import queue
import threading
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events.log import EventLogEntry
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.retries import RetryMode

from storeavail_platform.config import CONFIG_VARIABLE, Platform, load_platform
from storeavail_platform.domain.errors import StepFailed
from storeavail_platform.orchestration.assets import daily
from storeavail_platform.orchestration.assets.window import WINDOW_STEP
from storeavail_platform.orchestration.build import launched_job
from storeavail_platform.orchestration.emr.remote import execute, run_step, write_events
from storeavail_platform.orchestration.emr.staging import Batch, RemoteStep, Staging
from storeavail_platform.orchestration.jobs import DATE_JOB, WINDOW_JOB
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.company import DOCUMENTS, STORE_ROWS, WINDOW
from storeavail_testing.s3 import S3Server


def travelled(platform: Platform, selected: list[str], staging: Staging) -> RemoteStep:
    """The window's step of a run of some tables, written and read as it travels."""
    job = launched_job(platform.dump(), WINDOW_JOB)
    key = dg.MultiPartitionKey({"country": "BR", "window": WINDOW.key})
    tags = {
        "dagster/partition": str(key),
        "dagster/partition/country": "BR",
        "dagster/partition/window": WINDOW.key,
    }
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(
            job, tags=tags, asset_selection=frozenset(dg.AssetKey(name) for name in selected)
        )
    staging.write_step(
        RemoteStep(
            platform.dump(), 60.0, WINDOW_STEP, run, {}, KnownExecutionState(), RetryMode.DEFERRED
        )
    )
    step = staging.read_step()
    assert step is not None
    return step


def test_a_step_needs_nothing_but_what_travelled(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subset is executed from what travelled alone: the configuration file is gone, and no
    variable names it. Its events come as files.
    """
    world.add_country(
        "BR", "America/Sao_Paulo", world.record("BR", WINDOW, DOCUMENTS), rows=STORE_ROWS
    )
    world.command("run", "--select", "observation", "--window", WINDOW.key)
    staging = Staging(LocalStorage(tmp_path / "attempt"))
    step = travelled(load_platform(str(world.config)), ["store_hours", "online_index"], staging)
    text = world.config.read_text()
    world.config.unlink()
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)

    events: queue.Queue[EventLogEntry | Batch] = queue.Queue()
    writer = threading.Thread(target=write_events, args=(events, staging))
    writer.start()
    assert not execute(step, events)
    events.put(Batch([], is_last=True))
    writer.join()

    batches: list[Batch] = []
    while (data := staging.read_batch(len(batches) + 1)) is not None:
        batches.append(Batch.decode(data))
    assert [batch.is_last for batch in batches] == [False] * (len(batches) - 1) + [True]
    said = [
        entry.dagster_event
        for batch in batches
        for entry in batch.events
        if entry.dagster_event is not None
    ]
    materialized = {
        event.asset_key.to_user_string()
        for event in said
        if event.is_step_materialization and event.asset_key
    }
    assert materialized == {"store_hours", "online_index"}
    assert said[-1].event_type_value == "STEP_SUCCESS"
    world.config.write_text(text)
    (row,) = world.query("SELECT COUNT(*) AS documents, MAX(run_id) AS run_id FROM online_index")
    assert row == {"documents": len(DOCUMENTS), "run_id": step.run.run_id}


def test_a_local_date_runs_on_the_cluster_too(world: World, tmp_path: Path) -> None:
    """The step of a date that somebody runs by hand finds its own job there."""
    world.add_country(
        "BR", "America/Sao_Paulo", world.record("BR", WINDOW, DOCUMENTS), rows=STORE_ROWS
    )
    world.command("run", "--window", WINDOW.key)
    platform = load_platform(str(world.config))
    local_date = WINDOW.start.date().isoformat()
    tags = {
        "dagster/partition": f"BR|{local_date}",
        "dagster/partition/country": "BR",
        "dagster/partition/local_date": local_date,
    }
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(launched_job(platform.dump(), DATE_JOB), tags=tags)
    events: queue.Queue[EventLogEntry | Batch] = queue.Queue()
    assert not execute(
        RemoteStep(
            platform.dump(),
            60.0,
            daily.LOCAL_DATE_STEP,
            run,
            {},
            KnownExecutionState(),
            RetryMode.DEFERRED,
        ),
        events,
    )
    rows = world.query(
        "SELECT run_id FROM daily_store_availability UNION ALL SELECT run_id FROM store_outages"
    )
    assert {row["run_id"] for row in rows} == {run.run_id}


def test_an_attempt_that_was_given_up_is_not_executed(s3: S3Server) -> None:
    """A step that begins after its run has gone ends at once: its description is not there any
    more.
    """
    with pytest.raises(StepFailed, match="has given it up"):
        run_step(f"{s3.create_bucket()}/staging/run/step/1-abc")
