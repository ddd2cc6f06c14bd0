"""What a brief is: a country's local date, or of a brand or city in it, as plain data. It is made
by `brief_tables.py`; the sentences are `brief_text.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from storeavail_platform.domain.availability import availability, coverage
from storeavail_platform.domain.windows import Window
from storeavail_platform.reading.hours_changed import HoursChanged
from storeavail_platform.reading.incidents import Incident
from storeavail_platform.reading.recent import Group

MINUTES = ("expected", "available", "missing", "rogue", "unknown")


@dataclass(frozen=True)
class Sums:
    """Minutes of stores, added up; shares are divided last."""

    expected: int = 0
    available: int = 0
    missing: int = 0
    rogue: int = 0
    unknown: int = 0

    @property
    def availability(self) -> float | None:
        return availability(available=self.available, expected=self.expected, unknown=self.unknown)

    @property
    def coverage(self) -> float | None:
        return coverage(expected=self.expected, unknown=self.unknown)

    @property
    def known(self) -> int:
        return self.expected - self.unknown

    def __add__(self, other: Sums) -> Sums:
        pairs = ((getattr(self, name), getattr(other, name)) for name in MINUTES)
        return Sums(*(one + two for one, two in pairs))


NOTHING = Sums()


@dataclass(frozen=True)
class Beside:
    """Sums, and those of as many earlier dates or weeks as have any.

    Attributes:
        count: how many these are.
    """

    now: Sums
    before: Sums
    count: int

    @property
    def usual_missing(self) -> float | None:
        """The minutes that would have been missed as before; None: there is no before."""
        known = self.before.known
        return self.now.known * self.before.missing / known if known else None


@dataclass(frozen=True)
class Changed:
    """A brand or a city that missed less, or more, than is usual.

    Attributes:
        name: of the brand or the city.
        usual: the minutes that it would have missed as before.
    """

    name: str
    group: Group
    missing: int
    usual: float

    @property
    def beyond(self) -> float:
        """Minutes beyond the usual; negative: it got better."""
        return self.missing - self.usual


@dataclass(frozen=True)
class LongOff:
    """A store's long outage: columns of `store_outages`, of its newest date."""

    store_id: str
    name: str | None
    city: str | None
    brand: str | None
    local_date: date
    started_at: datetime
    missed_minutes: int
    missed_minutes_total: int
    is_started_before: bool


@dataclass(frozen=True)
class Quarter:
    """A quarter hour of the date on the country's clock (minute of the day), and the availability
    of its stores: on the date, and on the dates beside it; None: too few should be open.
    """

    minute: int
    now: float | None
    before: float | None


@dataclass(frozen=True)
class Brief:
    """What is told of a local date.

    Attributes:
        group: a brand or a city, if it is of its stores alone.
        is_provisional: the date is not over yet in some zone of the country.
        day: beside the same weekday of the four weeks before.
        week: the seven dates up to this one, beside the four weeks before; None: it is no week's
            brief.
        dates: sums by local date, the last SHOWN_DATES that have any, oldest first.
        lost: windows of the date that nobody observed; `lost_minutes` of its stores should have
            been open in them.
        waiting: windows that were observed and are not in the figures yet.
        suspect: windows of the date that are no evidence, with the reasons.
        incidents: those that have a window on the date, with their minutes on it, dearest first.
        week_incidents: the same of the week; empty where it is no week's brief.
        off: stores off for longer than `alerts.store_offline_after` and still off at the date's
            end, the longest first.
        back: stores that had been off for so long and came back on the date.
        better, worse: brands and cities that missed less and more than usual, most first.
        quarters: of the date.
        hours_changed: opening hours that are others than a week before; None: there is too much to
            look through.
    """

    country: str
    timezone: str
    local_date: date
    group: Group
    is_provisional: bool
    day: Beside
    week: Beside | None
    dates: Mapping[date, Sums]
    windows: int
    lost: Sequence[Window]
    lost_minutes: int
    waiting: Sequence[Window]
    suspect: Mapping[Window, str]
    incidents: Sequence[Incident]
    week_incidents: Sequence[Incident]
    off: Sequence[LongOff]
    back: Sequence[LongOff]
    better: Sequence[Changed]
    worse: Sequence[Changed]
    quarters: Sequence[Quarter]
    hours_changed: Sequence[HoursChanged] | None
