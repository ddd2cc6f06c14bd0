"""A reading in which nothing names a store is refused like a source that is down."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from storeavail_platform.alerting.failed_runs import cause_of
from storeavail_platform.domain.alert_kinds import Cause
from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.errors import NothingUsable
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.observe import Observation, Observing, Sources, Target, observe
from storeavail_platform.pipeline.window import WindowRun, run_window
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.postgres import PostgresServer

WINDOW = Window.parse("2026-11-23T1300")
ZONE = "America/Sao_Paulo"
GRACE = timedelta(minutes=2)
STORE_ROWS = """
INSERT INTO stores SELECT i, 'S' || i, NULL, 'C', 'B', NULL, true FROM generate_series(1, 4) i;
INSERT INTO store_weekly_hours SELECT i, 1, '08:00', '22:00' FROM generate_series(1, 4) i;
"""
DOCUMENTS = [{"store_id": str(i), "online": True} for i in range(1, 5)]
BLANK: list[dict[str, Any]] = [{"store_id": " ", "online": True}, {"store_id": "a\tb"}]


@pytest.fixture
def world(
    tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> World:
    made = World(tmp_path, postgres_server)
    made.add_country("BR", ZONE, made.record("BR", WINDOW, DOCUMENTS), rows=STORE_ROWS)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


class FilledAgain:
    """A recorded index whose file has documents again when it is opened a second time."""

    def __init__(self, world: World) -> None:
        self.world, self.source, self.opened = world, world.runtime().index_source("BR"), 0

    def open(self, window: Window) -> Any:
        self.opened += 1
        if self.opened == 2:
            self.world.record("BR", window, DOCUMENTS)
        return self.source.open(window)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)


def observed(
    world: World, how: Observing, index: Any = None, *, clock: Clock = utc_now
) -> Observation:
    runtime = world.runtime()
    sources = Sources(index or runtime.index_source("BR"), runtime.stores_source("BR"))
    return observe(runtime.landing, Target("BR", ZONE, WINDOW), sources, how, clock=clock)


@pytest.mark.parametrize("documents", [[], BLANK], ids=["none", "without an id"])
def test_an_index_that_names_no_store_is_refused(
    world: World, documents: Sequence[dict[str, Any]]
) -> None:
    """No documents, or none with a usable id: nothing is landed, the words say what it gave and
    what to do, and the alert has a cause of its own.
    """
    world.record("BR", WINDOW, list(documents))
    with pytest.raises(NothingUsable) as raised:
        observed(world, Observing(GRACE))
    said = str(raised.value)
    assert f"gave {len(documents)} documents and not one usable store id" in said
    assert "storeavail check --country BR" in said
    assert world.runtime().landing.find("BR", WINDOW, "online_index") is None
    assert not list((world.folder / "warehouse").rglob("part-*"))
    assert cause_of(type(raised.value).__name__, said) is Cause.NOTHING_USABLE


def test_it_is_read_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The same run tries again, as for a source that is down, and lands the reading that names
    stores.
    """
    world.record("BR", WINDOW, [])
    index = FilledAgain(world)
    with caplog.at_level(logging.WARNING):
        how = Observing(GRACE, until_deadline=True)
        found = observed(world, how, index, clock=WINDOW.middle)
    assert (index.opened, found.index.details["usable_ids"]) == (2, 4)
    assert "not one usable store id" in caplog.text


def test_after_the_deadline_it_is_a_gap(world: World) -> None:
    """Where a gap is to be recorded and the index's record names no store, the window is one:
    no store is missing because of it.
    """
    world.record("BR", WINDOW, BLANK)
    assert not observed(world, Observing(GRACE, record_gap=True)).is_observed
    work = WindowRun("BR", WINDOW, "run", frozenset(table.name for table in TABLES))
    list(run_window(world.runtime(), work))
    rows = world.query("SELECT DISTINCT status, reason, missing_minutes FROM store_availability")
    assert rows == [{"status": "unknown", "reason": "not_observed", "missing_minutes": 0}]


def test_stores_without_one_row_are_refused(world: World) -> None:
    """`stores` without rows: the index is kept, PostgreSQL is read again later, and not one
    store is called rogue meanwhile.
    """
    database = f"{world.folder.name}_BR".lower().replace("-", "_")
    world.postgres.execute(database, "CREATE TABLE kept AS TABLE stores; DELETE FROM stores;")
    with pytest.raises(NothingUsable, match="gave 0 stores and not one usable store id"):
        observed(world, Observing(GRACE))
    landing = world.runtime().landing
    assert landing.find("BR", WINDOW, "online_index") is not None
    assert landing.find("BR", WINDOW, "postgres") is None
    world.postgres.execute(database, "INSERT INTO stores SELECT * FROM kept;")
    assert observed(world, Observing(GRACE)).stores.details["usable_ids"] == 4
