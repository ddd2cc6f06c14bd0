"""Dagster's home that was lost: made anew with the platform's settings by whatever starts on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

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
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._daemon.sensor import get_elapsed

from storeavail_platform.config import CONFIG_VARIABLE
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.build import build_definitions
from storeavail_platform.orchestration.home import missing_settings, prepare_home
from storeavail_platform.orchestration.home_storage import SETTINGS
from storeavail_platform.orchestration.run_launcher import WatchedRunLauncher
from storeavail_platform.orchestration.runs import COUNTRY_TAG
from storeavail_platform_tests.alerting.alert_world import FIRST, AlertWorld


@pytest.fixture
def world(tmp_path: Path) -> AlertWorld:
    return AlertWorld(tmp_path)


@pytest.fixture
def home(world: AlertWorld, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a platform that has run."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    world.complete(FIRST)
    return prepare_home(world.runtime.platform)


def is_watched(home: Path) -> bool:
    """Whether what starts on a home has run monitoring, our launcher, and the country's limit."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        return (
            instance.run_monitoring_enabled
            and isinstance(instance.run_launcher, WatchedRunLauncher)
            and COUNTRY_TAG in {limit["key"] for limit in queue.tag_concurrency_limits}
            and missing_settings(instance) is None
        )


@pytest.mark.parametrize("is_emptied", [False, True])
def test_a_lost_home_is_made_anew_and_told(
    world: AlertWorld, home: Path, capfd: pytest.CaptureFixture[str], is_emptied: bool
) -> None:
    """Deleted, or emptied: with the platform's settings, and in words; a first one is nothing to
    tell.
    """
    assert capfd.readouterr().err == ""
    shutil.rmtree(home)
    if is_emptied:
        home.mkdir()
    prepare_home(world.runtime.platform)
    assert f"Dagster's home {home} was lost: made anew" in capfd.readouterr().err
    assert is_watched(home)


def test_a_code_server_writes_the_settings_that_are_missing(world: AlertWorld, home: Path) -> None:
    """Whatever of Dagster was started on the home: it loads this code; what is there already is
    left as it is.
    """
    (home / SETTINGS).unlink()
    environment = {
        **os.environ,
        CONFIG_VARIABLE: str(world.config),
        "DAGSTER_HOME": str(home),
        "BR_DSN": "postgresql://nobody@127.0.0.1:1/nothing",
    }

    def load() -> str:
        command = [sys.executable, "-c", "import storeavail_platform.definitions"]
        return subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        ).stderr

    assert f"{home} had no {SETTINGS}" in load()
    assert is_watched(home)
    (home / SETTINGS).write_text("telemetry: {enabled: false}\n")
    assert SETTINGS not in load()
    assert (home / SETTINGS).read_text() == "telemetry: {enabled: false}\n"


def test_a_daemon_that_began_without_the_settings_is_told_of(
    world: AlertWorld, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it is restarted: Dagster takes a home without settings in silence, and reads them only
    when it starts.
    """
    settings = (home / SETTINGS).read_text()
    (home / SETTINGS).unlink()
    definitions = build_definitions(world.runtime.platform)
    sensor = definitions.resolve_sensor_def("run_failures")
    with dg.DagsterInstance.from_config(str(home)) as begun:
        (home / SETTINGS).write_text(settings)

        def tick() -> str:
            context = dg.build_sensor_context(instance=begun, definitions=definitions)
            return sensor.evaluate_tick(context).skip_message or ""

        assert "platform/home_lost/" in tick()
        said = missing_settings(begun)
        assert said is not None
        assert "without the limit of one run a country" in said
        assert "restart Dagster's daemon" in said
    with dg.DagsterInstance.from_config(str(home)) as begun:
        assert "home_lost" not in tick()


def test_ticks_of_the_future_are_forgotten(
    world: AlertWorld, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What a fast clock has left holds no sensor and no schedule up once the clock is right: by
    Dagster's own rules both are due, the schedule with the window in progress. Others, and what a
    person has stopped, stay as they are.
    """
    now = datetime.now(UTC)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        for name, moment in (("fast", now + timedelta(hours=1)), ("right", now)):
            add_tick(instance, name, moment, SensorInstigatorData(moment.timestamp(), cursor="c"))
            data = ScheduleInstigatorData("7 * * * *", None, moment.timestamp())
            add_tick(instance, f"{name}_schedule", moment, data)
        prepare_home(world.runtime.platform)
        said = capfd.readouterr().err
        assert "Dagster had ticks of the future, which a clock that was fast has left: " in said
        assert "right" not in said
        states = {state.instigator_name: state for state in instance.all_instigator_state()}
        assert get_elapsed(states["fast"]) is None
        schedule = states["fast_schedule"].instigator_data
        assert isinstance(schedule, ScheduleInstigatorData)
        start = Window.containing(datetime.now(UTC)).start.timestamp()
        assert schedule == ScheduleInstigatorData("7 * * * *", start)
        kept = states["right"].instigator_data
        assert isinstance(kept, SensorInstigatorData)
        assert kept.cursor == "c"
        ticks = {
            name: len(instance.get_ticks(state.instigator_origin_id, state.selector_id or ""))
            for name, state in states.items()
        }
        assert ticks == {"fast": 0, "fast_schedule": 0, "right": 1, "right_schedule": 1}
    prepare_home(world.runtime.platform)
    assert capfd.readouterr().err == ""


def add_tick(
    instance: dg.DagsterInstance,
    name: str,
    moment: datetime,
    data: SensorInstigatorData | ScheduleInstigatorData,
) -> None:
    """Leave what the daemon leaves behind of a schedule's or sensor's tick."""
    origin = RemoteInstigatorOrigin(
        repository_origin=RemoteRepositoryOrigin(
            code_location_origin=GrpcServerCodeLocationOrigin(host="localhost", port=1),
            repository_name="platform",
        ),
        instigator_name=name,
    )
    is_sensor = isinstance(data, SensorInstigatorData)
    kind = InstigatorType.SENSOR if is_sensor else InstigatorType.SCHEDULE
    state = InstigatorState(origin, kind, InstigatorStatus.DECLARED_IN_CODE, data)
    instance.add_instigator_state(state)
    instance.create_tick(
        TickData(
            instigator_origin_id=state.instigator_origin_id,
            instigator_name=name,
            instigator_type=kind,
            status=TickStatus.SUCCESS,
            timestamp=moment.timestamp(),
            run_ids=[],
            selector_id=state.selector_id,
        )
    )
