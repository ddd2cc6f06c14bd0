"""Catch-up: a sensor per country that has unfinished windows made up for, those of killed runs too.
Which windows, when, and how many at once.

A window that is landed and not complete is run again; one that was never observed and can no longer
be is recorded as a gap, many in one run. What is unfinished is read from the landing and the
markers (`status.unfinished`); Dagster tells which runs exist.

Before a window's deadline it belongs to its own runs; if the last of these was lost (its process
is gone), or went by a wrong clock, the sensor asks for the next. It also ends dead runs, and has a
run that waits in the queue say behind which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

import dagster as dg

from storeavail_platform.domain.windows import Window, partition_key
from storeavail_platform.orchestration.assets.gaps import OP, gap_config
from storeavail_platform.orchestration.jobs import (
    CATCH_UP_PRIORITY,
    GAPS_JOB,
    LIVE_PRIORITY,
    WINDOW_JOB,
    country_tags,
    priority_tag,
    window_run_config,
)
from storeavail_platform.orchestration.partitions import COUNTRY
from storeavail_platform.orchestration.runs import (
    UNFINISHED,
    WINDOW_TAG,
    end_dead_runs,
    failure_of,
    of_country,
    tell_waiting,
    utc,
    waiting_in,
)
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.status import unfinished

CATCH_UP = "storeavail/catch-up"
"""Tag of the runs that a catch-up sensor asked for.

Its value is how often the same work was asked for before.
"""
AGAIN = "storeavail/again"
"""Tag of a run that was asked for because the one before it was lost; how many were."""
SECONDS = 60
AT_ONCE = 4
"""Windows run again for one tick."""
GAPS_AT_ONCE = 96
"""Windows recorded by one gap run: a day of them."""
SETTLE = timedelta(minutes=1)
"""A window is a gap so long after its deadline: the run that observed it at the last moment is
seen by then.
"""
SHORTEST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=30)
FAILURES_LOOKED_AT = 20
ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dataclass(frozen=True)
class Work:
    """A country's unfinished windows at a moment, oldest first.

    Attributes:
        waiting: landed, not complete, past their deadline: until then a window belongs to its own
            runs.
        gaps: never observed, past their deadline.
        settled: key of the newest window before which none is unfinished; a next look starts there.
            Empty: nothing is known yet.
    """

    waiting: Sequence[Window]
    gaps: Sequence[Window]
    settled: str


@dataclass(frozen=True)
class Runs:
    """A country's runs, as far as they matter.

    Attributes:
        busy: keys of windows that have a queued or running run.
        is_catching_up: a run that the sensor asked for is queued or running.
        failures: how many of its newest runs failed, one after another.
        failed_at: when the newest of these ended (UTC).
        attempts: how often each window failed among the newest.
    """

    busy: frozenset[str]
    is_catching_up: bool
    failures: int
    failed_at: datetime | None
    attempts: Counter[str]


def catch_up_sensors(
    runtime: Runtime, jobs: Sequence[dg.JobDefinition]
) -> list[dg.SensorDefinition]:
    """A running sensor for every country that is served here."""
    return [country_sensor(runtime, code, jobs) for code in runtime.platform.served]


def country_sensor(
    runtime: Runtime, country: str, jobs: Sequence[dg.JobDefinition]
) -> dg.SensorDefinition:
    """The catch-up sensor of a country. Its cursor is the window from which it looks."""

    def evaluate(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        now = runtime.clock()
        end_dead_runs(context.instance, country)
        waiting = waiting_in(context.instance, country)
        if waiting is not None:
            tell_waiting(context.instance, waiting)
        # in this order: what a run completes meanwhile is not taken for unfinished
        runs = find_runs(context.instance, country)
        work = find_work(runtime, country, now, after=context.cursor or "")
        requests, reason = choose(runtime, country, work, runs, now)
        requests = [*live_again(runtime, context.instance, country, now), *requests]
        if not requests:
            context.update_cursor(work.settled)
            return dg.SkipReason(reason)
        return dg.SensorResult(run_requests=requests, cursor=work.settled)

    return dg.SensorDefinition(
        name=f"catch_up_{country.lower()}",
        evaluation_fn=evaluate,
        jobs=jobs,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Runs landed windows of {country} that are not complete again, and records those that"
            " were never observed as gaps."
        ),
        tags={COUNTRY: country},
    )


def find_work(runtime: Runtime, country: str, now: datetime, *, after: str = "") -> Work:
    """What is unfinished after a window's key.

    Raises:
        StorageUnavailable: the warehouse's storage does not answer.
    """
    grace = runtime.platform.observation_grace
    waiting, gaps = (
        [Window.parse(key) for key in keys]
        for keys in unfinished(runtime, country, now - SETTLE, after=after)
    )
    open_ones = [window.start for window in (*waiting, *gaps)]
    # the window that may still be observed is not settled either
    newest = Window.containing(now - SETTLE - grace).next(-1)
    first = min([*open_ones, newest.next().start])
    settled = max(after, Window.containing(first - timedelta(minutes=1)).key)
    has_begun = bool(open_ones) or bool(after) or bool(runtime.markers.complete(country))
    return Work(
        [window for window in waiting if now > window.deadline(grace)],
        gaps,
        settled if has_begun else "",
    )


def find_runs(instance: dg.DagsterInstance, country: str) -> Runs:
    """A country's runs that are going on, and how its catch-up runs ended."""
    going_on = instance.get_run_records(of_country(country, UNFINISHED))
    ended = instance.get_run_records(
        of_country(country, ENDED),
        limit=FAILURES_LOOKED_AT,
        order_by="update_timestamp",
    )
    failures, failed_at, attempts = 0, None, Counter[str]()
    is_streak = True
    # the storage's clock counts seconds
    for record in sorted(
        ended, key=lambda record: (record.update_timestamp, record.storage_id), reverse=True
    ):
        run = record.dagster_run
        has_failed = run.status == dg.DagsterRunStatus.FAILURE
        if has_failed:
            attempts[run.tags.get(WINDOW_TAG, OP)] += 1
        if CATCH_UP in run.tags and is_streak:
            # a run that has recorded gaps has done what it was asked for
            has_failed = has_failed and not failure_of(instance, run.run_id).is_recorded_gap
            is_streak = has_failed
            failures += has_failed
            if has_failed and failed_at is None:
                failed_at = utc(record.update_timestamp)
    return Runs(
        busy=frozenset(record.dagster_run.tags.get(WINDOW_TAG, "") for record in going_on),
        is_catching_up=any(CATCH_UP in record.dagster_run.tags for record in going_on),
        failures=failures,
        failed_at=failed_at,
        attempts=attempts,
    )


def live_again(
    runtime: Runtime, instance: dg.DagsterInstance, country: str, now: datetime
) -> list[dg.RunRequest]:
    """The runs to ask for of windows that may still be observed, and whose newest run was lost,
    had no room on a disk or went by a wrong clock; or that were recorded as gaps by one, from their
    middle on.

    Any other that failed in its own words has tried what could be tried. After several the window
    is left alone for a while: something kills them.
    """
    grace, requests = runtime.platform.observation_grace, []
    in_progress = Window.containing(now)
    for window in (in_progress.next(-1), in_progress):
        marker = runtime.markers.whole(country, window) if now <= window.deadline(grace) else None
        is_gap = marker is not None and marker.observed_at is None
        if now > window.deadline(grace) or (marker is not None and not is_gap):
            continue
        records = instance.get_run_records(of_country(country, (), window))
        lost = _newest_lost(instance, records)
        is_forgotten = is_gap and not records and now >= window.middle()
        if is_forgotten or (lost and _is_due(instance, window, lost, now)):
            requests.append(
                dg.RunRequest(
                    job_name=WINDOW_JOB,
                    partition_key=partition_key(country, window),
                    tags={**priority_tag(LIVE_PRIORITY), AGAIN: str(len(lost))},
                    run_config=window_run_config(until_deadline=True),
                )
            )
    return requests


def _is_due(
    instance: dg.DagsterInstance, window: Window, lost: Sequence[dg.RunRecord], now: datetime
) -> bool:
    """Whether a window is asked for again: a while after the newest of its lost runs."""
    failed_at = utc(lost[0].update_timestamp)
    if failure_of(instance, lost[0].dagster_run.run_id).is_lost:
        return now >= failed_at + pause(len(lost) - 1)
    # a clock that was fast has dated it
    is_rested = failed_at > now or now >= failed_at + pause(len(lost) - 1)
    return is_rested and now >= window.middle()


def _newest_lost(
    instance: dg.DagsterInstance, records: Sequence[dg.RunRecord]
) -> Sequence[dg.RunRecord]:
    """A window's runs, newest first, up to the first that says something of the window."""
    newest_first = sorted(records, key=lambda record: record.storage_id, reverse=True)
    return list(
        takewhile(
            lambda record: (
                record.dagster_run.status == dg.DagsterRunStatus.FAILURE
                and failure_of(instance, record.dagster_run.run_id).says_nothing
            ),
            newest_first,
        )
    )


def pause(failures: int) -> timedelta:
    """How long to leave a country alone after so many failures in a row: a minute, doubled each
    time, half an hour at most.
    """
    return (
        min(SHORTEST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE) if failures else timedelta()
    )


def choose(
    runtime: Runtime, country: str, work: Work, runs: Runs, now: datetime
) -> tuple[list[dg.RunRequest], str]:
    """The runs to ask for at `now` (UTC), and where there are none, why.

    While the country keeps failing it is asked for one run at a time, windows that failed less
    first: one that always fails holds up no other.
    """
    if runs.is_catching_up:
        return [], "the runs asked for before are still going on"
    until = (runs.failed_at or now) + pause(runs.failures)
    if now < until:
        return (
            [],
            (
                f"resting until {until:%H:%M:%S} UTC: the last {runs.failures} catch-up runs of"
                f" {country} failed"
            ),
        )
    waiting = sorted(
        (window for window in work.waiting if window.key not in runs.busy),
        key=lambda window: (runs.attempts[window.key], window.start),
    )
    gaps = [window for window in work.gaps if window.key not in runs.busy]
    requests = [_again(country, window, runs.attempts[window.key]) for window in waiting[:AT_ONCE]]
    if gaps and runtime.country(country).observe_from == "cluster":
        # only the cluster can read the stores, and it takes a window at a time
        requests += [
            _again(country, window, runs.attempts[window.key], record_gap=True)
            for window in gaps[:AT_ONCE]
        ]
    elif gaps:
        requests.append(_gap_run(country, gaps[:GAPS_AT_ONCE], runs.attempts[OP]))
    if runs.failures:
        requests = requests[:1] if runs.failures % 2 else requests[-1:]
    return requests, (
        "no window is unfinished"
        if not work.waiting and not work.gaps
        else "unfinished windows have runs already"
    )


def _again(
    country: str, window: Window, attempts: int, *, record_gap: bool = False
) -> dg.RunRequest:
    return dg.RunRequest(
        job_name=WINDOW_JOB,
        partition_key=partition_key(country, window),
        tags={**priority_tag(CATCH_UP_PRIORITY), CATCH_UP: str(attempts)},
        run_config=window_run_config(until_deadline=False, record_gap=record_gap),
    )


def _gap_run(country: str, windows: Sequence[Window], attempts: int) -> dg.RunRequest:
    return dg.RunRequest(
        job_name=GAPS_JOB,
        tags={**country_tags(country, CATCH_UP_PRIORITY), CATCH_UP: str(attempts)},
        run_config=gap_config(country, windows),
    )
