"""One look at a country: health, alerts, messages, state, in this order.

No Dagster; `sensors.py` calls it every minute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from storeavail_platform.alerting import notify
from storeavail_platform.alerting.alerts import Alert
from storeavail_platform.alerting.channels import Channel
from storeavail_platform.alerting.conditions import evaluate, failed_runs
from storeavail_platform.alerting.failed_runs import PLATFORM, FailedRun
from storeavail_platform.alerting.health import gather, still_failed
from storeavail_platform.alerting.notify import Audience, State, ToTell, over, tell
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
        is_running, waits_behind: of the country's runs, as in `Health`.
    """

    now: datetime
    channels: Sequence[Channel]
    failed_since: Callable[[datetime], tuple[list[FailedRun], datetime]]
    succeeded_since: Callable[[FailedRun], bool]
    log: Log
    is_running: bool = False
    waits_behind: str | None = None

    @property
    def names(self) -> list[str]:
        return [channel.name for channel in self.channels]


@dataclass(frozen=True)
class WatchResult:
    """Keys of the alerts that are true, channels that took a message, and why others did not."""

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
        StoreAvailError, OSError: state, silences or markers cannot be read or written.
    """
    settings, storage, now = runtime.country(country), runtime.storage, tick.now
    state, held = _begin(runtime, country, tick), silences.current(storage, country, now)
    health = gather(runtime, country, now, state, log=tick.log)
    stores = [
        store
        for store in health.stores_off
        if not any(each.is_about(**store.group._asdict(), store=store.store_id) for each in held)
    ]
    health = replace(
        health, is_running=tick.is_running, waits_behind=tick.waits_behind, stores_off=stores
    )
    before = {key: entry.alert for key, entry in state.alerts.items()}
    alerts = evaluate(health, settings.alerts, before)
    result = _tell(runtime, country, tick, state, alerts, held)
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
    held = silences.current(runtime.storage, PLATFORM, tick.now)
    result = _tell(runtime, PLATFORM, tick, state, alerts, held)
    left = notify.left_states(runtime.storage, runtime.platform.countries)
    delivered = [name for code in left for name in end_left(runtime, code, tick).delivered]
    return replace(result, delivered=[*result.delivered, *delivered])


def end_left(runtime: Runtime, country: str, tick: Tick) -> WatchResult:
    """Tell the platform's channels that a removed country's alerts are over; then forget them."""
    state = notify.read_state(runtime.storage, country, tick.now)
    if state.alerts:
        notice = (
            f"{country} is not in the configuration any more: its alerts end, and nobody looks"
            " after it"
        )
        state.to_tell.append(ToTell(tick.names, notice=notice))
    result = _tell(runtime, country, tick, state, [])
    if not state.to_tell:
        notify.remove_state(runtime.storage, country)
    return result


def _begin(runtime: Runtime, country: str, tick: Tick) -> State:
    """The state of before, with the runs that have failed since."""
    state = notify.read_state(runtime.storage, country, tick.now)
    since = state.failed_until or tick.now - FIRST_LOOK_BACK
    failed, state.failed_until = tick.failed_since(since)
    failures = [*state.failures, *failed]
    state.failures = still_failed(runtime, country, failures, tick.now, tick.succeeded_since)
    return state


def _tell(
    runtime: Runtime,
    country: str,
    tick: Tick,
    state: State,
    alerts: Sequence[Alert],
    held: Sequence[silences.Silence] = (),
) -> WatchResult:
    ended = over(state, alerts, held)
    for silence in (each for each in ended if each.alert is None):
        notice = f"all alerts are over, so the silence {silence} has ended"
        state.to_tell.append(ToTell(tick.names, notice=notice))
    # first of all it is written: where it cannot be, each tick would send the same again
    note = partial(notify.replace_state, runtime.storage, country, state)
    audience = Audience(country, runtime.platform, tick.now, tick.channels, held)
    outcomes = tell(state, alerts, audience, partial(note, is_written=True))
    failed = [str(error) for error in outcomes.values() if error is not None]
    for error in failed:
        tick.log.error(
            "%s: an alert was not delivered and is sent again in a minute: %s", country, error
        )
    note()
    for silence in ended:
        silences.end(runtime.storage, country, silence, tick.now)
    delivered = [name for name, error in outcomes.items() if error is None]
    return WatchResult(list(state.alerts), delivered, failed)


def publish_age(aws: Aws, country: str, seconds: float, log: Log) -> None:
    """Tell CloudWatch, so that a dead daemon is seen from outside. A failure is only logged."""
    # boto3 takes long to import and most configurations do not need it
    from storeavail_platform.aws.notices import put_window_age

    try:
        put_window_age(aws, country, seconds)
    except StoreAvailError as error:
        log.warning("%s", error)
