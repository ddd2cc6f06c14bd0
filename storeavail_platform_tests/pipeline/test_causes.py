"""A brand goes down in windows that are run as they come: its causes, its incident, the outages'
cause, and what reruns and gaps change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.table import CommitTableResponse
from sqlalchemy.exc import OperationalError

from storeavail_platform.domain.errors import CatalogUnavailable
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.causes import window_rates
from storeavail_platform.pipeline.observe import Observing
from storeavail_platform.pipeline.rates import make_missing_rates
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.pipeline.window import WindowRun, run_window
from storeavail_platform.reading.incidents import going_on, incidents_since
from storeavail_platform.reading.query import query
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.catalog import Commit, watched
from storeavail_testing.postgres import PostgresServer

FIRST = Window.parse("2026-11-23T1300")
STORES, BRANDS, CITIES = 90, 3, 5
DOWN_BRAND = 1
"""Of the brands by number."""
BEGINS, ENDS = 2, 5
"""The windows, counted from the first, in which the brand is down."""
ROWS = f"""
INSERT INTO stores SELECT i, 'Store ' || i, NULL, 'City ' || i / {BRANDS} % {CITIES},
  'Brand ' || i % {BRANDS}, NULL, true FROM generate_series(0, {STORES - 1}) i;
INSERT INTO store_weekly_hours SELECT i, weekday, '00:00', '24:00'
  FROM generate_series(0, {STORES - 1}) i, generate_series(1, 7) weekday;
"""
NAMES = frozenset(table.name for table in TABLES)
Row = dict[str, Any]


def documents(*, is_down: bool) -> list[Row]:
    """The index: two stores are always off, and the brand's where it is down."""
    return [
        {
            "store_id": number,
            "online": number > 1 and not (is_down and number % BRANDS == DOWN_BRAND),
        }
        for number in range(STORES)
    ]


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("causes"), postgres_server)
    record(made, FIRST, is_down=False)
    made.add_country("BR", "America/Sao_Paulo", "{path: ./index/BR}", rows=ROWS)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        yield made


def record(world: World, window: Window, *, is_down: bool) -> None:
    world.record("BR", window, documents(is_down=is_down))


def run(runtime: Runtime, window: Window, run_id: str = "run") -> None:
    how = Observing(runtime.platform.observation_grace)
    for _ in run_window(runtime, WindowRun("BR", window, run_id, NAMES), observing=how):
        pass


@pytest.fixture(scope="module")
def runtime(world: World) -> Runtime:
    """Two calm windows, three in which the brand is down, a gap, two calm ones."""
    runtime = world.runtime()
    for number in (0, 1, 2, 3, 4, 6, 7):
        window = FIRST.next(number)
        record(world, window, is_down=BEGINS <= number < ENDS)
        run(runtime, window)
    return runtime


def causes(runtime: Runtime) -> list[Row]:
    """The causes that have a name, in order."""
    found: list[Row] = query(
        runtime,
        "SELECT window_start, kind, scope, city, brand, known, raised, since, past_days FROM"
        " window_causes WHERE scope <> 'single_stores' ORDER BY window_start, kind",
    ).to_pylist()
    return found


def test_a_brand_is_named_while_it_is_down(runtime: Runtime) -> None:
    """Each of its windows has the brand and nothing else, with its stores and since when."""
    found = causes(runtime)
    assert [row["window_start"] for row in found] == [FIRST.next(n).start for n in range(2, 5)]
    for row in found:
        assert (row["kind"], row["scope"], row["city"]) == ("missing", "brand", None)
        assert (row["brand"], row["known"], row["raised"]) == (f"Brand {DOWN_BRAND}", 30, 30)
        assert (row["since"], row["past_days"]) == (FIRST.next(BEGINS).start, 0)
    (counts,) = query(
        runtime,
        "SELECT COUNT(DISTINCT kind) AS kinds, COUNT(*) AS windows FROM window_causes"
        " WHERE scope = 'single_stores'",
    ).to_pylist()
    assert counts == {"kinds": 3, "windows": 3 * 7}


def test_its_incident_is_one(runtime: Runtime) -> None:
    """From its first window to the first without it; a window that nobody computed is not there."""
    (incident,) = incidents_since(runtime.warehouse, "BR", date(2026, 11, 23))
    assert incident.started_at == FIRST.next(BEGINS).start
    assert incident.ended_at == FIRST.next(6).start
    assert not incident.is_ongoing
    assert (incident.stores, incident.known, incident.peak_share) == (30, 30, 1.0)
    assert incident.missed_minutes == 3 * 30 * 15
    assert incident.scope_name == f"Brand {DOWN_BRAND}"
    assert going_on(runtime.warehouse, "BR", date(2026, 11, 23)) == []


def test_an_outage_names_its_incident(runtime: Runtime) -> None:
    """The stores of the brand, one that went off in the hour before it was named among them; no
    others.
    """
    (incident,) = incidents_since(runtime.warehouse, "BR", date(2026, 11, 23))
    rows = query(
        runtime, "SELECT store_id, cause, started_at, is_ongoing, missed_minutes FROM outages"
    ).to_pylist()
    named = {row["store_id"] for row in rows if row["cause"] == incident.incident_id}
    assert named == {str(n) for n in range(STORES) if n % BRANDS == DOWN_BRAND}
    assert {row["store_id"] for row in rows if row["cause"] is None} == {"0"}
    # store 1 has been off since before
    minutes = {row["missed_minutes"] for row in rows if row["cause"] and row["store_id"] != "1"}
    assert minutes == {3 * 15}
    assert {row["store_id"] for row in rows if row["is_ongoing"]} == {"0", "1"}


def test_now_is_the_newest_window(runtime: Runtime) -> None:
    """Stores and sums of the newest complete window alone, on the stores' clocks."""
    rows = query(runtime, "SELECT * FROM stores_now").to_pylist()
    assert len(rows) == STORES
    assert {row["window_start"] for row in rows} == {FIRST.next(7).start}
    assert {(row["local_time"], row["is_open_now"]) for row in rows} == {("11:45", True)}
    assert {row["store_id"] for row in rows if row["reason"] == "offline"} == {"0", "1"}
    sums = query(
        runtime,
        "SELECT COUNT(*) AS pairs, SUM(stores_open_now)::INT AS open, SUM(stores_missing)::INT AS"
        " missing, MIN(local_time) AS at FROM availability_now",
    ).to_pylist()
    assert sums == [{"pairs": BRANDS * CITIES, "open": STORES, "missing": 2, "at": "11:45"}]


def test_a_rerun_changes_nothing(runtime: Runtime) -> None:
    """The incident keeps its id, and each window its causes."""
    before = causes(runtime), incidents_since(runtime.warehouse, "BR", date(2026, 11, 23))
    for number in (3, 7, 2):
        run(runtime, FIRST.next(number), "again")
    assert before == (causes(runtime), incidents_since(runtime.warehouse, "BR", date(2026, 11, 23)))


def test_the_next_date_has_rates(runtime: Runtime, world: World) -> None:
    """They are made once, before its first window, of the date before; what was down is no part of
    them, so that the same fault at the same hour is found again.
    """
    for number in (BEGINS, BEGINS + 1):
        window = FIRST.next(number + 96)
        record(world, window, is_down=True)
        run(runtime, window, f"day-{number}")
    found = [row for row in causes(runtime) if row["window_start"] > FIRST.next(96).start]
    assert [(row["brand"], row["past_days"]) for row in found] == [(f"Brand {DOWN_BRAND}", 1)] * 2
    (rates,) = query(
        runtime,
        "SELECT COUNT(DISTINCT run_id) AS runs, MIN(local_date) AS first, MAX(local_date) AS last,"
        " MAX(usual) FILTER (kind = 'missing') AS usual, COUNT(DISTINCT local_slot) AS slots FROM"
        " usual_rates",
    ).to_pylist()
    day = date(2026, 11, 24)
    assert (rates["runs"], rates["first"], rates["last"], rates["slots"]) == (1, day, day, 96)
    assert rates["usual"] < 0.4
    (incident,) = going_on(runtime.warehouse, "BR", day)
    assert incident.started_at == FIRST.next(96 + BEGINS).start
    assert incident.local_date == day == FIRST.start.date() + timedelta(days=1)


def test_rates_do_not_wait_for_the_catalog(runtime: Runtime) -> None:
    """The catalog is asked once, though every commit has patience: the window's own tables wait for
    it.
    """
    asked = []

    def refused(commit: Commit) -> CommitTableResponse:
        asked.append(commit)
        raise OperationalError("UPDATE", {}, ConnectionResetError())

    down = replace(runtime, warehouse=watched(runtime.warehouse, refused))
    window = FIRST.next(2 * 96)
    rates = window_rates(runtime, "BR", window)
    with pytest.raises(CatalogUnavailable):
        list(make_missing_rates(down, "BR", window, "down", rates))
    assert len(asked) == 1


def test_a_brand_that_is_down_at_midnight_has_one_end(runtime: Runtime, world: World) -> None:
    """Both dates' rows of an incident say when it ended, though only the second date has changed
    by then; the first date is not made again by windows that end nothing.
    """
    midnight = Window.parse("2026-11-26T0300")
    for number in range(-4, 6):
        window = midnight.next(number)
        record(world, window, is_down=-2 <= number < 2)
        run(runtime, window, f"night-{number}")
    rows = query(
        runtime,
        "SELECT local_date, incident_id, ended_at, is_ongoing, run_id FROM incidents"
        " WHERE started_at > TIMESTAMP '2026-11-26' ORDER BY local_date",
    ).to_pylist()
    assert [row["local_date"] for row in rows] == [date(2026, 11, 25), date(2026, 11, 26)]
    assert len({row["incident_id"] for row in rows}) == 1
    assert [row["ended_at"] for row in rows] == [midnight.next(2).start] * 2
    assert not any(row["is_ongoing"] for row in rows)
    assert rows[0]["run_id"] == "night-3"


def test_a_country_without_the_table_has_no_incidents(world: World, tmp_path: Path) -> None:
    """A warehouse of an earlier release: nothing, and no error."""
    assert incidents_since(world.runtime().warehouse, "CL", date(2026, 11, 23)) == []
