"""Dagster's databases as this platform opens them: the same files as Dagster's own, nothing lost
by a killed process, a home that is made anew, forks.
"""

from __future__ import annotations

import multiprocessing
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterInstance, DagsterRun
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from storeavail_platform.orchestration.home_storage import (
    EMPTY_RUN,
    HomeEvents,
    open_home,
)
from storeavail_platform.orchestration.processes import EVENT_BATCHES

RUNS = 20
STORED_AND_KILLED = """
import os, signal, sys
from pathlib import Path
from dagster import DagsterRun
from storeavail_platform.orchestration.home_storage import open_home
with open_home(Path(sys.argv[1])) as instance:
    run = instance.add_run(DagsterRun(job_name="killed"))
    for number in range(20):
        instance.report_engine_event(f"event {number}", run)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@dg.asset(check_specs=[dg.AssetCheckSpec("whole", asset="made")])
def made() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """An asset with a check."""
    yield dg.MaterializeResult(metadata={"rows": 1})
    yield dg.AssetCheckResult(passed=True, check_name="whole", asset_key="made")


def said(instance: DagsterInstance, run_id: str) -> list[str]:
    """What a run's events say, as an instance reads them."""
    return [f"{event.dagster_event_type} {event.message}" for event in instance.all_logs(run_id)]


def own(home: Path) -> DagsterInstance:
    """The home as Dagster itself opens it, and the release before."""
    return DagsterInstance.from_config(str(home))


@pytest.mark.parametrize("is_ours_first", [True, False])
def test_each_reads_what_the_other_has_written(
    tmp_path: Path, is_ours_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs, events, materialisations and checks of a home that Dagster's own storages have made
    are there in ours, and the reverse; both go on with the other's runs.
    """
    for name, value in EVENT_BATCHES.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    first, second = (open_home, own) if is_ours_first else (own, open_home)
    with first(tmp_path) as writing:
        run_id = dg.materialize([made], instance=writing).run_id
        before = said(writing, run_id)
    with second(tmp_path) as reading:
        assert type(reading.event_log_storage) in {HomeEvents, SqliteEventLogStorage}
        assert said(reading, run_id) == before
        assert len(before) > 5
        assert [run.run_id for run in reading.get_runs()] == [run_id]
        assert reading.get_latest_materialization_event(dg.AssetKey("made")) is not None
        key = dg.AssetCheckKey(dg.AssetKey("made"), "whole")
        (check,) = reading.event_log_storage.get_asset_check_execution_history(key, limit=9)
        assert check.run_id == run_id
        (run,) = reading.get_runs()
        reading.report_engine_event("gone on", run)
    with first(tmp_path) as again:
        assert any("gone on" in line for line in said(again, run_id))


def test_a_killed_process_loses_no_event(tmp_path: Path) -> None:
    """What it was told is stored is there for the next, though nothing has waited for the disk."""
    command = [sys.executable, "-c", STORED_AND_KILLED, str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    with open_home(tmp_path) as instance:
        (run,) = instance.get_runs()
        lines = said(instance, run.run_id)
    assert [number for number in range(20) if not any(f"event {number}" in s for s in lines)] == []


def test_a_home_made_anew_is_used(tmp_path: Path) -> None:
    """By a process that had the lost one open: it sees the new home's runs and writes its own
    there.
    """
    home = tmp_path / "home"
    home.mkdir()
    with open_home(home) as before:
        before.add_run(DagsterRun(job_name="lost"))
        shutil.rmtree(home)
        home.mkdir()
        with open_home(home) as anew:
            anew.add_run(DagsterRun(job_name="new"))
        before.add_run(DagsterRun(job_name="later"))
        assert {run.job_name for run in before.get_runs()} == {"new", "later"}
    with own(home) as instance:
        assert {run.job_name for run in instance.get_runs()} == {"new", "later"}


def add_runs(home: Path, name: str) -> None:
    with open_home(home) as instance:
        for _ in range(RUNS):
            instance.report_engine_event("began", instance.add_run(DagsterRun(job_name=name)))


def test_a_fork_has_connections_of_its_own(tmp_path: Path) -> None:
    """Parent and children, forked while the home is open, write at once; all of it is there."""
    with open_home(tmp_path) as instance:
        instance.add_run(DagsterRun(job_name="parent"))
        forking = multiprocessing.get_context("fork")
        children = [
            forking.Process(target=add_runs, args=(tmp_path, f"child {number}"))
            for number in range(3)
        ]
        for child in children:
            child.start()
        add_runs(tmp_path, "parent")
        for child in children:
            child.join()
        assert [child.exitcode for child in children] == [0, 0, 0]
        found = [run.job_name for run in instance.get_runs()]
    assert {name: found.count(name) for name in set(found)} == {
        "parent": RUNS + 1,
        **{f"child {number}": RUNS for number in range(3)},
    }


def test_a_run_begins_with_a_copy(tmp_path: Path) -> None:
    """Of a run without events, which is made once; it is no run itself."""
    with open_home(tmp_path) as instance:
        add_runs(tmp_path, "copied")
        storage = instance.event_log_storage
        assert isinstance(storage, HomeEvents)
        assert len(storage.get_all_run_ids()) == RUNS
        assert (tmp_path / "history" / "runs" / EMPTY_RUN).exists()


def test_storages_that_a_home_names_are_left(tmp_path: Path) -> None:
    """Such as PostgreSQL in production."""
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "dagster.yaml").write_text(f"storage: {{sqlite: {{base_dir: {elsewhere}}}}}\n")
    with open_home(tmp_path) as instance:
        assert not isinstance(instance.event_log_storage, HomeEvents)
        instance.add_run(DagsterRun(job_name="there"))
    assert (elsewhere / "history" / "runs.db").exists()
