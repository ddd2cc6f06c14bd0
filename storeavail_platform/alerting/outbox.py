"""Messages that come once: briefs and reports wait here until every channel that is to have them
has taken them. What they say is not made here.

    alerts/notes/<country>/outbox/due/<key>.json          what is still to be sent
    alerts/notes/<country>/outbox/sent/<key>/<channel>    who has it, or is just being sent it

Not below `dashboard/`, where they once lay: somebody may publish that folder as it is.

A channel is claimed before it is sent to, by a file that only one process can make: it gets a
message once, whoever sends (a sensor's tick, a command) and whatever is started again. A channel
that does not take it loses its claim and is tried again at the next tick, for a day. A process that
is killed while it sends leaves its claim: the message is then not sent again.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter

from storeavail_platform.alerting.channels import Channel, ChannelSetting, open_channels, send_all
from storeavail_platform.alerting.messages import Message
from storeavail_platform.config import Alerts, Reports
from storeavail_platform.config.policies import QuietHours
from storeavail_platform.domain.errors import StoreAvailError, WarehouseError
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.storage.json_files import read_json
from storeavail_platform.storage.local import Storage

LATE = timedelta(minutes=30)
"""What comes later than this says that it is late."""
GIVEN_UP = timedelta(days=1)
"""What no channel takes for so long is not sent any more."""
SIDE_BY_SIDE = 4
"""Messages that are sent at a time."""
KEPT_KEYS = 100
"""So many messages are remembered as sent."""
LATE_MARK = "<!-- late -->"
"""Where in the HTML of a message it says that it is late."""
BRIEF, VALUE, REPORT = "brief", "value", "report"


@dataclass(frozen=True)
class Due:
    """A message that is due.

    Attributes:
        key: which one: there is one of a key, however often it is made.
        kind: BRIEF, VALUE or REPORT.
        due_at: when it should come (UTC).
        report: name of the scheduled report; None: it is none.
        city, brand: whose stores it is about; None: of all.
        html: for mail; a picture in it is `cid:` and the picture's name.
        picture: PNG, as base64.
    """

    key: str
    kind: str
    due_at: datetime
    subject: str
    body: str
    html: str | None = None
    picture: str | None = None
    picture_name: str = "picture.png"
    report: str | None = None
    city: str | None = None
    brand: str | None = None

    def message(self, late: str | None) -> Message:
        """What is sent.

        Args:
            late: in which words it says that it is late; None: it is not.
        """
        picture = None if self.picture is None else base64.b64decode(self.picture)
        message = Message(self.subject, self.body, None, self.html, picture, self.picture_name)
        if late is None:
            return message
        html = None if self.html is None else self.html.replace(LATE_MARK, f"<p><b>{late}</b></p>")
        subject = f"{self.subject} (late)"
        return replace(message, subject=subject, body=f"{late}\n\n{self.body}", html=html)


@dataclass(frozen=True)
class Claim:
    """A channel that has a message, or is being sent it."""

    channel: str
    state: Literal["sending", "sent"]
    at: datetime


@dataclass(frozen=True)
class Outcome:
    """What became of a message at a channel now.

    Attributes:
        sent_at: when it was claimed before (UTC); None: it was not.
        error: why the channel did not take it; None: it did.
    """

    key: str
    channel: str
    sent_at: datetime | None = None
    error: StoreAvailError | None = None

    @property
    def is_new(self) -> bool:
        """Whether the channel has it from now on."""
        return self.error is None and self.sent_at is None

    def __str__(self) -> str:
        if self.error is not None:
            return f"{self.key}: {self.error}"
        when = "" if self.sent_at is None else f" at {self.sent_at:%Y-%m-%d %H:%M} UTC"
        return f"{self.key}: {self.channel} {'has had it' if when else 'has it'}{when}"


DUE, CLAIM = TypeAdapter(Due), TypeAdapter(Claim)


def put(storage: Storage, country: str, due: Due) -> None:
    """Have a message sent by the next tick, to the channels that have not had it."""
    storage.replace(_due(country, due.key), DUE.dump_json(due))
    for key in storage.names(f"{_folder(country)}/sent")[:-KEPT_KEYS]:
        storage.delete_tree(f"{_folder(country)}/sent/{key}")


def deliver(
    runtime: Runtime, country: str, now: datetime, *, keys: Sequence[str] | None = None
) -> list[Outcome]:
    """Send what is due and not held back by quiet hours, messages side by side: a channel that does
    not answer holds up no other report.

    Args:
        keys: only these, and quiet hours or not: a person asks for them.

    Raises:
        StoreAvailError: the storage cannot be read or written.
    """
    storage = runtime.storage
    _bring_over(storage, country)
    names = [name.removesuffix(".json") for name in storage.names(f"{_folder(country)}/due")]
    outcomes, sent_now = list[Outcome](), list[_Sending]()
    for key in names:
        if keys is not None and key not in keys:
            continue
        try:
            due = read_json(storage, _due(country, key), DUE, "a message", "it is removed")
        except WarehouseError as error:
            outcomes.append(Outcome(key, "no channel", error=error))
            storage.delete(_due(country, key))
            continue
        if due is not None:
            sending = _Sending(runtime, country, due, now)
            sent_now += [sending] if keys is not None or now >= sending.begins else []
    if sent_now:
        with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="report") as pool:
            outcomes += chain.from_iterable(pool.map(_Sending.send, sent_now))
    return outcomes


def audience(runtime: Runtime, country: str, due: Due) -> list[Channel]:
    """The channels that are to have a message: its report's own, else those of reports, else as
    for an alert about its city or brand.
    """
    settings, reports = runtime.country(country), runtime.platform.reports
    own = _own_channels(reports, due)
    if own:
        return open_channels(Alerts(channels=own), settings.aws)
    opened = open_channels(settings.alerts, settings.aws)
    return [channel for channel in opened if channel.wants(due)]


def after_quiet(due_at: datetime, quiet: QuietHours | None, timezone: str) -> datetime:
    """When a message comes that is due at a moment: then, or when the quiet hours end."""
    local = due_at.astimezone(ZoneInfo(timezone))
    if quiet is None or not quiet.hold(local.time()):
        return due_at
    end = local.replace(hour=quiet.end.hour, minute=quiet.end.minute, second=0, microsecond=0)
    return end if end > local else end + timedelta(days=1)


def _own_channels(reports: Reports, due: Due) -> tuple[ChannelSetting, ...]:
    if due.report is not None:
        return next((each.channels for each in reports.scheduled if each.name == due.report), ())
    return (reports.value_channels if due.kind == VALUE else ()) or reports.channels


@dataclass(frozen=True)
class _Sending:
    """A message being sent to those who are to have it."""

    runtime: Runtime
    country: str
    due: Due
    now: datetime

    @property
    def begins(self) -> datetime:
        settings = self.runtime.country(self.country)
        return after_quiet(self.due.due_at, settings.alerts.quiet_hours, settings.timezone)

    @property
    def late(self) -> str | None:
        """In which words it says that it is late; None: it is not."""
        if self.now - self.begins <= LATE:
            return None
        zone = ZoneInfo(self.runtime.country(self.country).timezone)
        due, sent = self.begins.astimezone(zone), self.now.astimezone(zone)
        when = f"{sent:%H:%M}" if due.date() == sent.date() else f"{sent:%a %H:%M}"
        return f"LATE: this was due at {due:%H:%M} and is sent at {when}."

    def send(self) -> list[Outcome]:
        """Send it to the channels that have not had it; forget it when all have it, or it is not
        waited for any more.
        """
        storage, key = self.runtime.storage, self.due.key
        channels = audience(self.runtime, self.country, self.due)
        claimed = [channel for channel in channels if self._claim(channel)]
        before = [
            Outcome(key, channel.name, claim.at if claim is not None else self.now)
            for channel in channels
            if channel not in claimed
            for claim in [self._claim_of(channel)]
        ]
        message = self.due.message(self.late)
        done = send_all([(channel, message) for channel in claimed])
        for name, error in done.items():
            path = claim_path(self.country, key, name)
            if error is None:
                storage.replace(path, CLAIM.dump_json(Claim(name, "sent", self.now)))
            else:
                storage.delete(path)
        claims = [self._claim_of(channel) for channel in channels]
        is_settled = all(claim is not None and claim.state == "sent" for claim in claims)
        if is_settled or self.now - self.begins > GIVEN_UP:
            storage.delete(_due(self.country, key))
        return [*before, *(Outcome(key, name, error=error) for name, error in done.items())]

    def _claim(self, channel: Channel) -> bool:
        """Claim a channel; whether nobody had before."""
        claim = CLAIM.dump_json(Claim(channel.name, "sending", self.now))
        path = claim_path(self.country, self.due.key, channel.name)
        return self.runtime.storage.create(path, claim)

    def _claim_of(self, channel: Channel) -> Claim | None:
        path = claim_path(self.country, self.due.key, channel.name)
        advice = "remove it: the channel is then sent the message again"
        return read_json(self.runtime.storage, path, CLAIM, "a claim", advice)


def _bring_over(storage: Storage, country: str) -> None:
    """Move what an earlier release left below the pages; claims first, so that nothing that was
    sent is due without one.
    """
    old = f"dashboard/{country}/.outbox"
    if not storage.names(old):
        return
    sent = [f"sent/{key}" for key in storage.names(f"{old}/sent")]
    for folder in (*sent, "due"):
        for name in storage.names(f"{old}/{folder}"):
            data = storage.read(f"{old}/{folder}/{name}")
            # another process may just have moved it
            if data is not None:
                storage.create(f"{_folder(country)}/{folder}/{name}", data)
                storage.delete(f"{old}/{folder}/{name}")


def _folder(country: str) -> str:
    return f"alerts/notes/{country}/outbox"


def _due(country: str, key: str) -> str:
    return f"{_folder(country)}/due/{key}.json"


def claim_path(country: str, key: str, channel: str) -> str:
    """Where a channel's claim of a message lies."""
    digits = hashlib.sha256(channel.encode()).hexdigest()[:16]
    return f"{_folder(country)}/sent/{key}/{digits}"
