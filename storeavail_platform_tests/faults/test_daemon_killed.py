"""Dagster's daemon and everything below it killed in the middle of a window: started again, it
completes the window without a human.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from storeavail_platform.domain.errors import SourceUnavailable
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.catch_up import CATCH_UP
from storeavail_platform.orchestration.home import prepare_home
from storeavail_platform.pipeline.observe import (
    INDEX,
    POSTGRES,
    Observing,
    Sources,
    Target,
    observe,
)
from storeavail_platform_tests.end_to_end.world import World, world
from storeavail_platform_tests.faults.made_up import past
from storeavail_testing.proxy import Fault, proxied
from storeavail_testing.waiting import wait_for

__all__ = ["world"]

WORKSPACE = Path(__file__).parents[2] / "workspace.yaml"
WAIT_SECONDS = 120.0
BEGUN = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
STORES_SQL = """
INSERT INTO stores SELECT i, 'Store ' || i, NULL, 'City', 'Brand', NULL, true FROM generate_series(1, 20) i;
INSERT INTO store_weekly_hours SELECT i, d, '00:00', '24:00' FROM generate_series(1, 20) i, generate_series(1, 7) d;
"""
STATUS_SQL = "SELECT status, COUNT(*) AS stores FROM store_availability"
DOCUMENTS: list[dict[str, Any]] = [{"store_id": str(i), "online": True} for i in range(1, 21)]


@contextlib.contextmanager
def daemon(world: World, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A running daemon in a session of its own; what is left of it at the end is killed."""
    command: list[str | Path] = [
        Path(sys.executable).with_name("dagster-daemon"),
        "run",
        "-w",
        WORKSPACE,
    ]
    environment = {
        **os.environ,
        **world.environment,
        "STOREAVAIL_CONFIG": str(world.config),
        "DAGSTER_HOME": str(home),
    }
    with (world.folder / "daemon.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=log,
            stderr=log,
            cwd=WORKSPACE.parent,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the daemon, its code servers and its runs at once, as when the machine goes
    down.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.long
def test_the_daemon_is_killed_in_the_middle_of_a_window(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dead run is found by its process, long before it has told nothing for long, and gives
    its country's place back; catch-up completes the window from what was landed, once.
    """
    window = past(0)
    world.add_country(
        "BR", "America/Sao_Paulo", world.record("BR", window, DOCUMENTS), rows=STORES_SQL
    )
    dsn = world.environment["BR_DSN"]
    port = dsn.partition("port=")[2].split()[0]
    with proxied(int(port)) as proxy:
        world.environment["BR_DSN"] = dsn.replace(f"port={port}", f"port={proxy.port}")
        for name, value in world.environment.items():
            monkeypatch.setenv(name, value)
        runtime = world.runtime()
        land_index(world, window, monkeypatch)
        home = prepare_home(runtime.platform)
        settings = home / "dagster.yaml"
        settings.write_text(
            settings.read_text().replace("poll_interval_seconds: 10", "poll_interval_seconds: 1")
        )
        with dg.DagsterInstance.from_config(str(home)) as instance:
            released = threading.Event()
            proxy.fault = Fault(hold=released)
            with daemon(world, home) as process:
                # catch-up has asked for the window, and its run waits for PostgreSQL
                wait_for("a connection to PostgreSQL", lambda: proxy.open, WAIT_SECONDS)
                wait_for("a run that has begun", lambda: instance.get_runs(BEGUN), WAIT_SECONDS)
                kill(process)
            proxy.fault = Fault()
            released.set()
            (dead,) = instance.get_runs(BEGUN)
            with daemon(world, home):
                wait_for(
                    "the end of the dead run",
                    lambda: is_finished(instance, dead.run_id),
                    WAIT_SECONDS,
                )
                # a sensor without a past has a tick at once, instead of a minute after its last one
                for state in instance.all_instigator_state():
                    instance.delete_instigator_state(state.origin.get_id(), state.selector_id)
                marker = wait_for(
                    "the window's marker", lambda: runtime.markers.read("BR", window), WAIT_SECONDS
                )
            assert marker.run_id != dead.run_id
            done = instance.get_run_by_id(marker.run_id)
            assert done is not None
            assert CATCH_UP in done.tags
    assert runtime.landing.find("BR", window, POSTGRES) is not None
    assert world.query(
        f"{STATUS_SQL} WHERE window_start = '{window.start.isoformat()}' GROUP BY status"
    ) == [{"status": "available", "stores": 20}]


def is_finished(instance: dg.DagsterInstance, run_id: str) -> bool:
    found = instance.get_run_by_id(run_id)
    return found is not None and found.is_finished


def land_index(world: World, window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run that was killed after its first reading has left."""
    runtime = world.runtime()
    index, stores, grace = (
        runtime.index_source("BR"),
        runtime.stores_source("BR"),
        runtime.platform.observation_grace,
    )
    with monkeypatch.context() as patch:
        patch.setenv("BR_DSN", "postgresql://nobody@127.0.0.1:1/nothing")
        with pytest.raises(SourceUnavailable):
            observe(
                runtime.landing,
                Target("BR", "America/Sao_Paulo", window),
                Sources(index, stores),
                Observing(grace),
            )
    assert runtime.landing.find("BR", window, INDEX) is not None
