"""A country's summary as the overview takes it: `dashboard/<country>/summary.json`, validated.

Only what the overview shows; further keys are those of the country's own page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from storeavail_platform.domain.availability import availability
from storeavail_platform.domain.errors import WarehouseError
from storeavail_platform.domain.hours import zones
from storeavail_platform.storage.json_files import decode
from storeavail_platform.storage.listing import pass_over
from storeavail_platform.storage.local import Storage

FOLDER = "dashboard"
BRIEFS, REPORTS, VALUES = "briefs", "reports", "value"
"""Folders below a country's: its briefs by date, its scheduled reports by name and date, its value
reports by month."""
SUMMARY = "summary.json"
SUMMARY_VERSION: Literal[1] = 1
LONGEST_NAMES = 10_000
"""Keys of windows in a summary: those of 30 days, three times over."""


def _known_zone(name: str) -> str:
    if name not in zones():
        raise ValueError("it is not a time zone")
    return name


Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Zone = Annotated[str, AfterValidator(_known_zone)]
Key = Annotated[str, Field(max_length=20)]
Text = Annotated[str, Field(max_length=2_000)]


@dataclass(frozen=True)
class _Before:
    availability: Share | None
    expected_minutes: Count = 0
    available_minutes: Count = 0
    unknown_minutes: Count = 0


@dataclass(frozen=True)
class _Period(_Before):
    coverage: Share | None = field(kw_only=True)
    before: _Before = field(kw_only=True)


@dataclass(frozen=True)
class _Periods:
    now: _Period
    day: Annotated[_Period, Field(alias="24h")]


@dataclass(frozen=True)
class _Stores:
    missing: Count
    rogue: Count


@dataclass(frozen=True)
class _Cause:
    name: Text
    stores: Count


@dataclass(frozen=True)
class Summary:
    """What the overview shows of a country. What a summary of an earlier release does not have is
    empty.
    """

    version: Literal[1]
    country: str
    timezone: Zone
    observed_at: datetime | None
    next_at: datetime
    objective: Share
    warn_seconds: Count
    fail_seconds: Count
    periods: _Periods
    stores: _Stores
    outages: Count
    suspect: Text | None
    waiting: Annotated[list[Key], Field(max_length=LONGEST_NAMES)]
    gaps: Annotated[list[Key], Field(max_length=LONGEST_NAMES)]
    verdict: Text = ""
    causes: list[_Cause] | None = None
    zone: Annotated[str, Field(max_length=20)] = ""
    held_back: list[Text] = field(default_factory=list)


FILE = TypeAdapter(Summary)
COUNTED = ("expected_minutes", "available_minutes", "unknown_minutes")


def read_summary(storage: Storage, country: str) -> dict[str, Any] | None:
    """A country's summary; None where there is none, or with a warning where it cannot be
    understood or speaks for another country.
    """
    path = f"{FOLDER}/{country}/{SUMMARY}"
    data = storage.read(path)
    if data is None:
        return None
    name, advice = storage.path(path), "the country's next window writes it anew"
    try:
        found = decode(FILE, data, f"summary {name}", advice)
        if found.country != country:
            raise WarehouseError(f"it speaks for {found.country}; {advice}")
    except WarehouseError as error:
        pass_over(name, str(error))
        return None
    shown: dict[str, Any] = FILE.dump_python(found, mode="json", by_alias=True)
    return shown


def together(summaries: Iterable[Mapping[str, Any] | None]) -> dict[str, Any]:
    """All countries as one, of their summaries: availability now and over 24 hours with the period
    before, stores missing and rogue. Minutes are added up and divided last.
    """
    known = [summary for summary in summaries if summary is not None]
    periods = {}
    for name in ("now", "24h"):
        found = [summary["periods"][name] for summary in known]
        before = _added([period["before"] for period in found])
        periods[name] = {"availability": _added(found), "before": {"availability": before}}
    counted = ("missing", "rogue")
    return {
        "periods": periods,
        "stores": {name: sum(summary["stores"][name] for summary in known) for name in counted},
    }


def _added(periods: Iterable[Mapping[str, Any]]) -> float | None:
    rows = list(periods)
    expected, available, unknown = (sum(row[name] for row in rows) for name in COUNTED)
    return availability(available=available, expected=expected, unknown=unknown)
