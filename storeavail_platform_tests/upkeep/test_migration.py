"""Tables of the first layout brought over: the same rows with text for ids, wherever it is stopped,
and nothing of before lost while its history is kept.
"""

from __future__ import annotations

import dataclasses
import itertools
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from storeavail_platform.commands.cli import main
from storeavail_platform.config import load_text
from storeavail_platform.domain.errors import LayoutRefused, WarehouseError
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.reading.query import query
from storeavail_platform.reading.status import catalog_behind
from storeavail_platform.upkeep.maintain import maintain
from storeavail_platform.upkeep.migration import NOTE, migrate_country, tables_to_bring_over
from storeavail_platform.warehouse.layout import LAYOUT_FILE
from storeavail_platform_tests.domain.tables.facts import (
    COUNTRY,
    Row,
    commit_window,
    fact,
    random_facts,
    windows,
)
from storeavail_platform_tests.upkeep.conftest import CONFIG, FACTS
from storeavail_testing.metastore import HiveMetastore

OF_BEFORE: Table = dataclasses.replace(
    FACTS,
    columns=tuple(
        dataclasses.replace(column, type="bigint") if column.name == "store_id" else column
        for column in FACTS.columns
    ),
)
"""The facts as 0.2.0 declared them."""
SPAN = windows("2026-11-21T2000", 240)[::24]
"""Ten windows of four UTC days."""
DAYS = 4
STOPS = """
import os, signal, sys
from storeavail_platform.config import load_platform
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.upkeep.migration import migrate_country

done = migrate_country(build_runtime(load_platform(sys.argv[1])), "BR")
for number, one in enumerate(done, start=1):
    if number == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(params=["sql", pytest.param("hive", marks=pytest.mark.metastore)])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A configuration, with either catalog."""
    text = CONFIG
    if request.param == "hive":
        metastore: HiveMetastore = request.getfixturevalue("metastore")
        text += f"catalog: {{type: hive, uri: '{metastore.uri}'}}\n"
    (tmp_path / "warehouse").mkdir()
    path = tmp_path / "platform.yaml"
    path.write_text(text)
    return path


def opened(config: Path) -> Runtime:
    return build_runtime(load_text(config.read_text(), base=config.parent, origin=config.name))


def commit_of_before(runtime: Runtime, country: str, window: Window, rows: list[Row]) -> None:
    """Commit a window's facts as 0.2.0 did."""
    numbered = [row | {"store_id": int(row["store_id"])} for row in rows]
    constants = {"country": country, "window_start": window.start, "run_id": f"run-{window}"}
    with runtime.engine.session() as session:
        table = pa.Table.from_pylist(numbered, schema=OF_BEFORE.computed_schema())
        session.add_table("before", table)
        directory = runtime.warehouse.location(country, FACTS.name, "data", window.key)
        files = session.write(
            "before", OF_BEFORE.stored_schema(), constants, ("store_id",), directory
        )
    runtime.warehouse.commit(country, OF_BEFORE, window, files, f"run-{window}")


def rows_of(runtime: Runtime, **how: Any) -> list[Row]:
    sql = "SELECT * FROM store_availability WHERE country = 'BR' ORDER BY window_start, store_id"
    found: list[Row] = query(runtime, sql, **how).to_pylist()
    return found


@pytest.fixture
def before(config: Path) -> Runtime:
    """A warehouse that 0.2.0 has written."""
    runtime = opened(config)
    rows = list(random_facts(Random(7), SPAN, ["America/Sao_Paulo"], stores=12))
    for window in SPAN:
        of_window = [row for row in rows if row["window_start"] == window.start]
        commit_of_before(runtime, COUNTRY, window, of_window)
    runtime.storage.replace(LAYOUT_FILE, b'{"layout":1}')
    return opened(config)


def migrated(config: Path, *options: str) -> str:
    result = CliRunner().invoke(main, ["migrate", *options, "--config", str(config)])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("stop", range(1, DAYS + 2))
def test_killed_in_any_day_it_goes_on_and_the_rows_are_the_same(
    before: Runtime, config: Path, stop: int
) -> None:
    """Readers see the same rows, with text for ids, before, half way and after; no day is copied
    twice; windows are committed after it.
    """
    rows = rows_of(before)
    assert {type(row["store_id"]) for row in rows} == {str}
    assert f"to be brought over: {FACTS.name}" in migrated(config, "--dry-run")
    assert before.storage.read(LAYOUT_FILE) == b'{"layout":1}'
    before.storage.replace(LAYOUT_FILE, b'{"layout":2}')
    killed = subprocess.run([sys.executable, "-c", STOPS, str(config), str(stop)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert rows_of(opened(config)) == rows
    said = migrated(config)
    assert said.count(" copied, ") == max(DAYS - stop, 0)
    runtime = opened(config)
    assert rows_of(runtime) == rows
    assert not tables_to_bring_over(runtime, COUNTRY)
    assert not catalog_behind(runtime, COUNTRY)
    assert NOTE not in runtime.storage.names(f"tables/storeavail_br/{FACTS.name}")
    later = SPAN[-1].next()
    commit_window(
        runtime.engine, runtime.warehouse, later, [fact("kiosk-7", later, "missing")], "later"
    )
    again = SPAN[3]
    commit_window(runtime.engine, runtime.warehouse, again, [fact("007", again, "rogue")], "again")
    found = rows_of(opened(config))
    assert [row for row in found if row["run_id"] not in ("later", "again")] == [
        row for row in rows if row["window_start"] != again.start
    ]
    assert {row["store_id"] for row in found if row["run_id"] in ("later", "again")} == {
        "kiosk-7",
        "007",
    }
    assert "nothing to do" in migrated(config)


@pytest.mark.parametrize("is_pointed", [False, True])
def test_killed_while_it_moves_it_is_moved_by_the_next(
    before: Runtime, config: Path, is_pointed: bool
) -> None:
    """Between the pointer and the catalog's entry: the next call makes both name the copy."""
    rows = rows_of(before)
    note = b""
    path = f"tables/storeavail_br/{FACTS.name}/{NOTE}"
    pointer = before.storage.read(f"tables/storeavail_br/{FACTS.name}/current.json")
    before.storage.replace(LAYOUT_FILE, b'{"layout":2}')
    for done in migrate_country(before, COUNTRY):
        # what the note says when all days are copied; the last event comes after the move
        note = before.storage.read(path) or note if done.day else note
    after = before.warehouse.pointer(COUNTRY, FACTS.name)
    assert after is not None
    source = note.partition(b'"copy"')[0]
    before.storage.replace(path, source + b'"copy":"%s"}' % after.metadata_location.encode())
    before.warehouse.catalog.drop_table(("storeavail_br", FACTS.name))
    if not is_pointed:
        assert pointer is not None
        before.storage.replace(f"tables/storeavail_br/{FACTS.name}/current.json", pointer)
    migrated(config)
    runtime = opened(config)
    assert catalog_behind(runtime, COUNTRY) == []
    assert rows_of(runtime) == rows
    assert NOTE not in runtime.storage.names(f"tables/storeavail_br/{FACTS.name}")


@pytest.fixture
def sqlite_before(tmp_path: Path) -> Runtime:
    """Two countries that 0.2.0 has written, with a catalog in SQLite."""
    (tmp_path / "warehouse").mkdir()
    (tmp_path / "platform.yaml").write_text(CONFIG)
    runtime = opened(tmp_path / "platform.yaml")
    for country in ("BR", "CL"):
        for window in SPAN:
            rows = [fact(store, window, "missing") for store in (7, 8)]
            commit_of_before(runtime, country, window, rows)
    runtime.storage.replace(LAYOUT_FILE, b'{"layout":1}')
    return opened(tmp_path / "platform.yaml")


def test_countries_may_be_half_way(sqlite_before: Runtime) -> None:
    """Readers see text for both; windows of the one are committed, those of the other are refused
    with the command that helps.
    """
    window = SPAN[-1].next()
    sqlite_before.storage.delete(LAYOUT_FILE)
    for country in ("BR", "CL"):
        # 0.2.0 made no file
        (problem,) = catalog_behind(build_runtime(sqlite_before.platform), country)
        assert f"store_availability of {country} has layout 1" in problem
    with pytest.raises(LayoutRefused, match=r"layout 1, .* `storeavail migrate`"):
        commit_window(
            sqlite_before.engine, sqlite_before.warehouse, window, [fact(7, window, "rogue")], "x"
        )
    sqlite_before.storage.replace(LAYOUT_FILE, b'{"layout":2}')
    list(migrate_country(sqlite_before, "BR"))
    runtime = build_runtime(sqlite_before.platform)
    commit_window(runtime.engine, runtime.warehouse, window, [fact(7, window, "rogue")], "x")
    with pytest.raises(LayoutRefused, match=r"store_availability has layout 1.*storeavail migrate"):
        runtime.warehouse.ensure("CL", FACTS)
    found = query(
        runtime,
        "SELECT country, store_id, COUNT(*) AS n FROM store_availability GROUP BY ALL ORDER BY ALL",
    ).to_pylist()
    assert [tuple(row.values()) for row in found] == [
        ("BR", "7", len(SPAN) + 1),
        ("BR", "8", len(SPAN)),
        ("CL", "7", len(SPAN)),
        ("CL", "8", len(SPAN)),
    ]


def test_what_was_is_served_and_spared_while_history_is_kept(sqlite_before: Runtime) -> None:
    """A moment before the copy gives the rows of then; upkeep removes no file of them before
    `retention.history` (two days here) is over, and all of them after.
    """
    runtime = sqlite_before
    rows = rows_of(runtime)
    first = runtime.warehouse.load(COUNTRY, FACTS.name)
    assert first is not None
    moment = datetime.fromtimestamp(first.metadata.snapshots[4].timestamp_ms / 1000, UTC)
    then = rows_of(runtime, as_of=moment)
    assert 0 < len(then) < len(rows)
    data = Path(runtime.storage.path("tables/storeavail_br", FACTS.name, "data"))
    of_before = set(data.rglob("*.parquet"))
    runtime.storage.replace(LAYOUT_FILE, b'{"layout":2}')
    now = datetime.now(UTC)
    list(migrate_country(runtime, COUNTRY))
    runtime = build_runtime(runtime.platform)
    for age in (timedelta(hours=1), timedelta(hours=47)):
        assert not [done for done in maintain(runtime, COUNTRY, now + age) if done.is_error]
        assert of_before <= set(data.rglob("*.parquet"))
        assert rows_of(runtime, as_of=moment) == then
        assert rows_of(runtime, as_of=now - timedelta(milliseconds=1)) == rows
    assert not [d for d in maintain(runtime, COUNTRY, now + timedelta(hours=49)) if d.is_error]
    assert not of_before & set(data.rglob("*.parquet"))
    assert rows_of(runtime) == rows


def test_upkeep_leaves_a_table_and_its_copy_alone_until_it_is_brought_over(
    sqlite_before: Runtime,
) -> None:
    """A copy that takes days is not cleaned away under it, and is not begun anew every night."""
    runtime = sqlite_before
    rows = rows_of(runtime)
    runtime.storage.replace(LAYOUT_FILE, b'{"layout":2}')
    done = list(itertools.islice(migrate_country(runtime, COUNTRY), DAYS - 1))
    assert [one.number for one in done] == [1, 2, 3]
    later = datetime.now(UTC) + timedelta(days=3)
    said = [one for one in maintain(runtime, COUNTRY, later) if one.what == FACTS.name]
    assert [str(one) for one in said] == [
        f"{FACTS.name}: left alone until `storeavail migrate` has brought it over"
    ]
    runtime = build_runtime(runtime.platform)
    assert [one.day is None for one in migrate_country(runtime, COUNTRY)] == [False, True]
    assert rows_of(build_runtime(runtime.platform)) == rows


def test_a_moment_while_it_is_copied_is_told_whole(sqlite_before: Runtime) -> None:
    """Until the copy has taken its place the table of before is what there is."""
    runtime = sqlite_before
    rows = rows_of(runtime)
    runtime.storage.replace(LAYOUT_FILE, b'{"layout":2}')
    moments = []
    for _ in migrate_country(runtime, COUNTRY):
        moments.append(datetime.now(UTC))
    runtime = build_runtime(runtime.platform)
    for moment in moments:
        assert rows_of(runtime, as_of=moment) == rows


def test_a_table_that_is_written_to_meanwhile_keeps_its_place(sqlite_before: Runtime) -> None:
    """A release of before that was not stopped: nothing of its commit is lost, and the next call
    has it.
    """
    runtime = sqlite_before
    runtime.storage.replace(LAYOUT_FILE, b'{"layout":2}')
    late = SPAN[-1].next()
    going = migrate_country(runtime, COUNTRY)
    next(going)
    commit_of_before(build_runtime(runtime.platform), COUNTRY, late, [fact(9, late, "missing")])
    with pytest.raises(WarehouseError, match="was written to while it was copied: stop the"):
        list(going)
    list(migrate_country(build_runtime(runtime.platform), COUNTRY))
    found = rows_of(build_runtime(runtime.platform))
    assert len(found) == 2 * len(SPAN) + 1
    assert found[-1]["store_id"] == "9"


def test_a_copy_that_is_not_the_same_is_refused(sqlite_before: Runtime) -> None:
    """A data file that is damaged stops it with the table's name; the table stays as it was."""
    runtime = sqlite_before
    runtime.storage.replace(LAYOUT_FILE, b'{"layout":2}')
    pointer = runtime.warehouse.pointer(COUNTRY, FACTS.name)
    data = Path(runtime.storage.path("tables/storeavail_br", FACTS.name, "data"))
    sorted(data.rglob("*.parquet"))[-1].write_bytes(b"PAR1 is not all")
    with pytest.raises(WarehouseError, match="store_availability"):
        list(migrate_country(runtime, COUNTRY))
    assert runtime.warehouse.pointer(COUNTRY, FACTS.name) == pointer
