"""Messages that come once: briefs and reports wait here until every channel that is to have them
has taken them. What they say is not made here.

    dashboard/<country>/.outbox/due/<key>.json          what is still to be sent
    dashboard/<country>/.outbox/sent/<key>/<channel>    who has it, or is just being sent it

A channel is claimed before it is sent to, by a file that only one process can make: it gets a
message once, whoever sends (a sensor's tick, a command) and whatever is started again. A channel
that does not take it loses its claim and is tried again at the next tick, for a day. A process that
is killed while it sends leaves its claim: the message is then not sent again.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
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
    runtime: Runtime,
    country: str,
    now: datetime,
    *,
    keys: Sequence[str] | None = None,
    channels: Sequence[Channel] | None = None,
) -> list[Outcome]:
    """Send what is due and not held back by quiet hours.

    Args:
        keys: only these, and quiet hours or not: a person asks for them.
        channels: in the place of the configured ones.

    Raises:
        StoreAvailError: the storage cannot be read or written.
    """
    storage = runtime.storage
    names = [name.removesuffix(".json") for name in storage.names(f"{_folder(country)}/due")]
    outcomes: list[Outcome] = []
    for key in names:
        if keys is not None and key not in keys:
            continue
        try:
            due = read_json(storage, _due(country, key), DUE, "a message", "it is removed")
        except WarehouseError as error:
            outcomes.append(Outcome(key, "no channel", error=error))
            storage.delete(_due(country, key))
            continue
        if due is None:
            continue
        begins = after_quiet(
            due.due_at,
            runtime.country(country).alerts.quiet_hours,
            runtime.country(country).timezone,
        )
        if keys is None and now < begins:
            continue
        asked = audience(runtime, country, due) if channels is None else channels
        late = _late(runtime, country, begins, now)
        outcomes += _deliver(storage, country, due, asked, now, late)
        if _is_settled(storage, country, key, asked) or now - begins > GIVEN_UP:
            storage.delete(_due(country, key))
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


def _late(runtime: Runtime, country: str, begins: datetime, now: datetime) -> str | None:
    if now - begins <= LATE:
        return None
    zone = ZoneInfo(runtime.country(country).timezone)
    due, sent = begins.astimezone(zone), now.astimezone(zone)
    when = f"{sent:%H:%M}" if due.date() == sent.date() else f"{sent:%a %H:%M}"
    return f"LATE: this was due at {due:%H:%M} and is sent at {when}."


def _deliver(
    storage: Storage,
    country: str,
    due: Due,
    channels: Sequence[Channel],
    now: datetime,
    late: str | None,
) -> list[Outcome]:
    """Send a message to the channels that have not had it."""
    outcomes, claimed = [], []
    for channel in channels:
        path = claim_path(country, due.key, channel.name)
        if storage.create(path, CLAIM.dump_json(Claim(channel.name, "sending", now))):
            claimed.append(channel)
        else:
            before = read_json(storage, path, CLAIM, "a claim", "remove it: it is sent again")
            outcomes.append(Outcome(due.key, channel.name, now if before is None else before.at))
    message = due.message(late)
    for name, error in send_all([(channel, message) for channel in claimed]).items():
        path = claim_path(country, due.key, name)
        if error is None:
            storage.replace(path, CLAIM.dump_json(Claim(name, "sent", now)))
        else:
            storage.delete(path)
        outcomes.append(Outcome(due.key, name, error=error))
    return outcomes


def _is_settled(storage: Storage, country: str, key: str, channels: Sequence[Channel]) -> bool:
    """Whether every channel has it."""
    for channel in channels:
        path = claim_path(country, key, channel.name)
        claim = read_json(storage, path, CLAIM, "a claim", "remove it: it is sent again")
        if claim is None or claim.state != "sent":
            return False
    return True


def _folder(country: str) -> str:
    return f"dashboard/{country}/.outbox"


def _due(country: str, key: str) -> str:
    return f"{_folder(country)}/due/{key}.json"


def claim_path(country: str, key: str, channel: str) -> str:
    """Where a channel's claim of a message lies."""
    digits = hashlib.sha256(channel.encode()).hexdigest()[:16]
    return f"{_folder(country)}/sent/{key}/{digits}"
