"""Who was told what: the state of a country's alerts, and `tell`. Which alerts are true is not
decided here.

One state file a country, `alerts/<country>.json`, with an entry an event. An event is told when it
begins, when it has doubled, and when it is over, to every channel by itself: one that fails is
tried again at the next tick, the others are not told twice. What goes on is told again at most
every `repeat`, all of it together. All that is due for a channel is one message.

A tick that is killed after sending sends again at the next one; none is lost. What began and ended
while a channel could not be reached is not sent to it any more. An alert of a kind that is not
known here is forgotten: nobody can judge it, and to tell that it is over would be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, TypeAdapter
from pydantic_core import PydanticOmit

from storeavail_platform.alerting.alerts import DAILY, ENDLESS, Alert, Severity
from storeavail_platform.alerting.channels import Channel, send_all
from storeavail_platform.alerting.failed_runs import FailedRun
from storeavail_platform.alerting.messages import Message, alerts_message
from storeavail_platform.config import Alerts, Platform
from storeavail_platform.domain.alert_kinds import Kind
from storeavail_platform.domain.errors import StorageRefused, StoreAvailError, WarehouseError
from storeavail_platform.domain.places import is_code
from storeavail_platform.reading.silences import Silence
from storeavail_platform.storage.json_files import read_json
from storeavail_platform.storage.local import Storage


def _known(item: Any) -> Any:
    """An alert as a file has it, before it is validated; one of a kind that is not known is not."""
    alert = item.get("alert") or item.get("resolved") if isinstance(item, dict) else None
    if isinstance(alert, dict) and alert.get("kind") not in (None, *Kind):
        raise PydanticOmit
    return item


@dataclass
class OpenAlert:
    """An alert that is true.

    Attributes:
        told: when each channel was last told of it (UTC).
        size: its size when it last had doubled, or began.
        worse_at: when it last had doubled (UTC).
        held_by: when the silence was made that holds it back.
    """

    alert: Alert
    told: dict[str, datetime] = field(default_factory=dict)
    size: int = 0
    worse_at: datetime | None = None
    held_by: datetime | None = None


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
        newest: key of the newest observed window.
        failed_until: until when failed runs are known (UTC).
        judged_at: when the window was completed (UTC) after which the tables were last looked at.
        failures: failed runs that nothing has made up for.
        gaps: keys of the last day's windows that were lost.
        alerts: those that are true, by key.
    """

    watched_since: datetime
    newest: str | None = None
    failed_until: datetime | None = None
    judged_at: datetime | None = None
    failures: list[FailedRun] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    alerts: dict[str, Annotated[OpenAlert, BeforeValidator(_known)]] = field(default_factory=dict)
    to_tell: list[Annotated[ToTell, BeforeValidator(_known)]] = field(default_factory=list)


FILE = TypeAdapter(State)


def read_state(storage: Storage, country: str, now: datetime) -> State:
    """A country's state; a new one where there is none.

    Raises:
        WarehouseError: the file cannot be understood, or speaks for another country. It stays.
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
    """Write the state; unless `is_written`, only where the file does not say the same."""
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


@dataclass(frozen=True)
class Audience:
    """Who is told at a moment, and what is held back from them.

    Attributes:
        country: code, or `platform`.
        platform: the configuration, for links and for how often is reminded.
        silences: those that hold, acknowledgements last.
    """

    country: str
    platform: Platform
    now: datetime
    channels: Sequence[Channel]
    silences: Sequence[Silence] = ()

    @property
    def alerts(self) -> Alerts:
        return (self.platform.countries.get(self.country) or self.platform).alerts

    @property
    def is_quiet(self) -> bool:
        """Whether warnings wait."""
        country, quiet = self.platform.countries.get(self.country), self.alerts.quiet_hours
        local = self.now.astimezone(ZoneInfo(country.timezone if country else "UTC"))
        return quiet is not None and quiet.hold(local.time())

    def period(self, kind: Kind) -> tuple[timedelta, timedelta]:
        """How often is reminded: of a kind, and of anything."""
        repeat = self.alerts.repeat
        return max(repeat, timedelta(days=1)) if kind in DAILY else repeat, repeat

    def silence_of(self, alert: Alert) -> Silence | None:
        return next((each for each in self.silences if holds(each, alert)), None)

    def waits(self, alert: Alert | None) -> bool:
        return self.is_quiet and alert is not None and alert.severity is Severity.WARNING


class _Due(NamedTuple):
    """What a channel has to be told now."""

    new: list[OpenAlert]
    worse: list[OpenAlert]
    going_on: list[OpenAlert]
    to_tell: list[ToTell]


def tell(
    state: State,
    alerts: Iterable[Alert],
    audience: Audience,
    before_sending: Callable[[], None] = lambda: None,
) -> Mapping[str, StoreAvailError | None]:
    """Bring the state up to what is true now, send each channel what is due for it, and note what
    it took.

    Args:
        before_sending: called once if anything is due.

    Returns:
        For each channel that something was due for: None where it took the message, else why not.
    """
    update(state, alerts, audience)
    found = [(channel, _due(state, channel, audience)) for channel in audience.channels]
    due = [(channel, each) for channel, each in found if any(each)]
    if due:
        before_sending()
    outcomes = send_all([(channel, _message(each, audience)) for channel, each in due])
    for name, each in ((channel.name, each) for channel, each in due):
        if outcomes[name] is None:
            for entry in (*each.new, *each.worse, *each.going_on):
                entry.told[name] = audience.now
            for item in each.to_tell:
                item.channels.remove(name)
    state.to_tell = [item for item in state.to_tell if item.channels]
    return outcomes


def update(state: State, alerts: Iterable[Alert], audience: Audience) -> None:
    """Bring the state up to what is true now. An alert that goes on keeps the moment it began."""
    current = {alert.key: alert for alert in alerts}
    for key in state.alerts.keys() - current.keys():
        entry = state.alerts.pop(key)
        is_news = entry.told and entry.alert.kind not in ENDLESS
        if is_news and not any(alert.replaces(entry.alert) for alert in current.values()):
            state.to_tell.append(ToTell(list(entry.told), resolved=entry.alert))
    for key, alert in current.items():
        entry = state.alerts.setdefault(key, OpenAlert(alert))
        if not entry.told:
            entry.size = alert.size
        elif alert.size >= 2 * max(1, entry.size):
            entry.size, entry.worse_at = alert.size, audience.now
        entry.alert = replace(alert, since=min(alert.since, entry.alert.since))
        silence = audience.silence_of(alert)
        entry.held_by = None if silence is None else silence.made_at
    names = [channel.name for channel in audience.channels]
    for item in state.to_tell:
        # of what is true again it is no news that it was over
        is_again = item.resolved is not None and item.resolved.key in current
        item.channels = [name for name in item.channels if name in names and not is_again]


def holds(silence: Silence, alert: Alert) -> bool:
    """Whether a silence holds an alert back."""
    return silence.is_about(city=alert.city, brand=alert.brand, alert=alert.key)


def over(state: State, alerts: Sequence[Alert], silences: Sequence[Silence]) -> list[Silence]:
    """Silences under which alerts were held back that are all over now."""
    held = {entry.held_by for entry in state.alerts.values()}
    ended = [silence for silence in silences if silence.made_at in held]
    return [each for each in ended if not any(holds(each, alert) for alert in alerts)]


def _due(state: State, channel: Channel, audience: Audience) -> _Due:
    name, now, due = channel.name, audience.now, _Due([], [], [], [])
    is_reminder_due = False
    for entry in state.alerts.values():
        alert, told, silence = entry.alert, entry.told.get(name), audience.silence_of(entry.alert)
        is_held = audience.waits(alert) or (silence is not None and silence.alert is None)
        if is_held or not channel.wants(alert):
            continue
        if told is None:
            due.new.append(entry)
        elif entry.worse_at is not None and told < entry.worse_at:
            due.worse.append(entry)
        elif silence is None:
            period, repeat = audience.period(alert.kind)
            is_reminder_due |= now - told >= period
            # with those that are not due yet, so that the next reminder is `repeat` away
            due.going_on.extend([entry] if now - told >= period - repeat else [])
    if not is_reminder_due:
        due.going_on.clear()
    for item in state.to_tell:
        due.to_tell.extend(
            [item] if name in item.channels and not audience.waits(item.resolved) else []
        )
    return due


def _message(due: _Due, audience: Audience) -> Message:
    alerts = [[entry.alert for entry in entries] for entries in due[:3]]
    resolved = [item.resolved for item in due.to_tell if item.resolved is not None]
    notices = [item.notice for item in due.to_tell if item.notice is not None]
    return alerts_message(audience.country, audience.platform, [*alerts, resolved], notices)


def _path(country: str) -> str:
    return f"alerts/{country}.json"
