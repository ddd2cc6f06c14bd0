"""The incidents of a country, for those who tell of them: one each over all its dates. By pointer;
the catalog may be down.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta

import pyarrow as pa

from storeavail_platform.domain.tables.causes import INCIDENTS
from storeavail_platform.reading.datasets import committed_files, dataset_of
from storeavail_platform.warehouse.opening import Tables

GOING_ON = timedelta(days=8)
"""So many dates are looked back over for what goes on."""


@dataclass(frozen=True)
class Incident:
    """A cause from its first window to its last: the columns of `incidents`, of the newest date's
    row; `stores`, `known` and `peak_share` are the most of any date, `missed_minutes` the sum over
    all of them. Times are UTC.
    """

    incident_id: str
    country: str
    local_date: date
    kind: str
    scope: str
    city: str | None
    brand: str | None
    only_in: str | None
    started_at: datetime
    ended_at: datetime | None
    is_ongoing: bool
    last_window: datetime
    stores: int
    known: int
    peak_share: float
    stores_now: int
    known_now: int
    missed_minutes: int
    usual: float
    share_explained: float | None
    past_days: int

    @property
    def scope_name(self) -> str:
        """Whom it is about, in words."""
        if self.scope == "country":
            return f"all of {self.country}"
        if self.scope == "unexplained":
            return f"stores all over {self.country}"
        if self.brand is None:
            name = str(self.city)
            return name if self.only_in is None else f"{name} (only {self.only_in})"
        if self.city is not None:
            return f"{self.brand} in {self.city}"
        return self.brand if self.only_in is None else f"{self.brand} (only in {self.only_in})"


COLUMNS = tuple(field.name for field in fields(Incident))


def incidents_since(
    tables: Tables, country: str, first: date, last: date | None = None
) -> list[Incident]:
    """The incidents that have a window on a local date or a later one, oldest first.

    Args:
        last: nothing of the dates after it.

    Raises:
        TableDamaged, WarehouseMoved: the table cannot be read.
    """
    table = tables.load(country, INCIDENTS.name)
    if table is None:
        return []
    until = "" if last is None else f" AND local_date <= '{last.isoformat()}'"
    scan = table.scan(row_filter=f"local_date >= '{first.isoformat()}'{until}")
    with tables.errors():
        rows = dataset_of(tables.storage, _schema(), committed_files(scan)).to_table().to_pylist()
    found: dict[str, Incident] = {}
    for row in sorted(rows, key=lambda row: row["local_date"]):
        incident = Incident(**row)
        before = found.get(incident.incident_id)
        found[incident.incident_id] = incident if before is None else _together(before, incident)
    return sorted(found.values(), key=lambda each: (each.started_at, each.incident_id))


def going_on(tables: Tables, country: str, today: date) -> list[Incident]:
    """The incidents that go on, oldest first.

    Args:
        today: the country's local date.

    Raises: as `incidents_since`.
    """
    return [
        incident
        for incident in incidents_since(tables, country, today - GOING_ON)
        if incident.is_ongoing
    ]


def _together(before: Incident, after: Incident) -> Incident:
    """The same incident on an earlier date and on a later one."""
    largest = max(before, after, key=lambda each: each.stores)
    return replace(
        after,
        stores=largest.stores,
        known=largest.known,
        peak_share=max(before.peak_share, after.peak_share),
        missed_minutes=before.missed_minutes + after.missed_minutes,
    )


def _schema() -> pa.Schema:
    stored = INCIDENTS.stored_schema()
    return pa.schema([stored.field(name) for name in COLUMNS])
