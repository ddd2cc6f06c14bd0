"""What Dagster's own storage knows after a window: a record of every declared check, and whose
a run is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster import DagsterRun, DagsterRunStatus
from dagster._utils.tags import TagConcurrencyLimitsCounter

from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.daily import DAILY_TABLES, ROLLED_UP
from storeavail_platform.orchestration.build import build_definitions
from storeavail_platform.orchestration.describe import check_specs
from storeavail_platform.orchestration.runs import UNFINISHED, country_of, of_country
from storeavail_platform.orchestration.sensors import failed_since
from storeavail_platform_tests.alerting.alert_world import AlertWorld
from storeavail_platform_tests.materialised import COUNTRY, Materialised

KEYS = [spec.key for spec in check_specs((*TABLES, *DAILY_TABLES))]
BACK_FILL = {
    "dagster/partition": "BR|2026-11-23T1000",
    "dagster/partition/country": "BR",
    "dagster/partition/window": "2026-11-23T1000",
}
"""The tags of a run that a back-fill in the UI has started: no others."""
ROOT = Path(__file__).parents[2]


def unrecorded(instance: dg.DagsterInstance) -> list[str]:
    """The declared checks of which Dagster has no evaluation."""
    storage = instance.event_log_storage
    return [
        key.to_user_string()
        for key in KEYS
        if not any(
            record.event for record in storage.get_asset_check_execution_history(key, limit=20)
        )
    ]


def test_every_declared_check_of_a_materialised_asset_has_a_record(
    materialised: Materialised,
) -> None:
    """Also those of the local dates, which the window's run rolls up; these with their own
    partition.
    """
    assert len(KEYS) == 22
    # usual rates are made of the dates before: there are none yet
    assert unrecorded(materialised.instance) == ["usual_rates:schema_and_key"]
    for key in (spec.key for spec in check_specs(ROLLED_UP)):
        records = materialised.instance.event_log_storage.get_asset_check_execution_history(
            key, limit=20
        )
        assert {record.partition for record in records if record.event} == {f"{COUNTRY}|2026-11-23"}


def test_an_observation_tells_what_it_cost_the_database(materialised: Materialised) -> None:
    """Rows, bytes and time of each query, and that each had a connection of its own."""
    event = materialised.instance.get_latest_materialization_event(dg.AssetKey("observation"))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    for query in ("stores", "hours"):
        rows, size = metadata[f"{query}_rows"].value, metadata[f"{query}_bytes"].value
        assert rows
        assert rows * 10 < size < rows * 200  # type: ignore[operator]
        assert isinstance(metadata[f"{query}_milliseconds"].value, int)
    assert metadata["one_connection"].value == 0


def test_a_check_that_blocks_is_shown_as_blocking(materialised: Materialised) -> None:
    """`schema_and_key` keeps rows from being committed; what only tells does not block."""
    definitions = build_definitions(materialised.runtime.platform)
    shown = {
        spec.key: spec.blocking
        for asset in definitions.assets or ()
        if isinstance(asset, dg.AssetsDefinition)
        for spec in asset.check_specs
    }
    assert shown == {key: key.name == "schema_and_key" for key in KEYS}


@pytest.mark.parametrize(
    "settings", ["storeavail_platform/orchestration/dagster.yaml", "deploy/dagster.yaml"]
)
def test_one_run_a_country_holds_however_runs_were_started(settings: str) -> None:
    """The queue's limit is by a tag that Dagster sets on runs of a back-fill too; another
    country's run is not held up.
    """
    limits = yaml.safe_load((ROOT / settings).read_text())["concurrency"]["runs"][
        "tag_concurrency_limits"
    ]
    running = DagsterRun(job_name="window", tags=BACK_FILL, status=DagsterRunStatus.STARTED)
    counter = TagConcurrencyLimitsCounter(limits, [running])
    other_window = {**BACK_FILL, "dagster/partition/window": "2026-11-23T1015"}
    gap_run = {"dagster/partition/country": "BR"}
    of_another = {"dagster/partition/country": "CL"}
    blocked = [
        counter.is_blocked(DagsterRun(job_name="x", tags=tags))
        for tags in (other_window, gap_run, of_another)
    ]
    assert blocked == [True, True, False]


def test_a_back_filled_run_that_fails_is_told_to_its_country(tmp_path: Path) -> None:
    """Its tags are those of its partition alone."""
    world = AlertWorld(tmp_path)
    with dg.instance_for_test() as instance:
        run = instance.add_run(
            DagsterRun(job_name="window", tags=BACK_FILL, status=DagsterRunStatus.STARTED)
        )
        assert [found.run_id for found in instance.get_runs(of_country("BR", UNFINISHED))] == [
            run.run_id
        ]
        instance.report_run_failed(run, "it was killed")
        since = datetime(2026, 1, 1, tzinfo=UTC)
        (failed,), _ = failed_since(world.runtime, instance, "BR", since)
        assert failed_since(world.runtime, instance, "CL", since)[0] == []
    assert (failed.run_id, failed.window) == (run.run_id, "2026-11-23T1000")


@pytest.mark.parametrize(
    ("tags", "country"),
    [
        (BACK_FILL, "BR"),
        ({"dagster/partition/country": "CL"}, "CL"),
        ({"dagster/partition": "AR"}, "AR"),
        ({}, None),
    ],
)
def test_whose_a_run_is(tags: dict[str, Any], country: str | None) -> None:
    """Of two dimensions by the country's; the page has the country as its only one."""
    assert country_of(tags) == country


def test_the_first_page_asks_for_nothing() -> None:
    """No pop-up for a mail address in the UI, on one machine as in production."""
    for text in (
        (files("storeavail_platform.orchestration") / "dagster.yaml").read_text(),
        (ROOT / "deploy" / "dagster.yaml").read_text(),
    ):
        assert yaml.safe_load(text)["nux"] == {"enabled": False}
