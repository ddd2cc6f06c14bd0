"""The sensors of alerts: every minute `alerting/watch.py` looks at each country, and failed runs of
all jobs are noted. Only what needs Dagster is here; sensors that ask for runs are `catch_up.py`.

`run_failures` polls the run storage instead of using `dg.run_failure_sensor`, which moves on after
an error of its own and would lose a failure that happens while the storage is down, the very one
that matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import dagster as dg
from pydantic import TypeAdapter

from storeavail_platform.alerting.alerts import Alert, Cause, Kind
from storeavail_platform.alerting.channels import Channel, open_channels
from storeavail_platform.alerting.failed_runs import PLATFORM, FailedRun, add_note, cause_of
from storeavail_platform.alerting.messages import alerts_message
from storeavail_platform.alerting.notify import State, deliver, update
from storeavail_platform.alerting.watch import (
    Tick,
    WatchResult,
    alerts_of,
    look_at_country,
    look_at_platform,
)
from storeavail_platform.config import Aws
from storeavail_platform.domain.text import neutralised
from storeavail_platform.orchestration.home import missing_settings
from storeavail_platform.orchestration.partitions import COUNTRY
from storeavail_platform.orchestration.runs import (
    COUNTRY_TAG,
    UNFINISHED,
    WINDOW_TAG,
    RunFailure,
    country_of,
    failure_of,
    of_country,
    utc,
    waiting_in,
)
from storeavail_platform.pipeline.runtime import Runtime

ALERTS_SECONDS = 60
RUN_FAILURES = "run_failures"
RUN_FAILURES_SECONDS = 30
FIRST_LOOK_BACK = timedelta(hours=1)
"""How far the first tick looks back for failed runs."""
OVERLAP = timedelta(minutes=1)
"""Runs are looked at again for so long: they are stored with the clocks of several machines,
and a note is made only once.
"""
RUNS_AT_ONCE = 200


@dataclass
class Cursor:
    """What a sensor keeps in Dagster: only what has to survive while the warehouse's storage cannot
    be used.

    Attributes:
        noted_until: failed runs updated before are noted (UTC).
        blind: who was told that the alerts cannot be judged.
    """

    noted_until: datetime | None = None
    blind: State | None = field(default=None)


CURSOR = TypeAdapter(Cursor)


def alert_sensors(runtime: Runtime) -> list[dg.SensorDefinition]:
    """A running sensor for the alerts of each country that is served here, and the one that
    notes failed runs.
    """
    return [
        *(country_sensor(runtime, code) for code in runtime.platform.served),
        run_failures_sensor(runtime),
    ]


def country_sensor(runtime: Runtime, country: str) -> dg.SensorDefinition:
    """Freshness, availability, suspect windows and failed runs of a country."""

    def evaluate(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        now, instance = runtime.clock(), context.instance
        in_progress = of_country(country, UNFINISHED)

        def look() -> WatchResult:
            waiting = waiting_in(instance, country)
            tick = Tick(
                now,
                _channels(context, runtime, country),
                partial(has_succeeded_since, instance),
                context.log,
                is_running=bool(instance.get_run_records(in_progress, limit=1)),
                waits_behind=None if waiting is None else str(waiting),
            )
            return look_at_country(runtime, country, tick)

        return outcome_of(context, runtime, country, _cursor(context), now, look)

    return dg.SensorDefinition(
        name=f"alerts_{country.lower()}",
        evaluation_fn=evaluate,
        minimum_interval_seconds=ALERTS_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Judges freshness, availability, suspect windows and failed runs of {country}, and"
            " tells who is to know."
        ),
        tags={COUNTRY: country},
    )


def run_failures_sensor(runtime: Runtime) -> dg.SensorDefinition:
    """Notes the failed runs of all jobs for their countries' sensors, and tells about those
    that belong to no country.
    """

    def evaluate(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        now, instance, cursor = runtime.clock(), context.instance, _cursor(context)

        def look() -> WatchResult:
            cursor.noted_until = note_failed_runs(
                runtime, instance, cursor.noted_until or now - FIRST_LOOK_BACK
            )
            if not looks_after_platform(runtime):
                return WatchResult()
            channels = _channels(context, runtime, PLATFORM)
            tick = Tick(now, channels, partial(has_succeeded_since, instance), context.log)
            missing = missing_settings(instance)
            home = (
                []
                if missing is None
                else [Alert(Kind.HOME_LOST, PLATFORM, missing, now, Cause.CONFIGURATION_WRONG)]
            )
            return look_at_platform(runtime, tick, home)

        return outcome_of(context, runtime, PLATFORM, cursor, now, look)

    return dg.SensorDefinition(
        name=RUN_FAILURES,
        evaluation_fn=evaluate,
        minimum_interval_seconds=RUN_FAILURES_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Notes failed runs of all jobs, with the failing step's words and the likely cause, for"
            " the countries' alerts."
        ),
    )


def outcome_of(
    context: dg.SensorEvaluationContext,
    runtime: Runtime,
    country: str,
    cursor: Cursor,
    now: datetime,
    look: Callable[[], WatchResult],
) -> dg.SkipReason:
    """Look; where that fails, tell people that nobody looks.

    What they were told is kept in the cursor, which needs no storage.
    """
    blind: list[Alert] = []
    try:
        outcome = str(look())
    except (
        Exception
    ) as error:  # that an alert cannot be judged, for whatever reason, has to be told
        outcome = f"the alerts of {country} cannot be judged: {neutralised(str(error))}"
        name = "StorageUnavailable" if isinstance(error, OSError) else type(error).__name__
        context.log.error(outcome, exc_info=error)
        blind = [Alert(Kind.ALERTS_BLIND, country, outcome, now, cause_of(name, str(error)))]
    if blind or cursor.blind is not None:
        channels = _channels(context, runtime, country)
        cursor.blind = cursor.blind or State(watched_since=now)
        update(cursor.blind, blind, [channel.name for channel in channels], None)
        compose = partial(alerts_message, country, runtime.platform.dagster_url)
        failed = deliver(cursor.blind, channels, now, alerts_of(runtime, country).repeat, compose)
        outcome = "; ".join(
            [outcome, *(str(error) for error in failed.values() if error is not None)]
        )
        if not cursor.blind.alerts and not cursor.blind.to_tell:
            cursor.blind = None
    context.update_cursor(CURSOR.dump_json(cursor).decode())
    return dg.SkipReason(outcome)


def note_failed_runs(runtime: Runtime, instance: dg.DagsterInstance, since: datetime) -> datetime:
    """Note the runs that failed after `since` (UTC); gives the moment up to which all are noted."""
    filters = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since - OVERLAP)
    records = instance.get_run_records(
        filters, limit=RUNS_AT_ONCE, order_by="update_timestamp", ascending=True
    )
    for record in records:
        if is_noted_here(runtime, country_of(record.dagster_run.tags)):
            failure = failure_of(instance, record.dagster_run.run_id)
            # a gap has an alert of its own
            if not failure.is_recorded_gap:
                add_note(runtime.storage, failed_run(runtime, record, failure))
    if not records:
        return since
    newest = utc(records[-1].update_timestamp)
    # with a full page the overlap could hold the same runs for ever
    return newest if len(records) < RUNS_AT_ONCE else newest + OVERLAP


def is_noted_here(runtime: Runtime, country: str | None) -> bool:
    """Whether this process notes the failed runs with this country's tag: those that it serves,
    and one of several the platform's own.
    """
    return country in runtime.platform.served or (
        country not in runtime.platform.countries and looks_after_platform(runtime)
    )


def looks_after_platform(runtime: Runtime) -> bool:
    """Whether what belongs to no country is this process' affair: where several share the
    countries, of the one with the first.
    """
    return next(iter(runtime.platform.countries)) in runtime.platform.served


def failed_run(runtime: Runtime, record: dg.RunRecord, failure: RunFailure) -> FailedRun:
    """A failed run in the words of the step that failed."""
    run = record.dagster_run
    country = country_of(run.tags)
    return FailedRun(
        run_id=run.run_id,
        job=run.job_name,
        country=(
            country if country is not None and country in runtime.platform.countries else PLATFORM
        ),
        window=run.tags.get(WINDOW_TAG),
        failed_at=utc(record.update_timestamp),
        cause=cause_of(failure.error, failure.message),
        message=neutralised(failure.message),
    )


def has_succeeded_since(instance: dg.DagsterInstance, failed: FailedRun) -> bool:
    """Whether a later run of the same job, for the same country and window, succeeded, or
    recorded the gaps that it was to record.
    """
    tags = {} if failed.country == PLATFORM else {COUNTRY_TAG: failed.country}
    if failed.window is not None:
        tags[WINDOW_TAG] = failed.window

    def newest_later(status: dg.DagsterRunStatus) -> Sequence[dg.RunRecord]:
        later = dg.RunsFilter(
            job_name=failed.job, tags=tags, statuses=[status], created_after=failed.failed_at
        )
        return instance.get_run_records(later, limit=1)

    return bool(newest_later(dg.DagsterRunStatus.SUCCESS)) or any(
        failure_of(instance, record.dagster_run.run_id).is_recorded_gap
        for record in newest_later(dg.DagsterRunStatus.FAILURE)
    )


def _channels(context: dg.SensorEvaluationContext, runtime: Runtime, country: str) -> list[Channel]:
    aws = Aws() if country == PLATFORM else runtime.country(country).aws
    return open_channels(alerts_of(runtime, country), aws, context.log)


def _cursor(context: dg.SensorEvaluationContext) -> Cursor:
    return CURSOR.validate_json(context.cursor) if context.cursor else Cursor()
