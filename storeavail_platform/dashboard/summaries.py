"""A country's summary as the overview takes it: `dashboard/<country>/summary.json`, validated.

Only what the overview shows; further keys are those of the country's own page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from storeavail_platform.domain.errors import WarehouseError
from storeavail_platform.domain.hours import zones
from storeavail_platform.storage.json_files import decode
from storeavail_platform.storage.listing import pass_over
from storeavail_platform.storage.local import Storage

FOLDER = "dashboard"
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


@dataclass(frozen=True)
class _Before:
    availability: Share | None


@dataclass(frozen=True)
class _Period:
    availability: Share | None
    coverage: Share | None
    before: _Before


@dataclass(frozen=True)
class _Periods:
    now: _Period
    day: Annotated[_Period, Field(alias="24h")]


@dataclass(frozen=True)
class _Stores:
    missing: Count
    rogue: Count


@dataclass(frozen=True)
class Summary:
    """What the overview shows of a country."""

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
    suspect: Annotated[str, Field(max_length=2_000)] | None
    waiting: Annotated[list[Key], Field(max_length=LONGEST_NAMES)]
    gaps: Annotated[list[Key], Field(max_length=LONGEST_NAMES)]


FILE = TypeAdapter(Summary)


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
