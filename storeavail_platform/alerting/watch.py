"""One look at a country: health, alerts, messages, state, in this order.

No Dagster; `sensors.py` calls it every minute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from storeavail_platform.alerting.alerts import Alert
from storeavail_platform.alerting.channels import Channel
from storeavail_platform.alerting.conditions import evaluate, failed_runs
from storeavail_platform.alerting.failed_runs import PLATFORM, FailedRun
from storeavail_platform.alerting.health import gather, still_failed
from storeavail_platform.alerting.notify import (
    Audience,
    State,
    ToTell,
    left_states,
    over,
    read_state,
    remove_state,
    replace_state,
    tell,
)
from storeavail_platform.config import Aws
from storeavail_platform.domain.errors import StoreAvailError
from storeavail_platform.domain.log import Log
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading import silences

FIRST_LOOK_BACK = timedelta(hours=1)
"""How far is looked back for failed runs where none was looked for before."""


@dataclass(frozen=True)
class Tick:
    """A moment at which a country is looked at.

    Attributes:
        now: UTC.
        failed_since: the failed runs that ended after a moment (UTC), and until when all are known.
        succeeded_since: whether a later run did what a failed one should have done.
        is_running: whether a run of the country is unfinished.
        waits_behind: the run that holds the country while others wait, in words; None: none waits.
    """

    now: datetime
    channels: Sequence[Channel]
    failed_since: Callable[[datetime], tuple[list[FailedRun], datetime]]
    succeeded_since: Callable[[FailedRun], bool]
    log: Log
    is_running: bool = False
    waits_behind: str | None = None

    def audience(self, runtime: Runtime, country: str) -> Audience:
        return Audience(country, runtime.platform, self.now, self.channels)


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
        StoreAvailError: the state, the silences or the markers cannot be read or written.
        OSError: the same, of a folder.
    """
    settings, storage = runtime.country(country), runtime.storage
    state = _begin(runtime, country, tick)
    held = silences.current(storage, country, tick.now)
    health = gather(runtime, country, tick.now, state, log=tick.log)
    health = replace(
        health,
        is_running=tick.is_running,
        waits_behind=tick.waits_behind,
        stores_off=[
            store
            for store in health.stores_off
            if not any(
                silence.is_about(city=store.city, brand=store.brand, store=store.store_id)
                for silence in held
            )
        ],
    )
    before = {key: entry.alert for key, entry in state.alerts.items()}
    alerts = evaluate(health, settings.alerts, before)
    ended = over(state, alerts, held)
    names = [channel.name for channel in tick.channels]
    state.to_tell += [
        ToTell(names, notice=f"all alerts are over, so the silence {silence} has ended")
        for silence in ended
        if silence.alert is None
    ]
    quiet, local = settings.alerts.quiet_hours, tick.now.astimezone(ZoneInfo(settings.timezone))
    audience = replace(
        tick.audience(runtime, country),
        silences=held,
        is_quiet=quiet is not None and quiet.hold(local.time()),
    )
    result = _finish(runtime, audience, tick, state, alerts)
    for silence in ended:
        silences.end(storage, country, silence, tick.now)
    if settings.aws != Aws() or runtime.platform.warehouse.startswith("s3://"):
        publish_age(settings.aws, country, health.age.total_seconds(), tick.log)
    return result


def look_at_platform(runtime: Runtime, tick: Tick, more: Sequence[Alert] = ()) -> WatchResult:
    """As `look_at_country`, for the failed runs that belong to no country.

    Ends the alerts of countries that were taken out of the configuration.

    Args:
        more: what else is true of the platform.
    """
    state = _begin(runtime, PLATFORM, tick)
    alerts = [*failed_runs(PLATFORM, state.failures), *more]
    audience = tick.audience(runtime, PLATFORM)
    result = _finish(runtime, audience, tick, state, alerts)
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
        notice = (
            f"{country} is not in the configuration any more: its alerts end, and nobody looks"
            " after it"
        )
        state.to_tell.append(ToTell([channel.name for channel in tick.channels], notice=notice))
    result = _finish(runtime, tick.audience(runtime, country), tick, state, [])
    if not state.to_tell:
        remove_state(runtime.storage, country)
    return result


def _begin(runtime: Runtime, country: str, tick: Tick) -> State:
    """The state of before, with the runs that have failed since."""
    state = read_state(runtime.storage, country, tick.now)
    failed, until = tick.failed_since(state.failed_until or tick.now - FIRST_LOOK_BACK)
    state.failed_until = until
    state.failures = still_failed(
        runtime, country, [*state.failures, *failed], tick.now, tick.succeeded_since
    )
    return state


def _finish(
    runtime: Runtime,
    audience: Audience,
    tick: Tick,
    state: State,
    alerts: Sequence[Alert],
) -> WatchResult:
    storage, country = runtime.storage, audience.country

    def note() -> None:
        # where it cannot be written, each tick would send the same again
        replace_state(storage, country, state, is_written=True)

    outcomes = tell(state, alerts, audience, note)
    failed = [str(error) for error in outcomes.values() if error is not None]
    for error in failed:
        tick.log.error(
            "%s: an alert was not delivered and is sent again in a minute: %s", country, error
        )
    replace_state(storage, country, state)
    return WatchResult(
        list(state.alerts), [name for name, error in outcomes.items() if error is None], failed
    )


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
