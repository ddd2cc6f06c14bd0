"""A scheduled window: Dagster's own daemon finds the tick, launches the run, and the country's
cluster computes it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
)
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget

from storeavail_platform.config import dagster_home
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.home import prepare_home
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_testing.company import DOCUMENTS, STORE_ROWS, Company
from storeavail_testing.processes import REPOSITORY
from storeavail_testing.waiting import wait_for

WORKSPACE = REPOSITORY / "workspace.yaml"
SCHEDULED_SECONDS = 150.0
BACK = timedelta(minutes=16)
"""Every quarter of an hour has a tick: there is one in this time, whenever the test runs."""


@pytest.mark.long
def test_a_scheduled_window_is_computed_on_the_cluster(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tick of the country's schedule becomes one run whose tables are committed, told to the
    instance, and read by `storeavail query`.
    """
    now = datetime.now(UTC)
    company.observation_grace = "15m"
    company.add_country("BR", Window.containing(now), DOCUMENTS, STORE_ROWS)
    for back in (1, 2):
        company.record("BR", Window.containing(now).next(-back), DOCUMENTS)
    for name, value in company.environment.items():
        monkeypatch.setenv(name, value)
    runtime = build_runtime(company.platform())
    prepare_home(runtime.platform)
    with dg.DagsterInstance.from_config(str(dagster_home(runtime.platform))) as instance:
        started_at(instance, now - BACK)
        with daemon(company):
            (marker,) = wait_for(
                "a complete window",
                lambda: list(runtime.markers.latest("BR"))[:1],
                seconds=SCHEDULED_SECONDS,
            )
        run = instance.get_run_by_id(marker.run_id)
        assert run is not None
        assert run.tags["dagster/schedule_name"] == "window_br"
        assert run.tags["dagster/partition"] == f"BR|{marker.window}"
        said = {
            key: instance.get_latest_materialization_event(key)
            for key in (
                dg.AssetKey(name) for name in ("observation", *(table.name for table in TABLES))
            )
        }
        assert {entry.run_id for entry in said.values() if entry is not None} >= {run.run_id}
        assert None not in said.values()
    rows = company.query(
        f"SELECT COUNT(*) AS stores FROM store_availability WHERE run_id = '{marker.run_id}'"
    )
    assert rows == [{"stores": 20}]


def started_at(instance: dg.DagsterInstance, moment: datetime) -> None:
    """Have the country's schedule run since a moment, so that the daemon finds ticks that it
    has missed.
    """
    with WorkspaceProcessContext(instance, WorkspaceFileTarget([str(WORKSPACE)])) as process:
        (location,) = process.create_request_context().code_locations
        (repository,) = location.get_repositories().values()
        (schedule,) = [one for one in repository.get_schedules() if one.name == "window_br"]
        data = ScheduleInstigatorData(schedule.cron_schedule, moment.timestamp())
        origin = schedule.get_remote_origin()
    instance.add_instigator_state(
        InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, data)
    )


@contextmanager
def daemon(company: Company) -> Iterator[None]:
    """A running `dagster-daemon`, which is ended with every process that it has started."""
    command: list[str | Path] = [
        Path(sys.executable).with_name("dagster-daemon"),
        "run",
        "-w",
        WORKSPACE,
    ]
    environment = {**company.environment, "DAGSTER_HOME": str(dagster_home(company.platform()))}
    with (company.folder / "daemon.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, cwd=WORKSPACE.parent
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait()
