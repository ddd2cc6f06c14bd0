"""`storeavail status` and `storeavail check` hold the tables against pointers and markers, and
say what helps.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from storeavail_platform.commands.cli import main
from storeavail_platform.commands.diagnose import check_tables
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.observe import INDEX
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.reading.status import all_statuses, unfinished
from storeavail_platform.warehouse.markers import Figures, Marker
from storeavail_platform.warehouse.readings import MANIFEST_NAME
from storeavail_platform_tests.domain.tables.facts import COUNTRY, commit_window, fact
from storeavail_platform_tests.upkeep.conftest import CONFIG, FACTS

FIGURES = Figures(0, 0, 0, 0, 0, 0, 0, suspect=False)
NOW = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
WINDOWS = [Window.parse("2026-11-24T0300").next(number) for number in range(3)]


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """A country with complete windows."""
    monkeypatch.setenv("DSN", "postgresql://localhost/none")
    (tmp_path / "warehouse").mkdir()
    (tmp_path / "storeavail.yaml").write_text(CONFIG)
    from storeavail_platform.config import load_platform

    runtime = build_runtime(load_platform(str(tmp_path / "storeavail.yaml")))
    for window in WINDOWS:
        complete(runtime, window)
    return runtime


def complete(runtime: Runtime, window: Window) -> None:
    commit_window(runtime.engine, runtime.warehouse, window, [fact(1, window, "missing")], "run")
    state = runtime.warehouse.pointer(COUNTRY, FACTS.name)
    assert state is not None
    runtime.markers.write(
        Marker(
            COUNTRY, window.key, "run", window.middle(), window.end, FIGURES, {FACTS.name: state}
        )
    )


def levels(runtime: Runtime) -> list[str]:
    return [
        finding.level for finding in check_tables(build_runtime(runtime.platform), COUNTRY, NOW)
    ]


def test_a_whole_warehouse_has_no_problems(runtime: Runtime) -> None:
    """Neither command reports anything about tables that hold what pointers and markers name."""
    assert levels(runtime) == ["ok"]
    assert [status.problems for status in all_statuses(runtime, NOW)] == [[], []]


def test_a_whole_warehouse_is_told_without_what_opens_tables(runtime: Runtime) -> None:
    """`status` imports neither the library of tables nor arrays while nothing is wrong."""
    slow = "{'duckdb', 'numpy', 'pyarrow', 'pyiceberg.table', 'sqlalchemy', 'sqlglot'}"
    program = (
        "import sys; from storeavail_platform.commands.cli import main;"
        f" main({['status', '--config', runtime.platform.origin]}, standalone_mode=False);"
        f" print('slow:', *{slow} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert WINDOWS[-1].key in done.stdout
    assert done.stdout.splitlines()[-1] == "slow:"


def test_a_lost_catalog_is_told_by_both(runtime: Runtime) -> None:
    """The table is named, and the command that helps; the other country has no problem."""
    Path(runtime.storage.path("catalog.db")).unlink()
    (finding,) = check_tables(build_runtime(runtime.platform), COUNTRY, NOW)
    assert finding.level == "error"
    assert "table store_availability of BR" in finding.message
    assert "`storeavail recover --country BR`" in finding.message
    result = CliRunner().invoke(main, ["status", "--config", runtime.platform.origin])
    assert result.exit_code == 0
    assert "BR: table store_availability of BR: the catalog at " in result.output
    said = CliRunner().invoke(
        main, ["status", "--format", "json", "--config", runtime.platform.origin]
    )
    assert [len(country["problems"]) for country in json.loads(said.output)] == [1, 0]


def test_rows_that_are_lost_are_told_by_window(runtime: Runtime) -> None:
    """A table that went back lacks the rows of complete windows: both name them."""
    before = runtime.warehouse.pointer(COUNTRY, FACTS.name)
    lost = WINDOWS[-1].next()
    complete(runtime, lost)
    assert before is not None
    name = (runtime.country(COUNTRY).namespace, FACTS.name)
    runtime.warehouse.catalog.drop_table(name)
    runtime.warehouse.catalog.register_table(name, before.metadata_location)
    runtime.warehouse.pointers.replace(runtime.warehouse.location(COUNTRY, FACTS.name), before)
    (finding,) = check_tables(build_runtime(runtime.platform), COUNTRY, NOW)
    assert f"the rows of window {lost} are not in it" in finding.message
    (problem,) = all_statuses(runtime, NOW)[0].problems
    assert f"the rows of window {lost} are not in it" in problem


def test_status_needs_no_catalog(runtime: Runtime) -> None:
    """A catalog that does not answer is told once, not for each country; figures are there all
    the same.
    """
    catalog = Path(runtime.storage.path("catalog.db"))
    catalog.unlink()
    catalog.mkdir()
    first, second = all_statuses(build_runtime(runtime.platform), NOW)
    assert "does not answer" in first.problems[0]
    assert first.last_window == WINDOWS[-1].key
    assert second.problems == []


@pytest.mark.parametrize("file", [f"windows/BR/{WINDOWS[-1]}.json", "losses/BR.json"])
def test_a_small_file_of_one_country_hides_no_other(runtime: Runtime, file: str) -> None:
    """It is a problem of its country, with the file's name; the others are told as ever."""
    complete_cl = Marker("CL", WINDOWS[0].key, "run", None, WINDOWS[0].end, FIGURES, {})
    runtime.markers.write(complete_cl)
    runtime.storage.replace(file, b"{")
    found = {status.country: status for status in all_statuses(runtime, NOW)}
    assert [file in problem for problem in found["BR"].problems] == [True]
    assert (found["CL"].last_window, found["CL"].problems) == (WINDOWS[0].key, [])


@pytest.mark.parametrize(("minutes", "code"), [(27, 0), (42, 1)])
def test_fail_late_is_for_monitoring(runtime: Runtime, minutes: int, code: int) -> None:
    """Exit code 1 from `alerts.freshness.fail` (35m) on, naming the country; without the option
    it only shows.
    """
    now = WINDOWS[-1].middle() + timedelta(minutes=minutes)
    alone = Path(runtime.platform.origin)
    alone.write_text("".join(line for line in CONFIG.splitlines(True) if "  CL:" not in line))
    config = ["--config", str(alone)]
    asked = CliRunner().invoke(main, ["status", "--fail-late", *config], obj=lambda: now)
    assert asked.exit_code == code
    late = f"{COUNTRY} is late: its newest complete window was observed {minutes} min ago"
    assert (late in asked.stderr) == bool(code)
    assert CliRunner().invoke(main, ["status", *config], obj=lambda: now).exit_code == 0


def test_a_country_that_was_never_observed_is_late(runtime: Runtime) -> None:
    """What was set up and does not run is told too."""
    asked = ["status", "--fail-late", "--config", runtime.platform.origin]
    found = CliRunner().invoke(main, asked, obj=WINDOWS[-1].middle)
    assert found.exit_code == 1
    assert "CL is late: no window that was observed is complete" in found.stderr
    assert "BR is late" not in found.stderr


def test_windows_before_the_first_one_are_not_missing(runtime: Runtime) -> None:
    """A reading that broke off while the country was being set up is no beginning."""
    folder = f"landing/{COUNTRY}/{WINDOWS[0].next(-4).key}/online_index/attempt/part-0.parquet"
    runtime.storage.create(folder, b"")
    assert unfinished(runtime, COUNTRY, WINDOWS[-1].end) == ([], [])


def test_windows_between_whole_days_are_found(runtime: Runtime) -> None:
    """Days whose windows are all complete are passed over; a gap in another one is told, and what
    is landed in it waits.
    """
    first = WINDOWS[0].next(-3 * 96)
    span = [first.next(number) for number in range(3 * 96)]
    gap, landed = span[100], span[101]
    for window in span:
        if window not in (gap, landed):
            runtime.storage.create(f"windows/{COUNTRY}/{window.key}.json", b"")
    runtime.storage.create(f"landing/{COUNTRY}/{landed.key}/{INDEX}/{MANIFEST_NAME}", b"")
    assert unfinished(runtime, COUNTRY, WINDOWS[-1].end) == ([landed.key], [gap.key])
    assert unfinished(runtime, COUNTRY, WINDOWS[-1].end, after=landed.key) == ([], [])
