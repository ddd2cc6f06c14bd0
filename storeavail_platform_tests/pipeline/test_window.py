"""A window is a plain generator: what it yields, in which order, and what each failure leaves."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storeavail_platform.commands.diagnose import check_country
from storeavail_platform.domain.errors import NotObserved
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.daily import ROLLED_UP
from storeavail_platform.domain.tables.declarations import AVAILABILITY_SUMMARY, STORE_AVAILABILITY
from storeavail_platform.domain.tables.table import Check, Column, Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.compute import Computed
from storeavail_platform.pipeline.events import Checked, Marked, Postponed, RolledUp, TableCommitted
from storeavail_platform.pipeline.observe import Landed, Observing
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.pipeline.window import WindowRun, run_window
from storeavail_platform.reading.query import query
from storeavail_platform.warehouse.engine import WrittenFile
from storeavail_platform.warehouse.iceberg import rows_of
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.postgres import PostgresServer

WINDOW = Window.parse("2026-11-23T1300")
STORE_ROWS = """
INSERT INTO stores SELECT i, 'S' || i, NULL, 'C', 'B', NULL, true FROM generate_series(1, 4) i;
INSERT INTO store_weekly_hours SELECT i, 1, '08:00', '22:00' FROM generate_series(1, 4) i;
"""
DOCUMENTS = [
    {"store_id": str(i), "online": i > 1, "updated_at": "2026-11-23T13:05:00Z"} for i in range(1, 5)
]
NAMES = frozenset(table.name for table in TABLES)
FAILS = Table(
    name="fails",
    description="Stops at a document whose id is no number.",
    columns=(Column("number", "bigint", "The id."),),
    key=("number",),
    inputs=("online_index",),
    sql_text="SELECT CAST(store_id || 'x' AS BIGINT) AS number FROM online_index",
)
WITHOUT_DAGSTER = """
import sys
from storeavail_platform.config import load_platform
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.observe import Observing
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.pipeline.window import WindowRun, run_window
runtime = build_runtime(load_platform(sys.argv[1]))
tables = frozenset(table.name for table in runtime.tables)
run = WindowRun("BR", Window.parse(sys.argv[2]), "plain", tables)
for event in run_window(runtime, run, observing=Observing(runtime.platform.observation_grace)):
    print(type(event).__name__)
assert "dagster" not in sys.modules
"""


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


@pytest.fixture
def runtime(world: World) -> Runtime:
    return world.runtime()


def run(
    runtime: Runtime,
    tables: frozenset[str] = NAMES,
    window: Window = WINDOW,
    **options: object,
) -> list[object]:
    how = Observing(runtime.platform.observation_grace)
    work = WindowRun("BR", window, "run", tables)
    return list(run_window(runtime, work, observing=how, **options))  # type: ignore[arg-type]


def test_a_warehouse_lies_in_one_folder_whatever_its_name(world: World) -> None:
    """Blanks, letters of any alphabet, quotes and a per cent sign: tables are written, read and
    written again there, and no folder of nearly that name appears.
    """
    folder = "São 100% d'água; ☃ & co"
    world.config.write_text(
        world.config.read_text().replace("warehouse: ./warehouse", f'warehouse: "./{folder}/w"')
    )
    before = {path.name for path in world.folder.iterdir()}
    runtime = world.runtime()
    for _ in range(2):
        run(runtime)
    rows = query(runtime, "SELECT status, COUNT(*) AS n FROM store_availability GROUP BY status")
    assert sorted(rows.to_pylist(), key=str) == [
        {"status": "available", "n": 3},
        {"status": "missing", "n": 1},
    ]
    now = WINDOW.start + timedelta(hours=1)
    assert not [f for f in check_country(runtime, "BR", now) if f.level == "error"]
    assert {path.name for path in world.folder.iterdir()} - before == {folder}
    location = runtime.storage.uri("tables")
    assert runtime.storage.relative(f"{location}/x") == "tables/x"
    # as earlier releases recorded it
    assert runtime.storage.relative(f"{(world.folder / folder / 'w').as_uri()}/x%20y") == "x y"


def test_events_are_true_when_they_come(runtime: Runtime) -> None:
    """What was landed is there; a table is computed, checked and then committed; a window is
    marked when all are; local dates, and what comes after the commit, find the marker.
    """
    seen: list[str] = []

    def page(country: str) -> Iterator[str]:
        assert runtime.markers.read(country, WINDOW) is not None
        yield f"page of {country}"

    work = WindowRun("BR", WINDOW, "run", NAMES)
    events = run_window(
        runtime, work, observing=Observing(runtime.platform.observation_grace), after=[page]
    )
    for event in events:
        match event:
            case Landed():
                assert runtime.landing.find("BR", WINDOW, "postgres") is not None
                seen.append("landed")
            case Computed():
                seen.append(f"computed {event.table.name}")
            case Checked():
                assert event.outcome.passed
                assert f"committed {event.outcome.table}" not in seen
            case RolledUp():
                assert "marked" in seen
                seen.append(f"rolled up {event.table.name}")
            case TableCommitted():
                assert runtime.warehouse.pointer("BR", event.table.name) == event.state
                assert "landed" in seen
                assert f"computed {event.table.name}" in seen
                seen.append(f"committed {event.table.name}")
            case Marked():
                assert runtime.markers.read("BR", WINDOW) == event.marker
                assert {f"committed {name}" for name in NAMES} <= set(seen)
                seen.append("marked")
            case _:
                seen.append(str(event))
    tables = [f"{what} {table.name}" for table in TABLES for what in ("computed", "committed")]
    dates = [f"rolled up {table.name}" for table in ROLLED_UP]
    assert Counter(seen) == Counter(["landed", *tables, "marked", *dates, "page of BR"])


def test_it_needs_no_dagster(world: World) -> None:
    """A process that runs a window by the generator never imports it."""
    arguments = [str(world.config), WINDOW.key]
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT_DAGSTER, *arguments],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert (said[0], said[-1], said.count("TableCommitted")) == ("Landed", "RolledUp", len(TABLES))


def test_a_subset_commits_what_was_selected_and_makes_no_window_complete(runtime: Runtime) -> None:
    """What it is computed from is computed too, and not committed; the marker of a complete
    window is renewed by it.
    """
    events = run(runtime, frozenset({"availability_summary"}))
    assert [event.table.name for event in events if isinstance(event, TableCommitted)] == [
        "availability_summary"
    ]
    assert not [event for event in events if isinstance(event, Marked)]
    run(runtime)
    (marked,) = [
        event for event in run(runtime, frozenset({"stores"})) if isinstance(event, Marked)
    ]
    assert marked.marker.tables["stores"] == runtime.warehouse.pointer("BR", "stores")


def test_what_fails_after_the_commit_fails_nothing(runtime: Runtime) -> None:
    """It is told as postponed, and the window is complete."""

    def page(country: str) -> Iterator[str]:
        raise NotObserved("no page today")
        yield country

    postponed = [event for event in run(runtime, after=[page]) if isinstance(event, Postponed)]
    assert [str(event) for event in postponed] == [
        "no page today. The window is complete; the page of BR is written with the next window"
        " of BR"
    ]
    assert runtime.markers.read("BR", WINDOW) is not None


def test_checks_that_failed_are_in_the_marker(world: World, runtime: Runtime) -> None:
    """With table, check and figures; a check that passes again when its table is computed again is
    not there any more, and the others of the window stay.
    """
    few = replace(
        AVAILABILITY_SUMMARY,
        name="few_groups",
        sql_text=AVAILABILITY_SUMMARY.sql,
        checks=(
            Check(
                "complete",
                "Fewer than two.",
                "SELECT COUNT(*) > 1 AS passed, COUNT(*) AS groups FROM few_groups",
            ),
        ),
    )
    world.postgres.execute(
        f"{world.folder.name}_BR".lower().replace("-", "_"),
        "INSERT INTO stores VALUES (9, 'S9', NULL, 'C', 'B', 'Mars/Olympus', true)",
    )
    found = replace(runtime, tables=(*runtime.tables, few))
    run(found, NAMES | {few.name})

    def failed() -> list[tuple[str, str, str, object]]:
        marker = runtime.markers.read("BR", WINDOW)
        assert marker is not None
        return [(c.table, c.check, c.partition, c.figures) for c in marker.failed_checks]

    of_few = (few.name, "complete", WINDOW.key, {"groups": 1})
    of_stores = ("stores", "quality", WINDOW.key, {"with_problem": 1, "row_count": 5})
    assert failed() == [of_stores, of_few]
    passes = Check("complete", "Fewer than two.", "SELECT TRUE AS passed")
    run(
        replace(runtime, tables=(*runtime.tables, replace(few, checks=(passes,)))),
        frozenset({few.name}),
    )
    assert failed() == [of_stores]


def test_failed_checks_of_a_date_are_in_the_newest_marker_until_they_pass(
    world: World, runtime: Runtime
) -> None:
    """Facts whose minutes are not those of the date's outages: told once, also where the window is
    run again, and over when they are right.
    """

    def failed() -> list[tuple[str, str, object]]:
        (newest, *_) = runtime.markers.latest("BR")
        return [(c.table, c.partition, c.figures) for c in newest.failed_checks]

    run(runtime)
    assert failed() == []
    facts = runtime.warehouse.load("BR", STORE_AVAILABILITY.name)
    assert facts is not None
    rows = facts.scan(row_filter=rows_of(WINDOW)).to_arrow().to_pylist()
    next(row for row in rows if row["status"] == "available")["missing_minutes"] = 15
    path = runtime.warehouse.location("BR", STORE_AVAILABILITY.name, "data", "wrong.parquet")
    with runtime.storage.open_output(path) as stream:
        pq.write_table(
            pa.Table.from_pylist(rows, schema=STORE_AVAILABILITY.stored_schema()), stream
        )
    file = WrittenFile(runtime.storage.path(path), len(rows), 1)
    runtime.warehouse.commit("BR", STORE_AVAILABILITY, WINDOW, [file], "wrong")
    world.record("BR", WINDOW.next(), DOCUMENTS)
    of_outages = (
        "store_outages",
        "2026-11-23",
        {"missed_minutes": 30, "missing_minutes": 45},
    )
    for _ in range(2):
        run(runtime, window=WINDOW.next())
        assert failed() == [of_outages]
    # the window of which the facts are is computed again
    run(runtime)
    assert failed() == []


def test_what_is_not_landed_is_not_computed(runtime: Runtime) -> None:
    """Without observing, a window that nobody landed is refused."""
    with pytest.raises(NotObserved, match="window 2026-11-23T1300 of BR was not observed"):
        list(run_window(runtime, WindowRun("BR", WINDOW, "run", NAMES)))
