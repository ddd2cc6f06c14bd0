"""Whether a run is alive: what its code server says of it, and when it last told something."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import WorkerStatus
from dagster._grpc.types import CanCancelExecutionResult
from dagster._serdes import serialize_value

from storeavail_platform.orchestration.run_launcher import WatchedRunLauncher

LONG = 3600


@dg.job
def nothing() -> None:
    """A job without steps."""


def health(monkeypatch: pytest.MonkeyPatch, answer: bool | None, quiet_seconds: int) -> WorkerStatus:
    """Of a run that has told something just now; its code server knows it, or does not, or does not answer (None)."""

    def can_cancel_execution(request: Any, timeout: int) -> str:
        if answer is None:
            raise DagsterUserCodeUnreachableError("no")
        return serialize_value(CanCancelExecutionResult(can_cancel=answer))

    launcher = WatchedRunLauncher(quiet_seconds=quiet_seconds)
    client = SimpleNamespace(can_cancel_execution=can_cancel_execution)
    monkeypatch.setattr(launcher, "_get_grpc_client_for_termination", lambda run_id: client)
    with dg.DagsterInstance.ephemeral() as instance:
        launcher.register_instance(instance)
        run = instance.get_run_by_id(nothing.execute_in_process(instance=instance).run_id)
        assert run is not None
        return launcher.check_run_worker_health(run).status


@pytest.mark.parametrize("answer", [False, None])
def test_a_run_that_its_server_does_not_know_is_alive_while_it_tells_something(
    monkeypatch: pytest.MonkeyPatch, answer: bool | None
) -> None:
    """After "Reload" a code server knows no run that it began before, and one that is being replaced does not answer: its runs go on."""
    assert health(monkeypatch, answer, LONG) == WorkerStatus.RUNNING
    assert health(monkeypatch, answer, 0) == WorkerStatus.FAILED


def test_a_run_that_its_server_knows_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it has told nothing."""
    assert health(monkeypatch, True, 0) == WorkerStatus.RUNNING
