"""Whether a run is alive: what its code server says of it, and when it last told something."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import dagster as dg
import grpc  # type: ignore[import-untyped]  # it has no stubs
import pytest
from dagster import DagsterRun, DagsterRunStatus
from dagster._core.launcher.base import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.__generated__ import dagster_api_pb2, dagster_api_pb2_grpc
from dagster._grpc.types import CanCancelExecutionResult
from dagster._serdes import serialize_value

from storeavail_platform.orchestration.processes import RunProcess
from storeavail_platform.orchestration.run_launcher import WatchedRunLauncher
from storeavail_testing.processes import free_port

LONG = 3600
protocol: Any = dagster_api_pb2
servicers: Any = dagster_api_pb2_grpc
"""Dagster's generated modules, which have no types."""


class CodeServer(servicers.DagsterApiServicer):  # type: ignore[misc]  # its base has no types
    """Says of every run that it knows it, or that it does not, as Dagster's own does over the
    wire.
    """

    def __init__(self, knows: bool) -> None:
        self.knows = knows

    def CanCancelExecution(self, request: Any, context: Any) -> Any:
        result = serialize_value(CanCancelExecutionResult(can_cancel=self.knows))
        return protocol.CanCancelExecutionReply(serialized_can_cancel_execution_result=result)


@contextmanager
def code_server(knows: bool | None) -> Iterator[int]:
    """The port of a code server that knows every run or none; nobody listens there where it is
    None.
    """
    if knows is None:
        yield free_port()
        return
    server = grpc.server(ThreadPoolExecutor(1))
    servicers.add_DagsterApiServicer_to_server(CodeServer(knows), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None).wait()


def health(
    knows: bool | None, quiet_seconds: int, process: RunProcess | None = None
) -> WorkerStatus:
    """Of a run that has told something just now, whose code server knows it, or does not, or
    does not answer (None).
    """
    with code_server(knows) as port, dg.DagsterInstance.ephemeral() as instance:
        launcher = WatchedRunLauncher(quiet_seconds=quiet_seconds)
        launcher.register_instance(instance)
        place = json.dumps({"host": "127.0.0.1", "port": port})
        run = instance.add_run(
            DagsterRun(
                job_name="nothing",
                status=DagsterRunStatus.STARTED,
                tags={GRPC_INFO_TAG: place} | ({} if process is None else process.tags),
            )
        )
        instance.report_engine_event("told", run)
        return launcher.check_run_worker_health(run).status


@pytest.mark.parametrize("knows", [False, None])
def test_a_run_that_its_server_does_not_know_is_alive_while_it_tells_something(
    knows: bool | None,
) -> None:
    """After "Reload" a code server knows no run that it began before, and one that is being
    replaced does not answer: its runs go on.
    """
    assert health(knows, LONG) == WorkerStatus.RUNNING
    assert health(knows, 0) == WorkerStatus.FAILED


def test_a_run_that_its_server_knows_is_alive() -> None:
    """However long it has told nothing."""
    assert health(True, 0) == WorkerStatus.RUNNING


def test_a_run_of_this_machine_is_judged_by_its_process() -> None:
    """At once where that is gone, whatever its server says and however much it told before; and
    alive where it is not, while its server is away or was loaded anew.
    """
    own = RunProcess.own()
    assert health(True, LONG, replace(own, started="1")) == WorkerStatus.FAILED
    assert health(None, LONG, replace(own, boot="of-yesterday")) == WorkerStatus.FAILED
    assert health(None, 0, own) == WorkerStatus.RUNNING
    assert health(False, 0, own) == WorkerStatus.RUNNING


def test_a_run_of_another_machine_is_judged_by_its_server() -> None:
    """Its process id says nothing here."""
    elsewhere = replace(RunProcess.own(), host="elsewhere", started="1")
    assert health(True, 0, elsewhere) == WorkerStatus.RUNNING
    assert health(False, 0, elsewhere) == WorkerStatus.FAILED
    assert health(True, 0, RunProcess.to_come()) == WorkerStatus.RUNNING
