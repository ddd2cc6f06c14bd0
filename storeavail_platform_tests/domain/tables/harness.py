"""Running window tables over given raw rows on an engine: what the tests of rules, engines and
additions share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from storeavail_platform.domain.hours import local_windows
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.relations import GIVEN_RELATIONS, RELATIONS
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.compute import LANDED_RELATIONS, make
from storeavail_platform.sources.store_ids import store_ids
from storeavail_platform.warehouse.engine import Engine, Session

Row = dict[str, Any]


def ids(source_id: str | None) -> Row:
    """What a source makes of an id that it reads."""
    (store_id,) = store_ids(pa.array([source_id], pa.string())).to_pylist()
    return {"store_id": store_id, "source_id": source_id}


def store(store_id: int | str | None = 1, **columns: Any) -> Row:
    """A row of `raw_stores`: active, in the country's zone, with weekly hours."""
    source_id = None if store_id is None else str(store_id)
    usual = {
        "name": f"Store {source_id}",
        "city": "City",
        "brand": "Brand",
        "timezone": None,
        "is_active": True,
        "has_weekly_hours": True,
    }
    return {**ids(source_id), **usual, **columns}


def weekly(
    store_id: int | str,
    business_date: date | None,
    opens: int | None,
    closes: int | None,
    weekday: int | None = -1,
) -> Row:
    """A weekly row of `raw_store_hours` on a business date; the weekday follows from it unless
    it is given.
    """
    if weekday == -1:
        assert business_date is not None
        weekday = business_date.isoweekday()
    return {**ids(str(store_id)), "kind": "weekly", "weekday": weekday, "business_date": business_date, "opens_minute": opens, "closes_minute": closes, "is_closed": False}  # fmt: skip


def special(store_id: int | str, business_date: date, opens: int | None, closes: int | None) -> Row:
    """A special row of `raw_store_hours`; both ends None: closed all day."""
    is_closed = opens is None and closes is None
    return {**ids(str(store_id)), "kind": "special", "weekday": None, "business_date": business_date, "opens_minute": opens, "closes_minute": closes, "is_closed": is_closed}  # fmt: skip


def document(store_id: int | str | None = 1, online: str | None = "true", **columns: Any) -> Row:
    """A row of `raw_online_index`."""
    source_id = None if store_id is None else str(store_id)
    return {**ids(source_id), "online": online, **columns}


@dataclass
class Inputs:
    """What a window's tables are computed from. Without `observed_minute` it is a recorded gap."""

    window: Window
    timezone: str = "America/Sao_Paulo"
    stores: list[Row] = field(default_factory=list)
    hours: list[Row] = field(default_factory=list)
    documents: list[Row] = field(default_factory=list)
    observed_minute: int | None = 7
    always_open: bool = False
    baseline: Row | None = None
    stale_before: datetime | None = None
    several: str = "problem"
    answers: list[Row] = field(default_factory=list)

    def relations(self) -> Mapping[str, pa.Table]:
        minute = self.observed_minute
        observation = {
            "is_observed": minute is not None,
            "observed_at": None if minute is None else self.window.middle(),
            "observed_minute": minute,
            "observed_bit": None if minute is None else 2**minute,
            "listed": len(self.documents),
            "online": sum(row["online"] == "true" for row in self.documents),
            "stores_read_at": self.window.middle(),
        }
        settings = {
            "country": "BR",
            "window_start": self.window.start,
            "always_open": self.always_open,
            "listed_drop": 0.2,
            "missing_rise": 0.2,
            "coverage_drop": 0.2,
            "stale_before": self.stale_before,
            "latest_update": (
                None if minute is None else self.window.middle() + timedelta(minutes=5)
            ),
            "several": self.several,
        }
        rows = {
            "raw_stores": self.stores,
            "raw_store_hours": self.hours,
            "raw_online_index": self.documents,
            "raw_confirmation": self.answers,
            "observation": [observation],
            "window_settings": [settings],
            "baseline": [] if self.baseline is None else [self.baseline],
        }
        tables = {
            name: pa.Table.from_pylist(inputs, schema=RELATIONS[name])
            for name, inputs in rows.items()
        } | {name: RELATIONS[name].empty_table() for name in GIVEN_RELATIONS}
        return {**tables, "local_windows": local_windows(self.window, self.timezone)}


@contextmanager
def computed(
    engine: Engine, inputs: Inputs, tables: Sequence[Table] = TABLES, *, folder: Path | None = None
) -> Iterator[Session]:
    """A session in which the tables are computed.

    With a folder, landed relations come from Parquet files in it, as in a real window.
    """
    import pyarrow.parquet as pq

    with engine.session() as session:
        for name, table in inputs.relations().items():
            if folder is not None and name in LANDED_RELATIONS:
                path = folder / f"{name}.parquet"
                pq.write_table(table, path)
                session.add_files(name, RELATIONS[name], [str(path)])
            else:
                session.add_table(name, table)
        for declared in tables:
            make(session, declared)
        yield session


def rows_of(session: Session, table: Table) -> list[Row]:
    """A table's rows in the order of its key, for comparisons row for row."""
    rows = session.rows(f"SELECT * FROM {table.name}")
    return sorted(
        rows,
        key=lambda row: [
            (row[column] is None, str(row[column])) for column in table.computed_schema().names
        ],
    )
