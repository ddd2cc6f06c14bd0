"""The sections that a country may override: how long things are kept, when a reading is
suspect, who is told about what.
"""

from __future__ import annotations

from datetime import time, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from storeavail_platform.config.secrets import AnyUrl
from storeavail_platform.config.values import (
    PositiveDuration,
    Settings,
    Text,
    TimeOfDay,
    format_duration,
    like,
)
from storeavail_platform.domain.alert_kinds import Kind

Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1, le=10_000, strict=True)]
AlertKind = Annotated[Kind, Field(title="kind of alert")]
StoreId = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    Field(min_length=1),
]


class Retention(Settings):
    """How long things are kept: landed readings, old snapshots of the tables (time travel),
    rows of window tables.
    """

    landing: PositiveDuration = timedelta(days=7)
    """How long raw readings of complete windows are kept. Within this time a window can be computed
    again."""
    history: PositiveDuration = timedelta(days=7)
    """How long replaced states of the tables can be queried (time travel)."""
    facts: PositiveDuration = timedelta(days=400)
    """How long rows of window tables are kept. Those of local dates stay."""


class Suspect(Settings):
    """When a reading looks wrong as a whole, compared with the last good window."""

    listed_drop: Share = 0.2
    """Share of listed documents, of active stores, or of the share of these with weekly hours, lost
    since the last good window from which a reading is suspect."""
    missing_rise: Share = 0.2
    """Rise of the share of missing stores since the last good window from which a reading is
    suspect; the same for rogue stores and for those without hours."""
    coverage_drop: Share = 0.2
    """Fall of coverage, the edge of opening hours left out, since the last good window from which a
    reading is suspect."""
    stale_after: PositiveDuration = timedelta(minutes=60)
    """Age of the newest document from which a reading is suspect."""


class SnsChannel(Settings):
    """An SNS topic."""

    sns: Annotated[
        str,
        like(
            r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:\S+",
            "arn:aws:sns:sa-east-1:123456789012:storeavail",
        ),
    ]
    """In a channel `{sns: arn}`: ARN of an SNS topic."""


class AppriseChannel(Settings):
    """Any service that Apprise knows, by its URL."""

    apprise: AnyUrl
    """In a channel `{apprise: env:NAME}`: a secret that holds an Apprise URL (below)."""


def _channel_tag(value: Any) -> str | None:
    if value == "log":
        return "#log"
    for name, tag in (("sns", "#SnsChannel"), ("apprise", "#AppriseChannel")):
        if (isinstance(value, dict) and name in value) or hasattr(value, name):
            return tag
    return None


Channel = Annotated[
    Annotated[Literal["log"], Tag("#log")]
    | Annotated[SnsChannel, Tag("#SnsChannel")]
    | Annotated[AppriseChannel, Tag("#AppriseChannel")],
    Discriminator(
        _channel_tag,
        custom_error_type="choice",
        custom_error_message="is not a channel: write log, {sns: arn} or {apprise: env:NAME}",
    ),
]


class Freshness(Settings):
    """Age of the newest observation at which an alert warns and fails."""

    warn: PositiveDuration = timedelta(minutes=20)
    """Age of a country's newest observation that warns; shorter than `fail`."""
    fail: PositiveDuration = timedelta(minutes=35)
    """Age of a country's newest observation that fails."""

    @model_validator(mode="after")
    def _in_order(self) -> Freshness:
        if self.warn >= self.fail:
            raise ValueError(
                f"warn ({format_duration(self.warn)}) has to be shorter than fail"
                f" ({format_duration(self.fail)})"
            )
        return self


class AvailabilityAlert(Settings):
    """Raised after `after` windows below the objective, resolved after `resolve` windows at or
    above it.
    """

    objective: Share = 0.95
    """Availability below which a window counts as bad."""
    after: Count = 3
    """Bad windows in a row after which it is told."""
    resolve: Count = 2
    """Good windows in a row after which it is told to be over."""


class Route(Settings):
    """Who is told of some alerts, in the place of `alerts.channels`."""

    channels: tuple[Channel, ...]
    """Who is told of these alerts in the place of `alerts.channels`."""
    kind: AlertKind | None = None
    """Only alerts of this kind ([operations.md](operations.md#alerts)), like `gap`."""
    city: Text | None = None
    """Only alerts about this city, as it is called in the tables."""
    brand: Text | None = None
    """Only alerts about this brand."""


class QuietHours(Settings):
    """When what can wait waits, on the country's clock (UTC for what belongs to none)."""

    begin: TimeOfDay
    """From when, like `"22:00"`."""
    end: TimeOfDay
    """Until when, like `"07:00"`; at or before `begin` means the next day."""

    def hold(self, local: time) -> bool:
        if self.begin < self.end:
            return self.begin <= local < self.end
        return local >= self.begin or local < self.end


class Alerts(Settings):
    """What is told, to whom, how often."""

    channels: tuple[Channel, ...] = ("log",)
    """Who is told: `log`, an SNS topic, an Apprise address."""
    routes: tuple[Route, ...] = ()
    """Who is told of some alerts, by brand, city or kind: all whose route it is; where there is
    none, `channels`."""
    freshness: Freshness = Freshness()
    availability: AvailabilityAlert = AvailabilityAlert()
    coverage: Share = 0.8
    """Coverage, the edge of opening hours left out, below which a window counts as bad."""
    problem_rows: Share = 0.05
    """Rows with problems, over active stores and listed documents, from which it is told."""
    store_offline_after: PositiveDuration = timedelta(hours=24)
    """Opening hours that a store misses in a row before it is told."""
    watch_stores: tuple[StoreId, ...] = ()
    """Ids of stores that are told as soon as they are off for `availability.after` windows."""
    quiet_hours: QuietHours | None = None
    """When warnings wait: they are told afterwards, if they are still true."""
    repeat: PositiveDuration = timedelta(hours=4)
    """How often what goes on is told again, all in one message; what can wait for days, once a
    day."""


class Dashboard(Settings):
    """What pages there are beside the countries'."""

    brands: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = ()
    """Brands, as the tables call them, that get a
    [page of their own](dashboard.md#a-page-for-a-brand) in each country that has them."""
