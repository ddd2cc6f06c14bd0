"""Dagster's own storage, with SQLite and with PostgreSQL: what is old goes, what was made stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.storage.compute_log_manager import ComputeIOType

from storeavail_platform.orchestration.history import Removed, remove_history
from storeavail_platform.orchestration.runs import COUNTRY_TAG
from storeavail_testing.postgres import PASSWORD, PostgresServer

WINDOWS = dg.MultiPartitionsDefinition(
    {
        "country": dg.StaticPartitionsDefinition(["BR", "CL"]),
        "window": dg.StaticPartitionsDefinition(["1", "2"]),
    }
)
NAME = "alerts_br"
SETTINGS = "telemetry: {enabled: false}\n"
POSTGRES = "storage: {{postgres: {{postgres_url: '{url}'}}}}\n"
LATER = timedelta(hours=1)


@dg.asset(partitions_def=WINDOWS, check_specs=[dg.AssetCheckSpec("whole", asset="made")])
def made() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """An asset with a check."""
    yield dg.MaterializeResult(metadata={"rows": 1})
    yield dg.AssetCheckResult(passed=True, check_name="whole", asset_key="made")


@dg.asset
def of_no_country() -> None:
    """An asset without partitions."""


@pytest.fixture(params=["sqlite", "postgresql"])
def instance(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_server: PostgresServer
) -> Iterator[dg.DagsterInstance]:
    """An instance of each storage, with the runs of two countries."""
    settings = SETTINGS
    if request.param == "postgresql":
        name = f"history_{tmp_path.name}".lower().replace("-", "_")
        postgres_server.create(name, "SELECT 1")
        address = f"postgres:{quote(PASSWORD)}@127.0.0.1:{postgres_server.port}/{name}"
        settings += POSTGRES.format(url=f"postgresql+psycopg2://{address}")
    (tmp_path / "dagster.yaml").write_text(settings)
    with dg.DagsterInstance.from_config(str(tmp_path)) as found:
        for partition in ("BR|1", "BR|2", "CL|1"):
            assert dg.materialize([made], instance=found, partition_key=partition).success
        yield found


def kept(instance: dg.DagsterInstance) -> tuple[set[str], int, int, int]:
    """Materialised partitions, materialisations, check records, runs."""
    key = dg.AssetKey("made")
    checks = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(key, "whole"), limit=100
    )
    return (
        instance.get_materialized_partitions(key),
        len(instance.fetch_materializations(key, limit=100).records),
        len([record for record in checks if record.event]),
        instance.get_runs_count(),
    )


def events(instance: dg.DagsterInstance, country: str) -> list[set[str]]:
    """The types of the events of each of a country's runs, as a process that begins now reads
    them.
    """
    with dg.DagsterInstance.from_config(instance.root_directory) as now:
        return [
            {
                event.dagster_event_type.value
                for event in now.all_logs(run.run_id)
                if event.dagster_event_type is not None
            }
            for run in now.get_runs(dg.RunsFilter(tags={COUNTRY_TAG: country}))
        ]


def test_old_runs_leave_what_they_made(instance: dg.DagsterInstance) -> None:
    """Materialised partitions, check records and runs are as many as before, and can be asked for;
    step events, logs and files of runs are gone. A second look finds nothing to do.
    """
    before = kept(instance)
    assert before == ({"BR|1", "BR|2", "CL|1"}, 3, 3, 3)
    now = datetime.now(UTC)
    assert remove_history(instance, now - LATER, ["BR", "CL", None], []) == Removed(0, 0)
    assert all("STEP_SUCCESS" in types for types in events(instance, "BR"))
    home = Path(instance.root_directory)
    logs = {path.name for path in (home / "storage").iterdir()}
    of_brazil = {run.run_id for run in instance.get_runs(dg.RunsFilter(tags={COUNTRY_TAG: "BR"}))}
    assert of_brazil <= logs
    assert remove_history(instance, now + LATER, ["BR"], []) == Removed(2, 0)
    assert not of_brazil & {path.name for path in (home / "storage").iterdir()}
    assert not of_brazil & {path.stem for path in home.rglob("*.db")}
    assert kept(instance) == before
    assert all("STEP_SUCCESS" not in types for types in events(instance, "BR"))
    assert all("STEP_SUCCESS" in types for types in events(instance, "CL")), "another country's"
    assert remove_history(instance, now + LATER, ["BR"], []) == Removed(0, 0)
    assert kept(instance) == before


def test_a_run_of_no_country_is_removed_with_the_first(instance: dg.DagsterInstance) -> None:
    """By whoever looks after the platform; other countries' runs are left."""
    assert dg.materialize([of_no_country], instance=instance).success
    later = datetime.now(UTC) + LATER
    assert remove_history(instance, later, ["AR"], []) == Removed(0, 0)
    assert remove_history(instance, later, ["AR", None], []) == Removed(1, 0)
    assert all("STEP_SUCCESS" in types for types in events(instance, "CL"))


def test_old_ticks_and_their_empty_files_go(instance: dg.DagsterInstance) -> None:
    """Of the named sensor alone, and not those of the last days."""
    location = GrpcServerCodeLocationOrigin("127.0.0.1", port=1, location_name="storeavail")
    repository = RemoteRepositoryOrigin(location, "__repository__")
    now, logs = datetime.now(UTC), instance.compute_log_manager
    origins = {name: RemoteInstigatorOrigin(repository, name) for name in (NAME, "alerts_cl")}
    for name, origin in origins.items():
        selector = origin.get_selector().get_id()
        instance.add_instigator_state(
            InstigatorState(
                origin,
                InstigatorType.SENSOR,
                InstigatorStatus.DECLARED_IN_CODE,
                SensorInstigatorData(),
            )
        )
        for days in (0, 8):
            moment = (now - timedelta(days=days)).timestamp()
            tick = TickData(
                instigator_origin_id=origin.get_id(),
                instigator_name=name,
                instigator_type=InstigatorType.SENSOR,
                status=TickStatus.SKIPPED,
                timestamp=moment,
                selector_id=selector,
            )
            instance.create_tick(tick)
            key = ["__repository__", name, str(days)]
            with logs.open_log_stream(key, ComputeIOType.STDERR):
                pass
            path = logs.get_log_metadata(key).stderr_location
            assert path is not None
            os.utime(path, (moment, moment))
    assert remove_history(instance, now - timedelta(days=7), [], [NAME]) == Removed(0, 1)
    left = {
        name: len(instance.get_ticks(origin.get_id(), origin.get_selector().get_id()))
        for name, origin in origins.items()
    }
    assert left == {NAME: 1, "alerts_cl": 2}
    files = Path(instance.root_directory, "storage", "__repository__")
    assert sorted(path.name for path in (files / NAME).iterdir()) == ["0.err"]
    assert len(list((files / "alerts_cl").iterdir())) == 2
