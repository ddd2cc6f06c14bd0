"""Runs as everybody here sees them: whose they are, which are unfinished or dead, which one waits
behind which, why one failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from storeavail_platform.alerting.failed_runs import CAUSES, cause_of
from storeavail_platform.domain.alert_kinds import Cause
from storeavail_platform.domain.errors import NeverObserved
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.partitions import COUNTRY, WINDOW
from storeavail_platform.orchestration.processes import RunProcess

COUNTRY_TAG = f"dagster/partition/{COUNTRY}"
"""Tag by which a country's runs are limited to one at a time and found, however they were started:
Dagster sets it on runs of a partition, also on those of a back-fill from the UI."""
WINDOW_TAG = f"dagster/partition/{WINDOW}"
UNFINISHED = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
HOLDING = (
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
"""A run that holds its country's place in the queue."""
GONE = (
    "The process of this run is gone (killed, out of memory, or the machine restarted). What it"
    " landed and committed counts; the window is asked for again, and can be run again."
)
FAILURES = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}


def of_country(
    country: str, statuses: Sequence[dg.DagsterRunStatus], window: Window | None = None
) -> dg.RunsFilter:
    """The filter for a country's runs, or those of one of its windows."""
    tags = {COUNTRY_TAG: country} | ({} if window is None else {WINDOW_TAG: window.key})
    return dg.RunsFilter(tags=tags, statuses=list(statuses))


def country_of(tags: Mapping[str, str]) -> str | None:
    """Code of the country that a run's tags name; a run of the page has it as its only
    dimension.
    """
    named = tags.get(COUNTRY_TAG) or tags.get("dagster/partition", "")
    return named or None


def end_dead_runs(instance: dg.DagsterInstance, country: str) -> list[str]:
    """Mark a country's unfinished runs as failed whose process on this machine is gone.

    Returns:
        Their ids.
    """
    ended = []
    for run in instance.get_runs(of_country(country, UNFINISHED)):
        process = RunProcess.of(run.tags)
        if process is None or not process.is_gone:
            continue
        if run.status == dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, GONE)
        else:
            instance.report_run_failed(run, GONE)
        ended.append(run.run_id)
    return ended


def named(run: dg.DagsterRun) -> str:
    """A run for people: `run 1f3a... (window 2026-11-23T1015)`."""
    window = run.tags.get(WINDOW_TAG)
    return f"run {run.run_id} ({f'window {window}' if window else f'job {run.job_name}'})"


@dataclass(frozen=True)
class Waiting:
    """Queued runs of a country and the run that they wait behind."""

    runs: Sequence[dg.DagsterRun]
    behind: dg.RunRecord

    def __str__(self) -> str:
        since = self.behind.start_time
        if since is None:
            return named(self.behind.dagster_run)
        begun = datetime.fromtimestamp(since, UTC)
        return f"{named(self.behind.dagster_run)}, begun at {begun:%H:%M:%S} UTC"


def waiting_in(instance: dg.DagsterInstance, country: str) -> Waiting | None:
    """What waits in a country's queue, and behind which run; None where nothing does."""
    queued = instance.get_runs(of_country(country, [dg.DagsterRunStatus.QUEUED]))
    holding = instance.get_run_records(of_country(country, HOLDING)) if queued else []
    if not holding:
        return None
    return Waiting(queued, min(holding, key=lambda record: record.storage_id))


def tell_waiting(instance: dg.DagsterInstance, waiting: Waiting) -> None:
    """Have each waiting run's own log say behind which run it waits, once."""
    said = f"Waits behind {named(waiting.behind.dagster_run)}"
    for run in waiting.runs:
        found = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        messages = [record.event_log_entry.message for record in found.records]
        if not any(said in message for message in messages):
            instance.report_engine_event(f"{said}: one run of a country at a time", run)


@dataclass(frozen=True)
class RunFailure:
    """Why a run failed.

    Attributes:
        error: name of the platform's error, or of another exception; None: outside its steps.
        message: the failing step's own words.
    """

    error: str | None
    message: str

    @property
    def is_lost(self) -> bool:
        """Whether no step says why: its process is gone, took too long, or never began."""
        return self.error is None

    @property
    def says_nothing(self) -> bool:
        """Whether it says nothing of its window: it was lost, its clock was wrong, also where it
        recorded a gap by it, or a disk had no room, be it Dagster's own, of which the step knows
        nothing.
        """
        return (
            self.is_lost
            or self.is_recorded_gap
            or cause_of(self.error, self.message) in (Cause.CLOCK_WRONG, Cause.DISK_FULL)
        )

    @property
    def is_recorded_gap(self) -> bool:
        """Whether nothing went wrong but the window itself: it is lost, and recorded as such."""
        return self.error == NeverObserved.__name__


def ended_badly(instance: dg.DagsterInstance, run_id: str) -> RunFailure | None:
    """Why a run failed, or None where it did not."""
    run = instance.get_run_by_id(run_id)
    is_success = run is not None and run.status == dg.DagsterRunStatus.SUCCESS
    return None if is_success else failure_of(instance, run_id)


def failure_of(instance: dg.DagsterInstance, run_id: str) -> RunFailure:
    """Why a run failed, in the words of the step that failed."""
    outside = "it failed outside its steps; see its log in the Dagster UI"
    for record in instance.get_records_for_run(run_id, of_type=FAILURES).records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        if event.is_step_failure:
            return _step_failure(event)
        outside = event.message or outside
    return RunFailure(None, outside)


def _step_failure(event: dg.DagsterEvent) -> RunFailure:
    data = event.step_failure_data
    failure = data.user_failure_data
    metadata = {} if failure is None else failure.metadata
    names = [str(metadata["error"].value)] if "error" in metadata else []
    error = innermost = data.error
    while error is not None:
        names.append((error.cls_name or "").rpartition(".")[2])
        innermost, error = error, error.cause
    name = next((name for name in names if name in CAUSES), names[-1] if names else "Failure")
    own_words = failure.description if failure is not None else None
    message = own_words or (innermost.message if innermost else event.message)
    return RunFailure(name, str(message).strip())


def utc(moment: datetime) -> datetime:
    """A time of Dagster's storage, which may be naive and is UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
