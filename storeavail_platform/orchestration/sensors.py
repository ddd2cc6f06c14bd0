"""The sensors of alerts: every minute `alerting/watch.py` looks at each country, and at what
belongs to none. Only what needs Dagster is here; sensors that ask for runs are `catch_up.py`.

They poll the run storage for failed runs instead of using `dg.run_failure_sensor`, which moves on
after an error of its own and would lose a failure that happens while the storage is down, the very
one that matters: until when they are known is kept with the alerts' state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import dagster as dg
from pydantic import TypeAdapter

from storeavail_platform.alerting import outbox
from storeavail_platform.alerting.alerts import Alert
from storeavail_platform.alerting.channels import Channel, open_channels
from storeavail_platform.alerting.failed_runs import PLATFORM, FailedRun, cause_of
from storeavail_platform.alerting.notify import Audience, State, tell
from storeavail_platform.alerting.watch import Tick, WatchResult, look_at_country, look_at_platform
from storeavail_platform.config import Aws
from storeavail_platform.domain.alert_kinds import Cause, Kind
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
OVERLAP = timedelta(minutes=1)
"""Runs are looked at again for so long: they are stored with the clocks of several machines."""
RUNS_AT_ONCE = 200


@dataclass
class Cursor:
    """What a sensor keeps in Dagster: only what has to survive while the warehouse's storage cannot
    be used.

    Attributes:
        blind: who was told that the alerts cannot be judged.
    """

    blind: State | None = field(default=None)


CURSOR = TypeAdapter(Cursor)


def alert_sensors(runtime: Runtime) -> list[dg.SensorDefinition]:
    """A running sensor for the alerts of each country that is served here, and one for what belongs
    to none.
    """
    return [
        *(country_sensor(runtime, code) for code in runtime.platform.served),
        run_failures_sensor(runtime),
    ]


def country_sensor(runtime: Runtime, country: str) -> dg.SensorDefinition:
    """All that alerts say of a country."""

    def evaluate(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        now, instance = runtime.clock(), context.instance
        in_progress = of_country(country, UNFINISHED)

        def look() -> WatchResult:
            waiting = waiting_in(instance, country)
            tick = Tick(
                now,
                _channels(context, runtime, country),
                partial(failed_since, runtime, instance, country),
                partial(has_succeeded_since, instance),
                context.log,
                is_running=bool(instance.get_run_records(in_progress, limit=1)),
                waits_behind=None if waiting is None else str(waiting),
            )
            found = look_at_country(runtime, country, tick)
            sent = outbox.deliver(runtime, country, now)
            failed = [str(each) for each in sent if each.error is not None]
            for error in failed:
                context.log.error("%s: not delivered, sent again in a minute: %s", country, error)
            delivered = [str(each) for each in sent if each.is_new]
            return replace(
                found,
                delivered=[*found.delivered, *delivered],
                failed=[*found.failed, *failed],
            )

        return outcome_of(context, runtime, country, _cursor(context), now, look)

    return dg.SensorDefinition(
        name=f"alerts_{country.lower()}",
        evaluation_fn=evaluate,
        minimum_interval_seconds=ALERTS_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Judges incidents, freshness, availability, checks and failed runs of {country}, and"
            " tells who is to know; sends its briefs and reports."
        ),
        tags={COUNTRY: country},
    )


def run_failures_sensor(runtime: Runtime) -> dg.SensorDefinition:
    """Tells about failed runs that belong to no country, and what else is wrong with none."""

    def evaluate(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        now, instance, cursor = runtime.clock(), context.instance, _cursor(context)

        def look() -> WatchResult:
            if not looks_after_platform(runtime):
                return WatchResult()
            tick = Tick(
                now,
                _channels(context, runtime, PLATFORM),
                partial(failed_since, runtime, instance, PLATFORM),
                partial(has_succeeded_since, instance),
                context.log,
            )
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
        description="Judges failed runs that belong to no country, and Dagster's home.",
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
        audience = Audience(country, runtime.platform, now, _channels(context, runtime, country))
        cursor.blind = cursor.blind or State(watched_since=now)
        failed = tell(cursor.blind, blind, audience)
        outcome = "; ".join(
            [outcome, *(str(error) for error in failed.values() if error is not None)]
        )
        if not cursor.blind.alerts and not cursor.blind.to_tell:
            cursor.blind = None
    context.update_cursor(CURSOR.dump_json(cursor).decode())
    return dg.SkipReason(outcome)


def failed_since(
    runtime: Runtime, instance: dg.DagsterInstance, country: str, since: datetime
) -> tuple[list[FailedRun], datetime]:
    """The runs of a country, or of none, that failed after `since` (UTC), and up to when all are
    known. A run may come twice.
    """
    filters = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since - OVERLAP)
    records = instance.get_run_records(
        filters, limit=RUNS_AT_ONCE, order_by="update_timestamp", ascending=True
    )
    found = []
    for record in records:
        code = country_of(record.dagster_run.tags)
        if country == (code if code in runtime.platform.countries else PLATFORM):
            failure = failure_of(instance, record.dagster_run.run_id)
            # a gap has an alert of its own
            if not failure.is_recorded_gap:
                found.append(failed_run(country, record, failure))
    if not records:
        return found, since
    newest = utc(records[-1].update_timestamp)
    # with a full page the overlap could hold the same runs for ever
    return found, newest if len(records) < RUNS_AT_ONCE else newest + OVERLAP


def looks_after_platform(runtime: Runtime) -> bool:
    """Whether what belongs to no country is this process' affair: where several share the
    countries, of the one with the first.
    """
    return next(iter(runtime.platform.countries)) in runtime.platform.served


def failed_run(country: str, record: dg.RunRecord, failure: RunFailure) -> FailedRun:
    """A failed run in the words of the step that failed."""
    run = record.dagster_run
    return FailedRun(
        run_id=run.run_id,
        job=run.job_name,
        country=country,
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
    if country == PLATFORM:
        return open_channels(runtime.platform.alerts, Aws(), context.log)
    settings = runtime.country(country)
    return open_channels(settings.alerts, settings.aws, context.log)


def _cursor(context: dg.SensorEvaluationContext) -> Cursor:
    return CURSOR.validate_json(context.cursor) if context.cursor else Cursor()
