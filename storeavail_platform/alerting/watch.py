"""One look at a country: health, alerts, messages, state, in this order.

No Dagster; `sensors.py` calls it every minute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from storeavail_platform.alerting.alerts import Alert
from storeavail_platform.alerting.channels import Channel
from storeavail_platform.alerting.evaluate import evaluate, failed_runs
from storeavail_platform.alerting.failed_runs import PLATFORM, FailedRun, remove_note, waiting_notes
from storeavail_platform.alerting.health import gather, still_failed
from storeavail_platform.alerting.lost import look_for_gaps
from storeavail_platform.alerting.messages import alerts_message
from storeavail_platform.alerting.notify import (
    State,
    ToTell,
    deliver,
    is_due,
    is_silence_over,
    left_states,
    read_state,
    remove_state,
    replace_state,
    update,
)
from storeavail_platform.config import Alerts, Aws
from storeavail_platform.domain.errors import StoreAvailError
from storeavail_platform.domain.log import Log
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading import silences


@dataclass(frozen=True)
class Tick:
    """A moment at which a country is looked at.

    Attributes:
        now: UTC.
        succeeded_since: whether a later run did what a failed one should have done.
        is_running: whether a run of the country is unfinished.
        waits_behind: the run that holds the country while others wait, in words; None: none waits.
    """

    now: datetime
    channels: Sequence[Channel]
    succeeded_since: Callable[[FailedRun], bool]
    log: Log
    is_running: bool = False
    waits_behind: str | None = None


@dataclass(frozen=True)
class WatchResult:
    """What a look at a country found: keys of the alerts that are true, channels that took a
    message, and why others did not.
    """

    alerts: Sequence[str] = ()
    delivered: Sequence[str] = ()
    failed: Sequence[str] = ()

    def __str__(self) -> str:
        alerts = ", ".join(self.alerts) or "no alerts"
        delivered = f"; told {', '.join(self.delivered)}" if self.delivered else ""
        return alerts + delivered + (f"; FAILED: {'; '.join(self.failed)}" if self.failed else "")


def look_at_country(runtime: Runtime, country: str, tick: Tick) -> WatchResult:
    """Find out what is true of a country, tell the channels what is due, and remember it.

    Raises:
        StoreAvailError: the state, the silence or the markers cannot be read or written.
        OSError: the same, of a folder.
    """
    settings = runtime.country(country)
    state, notes = _begin(runtime, country, tick)
    state.seen = look_for_gaps(runtime, country, tick.now, state.seen)
    health = replace(
        gather(runtime, country, tick.now, state, log=tick.log),
        is_running=tick.is_running,
        waits_behind=tick.waits_behind,
    )
    state.observed = health.observed
    alerts = evaluate(
        health, settings.alerts, {key: entry.alert for key, entry in state.alerts.items()}
    )
    silence = silences.current(runtime.storage, country, tick.now)
    update(state, alerts, [channel.name for channel in tick.channels], silence)
    result = _finish(runtime, country, tick, state, notes, is_silenced=silence is not None)
    if silence is not None and is_silence_over(state, silence):
        silences.end(runtime.storage, country, tick.now, made_at=silence.made_at)
    if settings.aws != Aws() or runtime.platform.warehouse.startswith("s3://"):
        publish_age(settings.aws, country, health.age.total_seconds(), tick.log)
    return result


def look_at_platform(runtime: Runtime, tick: Tick, more: Sequence[Alert] = ()) -> WatchResult:
    """As `look_at_country`, for the failed runs that belong to no country.

    Ends the alerts of countries that were taken out of the configuration.

    Args:
        more: what else is true of the platform.
    """
    state, notes = _begin(runtime, PLATFORM, tick)
    update(
        state,
        [*failed_runs(PLATFORM, state.failures), *more],
        [channel.name for channel in tick.channels],
        None,
    )
    result = _finish(runtime, PLATFORM, tick, state, notes)
    ended = [
        end_left(runtime, code, tick)
        for code in left_states(runtime.storage, runtime.platform.countries)
    ]
    delivered = [*result.delivered, *(name for end in ended for name in end.delivered)]
    return WatchResult(result.alerts, delivered, result.failed)


def end_left(runtime: Runtime, country: str, tick: Tick) -> WatchResult:
    """Tell the platform's channels that the alerts of a removed country are over; then forget
    them.
    """
    state = read_state(runtime.storage, country, tick.now)
    if state.alerts:
        names = [channel.name for channel in tick.channels]
        update(state, [], names, None)
        notice = (
            f"{country} is not in the configuration any more: its alerts end, and nobody looks"
            " after it"
        )
        state.to_tell.append(ToTell(names, notice=notice))
    result = _finish(runtime, country, tick, state, [])
    if not state.to_tell:
        remove_state(runtime.storage, country)
    return result


def _begin(runtime: Runtime, country: str, tick: Tick) -> tuple[State, list[FailedRun]]:
    """The state of before with the notes on failed runs taken in, and these notes."""
    state, notes = (
        read_state(runtime.storage, country, tick.now),
        waiting_notes(runtime.storage, country),
    )
    state.failures = still_failed(
        runtime, country, [*state.failures, *notes], tick.now, tick.succeeded_since
    )
    return state, notes


def _finish(
    runtime: Runtime,
    country: str,
    tick: Tick,
    state: State,
    notes: Sequence[FailedRun],
    *,
    is_silenced: bool = False,
) -> WatchResult:
    compose, repeat = (
        partial(alerts_message, country, runtime.platform.dagster_url),
        alerts_of(runtime, country).repeat,
    )
    if is_due(state, tick.channels, tick.now, repeat, is_silenced=is_silenced):
        # where it cannot be written, each tick would send the same again
        replace_state(runtime.storage, country, state, is_written=True)
    outcomes = deliver(state, tick.channels, tick.now, repeat, compose, is_silenced=is_silenced)
    failed = [str(error) for error in outcomes.values() if error is not None]
    for error in failed:
        tick.log.error(
            "%s: an alert was not delivered and is sent again in a minute: %s", country, error
        )
    replace_state(runtime.storage, country, state)
    for note in notes:
        remove_note(runtime.storage, note)
    return WatchResult(
        list(state.alerts), [name for name, error in outcomes.items() if error is None], failed
    )


def alerts_of(runtime: Runtime, country: str) -> Alerts:
    """The settings of a configured country's alerts, else the platform's own."""
    configured = runtime.platform.countries.get(country)
    return runtime.platform.alerts if configured is None else configured.alerts


def publish_age(aws: Aws, country: str, seconds: float, log: Log) -> None:
    """Put the age of the newest observation into CloudWatch, so that a dead daemon is seen from
    outside. A failure is only logged.
    """
    # boto3 takes long to import and most configurations do not need it
    from storeavail_platform.aws.notices import put_window_age

    try:
        put_window_age(aws, country, seconds)
    except StoreAvailError as error:
        log.warning("%s", error)
