"""Which process a run is: alive, killed, of another boot, of another machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import dagster as dg
import pytest
from dagster import DagsterRun, DagsterRunStatus

from storeavail_platform.orchestration.jobs import window_tags
from storeavail_platform.orchestration.processes import PROCESS_TAG, RunProcess, start_of
from storeavail_platform.orchestration.runs import end_dead_runs
from storeavail_platform_tests.alerting.alert_world import FIRST

SLEEPER = [sys.executable, "-c", "import sys; sys.stdin.read()"]


def living() -> subprocess.Popen[bytes]:
    """A process that waits until it is killed."""
    return subprocess.Popen(SLEEPER, stdin=subprocess.PIPE)


def process_of(pid: int) -> RunProcess:
    return replace(RunProcess.own(), pid=pid, started=start_of(pid) or "")


def test_a_killed_process_is_gone_before_anybody_asks_how_it_ended() -> None:
    """Its id is still in the system's list then, as that of a process that waits to be reaped."""
    process = living()
    named = process_of(process.pid)
    assert not named.is_gone
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert named.is_gone
    process.wait()
    assert named.is_gone


def test_an_id_that_is_used_again_is_another_process() -> None:
    """The start time tells them apart; so does the boot, whatever runs under the id now."""
    own = RunProcess.own()
    assert not own.is_gone
    assert replace(own, started="1").is_gone
    assert replace(own, boot="of-yesterday").is_gone
    assert replace(RunProcess.to_come(), boot="of-yesterday").is_gone
    assert not RunProcess.to_come().is_gone


def test_of_another_machine_nothing_is_known() -> None:
    """Its processes are neither alive nor gone."""
    other = replace(RunProcess.own(), host="elsewhere", boot="other", started="1")
    assert not other.is_here
    assert not other.is_gone


@pytest.mark.parametrize("named", [RunProcess.own(), RunProcess.to_come()])
def test_a_tag_is_read_as_it_was_written(named: RunProcess) -> None:
    """Also where there is no process yet; what is not understood names none."""
    assert RunProcess.of(named.tags) == named
    assert RunProcess.of({PROCESS_TAG: "in another form"}) is None
    assert RunProcess.of({}) is None


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        (DagsterRunStatus.STARTING, DagsterRunStatus.FAILURE),
        (DagsterRunStatus.STARTED, DagsterRunStatus.FAILURE),
        (DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED),
    ],
)
def test_dead_runs_give_their_country_back(
    status: DagsterRunStatus, ended: DagsterRunStatus
) -> None:
    """Those of a killed process and of an earlier boot, however they were started; not those that
    are alive, on another machine, or another country's.
    """
    process = living()
    killed = process_of(process.pid)
    process.kill()
    process.wait()
    rebooted = replace(RunProcess.to_come(), boot="of-yesterday")
    alive, elsewhere = RunProcess.own(), replace(killed, host="elsewhere")
    with dg.DagsterInstance.ephemeral() as instance:
        ids = {
            (country, named): instance.add_run(
                DagsterRun(
                    job_name="window",
                    tags={**window_tags(country, FIRST), **named.tags},
                    status=status,
                )
            ).run_id
            for country in ("BR", "CL")
            for named in (killed, rebooted, alive, elsewhere)
        }
        dead = {ids["BR", killed], ids["BR", rebooted]}
        assert set(end_dead_runs(instance, "BR")) == dead
        assert {run.run_id: run.status for run in instance.get_runs()} == {
            run_id: ended if run_id in dead else status for run_id in ids.values()
        }
