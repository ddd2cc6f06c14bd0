"""The step launcher: a Dagster step of a country runs as a step of that country's EMR cluster.

It extends dagster-aws' launcher by what that leaves out: the cluster and session of the partition's
country, a runtime role, a poll every second or two with backoff on throttling, events as they come,
cancelling the EMR step when the run is terminated or its time is over, and reports that say where
to look. What travels is in `staging.py`, EMR's API in `clusters.py`, the cluster's side is
`remote.py`.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NoReturn

from dagster import DagsterEvent, MultiPartitionKey
from dagster._check import CheckError
from dagster._core.errors import raise_execution_interrupts
from dagster._core.events import DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.execution.plan.execute_step import core_dagster_event_sequence_for_step
from dagster_aws.emr.pyspark_step_launcher import EMR_SPARK_HOME, EmrPySparkStepLauncher
from dagster_shared.serdes.errors import DeserializationError

from storeavail_platform.config import Country, Emr, Platform
from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.errors import (
    ClusterUnavailable,
    ConfigError,
    StepError,
    StepFailed,
    StorageUnavailable,
    StoreAvailError,
)
from storeavail_platform.domain.windows import Window
from storeavail_platform.engines.spark_settings import SETTINGS
from storeavail_platform.orchestration import describe
from storeavail_platform.orchestration.emr.clusters import (
    ClusterStep,
    StepStatus,
    emr_client,
    find_cluster,
    submit_client,
    submitted,
)
from storeavail_platform.orchestration.emr.scope import Scope
from storeavail_platform.orchestration.emr.staging import Batch, RemoteStep, Staging
from storeavail_platform.orchestration.failures import as_failures
from storeavail_platform.orchestration.partitions import COUNTRY, WINDOW
from storeavail_platform.pipeline.local_dates import noted_windows
from storeavail_platform.pipeline.runtime import open_storage
from storeavail_platform.storage.s3 import S3Storage

if TYPE_CHECKING:
    from dagster._core.execution.context.system import StepExecutionContext

MAIN = "step_main.py"
RELEASE_VARIABLE = "STOREAVAIL_RELEASE"
"""Set in an image that was built from a published commit."""
OBSERVATION = describe.OBSERVATION
"""Key of the step that a country's own process executes unless `observe_from` says otherwise."""
SPARK_SUBMIT = f"{EMR_SPARK_HOME}bin/spark-submit"
PYTHON = "python3.11"
"""Spark's Python on a cluster, whose own python3 is 3.9.

A country's `emr.spark` may name another by `spark.pyspark.python`.
"""
POLL_SECONDS = 1.0
LONGEST_POLL_SECONDS = 20.0
REPORT_SECONDS = 60.0
"""While a step tells nothing, its state is told this often."""
CANCEL_SECONDS = 10.0
"""How long the end of a cancelled step is awaited, so that it does not commit beside the run
that follows.
"""
LAST_EVENTS = {
    DagsterEventType.STEP_SUCCESS,
    DagsterEventType.STEP_FAILURE,
    DagsterEventType.STEP_UP_FOR_RETRY,
}
"""How Dagster says that a step is over."""
UNKNOWN = "unknown"
NOT_A_BATCH = (ValueError, KeyError, TypeError, AttributeError, CheckError, DeserializationError)
"""What reading a file raises that is not what a step writes."""


class CountryStepLauncher(EmrPySparkStepLauncher):
    """Runs a step on the cluster of its partition's country. Nothing is connected before that."""

    def __init__(
        self,
        platform: Platform,
        *,
        clock: Clock = utc_now,
        retry_seconds: float = LONGEST_POLL_SECONDS,
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
                    command(emr, storage.path(MAIN), storage.url),
                    execution_role=emr.execution_role,
                ),
                staging,
            )
        except StepError as error:
            # an answer that was lost may have been a yes
            taken = submitted(cluster, name) if isinstance(error, ClusterUnavailable) else None
            if taken is None:
                _attempt(context, staging.give_up)
                raise
            return taken, staging


@dataclass(frozen=True)
class Pace:
    """How often a step is looked at, and how often a quiet one is reported, in seconds."""

    poll_seconds: float = POLL_SECONDS
    report_seconds: float = REPORT_SECONDS


class Follower:
    """Follows one submitted step. `has_ended` is known once EMR or the step itself has said so."""

    def __init__(
        self,
        context: StepExecutionContext,
        step: ClusterStep,
        staging: Staging,
        timeout: float,
        noted: Sequence[str] = (),
        pace: Pace | None = None,
    ) -> None:
        self.context = context
        self.step = step
        self.staging = staging
        self.timeout = timeout
        self.pace = pace or Pace()
        self.scope = Scope.of(str(context.partition_key), noted)
        self.batches = 0
        self.is_over = False
        self.has_ended = False

    def events(self) -> Iterator[DagsterEvent]:
        """The step's events as they come, until its last word, or until EMR says that it has ended.

        The step's own last word counts: EMR's state follows seconds later.

        Raises:
            StepFailed: the step failed, was cancelled, took too long, or ended without all of its
                events.
            ClusterUnavailable: the cluster was lost.
        """
        began = reported = time.monotonic()
        pause = self.pace.poll_seconds
        while True:
            with raise_execution_interrupts():
                time.sleep(pause)
            status, is_last, batches = self._status(), False, self.batches
            try:
                # the state was read first: whatever a step that has ended has written is there now
                is_last = yield from self._new_events()
            except StorageUnavailable as error:
                status = StepStatus(UNKNOWN, str(error))
            self.has_ended = is_last or status.has_ended
            if is_last:
                return
            if status.has_ended:
                self._explain(status)
            now = time.monotonic()
            if self.batches > batches:
                reported = now
            elif now - reported >= self.pace.report_seconds:
                reported = now
                self.context.log.info("%s since %.0f s: %s", _shown(status), now - began, self.step)
            if now - began > self.timeout:
                raise StepFailed(
                    f"the step took longer than {self.timeout:.0f} s (emr.step_timeout) and is"
                    f" being cancelled; it was {_shown(status)}: {self.step}"
                )
            pause = (
                min(2 * pause, LONGEST_POLL_SECONDS)
                if status.state == UNKNOWN
                else self.pace.poll_seconds
            )

    def _status(self) -> StepStatus:
        """The step's state; unknown while EMR throttles or does not answer."""
        try:
            return self.step.status()
        except (ClusterUnavailable, ConfigError) as error:
            # also credentials that cannot be had for a moment
            return StepStatus(UNKNOWN, str(error))

    def _new_events(self) -> Generator[DagsterEvent, None, bool]:
        """The batches that are new. Returns whether the last of all was among them."""
        while (data := self.staging.read_batch(self.batches + 1)) is not None:
            try:
                batch = Batch.decode(data)
            except NOT_A_BATCH as error:
                raise StepFailed(
                    f"events of {self.step} cannot be read: {error}; is emr.code the version that"
                    " runs here?"
                ) from error
            self.batches += 1
            for entry in batch.events:
                event = self._checked(entry)
                self.context.instance.handle_new_event(entry)
                if event is not None:
                    self.is_over |= event.event_type in LAST_EVENTS
                    yield event
            if batch.is_last:
                self.has_ended = True
                if batch.problem is not None or not self.is_over:
                    raise StepFailed(
                        "the step could not be executed on the cluster:"
                        f" {batch.problem or 'it ended without a result'}: {self.step}"
                    )
                return True
        return False

    def _checked(self, entry: EventLogEntry) -> DagsterEvent | None:
        """The event of a log entry, made sure to be of this step: a cluster speaks for its own
        step and country only.
        """
        event = entry.dagster_event
        if entry.run_id != self.context.run_id or entry.step_key not in (
            None,
            self.context.step.key,
        ):
            raise StepFailed(
                f"refused an event of run {entry.run_id}, step {entry.step_key}: {self.step}"
            )
        if event is not None and (event.is_job_event or not self.scope.holds(event)):
            raise StepFailed(
                f"refused an event {event.event_type_value} of partition {event.partition}:"
                f" {self.step}"
            )
        return event

    def _explain(self, status: StepStatus) -> NoReturn:
        """Say why a step has ended without its last word."""
        try:
            lost = self.step.lost_cluster()
        except StepError:
            lost = None
        if lost is not None:
            raise ClusterUnavailable(
                f"the cluster was lost: cluster {self.step.cluster} is {lost}, the step is"
                f" {_shown(status)}: {self.step}"
            )
        if status.state == "CANCELLED":
            raise StepFailed(
                f"the step was cancelled by someone else than this run ({_shown(status)}):"
                f" {self.step}"
            )
        if self.batches == 0 and status.state != "COMPLETED":
            raise StepFailed(
                f"the step failed before its program began ({_shown(status)}): {self.step}. Likely"
                f" causes: {PYTHON} or the packages are not on the cluster, emr.code is not there"
                " or may not be read, a wrong setting in emr.spark"
            )
        raise StepFailed(
            f"the step ended as {_shown(status)} and its last events are missing ({self.batches}"
            f" files of them came): {self.step}. Likely causes: its driver was killed (memory), or"
            " its role may not write below emr.staging"
        )


def cancel(context: StepExecutionContext, step: ClusterStep, staging: Staging) -> None:
    """End a step on the cluster, and wait for its end for a moment.

    What goes wrong is logged: the caller is ending for another reason.
    """
    is_asked = _attempt(context, step.cancel)
    _attempt(context, staging.give_up)
    deadline = time.monotonic() + CANCEL_SECONDS
    while time.monotonic() < deadline:
        # EMR throttles a call now and then
        is_asked = is_asked or _attempt(context, step.cancel)
        try:
            status = step.status()
        except StoreAvailError as error:
            status = StepStatus(UNKNOWN, str(error))
        if status.has_ended:
            context.log.info("%s, %s", _shown(status), step)
            return
        time.sleep(POLL_SECONDS / 2)
    asked = (
        "asked EMR to cancel it" if is_asked else "EMR did not take the cancelling of it that began"
    )
    context.log.warning("%s %.0f s ago, and it is still not ended: %s", asked, CANCEL_SECONDS, step)


def _attempt(context: StepExecutionContext, action: Callable[[], None]) -> bool:
    """Do something whose failure is logged; whether it did not fail."""
    try:
        action()
    except StoreAvailError as error:
        context.log.error(str(error))
        return False
    return True


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


def code_of(emr: Emr) -> str:
    """The code zip of a step: the launcher's own release where this process runs one, so that
    both sides always run the same; else `emr.code`.
    """
    release = os.environ.get(RELEASE_VARIABLE)
    return f"{emr.code.rpartition('/')[0]}/releases/{release}/code.zip" if release else emr.code


def command(emr: Emr, main: str, staging: str) -> list[str]:
    """What the master node runs for a step: `main` with the address of its staging folder."""
    spark = {"spark.pyspark.python": PYTHON, **emr.spark, **SETTINGS}
    conf = [part for name, value in sorted(spark.items()) for part in ("--conf", f"{name}={value}")]
    return [
        SPARK_SUBMIT,
        "--master",
        "yarn",
        "--deploy-mode",
        "client",
        *conf,
        "--py-files",
        code_of(emr),
        main,
        staging,
    ]


def partition_of_step(context: StepExecutionContext) -> Mapping[str, str]:
    """The step's partition by dimension."""
    key = context.partition_key
    if not isinstance(key, MultiPartitionKey):
        raise TypeError(f"partition key {key!r} is not of the country x window grid")
    return key.keys_by_dimension


def country_of(context: StepExecutionContext) -> str:
    """The country of the step's partition."""
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


def _shown(status: StepStatus) -> str:
    return f"{status.state} ({status.reason})" if status.reason else status.state
