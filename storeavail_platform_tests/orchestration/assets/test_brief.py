"""The asset `morning_brief` as its schedule asks for it, and the sensor that sends its message."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from storeavail_platform.config import load_text
from storeavail_platform.orchestration.build import build_definitions
from storeavail_platform.orchestration.partitions import COUNTRY, LOCAL_DATE
from storeavail_platform.orchestration.reports import BRIEF_JOB, REPORT_JOB
from storeavail_testing.clock import SetClock
from storeavail_testing.pages import CONFIG, fill, make_stores, runtime_in

EIGHT = datetime(2026, 11, 23, 11, tzinfo=UTC)
SUNDAY = date(2026, 11, 22)
REPORTS = """
reports: {scheduled: [{name: of-nona, cron: "0 9 * * *", country: BR, brand: Pizza Nona}]}
"""


def test_its_run_makes_it_and_the_sensor_sends_it_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The run is a country's and a date's, says what it made, and sends nothing itself; a country
    without a past makes nothing, and fails nothing; a report is made by its name.
    """
    caplog.set_level(logging.WARNING, "storeavail.alerts")
    runtime, clock = runtime_in(tmp_path), SetClock()
    fill(runtime, "BR", make_stores(5, 1, {}), days=3, is_calm=True)
    clock.stop(EIGHT + timedelta(seconds=20))
    platform = load_text(CONFIG + REPORTS, base=tmp_path, origin="test.yaml")
    built = build_definitions(platform, clock=clock)
    config = {"ops": {"morning_brief": {"config": {"due_at": EIGHT.isoformat()}}}}
    with dg.DagsterInstance.ephemeral() as instance:

        def run(country: str) -> dg.ExecuteInProcessResult:
            key = dg.MultiPartitionKey({COUNTRY: country, LOCAL_DATE: SUNDAY.isoformat()})
            return built.resolve_job_def(BRIEF_JOB).execute_in_process(
                partition_key=key, run_config=config, instance=instance
            )

        (event,) = run("BR").get_asset_materialization_events()
        metadata = event.step_materialization_data.materialization.metadata
        assert "Availability" in str(metadata["preview"].value)
        assert str(metadata["page"].value).endswith("BR/briefs/2026-11-22/index.html")
        assert run("AR").get_asset_materialization_events() == []
        due = {"name": "of-nona", "local_date": "2026-11-22", "due_at": EIGHT.isoformat()}
        built.resolve_job_def(REPORT_JOB).execute_in_process(
            run_config={"ops": {"make_report": {"config": due}}}, instance=instance
        )
        assert not [record for record in caplog.records if "Sunday" in record.getMessage()]
        sensor = built.resolve_sensor_def("alerts_br")
        for _ in range(2):
            context = dg.build_sensor_context(instance=instance, definitions=built)
            sensor.evaluate_tick(context)
    said = [
        record.getMessage().partition(" | ")[0]
        for record in caplog.records
        if record.name == "storeavail.alerts" and "Sunday" in record.getMessage()
    ]
    assert said == [
        "storeavail BR, Sunday 22 November 2026",
        "storeavail BR brand Pizza Nona, Sunday 22 November 2026",
    ]
