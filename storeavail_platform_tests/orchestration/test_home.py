"""Dagster's home that was lost: made anew with the platform's settings by whatever starts on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from storeavail_platform.config import CONFIG_VARIABLE
from storeavail_platform.orchestration.build import build_definitions
from storeavail_platform.orchestration.home import SETTINGS, missing_settings, prepare_home
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
