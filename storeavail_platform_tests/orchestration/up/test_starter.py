"""The run starter: runs are its children, of the configuration as it is; one that is killed leaves
it as it is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin

from storeavail_platform.config import CONFIG_VARIABLE
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.build import build_definitions
from storeavail_platform.orchestration.home import prepare_home
from storeavail_platform.orchestration.home_storage import open_home
from storeavail_platform.orchestration.jobs import WINDOW_JOB, window_run_config, window_tags
from storeavail_platform.orchestration.processes import RunProcess
from storeavail_platform.orchestration.up.starting import STARTER_SOCKET, start_run
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.postgres import PostgresServer
from storeavail_testing.waiting import wait_for

pytestmark = pytest.mark.postgres

WAIT_SECONDS = 120.0
WINDOW = Window.parse("2026-11-23T1300")
STORE = "INSERT INTO stores VALUES (1, 'Store', NULL, 'City', 'Brand', NULL, true)"
LOCATION = ModuleCodePointer("storeavail_platform.definitions", "defs", working_directory=None)


def add_country(world: World, code: str) -> None:
    """A country with a recorded window; no secret is in the starter's environment. All read the
    newest one's stores.
    """
    index = world.record(code, WINDOW, [{"store_id": "1", "online": True}])
    world.add_country(code, "America/Sao_Paulo", index, rows=STORE)
    dsn = f'"{world.environment[f"{code}_DSN"]}"'
    for secret in [f"env:{name}_DSN" for name in world.countries]:
        text = world.config.read_text()
        world.config.write_text(text.replace(secret, dsn))


@contextlib.contextmanager
def starter(world: World, home: Path, address: Path) -> Iterator[int]:
    """A running starter; its process' id. Whoever starts it ignores signals."""
    module = "storeavail_platform.orchestration.up.starter"
    ignoring = ["sh", "-c", 'trap "" INT TERM; exec "$@"', "sh"]
    command = [*ignoring, sys.executable, "-m", module, str(address)]
    environment = {**os.environ, CONFIG_VARIABLE: str(world.config), "DAGSTER_HOME": str(home)}
    with subprocess.Popen(command, env=environment) as process:
        try:
            wait_for("its socket", address.exists, WAIT_SECONDS)
            yield process.pid
        finally:
            process.terminate()
            process.wait(WAIT_SECONDS)


def asked_for(world: World, instance: DagsterInstance, code: str) -> str:
    """A run of a country's window that the queue has let go; its id."""
    run = instance.create_run_for_job(
        job_def=build_definitions(world.runtime().platform).resolve_job_def(WINDOW_JOB),
        run_config=window_run_config(until_deadline=False),
        tags=window_tags(code, WINDOW),
        status=DagsterRunStatus.STARTING,
        job_code_origin=JobPythonOrigin(
            WINDOW_JOB, RepositoryPythonOrigin(sys.executable, LOCATION)
        ),
    )
    return run.run_id


def test_runs_are_of_the_configuration_as_it_is(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """A run is a child of the starter and completes its window. One that is killed leaves the
    starter as it is, and a country that was added since is run too. SIGTERM ends the starter.
    """
    world = World(tmp_path, postgres_server)
    add_country(world, "BR")
    home, address = prepare_home(world.runtime().platform), tmp_path / STARTER_SOCKET
    with open_home(home) as instance, starter(world, home, address) as pid:
        killed, whole = (asked_for(world, instance, "BR") for _ in range(2))
        child = start_run(address, killed)
        assert child is not None
        process = RunProcess.of_pid(child)
        os.kill(child, signal.SIGKILL)
        wait_for("its end", lambda: process.is_gone, WAIT_SECONDS)
        child = start_run(address, whole)
        assert child is not None
        assert Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1] == str(pid)

        def has_ended(run_id: str) -> bool:
            run = instance.get_run_by_id(run_id)
            return run is not None and run.is_finished

        wait_for("the window", lambda: has_ended(whole), WAIT_SECONDS)
        add_country(world, "CL")
        added = asked_for(world, instance, "CL")
        assert start_run(address, added) is not None
        wait_for("the added country's", lambda: has_ended(added), WAIT_SECONDS)
        found = {
            run.run_id: run.status for run in instance.get_runs() if run.run_id in {whole, added}
        }
    assert set(found.values()) == {DagsterRunStatus.SUCCESS}
    markers = world.runtime().markers
    assert [markers.complete(code) for code in ("BR", "CL")] == [[WINDOW.key]] * 2
