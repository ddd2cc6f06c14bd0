"""Who was told what: the state of a country's alerts, what is due now, and sending it. Which alerts
are true is not decided here.

One state file a country, `alerts/<country>.json`, read at the start of a tick and replaced at its
end. A new alert is sent, one that goes on
at most every `repeat`, and when it is over its end is sent once, each to every channel by itself: a
channel that fails is tried again at the next tick, the others are not told twice. All that is due
for a channel goes into one message.

A tick that is killed between sending and replacing the file sends its messages again at the next
tick; it never loses one. An alert that began and ended while a channel could not be reached is not
sent to that channel any more.

An alert of a kind that only a later release knows is forgotten: nobody here can judge it, and to
tell that it is over would be wrong. The later release, once it is back, tells it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, TypeAdapter

from storeavail_platform.alerting.alerts import Alert, Kind
from storeavail_platform.alerting.channels import Channel, send_all
from storeavail_platform.alerting.evaluate import Observed
from storeavail_platform.alerting.failed_runs import FailedRun
from storeavail_platform.alerting.lost import SeenWindows
from storeavail_platform.alerting.messages import Message
from storeavail_platform.domain.errors import StorageRefused, StoreAvailError, WarehouseError
from storeavail_platform.domain.places import is_code
from storeavail_platform.reading.silences import Silence
from storeavail_platform.storage.json_files import read_json
from storeavail_platform.storage.local import Storage

KINDS = {kind.value for kind in Kind}


def _is_known(item: Any) -> bool:
    """Whether an alert, or what is to be told of one, is of a kind that is known here."""
    alert = item.get("alert") or item.get("resolved") if isinstance(item, dict) else None
    return not isinstance(alert, dict) or "kind" not in alert or alert["kind"] in KINDS


def _of_known_kinds(found: Any) -> Any:
    """What a file says, before it is validated, without alerts of kinds that are not known."""
    if isinstance(found, dict):
        return {key: item for key, item in found.items() if _is_known(item)}
    return [item for item in found if _is_known(item)] if isinstance(found, list) else found


@dataclass
class OpenAlert:
    """An alert that is true, and when each channel was last told of it (UTC)."""

    alert: Alert
    told: dict[str, datetime] = field(default_factory=dict)


@dataclass
class ToTell:
    """An alert that is over, or a notice, and the channels that have not been told yet."""

    channels: list[str]
    resolved: Alert | None = None
    notice: str | None = None


@dataclass
class State:
    """All that is remembered of a country's alerts.

    Attributes:
        watched_since: when the country was first looked at (UTC).
        observed: the newest observed window that was seen.
        failures: failed runs that nothing has made up for.
        seen: complete windows of the last day whose markers were read.
        alerts: those that are true, by key.
        silenced: when the silence was made under which an alert was held back.
    """

    watched_since: datetime
    observed: Observed | None = None
    failures: list[FailedRun] = field(default_factory=list)
    seen: SeenWindows = field(default_factory=SeenWindows)
    alerts: Annotated[dict[str, OpenAlert], BeforeValidator(_of_known_kinds)] = field(
        default_factory=dict
    )
    to_tell: Annotated[list[ToTell], BeforeValidator(_of_known_kinds)] = field(default_factory=list)
    silenced: datetime | None = None


FILE = TypeAdapter(State)
Compose = Callable[[Sequence[Alert], Sequence[Alert], Sequence[Alert], Sequence[str]], Message]


def read_state(storage: Storage, country: str, now: datetime) -> State:
    """A country's state; a new one where there is none.

    Raises:
        WarehouseError: the file cannot be understood, or speaks for another country. It is left as
            it is.
    """
    advice = "remove it: alerts that are true are then sent once more"
    found = read_json(storage, _path(country), FILE, "the state of the alerts", advice)
    if found is None:
        return State(watched_since=now)
    if foreign := _countries_in(found) - {country}:
        raise WarehouseError(
            f"the state of the alerts {storage.path(_path(country))} cannot be understood (it"
            f" speaks for {', '.join(sorted(foreign))}): something other than the platform wrote"
            f" it; {advice}"
        )
    return found


def _countries_in(state: State) -> set[str]:
    alerts = [entry.alert for entry in state.alerts.values()]
    alerts += [item.resolved for item in state.to_tell if item.resolved is not None]
    return {alert.country for alert in alerts} | {failed.country for failed in state.failures}


def replace_state(
    storage: Storage, country: str, state: State, *, is_written: bool = False
) -> None:
    """Write the state, unless the file says the same.

    Args:
        is_written: write it in any case.
    """
    data = FILE.dump_json(state, indent=2)
    if is_written or data != storage.read(_path(country)):
        storage.replace(_path(country), data)


def left_states(storage: Storage, configured: Container[str]) -> list[str]:
    """Codes of the countries that have a state and are not configured any more."""
    try:
        names = storage.names("alerts")
    except (StorageRefused, PermissionError):
        # who may only see one country's files looks after no other
        return []
    codes = [name.removesuffix(".json") for name in names if name.endswith(".json")]
    return [code for code in codes if code not in configured and is_code(code)]


def remove_state(storage: Storage, country: str) -> None:
    storage.delete(_path(country))


def update(
    state: State, alerts: Iterable[Alert], channels: Sequence[str], silence: Silence | None
) -> None:
    """Bring the state up to what is true now. An alert that goes on keeps the moment it began.

    Args:
        channels: names of those that there are; what only others were to be told is forgotten.
    """
    current = {alert.key: alert for alert in alerts}
    superseded = {alert.supersedes for alert in current.values()}
    for key, entry in list(state.alerts.items()):
        if key not in current:
            del state.alerts[key]
            if key not in superseded and entry.told:
                state.to_tell.append(ToTell(list(entry.told), resolved=entry.alert))
    for key, alert in current.items():
        known = state.alerts.get(key)
        if known is None:
            state.alerts[key] = OpenAlert(alert)
            state.to_tell = [
                item for item in state.to_tell if item.resolved is None or item.resolved.key != key
            ]
        else:
            known.alert = replace(alert, since=min(alert.since, known.alert.since))
    if silence is None:
        state.silenced = None
    elif is_silence_over(state, silence):
        state.to_tell.append(
            ToTell(
                list(channels), notice=f"all alerts are over, so the silence {silence} has ended"
            )
        )
    elif state.alerts:
        state.silenced = silence.made_at
    for item in state.to_tell:
        item.channels = [name for name in item.channels if name in channels]
    state.to_tell = [item for item in state.to_tell if item.channels]


def is_silence_over(state: State, silence: Silence) -> bool:
    """Whether alerts were held back by this silence and all of them are over."""
    return state.silenced == silence.made_at and not state.alerts


def deliver(
    state: State,
    channels: Sequence[Channel],
    now: datetime,
    repeat: timedelta,
    compose: Compose,
    *,
    is_silenced: bool = False,
) -> Mapping[str, StoreAvailError | None]:
    """Send each channel what is due for it, and note in the state what it took.

    Args:
        compose: makes the message of alerts that are new, go on, and are over, and of notices.

    Returns:
        For each channel that something was due for: None where it took the message, else why not.
    """
    due = {
        channel.name: _due(state, channel.name, now - repeat, is_silenced) for channel in channels
    }
    outcomes = send_all(
        [
            (channel, due[channel.name].message(compose))
            for channel in channels
            if any(due[channel.name])
        ]
    )
    for name in (name for name, error in outcomes.items() if error is None):
        for entry in (*due[name].new, *due[name].going_on):
            entry.told[name] = now
        for item in due[name].to_tell:
            item.channels.remove(name)
    state.to_tell = [item for item in state.to_tell if item.channels]
    return outcomes


def is_due(
    state: State,
    channels: Sequence[Channel],
    now: datetime,
    repeat: timedelta,
    *,
    is_silenced: bool,
) -> bool:
    """Whether `deliver` would send anything."""
    return any(any(_due(state, channel.name, now - repeat, is_silenced)) for channel in channels)


class _Due(NamedTuple):
    """What a channel has to be told now."""

    new: list[OpenAlert]
    going_on: list[OpenAlert]
    to_tell: list[ToTell]

    def message(self, compose: Compose) -> Message:
        return compose(
            [entry.alert for entry in self.new],
            [entry.alert for entry in self.going_on],
            [item.resolved for item in self.to_tell if item.resolved is not None],
            [item.notice for item in self.to_tell if item.notice is not None],
        )


def _due(state: State, channel: str, before: datetime, is_silenced: bool) -> _Due:
    entries = [] if is_silenced else list(state.alerts.values())
    return _Due(
        new=[entry for entry in entries if channel not in entry.told],
        going_on=[
            entry for entry in entries if channel in entry.told and entry.told[channel] <= before
        ],
        to_tell=[item for item in state.to_tell if channel in item.channels],
    )


def _path(country: str) -> str:
    return f"alerts/{country}.json"
