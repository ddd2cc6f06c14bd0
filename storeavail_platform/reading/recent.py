"""What a country's last windows left in the tables: availability by city and brand, stores that are
off. Tables are found by their pointers, so that it works with the catalog down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import NamedTuple

import pyarrow.compute as pc

from storeavail_platform.config import did_you_mean
from storeavail_platform.domain.availability import availability
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.domain.tables.daily import STORE_OUTAGES
from storeavail_platform.domain.tables.declarations import AVAILABILITY_SUMMARY
from storeavail_platform.domain.text import neutralised
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.date_facts import LOOK_BACK
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.incidents import Incident
from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform.warehouse.iceberg import rows_of

SMALLEST_GROUP = 20
"""Stores that have to be expected and known in a window for a city's or brand's availability to
count: one store of five is no outage.
"""
MINUTES = ("available_minutes", "expected_minutes", "unknown_minutes")
STORES = ("stores_available", "stores_missing")
Shares = Mapping[str, float]
"""Availability or coverage (0..1) by a window's key, newest first."""


class Group(NamedTuple):
    """Stores of a country, by their names in the tables: all, of a city, of a brand."""

    brand: str | None = None
    city: str | None = None

    def overlaps(self, other: Group) -> bool:
        """Whether stores may belong to both."""
        return all(a is None or b is None or a == b for a, b in zip(self, other, strict=True))

    def __str__(self) -> str:
        names = zip(self._fields, self, strict=True)
        return " in ".join(f"{word} {neutralised(name)}" for word, name in names if name)


@dataclass(frozen=True)
class StoreOff:
    """An outage that goes on: columns of `store_outages`."""

    store_id: str
    name: str | None
    city: str | None
    brand: str | None
    started_at: datetime
    missed_minutes_total: int
    is_started_before: bool

    @property
    def group(self) -> Group:
        return Group(self.brand, self.city)

    def __str__(self) -> str:
        where = None if self.city is None else f"({self.city})"
        return neutralised(" ".join(word for word in (self.store_id, self.name, where) if word))


def is_explained(incident: Incident, group: Group) -> bool:
    """Whether stores of a group are off by an incident of a city, a brand or the country."""
    is_named = incident.kind == "missing" and incident.scope != "unexplained"
    return is_named and group.overlaps(Group(incident.brand, incident.city))


def availability_by_group(
    warehouse: Warehouse,
    country: str,
    windows: Sequence[str],
    explained: Sequence[Incident] = (),
) -> dict[Group, dict[str, float]]:
    """Availability of the country, its cities and its brands, as far as they are in the newest of
    the windows; of a city or brand in windows in which it was large enough.

    Args:
        windows: keys, newest first.
        explained: incidents whose stores are left out while they last.

    Raises:
        TableDamaged: the table cannot be read.
    """
    table = warehouse.load(country, AVAILABILITY_SUMMARY.name) if windows else None
    if table is None:
        return {}
    first, last = (Window.parse(key).start.isoformat() for key in (windows[-1], windows[0]))
    rows = table.scan(
        row_filter=f"window_start >= '{first}' AND window_start <= '{last}'",
        selected_fields=("window_start", *Group._fields, *STORES, *MINUTES),
    ).to_arrow()
    for incident in explained:
        rows = rows.filter(~_explained_by(incident))
    found: dict[Group, dict[str, float]] = {}
    for names in ([], ["city"], ["brand"]):
        sums = rows.group_by(["window_start", *names]).aggregate(
            [(column, "sum") for column in (*STORES, *MINUTES)]
        )
        for row in sums.sort_by([("window_start", "descending")]).to_pylist():
            available, expected, unknown = (row[f"{column}_sum"] for column in MINUTES)
            share = availability(available=available, expected=expected, unknown=unknown)
            stores = sum(row[f"{column}_sum"] for column in STORES)
            is_judged = not names or (stores >= SMALLEST_GROUP and row[names[0]] is not None)
            key = Window.containing(row["window_start"].astimezone(UTC)).key
            if key in windows and share is not None and is_judged:
                group = Group(**{name: row[name] for name in names})
                found.setdefault(group, {})[key] = share
    return {group: shares for group, shares in found.items() if windows[0] in shares}


def refuse_unknown_names(runtime: Runtime, country: str, **asked: str | None) -> None:
    """Refuse a `city` or `brand` of which the newest complete window has no store; near ones are
    named.

    Raises:
        ConfigError: there is none.
        TableDamaged: the table cannot be read.
    """
    newest = next(runtime.markers.latest(country), None)
    table = runtime.warehouse.load(country, AVAILABILITY_SUMMARY.name)
    if newest is None or table is None or not any(asked.values()):
        return
    rows = table.scan(
        row_filter=rows_of(Window.parse(newest.window)), selected_fields=tuple(asked)
    ).to_arrow()
    for word, name in asked.items():
        known = {value for value in rows[word].unique().to_pylist() if value is not None}
        if name is not None and known and name not in known:
            raise ConfigError(
                f"--{word}: {country} has no store of {word} {name!r} in its newest window,"
                f" {newest.window}{did_you_mean(name, sorted(known))}"
            )


def _explained_by(incident: Incident) -> pc.Expression:
    """Rows of its stores, while it lasts."""
    found = pc.field("window_start") >= incident.started_at
    if incident.ended_at is not None:
        found &= pc.field("window_start") < incident.ended_at
    for name, value in (("city", incident.city), ("brand", incident.brand)):
        if value is not None:
            found &= pc.coalesce(pc.field(name) == value, pc.scalar(False))
    return found


def stores_off(warehouse: Warehouse, country: str, newest: Window) -> list[StoreOff]:
    """The outages that go on after a window; of each the newest date's row.

    Raises:
        TableDamaged: the table cannot be read.
    """
    table = warehouse.load(country, STORE_OUTAGES.name)
    if table is None:
        return []
    columns = [field.name for field in fields(StoreOff)]
    rows = table.scan(
        row_filter=f"local_date >= '{newest.start.date() - LOOK_BACK}' AND ended_at IS NULL",
        selected_fields=("local_date", *columns),
    ).to_arrow()
    by_store = {row["store_id"]: row for row in rows.sort_by("local_date").to_pylist()}
    return [StoreOff(**{name: row[name] for name in columns}) for row in by_store.values()]
