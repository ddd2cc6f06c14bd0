"""All upkeep of a country: what is told, what a failure costs, SIGKILL anywhere, the command,
the job and its schedule.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from storeavail_platform.commands.cli import main
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.build import build_definitions
from storeavail_platform.orchestration.jobs import WINDOW_JOB
from storeavail_platform.orchestration.upkeep import LONGEST_TURN, UPKEEP_JOB, upkeep_config
from storeavail_platform.upkeep import maintain
from storeavail_platform.warehouse.markers import Marker
from storeavail_platform_tests.domain.tables.facts import COUNTRY, DAY
from storeavail_platform_tests.upkeep.conftest import CONFIG, FACTS, Kept, at, one
from storeavail_platform_tests.upkeep.killed import POINTS
from storeavail_platform_tests.upkeep.test_retention import FIGURES

LATER = 3 * DAY


@pytest.mark.parametrize("point", POINTS)
def test_killed_half_way_the_next_one_completes(kept: Kept, point: str) -> None:
    """Every row reads as before after SIGKILL at a point, and the next upkeep leaves what one
    that was not killed leaves.
    """
    window = Window.parse("2026-11-21T2300")
    kept.runtime.landing.record(
        COUNTRY, window, "online_index", {"is_observed": False}, read_at=window.end
    )
    kept.runtime.markers.write(Marker(COUNTRY, window.key, "run", None, window.end, FIGURES, {}))
    rows, now = kept.rows(), at(LATER)
    command = [
        sys.executable,
        "-m",
        "storeavail_platform_tests.upkeep.killed",
        str(kept.folder),
        point,
        now.isoformat(),
    ]
    killed = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert killed.returncode == -9, killed.stderr.decode()[-2000:]
    assert kept.rows() == rows
    # what a killed upkeep wrote is young: a day later it is removed
    assert not any(done.is_error for done in maintain(kept.runtime, COUNTRY, now + 2 * DAY))
    assert kept.rows() == rows
    assert set(kept.files().values()) == {1}
    folder = Path(kept.runtime.storage.path(kept.runtime.warehouse.location(COUNTRY, FACTS.name)))
    assert sum(1 for _ in folder.rglob("*.parquet")) == len(kept.files())
    assert kept.runtime.landing.windows(COUNTRY) == []
    assert list(maintain(kept.runtime, COUNTRY, now + 2 * DAY)) == []


def test_one_table_that_fails_holds_up_no_other(kept: Kept) -> None:
    """It is told with its name and its cause; readings and the other tables are done."""
    path = next(Path(kept.runtime.storage.path("tables")).rglob("2026-11-21T2200/**/*.parquet"))
    path.write_bytes(b"damaged")
    window = Window.parse("2026-11-21T2300")
    kept.runtime.landing.record(COUNTRY, window, "online_index", {}, read_at=window.end)
    kept.runtime.markers.write(Marker(COUNTRY, window.key, "run", None, window.end, FIGURES, {}))
    done = list(maintain(kept.runtime, COUNTRY, at(LATER)))
    failed = [one for one in done if one.is_error]
    assert {one.what for one in failed} == {FACTS.name}
    assert "store_availability" in failed[0].text
    assert [one.what for one in done if not one.is_error] == ["landing"]


def test_the_command_says_what_it_did(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for everything that was done, and for a country that needs nothing."""
    config = kept.folder / "storeavail.yaml"
    config.write_text(CONFIG)
    monkeypatch.setenv("DSN", "postgresql://localhost/none")
    first = CliRunner().invoke(main, ["maintain", "--config", str(config)])
    assert first.exit_code == 0, first.output
    assert "BR: store_availability: 2026-11-21 compacted: " in first.output
    assert "CL: nothing to do" in first.output
    second = CliRunner().invoke(main, ["maintain", "--config", str(config), "--country", "BR"])
    assert second.output == "BR: nothing to do\n"


def test_the_job_maintains_its_country(kept: Kept) -> None:
    """One op for the country of its run config; it fails, naming what, where something could
    not be done.
    """
    definitions = build_definitions(kept.runtime.platform)
    job = definitions.resolve_job_def(UPKEEP_JOB)
    result = job.execute_in_process(run_config=dict(upkeep_config(COUNTRY)))
    assert result.success
    assert kept.files()["2026-11-21"] == 1
    kept.commit(
        Window.parse("2026-11-21T2215"), one(Window.parse("2026-11-21T2215"), 1, "missing"), "late"
    )
    for path in Path(kept.runtime.storage.path("tables")).rglob("2026-11-21T2215/**/*.parquet"):
        path.write_bytes(b"damaged")
    with pytest.raises(dg.Failure, match=r"upkeep of BR: store_availability: .*Nothing is lost"):
        job.execute_in_process(run_config=dict(upkeep_config(COUNTRY)))


def test_each_country_has_its_schedule_at_its_night(kept: Kept) -> None:
    """Three turns between windows, on the country's clock, below the windows in the queue and
    never beside one of them.
    """
    definitions = build_definitions(kept.runtime.platform)
    schedules = {
        schedule.name: schedule
        for schedule in definitions.schedules or ()
        if isinstance(schedule, dg.ScheduleDefinition)
    }
    assert schedules["upkeep_cl"].execution_timezone == "America/Santiago"
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 11, 24, 6, 12, tzinfo=UTC)
    )
    data = schedules["upkeep_br"].evaluate_tick(context)
    assert data.run_requests is not None
    (request,) = data.run_requests
    assert request.run_config == upkeep_config("BR")
    assert request.tags["dagster/partition/country"] == "BR"
    assert int(request.tags["dagster/priority"]) < 10
    assert schedules["upkeep_br"].cron_schedule == "12 3-5 * * *"
    assert schedules["upkeep_br"].job_name == UPKEEP_JOB != WINDOW_JOB
    assert schedules["upkeep_br"].default_status == dg.DefaultScheduleStatus.RUNNING
    # begun at minute 12, its turn is over before the next window is observed
    assert timedelta(minutes=22 - 12) > LONGEST_TURN
