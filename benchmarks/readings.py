"""Readings of a made-up company for any window, landed as a source's readings are: stores that are
always open, of which one in twelve is offline for two hours, then the next ones.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from storeavail_platform.domain.finding import Finding
from storeavail_platform.domain.source import (
    RAW_ONLINE_INDEX,
    RAW_STORE_HOURS,
    RAW_STORES,
    Snapshot,
    Split,
    Take,
)
from storeavail_platform.domain.windows import WINDOW_LENGTH, Window
from storeavail_platform.pipeline.observe import (
    INDEX,
    POSTGRES,
    Observing,
    Sources,
    Target,
    observe,
)
from storeavail_platform.pipeline.runtime import Runtime

PHASES = 12
"""Groups of stores that are offline one after another."""
PHASE_WINDOWS = 8
"""Windows for which a group is offline."""
SCHEMAS: Mapping[str, pa.Schema] = {
    "raw_stores": RAW_STORES,
    "raw_store_hours": RAW_STORE_HOURS,
    "raw_online_index": RAW_ONLINE_INDEX,
}


def phase(window: Window) -> int:
    """Which of the groups is offline in a window."""
    return int(window.start.timestamp() / WINDOW_LENGTH.total_seconds()) // PHASE_WINDOWS % PHASES


def raw_rows(relation: str, window: Window, stores: int) -> pa.Table:
    """What a source gives of a relation in a window."""
    numbers = range(stores)
    columns: dict[str, Any] = {"source_id": [str(number) for number in numbers]}
    if relation == "raw_stores":
        columns |= {
            "name": [f"Store {number}" for number in numbers],
            "city": [f"City {number % 40}" for number in numbers],
            "brand": [f"Brand {number % 60}" for number in numbers],
            "is_active": [True] * stores,
            "has_weekly_hours": [True] * stores,
        }
    elif relation == "raw_store_hours":
        columns |= {
            "kind": ["weekly"] * stores,
            "weekday": [window.start.isoweekday()] * stores,
            "business_date": [window.start.date()] * stores,
            "opens_minute": [0] * stores,
            "closes_minute": [24 * 60] * stores,
            "is_closed": [False] * stores,
        }
    else:
        down = phase(window)
        columns |= {
            "online": ["false" if number % PHASES == down else "true" for number in numbers],
            "updated_at": [window.start] * stores,
            "updated_at_text": [window.start.isoformat()] * stores,
        }
    schema = SCHEMAS[relation]
    missing = [None] * stores
    arrays = [pa.array(columns.get(field.name, missing), field.type) for field in schema]
    return pa.table(arrays, schema=schema)


@dataclass(frozen=True)
class MadeUp:
    """A source of the company's rows, of whichever window it is opened for."""

    name: str
    names: tuple[str, ...]
    stores: int
    is_recorded: bool = False

    @property
    def relations(self) -> Mapping[str, pa.Schema]:
        return {name: SCHEMAS[name] for name in self.names}

    @contextlib.contextmanager
    def open(self, window: Window) -> Iterator[Snapshot]:
        splits = tuple(Split(name, 0, {"window": window.key}) for name in self.names)
        yield Snapshot(window.middle(), splits)

    def check(self, take: Take | None = None, window: Window | None = None) -> list[Finding]:
        return []

    def read(self, split: Split) -> Iterator[pa.RecordBatch]:
        window = Window.parse(split.arguments["window"])
        yield from raw_rows(split.relation, window, self.stores).to_batches()


def land(runtime: Runtime, country: str, window: Window, stores: int) -> None:
    """Land the company's readings of a window, as if it were read in its middle."""
    how = Observing(runtime.platform.observation_grace)
    index = MadeUp(INDEX, ("raw_online_index",), stores)
    others = MadeUp(POSTGRES, ("raw_stores", "raw_store_hours"), stores)
    target = Target(country, runtime.country(country).timezone, window)
    middle: Callable[[], Any] = window.middle
    observe(runtime.landing, target, Sources(index, others), how, clock=middle)
