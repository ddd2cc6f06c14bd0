"""What ids cost: landing, computing and writing a window whose ids are whole numbers or random
UUIDs, side by side; no server.

`python -m benchmarks.ids` prints it, each kind in a process of its own.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import uuid
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from storeavail_platform.domain.hours import local_windows
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.relations import RELATIONS
from storeavail_platform.domain.windows import Window
from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.pipeline.compute import compute
from storeavail_platform.sources.store_ids import store_ids
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform.warehouse.landed_files import land_batches

STORES = 1_000_000
WINDOW = Window.parse("2026-11-23T1300")
ZONE = "America/Sao_Paulo"
CONSOLE = Console(width=110, highlight=False)


def measure(stores: int = STORES) -> None:
    """Print CPU seconds, megabytes written and the peak of memory for each kind."""
    shown = Table(
        "ids", "landing, CPU s", "MB", "computing and writing, CPU s", "MB", "peak, MB",
        title=f"{stores:,} stores",
    )  # fmt: skip
    for kind in ("whole numbers", "UUIDs"):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            shown.add_row(kind, *pool.submit(window_of, kind, stores).result())
    CONSOLE.print(shown)


def window_of(kind: str, stores: int) -> list[str]:
    """The figures of one window."""
    with tempfile.TemporaryDirectory() as name:
        folder, begin = Path(name), _cpu()
        paths = {relation: _land(folder, relation, rows) for relation, rows in _raw(kind, stores)}
        landed = _cpu()
        size = _compute(folder, paths, stores)
        taken = [f"{landed - begin:.1f}", _size(paths.values()), f"{_cpu() - landed:.1f}", size]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [*taken, f"{peak:,.0f}"]


def _raw(kind: str, stores: int) -> list[tuple[str, dict[str, Any]]]:
    """The raw relations' columns; one that is not named is NULL."""
    random = Random(kind)
    texts = [
        str(100_001 + number)
        if kind == "whole numbers"
        else str(uuid.UUID(int=random.getrandbits(128)))
        for number in range(stores)
    ]
    ids = pa.array(texts)
    listed = ids.take(pa.array(np.random.default_rng(1).permutation(stores)))
    hours = {"kind": "weekly", "weekday": 1, "business_date": WINDOW.start.date()}
    interval = {"opens_minute": 480, "closes_minute": 1320, "is_closed": False}
    return [
        (
            "raw_stores",
            {
                "source_id": ids,
                "name": pa.array([f"Store {number}" for number in range(stores)]),
                "city": pa.array([f"City {number % 40}" for number in range(stores)]),
                "brand": pa.array([f"Brand {number % 30}" for number in range(stores)]),
                "timezone": ZONE,
                "is_active": True,
                "has_weekly_hours": True,
            },
        ),
        ("raw_store_hours", {"source_id": ids, **hours, **interval}),
        (
            "raw_online_index",
            {
                "source_id": listed,
                "online": pa.array(
                    ["true" if number % 20 else "false" for number in range(stores)]
                ),
                "updated_at": WINDOW.start,
                "updated_at_text": "2026-11-23T13:00:00Z",
            },
        ),
    ]


def _land(folder: Path, relation: str, rows: dict[str, Any]) -> str:
    schema, size = RELATIONS[relation], len(rows["source_id"])
    rows = {"store_id": store_ids(rows["source_id"]), **rows}
    columns = [
        value if isinstance(value, pa.Array) else pa.repeat(pa.scalar(value, field.type), size)
        for field in schema
        for value in [rows.get(field.name)]
    ]
    batches = pa.table(columns, schema=schema).to_batches(max_chunksize=50_000)
    storage, path = LocalStorage(folder), f"{relation}.parquet"
    land_batches(storage, relation, schema, iter(batches), path, None)
    return storage.path(path)


def _compute(folder: Path, paths: dict[str, str], stores: int) -> str:
    single: dict[str, Any] = {
        "observation": {
            "is_observed": True,
            "observed_at": WINDOW.middle(),
            "observed_minute": 7,
            "observed_bit": 128,
            "listed": stores,
            "online": stores,
            "stores_read_at": WINDOW.middle(),
        },
        "window_settings": {
            "country": "BR",
            "window_start": WINDOW.start,
            "always_open": False,
            "listed_drop": 0.2,
            "missing_rise": 0.2,
            "several": "problem",
        },
    }
    constants = {"country": "BR", "window_start": WINDOW.start, "run_id": "run"}
    written: list[str] = []
    with DuckDBEngine(LocalStorage(folder)).session() as session:
        for relation, path in paths.items():
            session.add_files(relation, RELATIONS[relation], [path])
        session.add_table("local_windows", local_windows(WINDOW, ZONE))
        for relation in ("baseline", "raw_confirmation"):
            session.add_table(relation, RELATIONS[relation].empty_table())
        for relation, row in single.items():
            schema = RELATIONS[relation]
            whole = {name: row.get(name) for name in schema.names}
            session.add_table(relation, pa.Table.from_pylist([whole], schema=schema))
        names = {table.name for table in TABLES}
        for computed in compute(session, TABLES, names, constants, lambda table: table.name):
            assert computed.error is None, computed.error
            written += [file.path for file in computed.files]
    return _size(written)


def _size(paths: Any) -> str:
    return f"{sum(Path(path).stat().st_size for path in paths) / 1e6:.0f}"


def _cpu() -> float:
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


if __name__ == "__main__":
    measure()
