"""Runs as everybody here sees them: whose they are, which are unfinished, why one failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from storeavail_platform.alerting.failed_runs import CAUSES
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.partitions import COUNTRY, WINDOW

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


@dataclass(frozen=True)
class RunFailure:
    """Why a run failed.

    Attributes:
        error: name of the platform's error, or of another exception; None: outside its steps.
        message: the failing step's own words.
    """

    error: str | None
    message: str


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
