"""Dagster's default run launcher, with a check that a run's process is still there. `dagster.yaml` names it; run monitoring asks it.

Without the check a run whose process was killed holds its country's place in the queue until `max_runtime_seconds`, half an hour in which no
window of the country can be observed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from dagster import DagsterRun
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import ConfigurableClassData, deserialize_value

ANSWER_SECONDS = 10
GIVEN_UP_AFTER = 2
"""Polls of run monitoring, one after another, in which a run's code server does not answer or does not know it: one may be a hiccup."""


class WatchedRunLauncher(DefaultRunLauncher):
    """Runs are processes of a code server, which knows those that are alive."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        self._missed: Counter[str] = Counter()

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> WatchedRunLauncher:
        return cls(inst_data)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether a started run is alive, as far as its code server says so."""
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]  # Dagster gives it no types
        if client is None:
            # a `storeavail run`: the next one heals it
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        try:
            request = CanCancelExecutionRequest(run_id=run.run_id)
            answer = deserialize_value(client.can_cancel_execution(request, timeout=ANSWER_SECONDS), CanCancelExecutionResult)
            problem = None if answer.can_cancel else "its code server does not know it (any more)"
        except DagsterUserCodeUnreachableError:
            problem = "its code server does not answer"
        if problem is None:
            self._missed.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        self._missed[run.run_id] += 1
        if self._missed[run.run_id] < GIVEN_UP_AFTER:
            return CheckRunHealthResult(WorkerStatus.RUNNING, problem)
        del self._missed[run.run_id]
        return CheckRunHealthResult(
            WorkerStatus.FAILED, f"The process of this run is gone: {problem}. What it landed and committed counts"
        )
