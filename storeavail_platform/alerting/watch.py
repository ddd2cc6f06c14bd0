"""One look at a country: facts, alerts, messages, state, in this order. No Dagster; `sensors.py` calls it every minute."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storeavail_platform.alerting.channels import Channel
from storeavail_platform.alerting.evaluate import evaluate, failed_runs
from storeavail_platform.alerting.facts import gather, still_failed
from storeavail_platform.alerting.failed_runs import PLATFORM, FailedRun, FailureNotes
from storeavail_platform.alerting.notify import State, States, ToTell, deliver, is_silence_over, update
from storeavail_platform.config import Alerts, Aws
from storeavail_platform.domain.errors import StoreAvailError
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.silences import Silences

Log = logging.Logger | logging.LoggerAdapter[Any]


@dataclass(frozen=True)
class Looked:
    """What a look at a country found: keys of the alerts that are true, channels that took a message, and why others did not."""

    alerts: Sequence[str]
    told: Sequence[str]
    failed: Sequence[str]

    def __str__(self) -> str:
        alerts = ", ".join(self.alerts) or "no alerts"
        told = f"; told {', '.join(self.told)}" if self.told else ""
        return alerts + told + (f"; FAILED: {'; '.join(self.failed)}" if self.failed else "")


def look_at_country(
    runtime: Runtime,
    country: str,
    channels: Sequence[Channel],
    now: datetime,
    *,
    is_running: bool,
    succeeded_since: Callable[[FailedRun], bool],
    log: Log,
) -> Looked:
    """Find out what is true of a country at `now` (UTC), tell the channels what is due, and remember it.

    Args:
        is_running: whether a run of the country is unfinished.
        succeeded_since: whether a later run did what a failed one should have done.

    Raises:
        StoreAvailError: the state, the silence or the markers cannot be read or written.
        OSError: the same, of a folder.
    """
    states, settings = States(runtime.storage), runtime.country(country).alerts
    state, notes = _begin(runtime, country, states, now, succeeded_since)
    facts = gather(
        runtime,
        country,
        now,
        watched_since=state.watched_since,
        observed=state.observed,
        failures=state.failures,
        is_running=is_running,
        log=log,
    )
    state.observed = facts.observed
    alerts = evaluate(facts, settings, {key: entry.alert for key, entry in state.alerts.items()})
    silences = Silences(runtime.storage)
    silence = silences.current(country, now)
    update(state, alerts, [channel.name for channel in channels], silence)
    is_over = is_silence_over(state, silence)
    looked = _finish(runtime, country, states, state, notes, channels, settings, now, is_silenced=silence is not None, log=log)
    if is_over and silence is not None:
        silences.end(country, now, made_at=silence.made_at)
    if publishes_metric(runtime, country):
        publish_age(runtime.country(country).aws, country, facts.age.total_seconds(), log)
    return looked


def look_at_platform(
    runtime: Runtime, channels: Sequence[Channel], now: datetime, *, succeeded_since: Callable[[FailedRun], bool], log: Log
) -> Looked:
    """As `look_at_country`, for the failed runs that belong to no country; ends the alerts of countries that were taken out."""
    states, settings = States(runtime.storage), runtime.platform.alerts
    state, notes = _begin(runtime, PLATFORM, states, now, succeeded_since)
    update(state, failed_runs(PLATFORM, state.failures), [channel.name for channel in channels], None)
    looked = _finish(runtime, PLATFORM, states, state, notes, channels, settings, now, is_silenced=False, log=log)
    ended = [end_left(runtime, code, states, channels, now, log) for code in states.left(runtime.platform.countries)]
    return Looked(looked.alerts, [*looked.told, *(name for end in ended for name in end.told)], looked.failed)


def end_left(runtime: Runtime, country: str, states: States, channels: Sequence[Channel], now: datetime, log: Log) -> Looked:
    """Tell the platform's channels that the alerts of a country that is not configured any more are over; then forget them."""
    state, names = states.read(country, now), [channel.name for channel in channels]
    if state.alerts:
        update(state, [], names, None)
        notice = f"{country} is not in the configuration any more: its alerts end, and nobody looks after it"
        state.to_tell.append(ToTell(names, notice=notice))
    looked = _finish(runtime, country, states, state, [], channels, runtime.platform.alerts, now, is_silenced=False, log=log)
    if not state.to_tell:
        states.remove(country)
    return looked


def _begin(
    runtime: Runtime, country: str, states: States, now: datetime, succeeded_since: Callable[[FailedRun], bool]
) -> tuple[State, list[FailedRun]]:
    """The state of before with the notes on failed runs taken in, and these notes."""
    state, notes = states.read(country, now), FailureNotes(runtime.storage).waiting(country)
    state.failures = still_failed(runtime, country, [*state.failures, *notes], now, succeeded_since)
    return state, notes


def _finish(
    runtime: Runtime,
    country: str,
    states: States,
    state: State,
    notes: Sequence[FailedRun],
    channels: Sequence[Channel],
    settings: Alerts,
    now: datetime,
    *,
    is_silenced: bool,
    log: Log,
) -> Looked:
    outcomes = deliver(
        state, country, channels, now, settings.repeat, is_silenced=is_silenced, dagster_url=runtime.platform.dagster_url
    )
    failed = [str(error) for error in outcomes.values() if error is not None]
    for error in failed:
        log.error("%s: an alert was not delivered and is sent again in a minute: %s", country, error)
    states.replace(country, state)
    for note in notes:
        FailureNotes(runtime.storage).remove(note)
    return Looked(list(state.alerts), [name for name, error in outcomes.items() if error is None], failed)


def publishes_metric(runtime: Runtime, country: str) -> bool:
    """Whether AWS is configured: a country's profile, region or role, or a warehouse on S3."""
    return runtime.country(country).aws != Aws() or runtime.platform.warehouse.startswith("s3://")


def publish_age(aws: Aws, country: str, seconds: float, log: Log) -> None:
    """Put the age of the newest observation into CloudWatch, so that a dead daemon is seen from outside. A failure is only logged."""
    # boto3 takes long to import and most configurations do not need it
    from storeavail_platform.aws.notices import put_window_age

    try:
        put_window_age(aws, country, seconds)
    except StoreAvailError as error:
        log.warning("%s", error)
