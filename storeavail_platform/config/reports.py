"""The section `reports`: when the morning brief comes and to whom, what the value report compares
with, and reports on a schedule of their own.
"""

from __future__ import annotations

import re
from datetime import date, time
from itertools import chain
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from storeavail_platform.config.policies import Channel
from storeavail_platform.config.values import Loading, Settings, Text, TimeOfDay, did_you_mean, like

CRON_FIELDS = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day of the month": (1, 31),
    "month": (1, 12),
    "weekday": (0, 7),
}
"""The fields of a cron expression, in order, with the numbers that each may have."""
CRON_ITEM = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/([1-9]\d?))?")


def _cron(text: str) -> str:
    fields = text.split()
    if len(fields) != len(CRON_FIELDS):
        raise ValueError(
            f"write five fields ({', '.join(CRON_FIELDS)}), like '30 9 * * 1' for Mondays at 9:30"
        )
    for field, (name, (least, most)) in zip(fields, CRON_FIELDS.items(), strict=True):
        for item in field.split(","):
            found = CRON_ITEM.fullmatch(item)
            numbers = [int(number) for number in found.groups()[:2] if number] if found else []
            is_ordered = numbers == sorted(numbers)
            if found is None or not is_ordered or not all(least <= n <= most for n in numbers):
                raise ValueError(
                    f"{item!r} is no {name}: write *, numbers from {least} to {most}, ranges like"
                    f" {least}-{most}, steps like */2, or several of them with commas"
                )
    return " ".join(fields)


Cron = Annotated[str, AfterValidator(_cron), Field(title="cron expression")]


class Baseline(Settings):
    """The dates that a month is compared with."""

    first: date
    """First local date of the dates that months are compared with."""
    last: date
    """Last one."""

    @model_validator(mode="after")
    def _in_order(self) -> Baseline:
        if self.first > self.last:
            raise ValueError(f"first ({self.first}) has to be before last ({self.last})")
        return self


class ScheduledReport(Settings):
    """The content of the brief on a schedule of its own."""

    name: Annotated[str, like(r"[a-z0-9][a-z0-9-]{0,59}", "burger-house-weekly")]
    """Its name, of small letters, digits and hyphens: a part of its page's address."""
    cron: Cron
    """When it comes, on the country's clock: `30 9 * * 1` is Mondays at 9:30."""
    country: Text
    """Code of the country that it is about."""
    city: Text | None = None
    """Only stores of this city, as it is called in the tables."""
    brand: Text | None = None
    """Only stores of this brand."""
    channels: tuple[Channel, ...] = ()
    """Who gets it; where it is empty, whoever is told of alerts about its city or brand."""

    @field_validator("country")
    @classmethod
    def _is_configured(cls, code: str, info: ValidationInfo) -> str:
        known = Loading.of(info.context).countries
        if known and code not in known:
            raise ValueError(f"there is no country {code!r}{did_you_mean(code, known)}")
        return code


class Reports(Settings):
    """Reports beside the alerts."""

    brief_at: TimeOfDay | None = time(8)
    """When the [morning brief](reports.md) of each country comes, on its clock; `null`: never."""
    channels: tuple[Channel, ...] = ()
    """Who gets the brief; where it is empty, whoever is told of alerts."""
    value_channels: tuple[Channel, ...] = ()
    """Who gets the [value report](reports.md#the-value-report); where it is empty, whoever gets the
    brief."""
    baseline: Baseline | None = None
    """The dates that months are compared with; without, the first 28 complete dates."""
    scheduled: tuple[ScheduledReport, ...] = ()
    """Reports on a schedule of their own: the content of the brief, of a country or of one brand or
    city in it."""

    @field_validator("scheduled")
    @classmethod
    def _named_once(cls, value: tuple[ScheduledReport, ...]) -> tuple[ScheduledReport, ...]:
        names = [report.name for report in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)}: each report needs a name of its own")
        return value

    def channels_of(self, code: str) -> tuple[Channel, ...]:
        """All channels that a country's briefs and reports may go to, beside those of alerts."""
        own = (report.channels for report in self.scheduled if report.country == code)
        return tuple(chain(self.channels, self.value_channels, *own))
