"""SIGKILL at many points of a window: nothing half made is trusted, and running again gives
exactly the right rows.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.launcher.base import WorkerStatus

from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.home import prepare_home
from storeavail_platform.orchestration.runs import UNFINISHED, of_country
from storeavail_platform.pipeline.observe import INDEX, POSTGRES
from storeavail_platform_tests.end_to_end.world import COMMAND_SECONDS, World

WINDOW = Window.parse("2026-11-23T1300")
ROWS = """
INSERT INTO stores SELECT i, 'S' || i, NULL, 'C' || i % 3, 'B' || i % 2, NULL, true FROM generate_series(1, 200) i;
INSERT INTO store_weekly_hours SELECT i, 1, '08:00', '22:00' FROM generate_series(1, 200) i WHERE i % 9 > 0;
"""
DOCUMENTS = [
    {"store_id": str(i), "online": i % 4 > 0, "updated_at": "2026-11-23T13:05:00Z"}
    for i in range(1, 220)
]
NAMES = [table.name for table in TABLES]

# point, path, what exists after it: index landed, stores landed, tables with a pointer, window
# complete. A table is computed while the one before it is committed, so that one more or less may
# have its pointer then.
POINTS = [
    (
        "before",
        "part-raw_online_index",
        (False, False, {0}, False),
    ),  # its file is written and not closed
    ("before", "online_index/manifest.json", (False, False, {0}, False)),
    ("after", "part-raw_store_hours", (True, False, {0}, False)),
    (
        "before",
        "stores/current.json",
        (True, True, {0}, False),
    ),  # committed in the catalog, pointer not moved
    ("after", "expected_schedules/data", (True, True, {2, 3}, False)),
    ("after", "store_availability/current.json", (True, True, {5}, False)),
    ("before", "windows/BR", (True, True, {len(TABLES)}, False)),
]


def run_killed(world: World, point: str, path: str) -> int:
    """Run the window of BR in a process that kills itself; gives its exit code."""
    request = json.dumps({"country": "BR", "windows": [WINDOW.key], "select": []})
    command = [
        sys.executable,
        "-m",
        "storeavail_platform_tests.end_to_end.killed",
        point,
        path,
        request,
    ]
    home = world.folder / "warehouse" / "dagster"
    environment = {
        **os.environ,
        **world.environment,
        "STOREAVAIL_CONFIG": str(world.config),
        "DAGSTER_HOME": str(home),
    }
    return subprocess.run(
        command, env=environment, capture_output=True, timeout=COMMAND_SECONDS
    ).returncode


def state(world: World) -> tuple[bool, bool, int, bool]:
    runtime = world.runtime()
    return (
        runtime.landing.find("BR", WINDOW, INDEX) is not None,
        runtime.landing.find("BR", WINDOW, POSTGRES) is not None,
        sum(runtime.warehouse.pointer("BR", table) is not None for table in NAMES),
        runtime.markers.read("BR", WINDOW) is not None,
    )


def facts(world: World, country: str) -> list[dict[str, Any]]:
    """Every row of a country, without what has to differ between runs and countries."""
    return [
        {"table": table, **row}
        for table in NAMES
        for row in world.query(
            "SELECT * EXCLUDE (country,"
            f" run_id{', stores_read_at' if table == 'window_quality' else ''}) FROM {table} WHERE"
            f" country = '{country}' ORDER BY ALL"
        )
    ]


# nine runs, each in a process of its own
@pytest.mark.timeout(900)
def test_killed_at_every_point_and_run_again(world: World) -> None:
    """A window killed at one point after another, then run to its end, has the rows of a window
    that nothing happened to.

    After each kill only what was whole is there; each next run goes on from it; run monitoring sees
    at once that the run is dead, and the dead runs are marked as failed.
    """
    for code in ("AR", "BR"):
        world.add_country(
            code, "America/Sao_Paulo", world.record(code, WINDOW, DOCUMENTS), rows=ROWS
        )
    prepare_home(world.runtime().platform)
    for point, path, expected in POINTS:
        assert run_killed(world, point, path) == -signal.SIGKILL, (point, path)
        *landed, tables, complete = state(world)
        assert (*landed, complete) == (*expected[:2], expected[3]), (point, path)
        assert tables in expected[2], (point, path)
        with DagsterInstance.from_config(str(world.folder / "warehouse" / "dagster")) as instance:
            (dead,) = instance.get_runs(of_country("BR", UNFINISHED))
            # what run monitoring asks every ten seconds
            health = instance.run_launcher.check_run_worker_health(dead)
            assert health.status is WorkerStatus.FAILED
    world.command("run", "--window", WINDOW.key)
    assert state(world) == (True, True, len(TABLES), True)
    assert facts(world, "BR") == facts(world, "AR")
    assert len(facts(world, "BR")) > 1000
    with DagsterInstance.from_config(str(world.folder / "warehouse" / "dagster")) as instance:
        runs = [run for run in instance.get_runs() if run.tags["dagster/partition/country"] == "BR"]
        assert Counter(run.status for run in runs) == {
            DagsterRunStatus.FAILURE: len(POINTS),
            DagsterRunStatus.SUCCESS: 1,
        }
        assert not [run for run in runs if run.status in UNFINISHED]
    attempts = {
        path.parent.name for path in (world.folder / "warehouse" / "landing" / "BR").rglob("part-*")
    }
    assert len(attempts) > 2, "the killed attempts left files behind, and nothing read them"
