"""Who was told what: the state of a country's alerts, what is due now, and sending it. Which alerts are true is not decided here.

One state file a country, `alerts/<country>.json`, read at the start of a tick and replaced at its end. A new alert is sent, one that goes on
at most every `repeat`, and when it is over its end is sent once, each to every channel by itself: a channel that fails is tried again at the
next tick, the others are not told twice. All that is due for a channel goes into one message.

A tick that is killed between sending and replacing the file sends its messages again at the next tick; it never loses one. An alert that
began and ended while a channel could not be reached is not sent to that channel any more.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from storeavail_platform.alerting.alerts import Alert
from storeavail_platform.alerting.channels import Channel, send_all
from storeavail_platform.alerting.evaluate import Observed
from storeavail_platform.alerting.failed_runs import PLATFORM, FailedRun
from storeavail_platform.alerting.messages import Message, alerts_message
from storeavail_platform.domain.errors import StorageRefused, StoreAvailError
from storeavail_platform.reading.silences import Silence
from storeavail_platform.storage.json_files import decode
from storeavail_platform.storage.local import Storage


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
        alerts: those that are true, by key.
        silenced: when the silence was made under which an alert was held back.
    """

    watched_since: datetime
    observed: Observed | None = None
    failures: list[FailedRun] = field(default_factory=list)
    alerts: dict[str, OpenAlert] = field(default_factory=dict)
    to_tell: list[ToTell] = field(default_factory=list)
    silenced: datetime | None = None


FILE = TypeAdapter(State)


class States:
    """Reads and replaces the state files."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def read(self, country: str, now: datetime) -> State:
        """A country's state; a new one where there is none.

        Raises:
            WarehouseError: the file cannot be understood. It is left as it is.
        """
        data = self.storage.read(_path(country))
        if data is None:
            return State(watched_since=now)
        advice = "remove it: alerts that are true are then sent once more"
        return decode(FILE, data, f"the state of the alerts, {self.storage.path(_path(country))},", advice)

    def replace(self, country: str, state: State) -> None:
        """Write the state, unless the file says the same."""
        data = FILE.dump_json(state, indent=2)
        if data != self.storage.read(_path(country)):
            self.storage.replace(_path(country), data)

    def left(self, configured: Container[str]) -> list[str]:
        """Codes of the countries that have a state and are not configured any more."""
        try:
            names = self.storage.names("alerts")
        except (StorageRefused, PermissionError):
            # who may only see one country's files looks after no other
            return []
        codes = [name.removesuffix(".json") for name in names if name.endswith(".json")]
        return [code for code in codes if code not in configured and code != PLATFORM]

    def remove(self, country: str) -> None:
        """Forget what was told of a country."""
        self.storage.delete(_path(country))


def update(state: State, alerts: Iterable[Alert], channels: Sequence[str], silence: Silence | None) -> None:
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
            state.to_tell = [item for item in state.to_tell if item.resolved is None or item.resolved.key != key]
        else:
            known.alert = replace(alert, since=min(alert.since, known.alert.since))
    _follow_silence(state, channels, silence)
    for item in state.to_tell:
        item.channels = [name for name in item.channels if name in channels]
    state.to_tell = [item for item in state.to_tell if item.channels]


def is_silence_over(state: State, silence: Silence | None) -> bool:
    """Whether alerts were held back by this silence and all of them are over."""
    return silence is not None and state.silenced == silence.made_at and not state.alerts


def _follow_silence(state: State, channels: Sequence[str], silence: Silence | None) -> None:
    if is_silence_over(state, silence):
        assert silence is not None
        state.to_tell.append(ToTell(list(channels), notice=f"all alerts are over, so the silence {silence} has ended"))
    elif silence is None:
        state.silenced = None
    elif state.alerts:
        state.silenced = silence.made_at


def deliver(
    state: State,
    country: str,
    channels: Sequence[Channel],
    now: datetime,
    repeat: timedelta,
    *,
    is_silenced: bool,
    dagster_url: str | None,
) -> Mapping[str, StoreAvailError | None]:
    """Send each channel what is due for it, and note in the state what it took.

    Returns:
        For each channel that something was due for: None where it took the message, else why not.
    """
    due = [(channel, _due(state, channel.name, now, repeat, is_silenced)) for channel in channels]
    outcomes = send_all([(channel, what.message(country, dagster_url)) for channel, what in due if not what.is_empty])
    for channel, what in due:
        if channel.name in outcomes and outcomes[channel.name] is None:
            for entry in (*what.new, *what.going_on):
                entry.told[channel.name] = now
            for item in what.to_tell:
                item.channels.remove(channel.name)
    state.to_tell = [item for item in state.to_tell if item.channels]
    return outcomes


@dataclass(frozen=True)
class _Due:
    """What a channel has to be told now."""

    new: list[OpenAlert]
    going_on: list[OpenAlert]
    to_tell: list[ToTell]

    @property
    def is_empty(self) -> bool:
        return not (self.new or self.going_on or self.to_tell)

    def message(self, country: str, dagster_url: str | None) -> Message:
        return alerts_message(
            country,
            [entry.alert for entry in self.new],
            [entry.alert for entry in self.going_on],
            [item.resolved for item in self.to_tell if item.resolved is not None],
            [item.notice for item in self.to_tell if item.notice is not None],
            dagster_url,
        )


def _due(state: State, channel: str, now: datetime, repeat: timedelta, is_silenced: bool) -> _Due:
    entries = [] if is_silenced else list(state.alerts.values())
    return _Due(
        new=[entry for entry in entries if channel not in entry.told],
        going_on=[entry for entry in entries if channel in entry.told and now - entry.told[channel] >= repeat],
        to_tell=[item for item in state.to_tell if channel in item.channels],
    )


def _path(country: str) -> str:
    return f"alerts/{country}.json"
