"""The step launcher: a Dagster step of a country runs as a step of that country's EMR cluster.

It extends dagster-aws' launcher by what that leaves out: the cluster and session of the partition's
country, a runtime role, a poll every second or two with backoff on throttling, events as they come,
cancelling the EMR step when the run is terminated or its time is over, and reports that say where
to look. What travels is in `staging.py`, EMR's API in `clusters.py`, the cluster's side is
`remote.py`.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from dagster import DagsterEvent, MultiPartitionKey
from dagster._core.errors import raise_execution_interrupts
from dagster._core.execution.plan.execute_step import core_dagster_event_sequence_for_step
from dagster_aws.emr.pyspark_step_launcher import EmrPySparkStepLauncher

from storeavail_platform.config import Country, Emr, Platform
from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.errors import (
    ClusterUnavailable,
    StepError,
)
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration import describe
from storeavail_platform.orchestration.emr.clusters import (
    ClusterStep,
    emr_client,
    find_cluster,
    submit_client,
    submitted,
)
from storeavail_platform.orchestration.emr.code_zip import own_sha256
from storeavail_platform.orchestration.emr.command import command
from storeavail_platform.orchestration.emr.follower import Follower, attempted, cancel
from storeavail_platform.orchestration.emr.staging import RemoteStep, Staging
from storeavail_platform.orchestration.failures import as_failures
from storeavail_platform.orchestration.partitions import COUNTRY, WINDOW
from storeavail_platform.pipeline.notes import noted_windows
from storeavail_platform.pipeline.runtime import open_storage
from storeavail_platform.storage.s3 import S3Storage

if TYPE_CHECKING:
    from dagster._core.execution.context.system import StepExecutionContext

MAIN = "step_main.py"
RETRY_SECONDS = 20.0
"""Until a cluster that was not there is looked for again."""
OBSERVATION = describe.OBSERVATION
"""Key of the step that a country's own process executes unless `observe_from` says otherwise."""


class CountryStepLauncher(EmrPySparkStepLauncher):
    """Runs a step on the cluster of its partition's country. Nothing is connected before that."""

    def __init__(
        self,
        platform: Platform,
        *,
        clock: Clock = utc_now,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        # Not the base class' own: it takes one region, bucket and cluster; here each step has its
        # country's.
        self.platform = platform
        self.clock = clock
        self.retry_seconds = retry_seconds

    def launch_step(self, step_context: StepExecutionContext) -> Iterator[DagsterEvent]:
        """Run a step, and give its events as they come.

        Raises:
            dg.Failure: the step was rejected, failed outside Dagster, took too long, or was
            cancelled by someone. dg.RetryRequested: the cluster or S3 is not there; that may pass.
        """
        settings = self.platform.country(country_of(step_context))
        with as_failures():
            self.platform.refuse_unserved(settings.code)
        if step_context.step.key == OBSERVATION and settings.observe_from == "worker":
            yield from core_dagster_event_sequence_for_step(step_context)
            return
        with as_failures(), consequences(step_context):
            noted = noted_windows(open_storage(self.platform), settings.code)
            step, staging = self.submitted_in_time(step_context, settings)
            step_context.log.info("submitted as %s", step)
            follower = Follower(step_context, step, staging, timeout_seconds(settings), noted=noted)
            try:
                yield from follower.events()
            finally:
                if not follower.has_ended:
                    cancel(step_context, step, staging)

    def submitted_in_time(
        self, context: StepExecutionContext, settings: Country
    ) -> tuple[ClusterStep, Staging]:
        """As `submit`; an observation that may wait for its sources waits for its cluster too,
        until the window's deadline.
        """
        deadline = None
        if context.step.key == OBSERVATION and may_wait(context):
            deadline = Window.parse(partition_of_step(context)[WINDOW]).deadline(
                self.platform.observation_grace
            )
        while True:
            try:
                return self.submit(context, settings)
            except ClusterUnavailable as error:
                if deadline is None or self.clock() >= deadline:
                    raise
                context.log.warning("%s; trying again until the window's deadline", error)
            with raise_execution_interrupts():
                time.sleep(self.retry_seconds)

    def submit(
        self, context: StepExecutionContext, settings: Country
    ) -> tuple[ClusterStep, Staging]:
        """Write the attempt's files and add the step to the country's cluster.

        Raises:
            ClusterUnavailable: no live cluster, or EMR does not answer.
            StepFailed: the cluster rejects the step.
            StorageUnavailable, WarehouseError: the staging cannot be written.
        """
        emr = emr_settings(settings)
        cluster = find_cluster(emr_client(settings.aws), settings)
        attempt = f"{context.previous_attempt_count + 1}-{uuid.uuid4().hex[:8]}"
        storage = S3Storage(
            f"{emr.staging}/{context.run_id}/{context.step.key}/{attempt}", settings.aws
        )
        staging = Staging(storage)
        storage.replace(MAIN, (files("storeavail_platform.orchestration.emr") / MAIN).read_bytes())
        staging.write_step(RemoteStep.of(context, self.platform.dump(), timeout_seconds(settings)))
        name = (
            f"storeavail {context.partition_key} {context.step.key} run {context.run_id} attempt"
            f" {attempt}"
        )
        try:
            return (
                cluster.add(
                    submit_client(settings.aws),
                    name,
                    command(emr, storage.path(MAIN), storage.url, own_sha256()),
                    execution_role=emr.execution_role,
                ),
                staging,
            )
        except StepError as error:
            # an answer that was lost may have been a yes
            taken = submitted(cluster, name) if isinstance(error, ClusterUnavailable) else None
            if taken is None:
                attempted(context, staging.give_up)
                raise
            return taken, staging


@contextlib.contextmanager
def consequences(context: StepExecutionContext) -> Iterator[None]:
    """Add to the error of a cluster that is not there what it means for the window."""
    try:
        yield
    except ClusterUnavailable as error:
        if context.step.key == OBSERVATION:
            means = (
                "Nothing is landed: past its deadline the window is a gap. observe_from: worker"
                " needs no cluster to observe"
            )
        else:
            means = "The observation is landed; the window is computed when a cluster is there"
        raise ClusterUnavailable(f"{error}. {means}") from error


def partition_of_step(context: StepExecutionContext) -> Mapping[str, str]:
    """The step's partition by dimension."""
    key = context.partition_key
    if not isinstance(key, MultiPartitionKey):
        raise TypeError(f"partition key {key!r} is not of the country x window grid")
    return key.keys_by_dimension


def country_of(context: StepExecutionContext) -> str:
    return partition_of_step(context)[COUNTRY]


def may_wait(context: StepExecutionContext) -> bool:
    """Whether the run's configuration lets its observation go on trying until the window's
    deadline.
    """
    ops: Any = context.run_config.get("ops", {})
    return bool(ops.get(OBSERVATION, {}).get("config", {}).get("until_deadline"))


def emr_settings(settings: Country) -> Emr:
    """The country's EMR settings, which `execution: emr` requires."""
    assert settings.emr is not None
    return settings.emr


def timeout_seconds(settings: Country) -> float:
    return emr_settings(settings).step_timeout.total_seconds()
