"""Following a step that was submitted: its events as they come, why it ended, ending it. How it
is submitted is in `step_launcher.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from dagster import DagsterEvent
from dagster._check import CheckError
from dagster._core.errors import raise_execution_interrupts
from dagster._core.events import DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster_shared.serdes.errors import DeserializationError

from storeavail_platform.domain.errors import (
    ClusterUnavailable,
    ConfigError,
    StepError,
    StepFailed,
    StorageUnavailable,
    StoreAvailError,
)
from storeavail_platform.orchestration.emr.clusters import (
    ClusterStep,
    StepStatus,
)
from storeavail_platform.orchestration.emr.command import PYTHON
from storeavail_platform.orchestration.emr.scope import Scope
from storeavail_platform.orchestration.emr.staging import Batch, Staging

if TYPE_CHECKING:
    from dagster._core.execution.context.system import StepExecutionContext

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
MOST_EVENTS = 100_000
"""Events of a step, all files together."""
NOT_A_BATCH = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    CheckError,
    DeserializationError,
)
"""What reading a file raises that is not what a step writes."""


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
        self.batches = self.seen_events = 0
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
                is_last = yield from self._new_events(began + self.timeout)
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
                raise self._too_long(f"; it was {_shown(status)}")
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

    def _too_long(self, state: str = "") -> StepFailed:
        return StepFailed(
            f"the step took longer than {self.timeout:.0f} s (emr.step_timeout) and is being"
            f" cancelled{state}: {self.step}"
        )

    def _next_batch(self) -> Batch | None:
        try:
            data = self.staging.read_batch(self.batches + 1)
            batch = None if data is None else Batch.decode(data)
        except NOT_A_BATCH as error:
            raise StepFailed(
                f"events of {self.step} cannot be read: {error}; is emr.code the version that"
                " runs here?"
            ) from error
        if batch is not None:
            self.batches += 1
            self.seen_events += len(batch.events)
        if self.seen_events > MOST_EVENTS:
            raise StepFailed(f"more than {MOST_EVENTS:,} events came of one step: {self.step}")
        return batch

    def _new_events(self, until: float) -> Generator[DagsterEvent, None, bool]:
        """The batches that are new. Returns whether the last of all was among them."""
        while (batch := self._next_batch()) is not None:
            # a step that writes for ever is ended too
            if time.monotonic() > until and not batch.is_last:
                raise self._too_long()
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
                f" causes: {PYTHON} or the packages are not on the cluster, its role may not read"
                " or write below emr.staging, a wrong setting in emr.spark"
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
    is_asked = attempted(context, step.cancel)
    attempted(context, staging.give_up)
    deadline = time.monotonic() + CANCEL_SECONDS
    while time.monotonic() < deadline:
        # EMR throttles a call now and then
        is_asked = is_asked or attempted(context, step.cancel)
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


def attempted(context: StepExecutionContext, action: Callable[[], None]) -> bool:
    """Do something whose failure is logged; whether it did not fail."""
    try:
        action()
    except StoreAvailError as error:
        context.log.error(str(error))
        return False
    return True


def _shown(status: StepStatus) -> str:
    return f"{status.state} ({status.reason})" if status.reason else status.state
