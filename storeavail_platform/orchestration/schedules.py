"""One schedule a country: the observation of each window in its middle, whose minute says
`domain/windows.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import dagster as dg

from storeavail_platform.config import Platform
from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.windows import (
    OBSERVATION_MINUTE,
    WINDOW_MINUTES,
    Window,
    partition_key,
)
from storeavail_platform.orchestration.jobs import LIVE_PRIORITY, priority_tag, window_run_config

TICK_MINUTES = tuple(range(OBSERVATION_MINUTE, 60, WINDOW_MINUTES))
"""Minutes of the hour at which windows are observed: 7, 22, 37, 52."""


def window_schedules(
    platform: Platform, job: Any, clock: Clock = utc_now
) -> list[dg.ScheduleDefinition]:
    """A running schedule for every country that is served here, so that a new country works
    without a click.
    """
    return [
        country_schedule(code, platform.observation_grace, job, clock) for code in platform.served
    ]


def country_schedule(
    country: str, grace: timedelta, job: Any, clock: Clock
) -> dg.ScheduleDefinition:
    """The schedule of a country.

    A tick that comes after its window's deadline is skipped, because nothing could be observed.
    """

    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        window = Window.containing(context.scheduled_execution_time)
        now = clock()
        deadline = window.deadline(grace)
        if now > deadline:
            return dg.SkipReason(
                f"window {window} of {country} could be observed until {deadline:%Y-%m-%d %H:%M:%S}"
                f" UTC; this tick came at {now:%H:%M:%S} UTC"
            )
        return dg.RunRequest(
            partition_key=partition_key(country, window),
            run_key=partition_key(country, window),
            tags=priority_tag(LIVE_PRIORITY),
            run_config=window_run_config(until_deadline=True),
        )

    return dg.ScheduleDefinition(
        name=f"window_{country.lower()}",
        cron_schedule=f"{','.join(map(str, TICK_MINUTES))} * * * *",
        execution_timezone="UTC",
        job=job,
        execution_fn=evaluate,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        tags={"country": country},
        description=f"Observes and computes each window of {country} in its middle.",
    )
