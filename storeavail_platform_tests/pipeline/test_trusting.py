"""`storeavail trust` and `distrust`: what a person says of windows is kept apart from the rows, and
whatever judges windows goes by it.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from storeavail_platform.config import load_text
from storeavail_platform.dashboard.publish import write_country_page
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.declarations import WINDOW_QUALITY
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.local_dates import note_window, roll_up_noted
from storeavail_platform.pipeline.observe import Observing
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.pipeline.trusting import judge, take_back
from storeavail_platform.pipeline.window import WindowRun, run_window
from storeavail_platform.reading.query import query
from storeavail_platform.reading.status import country_status
from storeavail_platform.warehouse.markers import Figures, Marker
from storeavail_platform_tests.alerting.alert_world import AlertWorld
from storeavail_platform_tests.domain.tables.facts import (
    COUNTRY,
    Row,
    commit_window,
    fact,
    windows,
)
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.postgres import PostgresServer

FIRST, SECOND, THIRD, FOURTH = windows("2026-11-23T1300", 4)
NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
NAMES = frozenset(table.name for table in TABLES)
CONFIG = """
warehouse: ./warehouse
countries:
  BR: {timezone: America/Sao_Paulo, postgres: {dsn: "env:DSN"}, online_index: {path: ./index.ndjson}}
"""
STORE_ROWS = """
INSERT INTO stores SELECT i, 'S' || i, NULL, 'C', 'B', NULL, true FROM generate_series(1, 4) i;
INSERT INTO store_weekly_hours SELECT i, 1, '08:00', '22:00' FROM generate_series(1, 4) i;
"""
MORE_ROWS = """
INSERT INTO stores SELECT i, 'S' || i, NULL, 'C', 'B', NULL, true FROM generate_series(5, 8) i;
INSERT INTO store_weekly_hours SELECT i, 1, '08:00', '22:00' FROM generate_series(5, 8) i;
"""


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    (tmp_path / "warehouse").mkdir()
    return build_runtime(load_text(CONFIG, base=tmp_path, origin="test.yaml"))


def complete(runtime: Runtime, window: Window, rows: list[Row], *, suspect: bool) -> None:
    """A window's facts, quality and marker, and its dates rolled up."""
    commit_window(runtime.engine, runtime.warehouse, window, rows, f"run-{window}")
    counts = {
        name: 0 for name in WINDOW_QUALITY.computed_schema().names if name.endswith("problem")
    }
    quality = counts | {"stores": len(rows), "suspect": suspect, "suspect_reason": None}
    schema = WINDOW_QUALITY.computed_schema()
    with runtime.engine.session() as session:
        session.add_table("quality", pa.Table.from_pylist([quality], schema=schema))
        place = runtime.warehouse.location(COUNTRY, WINDOW_QUALITY.name, "data", window.key)
        constants = {"country": COUNTRY, "window_start": window.start, "run_id": "run"}
        files = session.write("quality", WINDOW_QUALITY.stored_schema(), constants, (), place)
    runtime.warehouse.commit(COUNTRY, WINDOW_QUALITY, window, files, "run")
    note_window(runtime, COUNTRY, window)
    figures = Figures(0, 0, 0, 0, 0, 0, 0, suspect=suspect)
    runtime.markers.write(
        Marker(COUNTRY, window.key, "run", window.middle(), window.middle(), figures, {})
    )
    list(roll_up_noted(runtime, COUNTRY, "run"))


def ends(runtime: Runtime) -> list[datetime | None]:
    list(roll_up_noted(runtime, COUNTRY, "after"))
    rows = query(runtime, "SELECT ended_at FROM store_outages ORDER BY started_at").to_pylist()
    return [None if row["ended_at"] is None else row["ended_at"].astimezone(UTC) for row in rows]


def test_an_outage_ends_when_its_window_is_trusted(runtime: Runtime) -> None:
    """The store's row is gone in a suspect window: going on; trusted: over there; taken back:
    going on again. A distrusted window in which the store is online ends nothing either.
    """
    other = [fact(2, window, "available") for window in (FIRST, SECOND, THIRD)]
    complete(runtime, FIRST, [fact(1, FIRST, "missing"), other[0]], suspect=False)
    complete(runtime, SECOND, [other[1]], suspect=True)
    assert ends(runtime) == [None]
    _, changed = judge(runtime, COUNTRY, SECOND, NOW, "closed for good", is_trusted=True)
    assert (changed, ends(runtime)) == (1, [SECOND.start])
    take_back(runtime, COUNTRY, SECOND, NOW, is_trusted=True)
    assert ends(runtime) == [None]
    complete(runtime, THIRD, [fact(1, THIRD, "available"), other[2]], suspect=False)
    assert ends(runtime) == [THIRD.start]
    judge(runtime, COUNTRY, THIRD, NOW, "a test index", is_trusted=False)
    assert ends(runtime) == [None]


def test_a_verdict_is_about_windows_that_are_there(runtime: Runtime) -> None:
    """Not about windows to come: these are judged by themselves. A reason is needed, and what
    was never said is not taken back.
    """
    complete(runtime, FIRST, [fact(1, FIRST, "missing")], suspect=True)
    with pytest.raises(ConfigError, match=f"newest complete one is {FIRST}"):
        judge(runtime, COUNTRY, SECOND, NOW, "why", is_trusted=True)
    with pytest.raises(ConfigError, match="--reason: say why"):
        judge(runtime, COUNTRY, FIRST, NOW, " ", is_trusted=True)
    with pytest.raises(ConfigError, match="nothing of BR was trusted from this window on"):
        take_back(runtime, COUNTRY, FIRST, NOW, is_trusted=True)
    verdict, _ = judge(runtime, COUNTRY, FIRST, NOW, "why", is_trusted=True)
    assert (verdict.first, verdict.last) == (FIRST.key, FIRST.key)
    complete(runtime, SECOND, [fact(1, SECOND, "missing")], suspect=True)
    assert country_status(runtime, COUNTRY, NOW).suspect == "suspect"


def test_alerts_go_by_it(tmp_path: Path) -> None:
    """The alert names the command with the first window of those that are suspect; trusted, it
    is over, and the window is evidence again. Distrusted ones are suspect.
    """
    world = AlertWorld(tmp_path)
    world.complete(FIRST)
    world.complete(SECOND, suspect_reason="active stores doubled")
    world.complete(THIRD, suspect_reason="active stores doubled")
    now = THIRD.start + timedelta(minutes=10)
    world.look(now)
    said = "\n".join(str(message) for message in world.recorder.messages)
    assert f"storeavail trust {COUNTRY} --from {SECOND} --reason" in said
    judge(world.runtime, COUNTRY, SECOND, now, "bought", is_trusted=True)
    assert world.look(now + timedelta(minutes=1)).alerts == []
    judge(world.runtime, COUNTRY, THIRD, now, "a test", is_trusted=False)
    assert world.look(now + timedelta(minutes=2)).alerts == ["BR/suspect_window/"]


@pytest.fixture
def world(
    tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> World:
    made = World(tmp_path, postgres_server)
    index = made.record("BR", FIRST, documents(4))
    made.add_country("BR", "America/Sao_Paulo", index, rows=STORE_ROWS)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def documents(count: int) -> list[dict[str, Any]]:
    return [{"store_id": str(number), "online": True} for number in range(1, count + 1)]


def run(world: World, window: Window, count: int) -> Figures:
    world.record("BR", window, documents(count))
    runtime = world.runtime()
    how = Observing(runtime.platform.observation_grace)
    list(run_window(runtime, WindowRun("BR", window, f"run-{window}", NAMES), observing=how))
    marker = runtime.markers.read("BR", window)
    assert marker is not None
    return marker.figures


def test_a_real_step_is_trusted(world: World) -> None:
    """Twice as many stores are suspect, and no baseline; `storeavail trust` makes them one, for
    status and page too; it survives that the windows are computed again, and is undone.
    """
    assert not run(world, FIRST, 4).suspect
    world.postgres.execute(f"{world.folder.name}_BR".lower().replace("-", "_"), MORE_ROWS)
    wrong = "listed stores doubled; active stores doubled"
    assert run(world, SECOND, 8).suspect_reason == wrong
    assert run(world, THIRD, 8).suspect_reason == wrong
    said = world.command("trust", "BR", "--from", SECOND.key, "--reason", "a company was bought")
    assert re.search(rf"{SECOND} to {THIRD} trusted by .*a\s+company\s+was\s+bought", said.stdout)
    assert run(world, SECOND, 8).suspect_reason == wrong
    assert run(world, FOURTH, 8).suspect_reason is None
    (row,) = world.query(
        "SELECT baseline_window, active_stores FROM window_quality WHERE window_start ="
        f" '{FOURTH.start}'"
    )
    assert (row["baseline_window"].astimezone(UTC), row["active_stores"]) == (THIRD.start, 8)
    page = world.folder / "warehouse" / "dashboard" / "BR" / "summary.json"
    now = THIRD.start + timedelta(minutes=14)
    assert country_status(world.runtime(), "BR", now).suspect is None
    write_country_page(world.runtime(), "BR", now)
    assert json.loads(page.read_text())["suspect"] is None
    world.command("trust", "BR", "--from", SECOND.key, "--undo")
    assert country_status(world.runtime(), "BR", now).suspect == wrong
    write_country_page(world.runtime(), "BR", now)
    assert json.loads(page.read_text())["suspect"] == wrong
    refused = world.command("distrust", "BR", "--from", SECOND.key, "--undo", check=False)
    assert refused.returncode == 1
    assert "nothing of BR was distrusted" in " ".join(refused.stderr.split())
