"""The second opinion within a window: who is asked about, what is landed, what becomes of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from storeavail_platform.commands.diagnose import check_sources
from storeavail_platform.config import load_platform
from storeavail_platform.domain.errors import StorageUnavailable
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.observe import Observing
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.pipeline.window import WindowRun, run_window
from storeavail_platform.reading.query import query
from storeavail_platform.sources.confirmation import CONFIRMATION_API
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.landing import Landing
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.availability_api import (
    HANGS,
    ONLINE,
    AvailabilityApi,
    Reply,
    availability_api,
)
from storeavail_testing.clock import SetClock
from storeavail_testing.postgres import PostgresServer

WINDOW = Window.parse("2026-11-23T1300")
STORE_ROWS = """
INSERT INTO stores SELECT i, 'S' || i, NULL, 'C', 'B', NULL, true FROM generate_series(1, 20) i;
INSERT INTO store_weekly_hours SELECT i, 1, '08:00', '22:00' FROM generate_series(1, 18) i;
"""
MISSING = range(1, 13)
DOCUMENTS = [
    {"store_id": str(i), "online": i not in MISSING, "updated_at": "2026-11-23T13:05:00Z"}
    for i in range(1, 20)
]
NAMES = frozenset(table.name for table in TABLES)


@pytest.fixture
def api() -> Iterator[AvailabilityApi]:
    with availability_api() as running:
        yield running


@pytest.fixture
def world(
    tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> World:
    made = World(tmp_path, postgres_server)
    made.add_country(
        "BR", "America/Sao_Paulo", made.record("BR", WINDOW, DOCUMENTS), rows=STORE_ROWS
    )
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def runtime_of(
    world: World, api: AvailabilityApi, more: str = "", *, late: bool = False
) -> Runtime:
    """The platform at the window's middle, or after its deadline, with the API."""
    world.config.write_text(
        world.config.read_text().replace(
            "./index/BR}", f"./index/BR}}, confirm: {{url: '{api.url}'{more}}}"
        )
    )
    at = WINDOW.end + timedelta(minutes=3) if late else WINDOW.middle()
    clock = SetClock(at - datetime.now(UTC))
    return build_runtime(load_platform(str(world.config)), clock=clock)


def run(
    runtime: Runtime, tables: frozenset[str] = NAMES, *, reread: bool = False, run_id: str = "run"
) -> None:
    observing = Observing(runtime.platform.observation_grace, reread=reread)
    work = WindowRun("BR", WINDOW, run_id, tables)
    list(run_window(runtime, work, observing=observing))


def confirmations(runtime: Runtime) -> dict[tuple[str, str | None], int]:
    rows = query(
        runtime,
        "SELECT status, confirmation, COUNT(*) AS n FROM store_availability GROUP BY ALL",
    )
    return {(row["status"], row["confirmation"]): row["n"] for row in rows.to_pylist()}


def place(store: int) -> str:
    return f"/stores/{store}/availability"


ANSWERED = {
    ("available", None): 6,
    ("missing", "confirmed"): 10,
    ("missing", "contradicted"): 1,
    ("missing", "not_answered"): 1,
    ("closed", None): 1,
    ("rogue", None): 1,
}
COUNTS = {
    "asked": 12,
    "answered": 11,
    "online": 1,
    "confirmation_clients": 3,
    "confirmation_requests": 12,
}
"""Of the twelve missing stores, asked about in three partitions: the second is online, the third is
nobody's.
"""


@pytest.fixture
def knows_ten(api: AvailabilityApi) -> AvailabilityApi:
    api.replies = {place(2): [ONLINE], place(3): [Reply(404)]}
    return api


def test_only_what_is_about_to_be_missing_is_asked_about_once(
    world: World, knows_ten: AvailabilityApi
) -> None:
    """One client a partition, each missing store once; the answers are a reading of their own with
    its own manifest, and a column beside the index's word, which stays. A second run, and stores
    that are read again, ask nobody again.
    """
    runtime = runtime_of(world, knows_ten, ", partitions: 3")
    run(runtime)
    assert sorted(knows_ten.asked) == sorted(map(place, MISSING))
    reading = runtime.landing.find("BR", WINDOW, "confirmation")
    assert reading is not None
    assert (reading.details, len(reading.files)) == (COUNTS, 3)
    assert confirmations(runtime) == ANSWERED
    (quality,) = query(
        runtime,
        "SELECT stores_asked, stores_confirmed, stores_contradicted, suspect,"
        " ROUND(confirmed_share + contradicted_share + not_answered_share, 6) AS together"
        " FROM window_quality",
    ).to_pylist()
    assert list(quality.values()) == [12, 10, 1, False, 1.0]
    marker = runtime.markers.read("BR", WINDOW)
    assert marker is not None
    assert marker.figures.confirmation == (
        "10 of 12 confirmed by the app's API (1 contradicted, 1 not answered)"
    )
    assert marker.figures.stores_missing == 12
    for reread in (False, True):
        run(runtime, reread=reread)
    assert len(knows_ten.asked) == 12
    assert confirmations(runtime) == ANSWERED
    assert runtime.landing.find("BR", WINDOW, "confirmation") == reading


@pytest.mark.spark
def test_executors_ask_as_threads_do(
    world: World, knows_ten: AvailabilityApi, spark_settings: dict[str, str]
) -> None:
    """The same rows and counts, one client a partition, on Spark's executors; and once."""
    from storeavail_testing.spark import open_spark_engine

    runtime = runtime_of(world, knows_ten, ", partitions: 3, timeout: 60s, budget: 5m")
    engine = open_spark_engine(runtime.storage, spark_settings)
    runtime = replace(runtime, engine=engine)
    for run_id in ("first", "second"):
        run(runtime, frozenset({"store_availability"}), run_id=run_id)
        reading = runtime.landing.find("BR", WINDOW, "confirmation")
        assert reading is not None
        assert reading.details == COUNTS
        assert confirmations(runtime) == ANSWERED
    assert sorted(knows_ten.asked) == sorted(map(place, MISSING))
    engine.stop()


def test_an_api_that_contradicts_half_makes_the_window_suspect(
    world: World, api: AvailabilityApi
) -> None:
    """The index lags: minutes stay the index's, and the window is no baseline."""
    api.replies = {place(store): [ONLINE] for store in range(1, 7)}
    runtime = runtime_of(world, api)
    run(runtime)
    marker = runtime.markers.read("BR", WINDOW)
    assert marker is not None
    assert marker.figures.suspect_reason == "half of the missing contradicted"
    assert (marker.figures.stores_missing, marker.figures.missing_minutes) == (12, 180)


def test_a_dead_api_costs_its_budget_and_nothing_else(
    world: World, api: AvailabilityApi, caplog: pytest.LogCaptureFixture
) -> None:
    """The window is complete, its stores are missing and not answered about."""
    api.otherwise = HANGS
    runtime = runtime_of(world, api, ", budget: 1s")
    run(runtime)
    assert confirmations(runtime)["missing", "not_answered"] == 12
    marker = runtime.markers.read("BR", WINDOW)
    assert marker is not None
    assert marker.figures.confirmation == ("0 of 12 confirmed by the app's API (12 not answered)")
    assert not marker.figures.suspect


def test_nobody_is_asked_about_the_past(world: World, api: AvailabilityApi) -> None:
    """After the window's deadline an API's word is of another time; what nobody was asked about is
    NULL.
    """
    runtime = runtime_of(world, api, late=True)
    run(runtime)
    assert api.asked == []
    assert not runtime.landing.has("BR", WINDOW, "confirmation")
    assert confirmations(runtime)["missing", None] == 12


def test_what_cannot_be_landed_fails_no_window(world: World, api: AvailabilityApi) -> None:
    """Also where the answers find no place the window is complete, without them."""
    runtime = runtime_of(world, api)
    refusing = RefusingStorage(runtime.storage)
    run(replace(runtime, landing=Landing(refusing, clock=runtime.clock)))
    assert confirmations(runtime)["missing", None] == 12


class RefusingStorage:
    """A storage that takes no answers of an API."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def open_output(self, path: str) -> Any:
        if "/confirmation/" in path:
            raise StorageUnavailable(f"{path} cannot be written")
        return self.storage.open_output(path)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)


def test_check_asks_about_three_stores(world: World, api: AvailabilityApi) -> None:
    """And says what the API says of them; nothing is landed."""
    runtime = runtime_of(world, api)
    (found,) = [each for each in check_sources(runtime, "BR") if each.what == CONFIRMATION_API]
    assert found.level == "ok"
    assert found.message.startswith("answers about 3 of 3 stores within ")
    assert len(api.asked) == 3
    assert runtime.landing.windows("BR") == []


def test_without_an_api_nothing_of_it_is_imported(world: World) -> None:
    """A window of a country that has none costs what it did."""
    script = (
        "import sys\n"
        "from storeavail_platform.config import load_platform\n"
        "from storeavail_platform.domain.windows import Window\n"
        "from storeavail_platform.pipeline.observe import Observing\n"
        "from storeavail_platform.pipeline.runtime import build_runtime\n"
        "from storeavail_platform.pipeline.window import WindowRun, run_window\n"
        "runtime = build_runtime(load_platform(sys.argv[1]))\n"
        "tables = frozenset(table.name for table in runtime.tables)\n"
        "run = WindowRun('BR', Window.parse(sys.argv[2]), 'plain', tables)\n"
        "how = Observing(runtime.platform.observation_grace)\n"
        "assert list(run_window(runtime, run, observing=how))\n"
        "assert not {'httpx', 'httpcore'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(world.config), WINDOW.key], check=True)
    assert confirmations(world.runtime())["missing", None] == 12
