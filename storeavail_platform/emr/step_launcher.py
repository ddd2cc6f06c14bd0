"""The step launcher: a Dagster step of a country runs as a step of that country's EMR cluster.

It extends dagster-aws' launcher by what that leaves out: the cluster and session of the partition's country, a runtime role, a poll every second
or two with backoff on throttling, events as they come, cancelling the EMR step when the run is terminated or its time is over, and reports
that say where to look. What travels is in `staging.py`, which cluster in `clusters.py`, the program on the cluster is `step_main.py`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from dagster import DagsterEvent, DagsterExecutionInterruptedError
from dagster._core.errors import raise_execution_interrupts
from dagster_aws.emr.pyspark_step_launcher import EmrPySparkStepLauncher

from storeavail_platform.assets.failures import as_failures
from storeavail_platform.assets.partitions import COUNTRY
from storeavail_platform.config import Country, Emr, Platform
from storeavail_platform.emr.clusters import find_cluster
from storeavail_platform.emr.sessions import country_session
from storeavail_platform.emr.staging import STEP, RemoteStep, Staging
from storeavail_platform.errors import ClusterUnavailable, StepFailed

if TYPE_CHECKING:
    from dagster._core.execution.context.system import StepExecutionContext
    from mypy_boto3_emr import EMRClient

SPARK_SUBMIT = "/usr/lib/spark/bin/spark-submit"
MAIN = "step_main.py"
POLL_SECONDS = 1.0
LONGEST_POLL_SECONDS = 20.0
THROTTLED = {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown"}
ENDED = {"COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED"}


@dataclass(frozen=True)
class SubmittedStep:
    """A step on a cluster, and where its files are."""

    country: Country
    emr: EMRClient
    cluster: str
    step: str
    staging: Staging

    def describe(self) -> dict[str, Any]:
        """The step's status as EMR gives it."""
        return dict(self.emr.describe_step(ClusterId=self.cluster, StepId=self.step)["Step"]["Status"])

    def cancel(self) -> None:
        """Ask EMR to end the step's process."""
        self.emr.cancel_steps(ClusterId=self.cluster, StepIds=[self.step], StepCancellationOption="TERMINATE_PROCESS")

    def where(self) -> str:
        """Where someone looks for what happened."""
        return f"step {self.step} of cluster {self.cluster} ({self.country.code}); logs: {self.logs()}/steps/{self.step}/ (EMR copies them within minutes)"

    def logs(self) -> str:
        cluster = self.emr.describe_cluster(ClusterId=self.cluster)["Cluster"]
        return f"{cluster['LogUri'].rstrip('/')}/{self.cluster}" if cluster.get("LogUri") else "on the cluster's own disks"


class CountryStepLauncher(EmrPySparkStepLauncher):
    """Runs a step on the cluster of its partition's country."""

    def __init__(self, platform: Platform) -> None:
        # The base class holds one region, bucket and cluster; here each step has its country's.
        self.platform = platform

    def launch_step(self, step_context: StepExecutionContext) -> Iterator[DagsterEvent]:
        country = self.platform.country(step_context.partition_key.keys_by_dimension[COUNTRY])
        with as_failures():
            step = self.submit(step_context, country)
            step_context.log.info("submitted as %s", step.where())
            try:
                yield from self.follow(step_context, step)
            except (DagsterExecutionInterruptedError, StepFailed, GeneratorExit):
                step.cancel()
                step_context.log.info("cancelled %s", step.where())
                raise

    def submit(self, context: StepExecutionContext, country: Country) -> SubmittedStep:
        """Write the step's files and add it to the country's cluster.

        Raises:
            ClusterUnavailable: no live cluster.
            StepFailed: EMR rejected the step.
        """
        assert country.emr is not None
        session = country_session(country)
        emr = session.client("emr")
        cluster = find_cluster(emr, country)
        bucket, _, prefix = country.emr.staging.removeprefix("s3://").partition("/")
        attempt = f"{context.dagster_run.run_id}/{context.step.key}/{context.previous_attempt_count + 1}-{uuid.uuid4().hex[:8]}"
        staging = Staging(session.client("s3"), bucket, f"{prefix}/{attempt}")
        staging.put(STEP, RemoteStep.of(context, self.platform.dump()).encode())
        staging.put(MAIN, (files("storeavail_platform.emr") / MAIN).read_bytes())
        request: dict[str, Any] = {"JobFlowId": cluster, "Steps": [step_definition(context, country.emr, staging)]}
        if country.emr.execution_role:
            request["ExecutionRoleArn"] = country.emr.execution_role
        try:
            (step,) = emr.add_job_flow_steps(**request)["StepIds"]
        except ClientError as error:
            raise StepFailed(
                f"cluster {cluster} of {country.code} rejected the step: {error.response['Error'].get('Message')} "
                f"({error.response['Error']['Code']}); check the cluster's state, its release and the launcher's rights"
            ) from error
        return SubmittedStep(country, emr, cluster, step, staging)

    def follow(self, context: StepExecutionContext, step: SubmittedStep) -> Iterator[DagsterEvent]:
        """Give the step's events as they come, until it has ended.

        Raises:
            StepFailed: the step failed, was cancelled, took too long, or ended without all of its events.
            ClusterUnavailable: the cluster was lost.
        """
        assert step.country.emr is not None
        deadline = time.monotonic() + step.country.emr.step_timeout.total_seconds()
        batches, pause = 0, POLL_SECONDS
        while True:
            with raise_execution_interrupts():
                time.sleep(pause)
            try:
                status = step.describe()
                new = list(step.staging.read_events(batches))
                pause = POLL_SECONDS
            except (ClientError, BotoCoreError) as error:
                if isinstance(error, ClientError) and error.response["Error"]["Code"] not in THROTTLED:
                    raise
                pause = min(2 * pause, LONGEST_POLL_SECONDS)
                continue
            for number, events in new:
                batches = number
                for event in events:
                    context.instance.handle_new_event(event)
                    if event.is_dagster_event:
                        yield event.get_dagster_event()
            if status["State"] in ENDED:
                self.judge(step, status, batches)
                return
            if time.monotonic() > deadline:
                raise StepFailed(f"the step took longer than {step.country.emr.step_timeout} (emr.step_timeout) and was cancelled: {step.where()}")

    def judge(self, step: SubmittedStep, status: dict[str, Any], batches: int) -> None:
        """Decide how an ended step ended.

        Raises:
            StepFailed, ClusterUnavailable: see `follow`.
        """
        expected = step.staging.batches()
        if expected is not None and expected == batches:
            return
