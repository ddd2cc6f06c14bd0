"""Dagster's default run launcher, with a check that a run's process is still there, and a shorter
way to one. `dagster.yaml`
names it; run monitoring asks it.

Without the check a run whose process was killed holds its country's place in the queue until
`max_runtime_seconds`, half an hour in which no window of the country can be observed.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterRun
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import ConfigurableClassData, deserialize_value

from storeavail_platform.orchestration.processes import RunProcess
from storeavail_platform.orchestration.runs import GONE
from storeavail_platform.orchestration.up.starting import STARTER_SOCKET, start_run

ANSWER_SECONDS = 10
QUIET_SECONDS = 240
"""A run tells something at least every minute, also while it waits for a step on a cluster."""


class WatchedRunLauncher(DefaultRunLauncher):
    """A run on this machine is alive while its process is, which its tag names (`processes.py`).

    Of a run elsewhere its code server knows whether it is alive; not, though, if it began it before
    "Reload", nor while the server is being replaced. So such a run is given up when its server does
    not know it and it has told nothing for `quiet_seconds`.
    """

    def __init__(
        self, inst_data: ConfigurableClassData | None = None, quiet_seconds: int = QUIET_SECONDS
    ) -> None:
        super().__init__(inst_data)
        self.quiet_seconds = quiet_seconds

    @classmethod
    def config_type(cls) -> Any:
        return {"quiet_seconds": dg.Field(int, default_value=QUIET_SECONDS, is_required=False)}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> WatchedRunLauncher:
        return cls(inst_data, **config_value)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start a run: by the starter of `storeavail up` where there is one, else by its code
        server. One on this machine is tied to this boot until its process names itself.
        """
        run = context.dagster_run
        if context.workspace is not None and run.remote_job_origin is not None:
            location = context.workspace.get_code_location(run.remote_job_origin.location_name)
            client = getattr(location, "client", None)
            if address := getattr(client, "socket", None):
                self._instance.add_run_tags(run.run_id, RunProcess.to_come().tags)
                pid = start_run(Path(address).with_name(STARTER_SOCKET), run.run_id)
                if pid is not None:
                    return
        super().launch_run(context)

    def terminate(self, run_id: str) -> bool:
        """Interrupt a run: one that no code server began by its process itself."""
        run = self._instance.get_run_by_id(run_id)
        process = None if run is None or GRPC_INFO_TAG in run.tags else RunProcess.of(run.tags)
        is_ours = process is not None and process.is_here and not process.is_gone
        if run is None or run.is_finished or process is None or not is_ours or process.pid is None:
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]  # Dagster gives it no types
        self._instance.report_run_canceling(run)
        os.kill(process.pid, signal.SIGINT)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether a started run is alive, as far as its process, or its code server and its own
        events, say so.
        """
        process = RunProcess.of(run.tags)
        if process is not None and process.is_here and (process.is_gone or process.pid is not None):
            return (
                CheckRunHealthResult(WorkerStatus.FAILED, GONE)
                if process.is_gone
                else CheckRunHealthResult(WorkerStatus.RUNNING)
            )
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]  # Dagster gives it no types
        if client is None:
            # a `storeavail run` of another machine, or of a release before
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        try:
            request = CanCancelExecutionRequest(run_id=run.run_id)
            answer = deserialize_value(
                client.can_cancel_execution(request, timeout=ANSWER_SECONDS),
                CanCancelExecutionResult,
            )
            problem = None if answer.can_cancel else "its code server does not know it (any more)"
        except DagsterUserCodeUnreachableError:
            problem = "its code server does not answer"
        if problem is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        quiet = time.time() - self._last_event(run)
        if quiet < self.quiet_seconds:
            return CheckRunHealthResult(WorkerStatus.RUNNING, problem)
        return CheckRunHealthResult(
            WorkerStatus.FAILED,
            f"The process of this run is gone: {problem}, and it has told nothing for {quiet:.0f}"
            " s. What it landed and committed counts",
        )

    def _last_event(self, run: DagsterRun) -> float:
        """When the run's newest event was, in seconds since 1970."""
        newest = self._instance.get_records_for_run(run.run_id, limit=1, ascending=False).records
        return max((record.event_log_entry.timestamp for record in newest), default=0.0)
