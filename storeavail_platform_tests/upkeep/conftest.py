"""A country with facts over days that are over and a day in progress, for the tests of upkeep."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from storeavail_platform.config import load_text
from storeavail_platform.domain.tables.declarations import STORE_AVAILABILITY
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.reading.query import query
from storeavail_platform.upkeep.compaction import files_by_day
from storeavail_platform.warehouse.engine import WrittenFile
from storeavail_platform_tests.domain.tables.facts import (
    COUNTRY,
    Row,
    commit_facts,
    commit_window,
    fact,
    random_facts,
    windows,
)

FACTS = STORE_AVAILABILITY
FIRST = Window.parse("2026-11-21T2000")
"""The evening of a UTC day, two whole days, and the morning of the day in progress; a window
every two hours.
"""
NOW = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
CONFIG = """
warehouse: ./warehouse
commit_patience: 1s
retention: {history: 2d, landing: 2d, facts: 400d}
countries:
  BR: {timezone: America/Sao_Paulo, postgres: {dsn: "env:DSN"}, online_index: {path: ./index.ndjson}}
  CL: {timezone: America/Santiago, postgres: {dsn: "env:DSN"}, online_index: {path: ./index.ndjson}}
"""


@dataclass(frozen=True)
class Kept:
    """A warehouse and the facts that were committed to it."""

    folder: Path
    runtime: Runtime

    def rows(self) -> list[Row]:
        """Every fact as an analyst reads it: all columns, in one order."""
        found: list[Row] = query(
            self.runtime, "SELECT * FROM store_availability ORDER BY window_start, store_id"
        ).to_pylist()
        return found

    def files(self) -> dict[str, int]:
        """Data files by UTC day."""
        found = self.runtime.warehouse.load(COUNTRY, FACTS.name)
        assert found is not None
        return {day.isoformat(): len(files) for day, files in sorted(files_by_day(found).items())}

    def commit(self, window: Window, rows: list[Row], run: str) -> None:
        commit_window(self.runtime.engine, self.runtime.warehouse, window, rows, run)


def made(folder: Path) -> Kept:
    """Facts of 20 stores in 30 windows of three UTC days, one file a window."""
    (folder / "warehouse").mkdir()
    runtime = build_runtime(load_text(CONFIG, base=folder, origin="test.yaml"))
    span = [window for number, window in enumerate(windows(FIRST.key, 240)) if number % 8 == 0]
    commit_facts(
        runtime.warehouse,
        random_facts(Random(5), span, ["America/Sao_Paulo", "America/Manaus"], stores=20),
    )
    return Kept(folder, runtime)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return made(tmp_path)


def one(window: Window, store: int, status: str) -> list[Row]:
    return [fact(store, window, status)]


def orphan(kept: Kept, name: str) -> Path:
    """A file below the facts' table that nothing refers to."""
    runtime = kept.runtime
    with runtime.engine.session() as session:
        session.add_table("nothing", pa.table({"store_id": [1]}))
        written: list[WrittenFile] = session.write(
            "nothing",
            pa.schema([("store_id", pa.int64())]),
            {},
            (),
            runtime.warehouse.location(COUNTRY, FACTS.name, "data", name),
        )
    return Path(written[0].path)


def at(age: timedelta) -> datetime:
    """The moment at which what is written now has an age."""
    return datetime.now(UTC) + age


def state_at(kept: Kept, snapshot_id: int) -> list[dict[str, Any]]:
    """The facts as a snapshot has them: time travel."""
    table = kept.runtime.warehouse.load(COUNTRY, FACTS.name)
    assert table is not None
    found: list[dict[str, Any]] = (
        table.scan(snapshot_id=snapshot_id)
        .to_arrow()
        .sort_by([("window_start", "ascending"), ("store_id", "ascending")])
        .to_pylist()
    )
    return found


def current_snapshot(kept: Kept) -> int:
    table = kept.runtime.warehouse.load(COUNTRY, FACTS.name)
    assert table is not None
    snapshot = table.current_snapshot()
    assert snapshot is not None
    return snapshot.snapshot_id
