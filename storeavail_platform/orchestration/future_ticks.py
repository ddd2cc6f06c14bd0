"""Ticks that a fast clock has left in the future: Dagster gives a schedule or sensor no tick before
the time of its last one, so that after the clock is set right nothing would run for as long as it
was fast.
"""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    SensorInstigatorData,
)

from storeavail_platform.domain.clock import MOST_APART
from storeavail_platform.domain.windows import WINDOW_LENGTH, Window


def forget_future_ticks(instance: dg.DagsterInstance, now: datetime) -> list[str]:
    """Have every schedule and sensor begin anew whose last tick lies after `now` (UTC): a sensor
    without its cursor, a schedule with the window in progress.

    A daemon that runs keeps its schedules' times in memory: it has to be restarted besides.

    Returns:
        The names of those that had such a tick.
    """
    forgotten = []
    # an instance in memory has no ticks
    for state in instance.all_instigator_state() if instance.schedule_storage is not None else ():
        last = _last_tick(instance, state)
        if state.selector_id is None or last is None or last <= now + MOST_APART:
            continue
        after = (last + WINDOW_LENGTH).timestamp()
        instance.purge_ticks(state.instigator_origin_id, state.selector_id, after)
        if state.instigator_data is not None and state.status != InstigatorStatus.STOPPED:
            instance.update_instigator_state(state.with_data(_new_data(state.instigator_data, now)))
        forgotten.append(state.instigator_name)
    return forgotten


def _last_tick(instance: dg.DagsterInstance, state: InstigatorState) -> datetime | None:
    """When the newest tick was (UTC), or is still to be believed to have been."""
    ticks = (
        []
        if state.selector_id is None
        else instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
    )
    data = state.instigator_data
    if isinstance(data, ScheduleInstigatorData):
        stamps = [data.start_timestamp, data.last_iteration_timestamp]
    elif isinstance(data, SensorInstigatorData):
        stamps = [data.last_tick_timestamp, data.last_tick_start_timestamp]
    else:
        stamps = []
    known = [stamp for stamp in (*stamps, *(tick.timestamp for tick in ticks)) if stamp is not None]
    return datetime.fromtimestamp(max(known), UTC) if known else None


def _new_data(
    data: ScheduleInstigatorData | SensorInstigatorData, now: datetime
) -> ScheduleInstigatorData | SensorInstigatorData:
    if isinstance(data, ScheduleInstigatorData):
        start = Window.containing(now).start.timestamp()
        return ScheduleInstigatorData(data.cron_schedule, start_timestamp=start)
    return SensorInstigatorData(min_interval=data.min_interval, sensor_type=data.sensor_type)
