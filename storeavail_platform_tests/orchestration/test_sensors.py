"""Sensors on a real Dagster instance: every country has one, failed runs reach their country in
the step's own words, nobody is left blind.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from storeavail_platform.alerting.failed_runs import FailedRun
from storeavail_platform.domain.alert_kinds import Cause
from storeavail_platform.domain.errors import (
    CatalogUnavailable,
    ClusterUnavailable,
    ConfigError,
    SourceUnavailable,
    StoreAvailError,
)
from storeavail_platform.domain.windows import Window, partition_key
from storeavail_platform.orchestration.build import build_definitions
from storeavail_platform.orchestration.failures import as_failures
from storeavail_platform.orchestration.jobs import WINDOW_JOB, window_tags
from storeavail_platform.orchestration.runs import failure_of
from storeavail_platform.orchestration.sensors import failed_since
from storeavail_platform_tests.alerting.alert_world import COUNTRY, AlertWorld
from storeavail_testing.clock import SetClock


@dataclass
class Sensors:
    """The definitions of a world, an instance, and each sensor's cursor between ticks."""

    world: AlertWorld
    definitions: dg.Definitions
    instance: dg.DagsterInstance
    cursors: dict[str, str | None]
    clock: SetClock

    def tick(self, name: str) -> str:
        """Evaluate a sensor once; what the tick says."""
        sensor = self.definitions.resolve_sensor_def(name)
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursors.get(name), definitions=self.definitions
        )
        data = sensor.evaluate_tick(context)
        assert not data.run_requests
        self.cursors[name] = data.cursor
        assert data.skip_message is not None
        return data.skip_message

    def failed(self) -> list[FailedRun]:
        """The failed runs of the country."""
        since = datetime.now(UTC) - timedelta(hours=1)
        return failed_since(self.world.runtime, self.instance, COUNTRY, since)[0]

    def fail_window(self, window: Window) -> str:
        """Run a window whose index cannot be read; the run's id."""
        job = self.definitions.resolve_job_def(WINDOW_JOB)
        result = job.execute_in_process(
            partition_key=partition_key(COUNTRY, window),
            instance=self.instance,
            tags=window_tags(COUNTRY, window),
            raise_on_error=False,
        )
        assert not result.success
        return result.run_id


@pytest.fixture
def sensors(tmp_path: Path) -> Iterator[Sensors]:
    world = AlertWorld(tmp_path)
    home = tmp_path / "dagster"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        clock = SetClock()
        yield Sensors(
            world, build_definitions(world.runtime.platform, clock=clock), instance, {}, clock
        )


def test_each_country_has_a_running_sensor(sensors: Sensors) -> None:
    """A new country is watched without a click, every minute; failed runs are noted for all of
    them.
    """
    found = {
        sensor.name: sensor
        for sensor in sensors.definitions.sensors or []
        if isinstance(sensor, dg.SensorDefinition)
    }
    assert {"alerts_br", "alerts_cl", "run_failures"} <= set(found)
    for name in ("alerts_br", "alerts_cl", "run_failures"):
        assert found[name].default_status == dg.DefaultSensorStatus.RUNNING
    assert found["alerts_br"].minimum_interval_seconds == 60


def test_a_tick_judges_and_tells_its_country(
    sensors: Sensors, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the log channel the message is in the tick's own log; the tick says what is true and
    who was told.
    """
    now = datetime.now(UTC)
    sensors.world.complete(Window.containing(now - timedelta(hours=1)))
    assert sensors.tick("alerts_br") == "BR/freshness_fail/; told log"
    assert "storeavail BR: 1 new: the newest complete window" in capfd.readouterr().err
    assert sensors.tick("alerts_br") == "BR/freshness_fail/"
    assert sensors.tick("alerts_cl") == "no alerts"


def test_a_failed_window_is_told_in_its_step_s_words_and_resolved_when_made_up_for(
    sensors: Sensors,
) -> None:
    """The run's tags name country and window; the likely cause follows from the platform's
    error; the window's completion ends it.
    """
    window = Window.containing(datetime.now(UTC))
    run_id = sensors.fail_window(window)
    assert sensors.tick("run_failures") == "no alerts"
    (failed,) = sensors.failed()
    assert (failed.run_id, failed.job, failed.window, failed.cause) == (
        run_id,
        "window",
        window.key,
        Cause.SOURCE_REFUSED,
    )
    assert "br.ndjson" in failed.message
    assert sensors.tick("alerts_br") == "BR/run_failed/source refused; told log"
    sensors.tick("run_failures")
    assert sensors.tick("alerts_br") == "BR/run_failed/source refused"
    sensors.world.complete(window, completed_at=datetime.now(UTC))
    assert sensors.tick("alerts_br") == "no alerts; told log"
    sensors.tick("run_failures")
    assert sensors.tick("alerts_br") == "no alerts"


def job_that_fails(
    name: str, error: BaseException, *, is_platform_error: bool = True
) -> dg.JobDefinition:
    @dg.op
    def failing() -> None:
        if not is_platform_error:
            raise error
        with as_failures(retry=False):
            raise error

    @dg.job(name=name, executor_def=dg.in_process_executor)
    def job() -> None:
        failing()

    return job


def test_a_run_of_no_country_is_told_to_the_platform_s_channels(sensors: Sensors) -> None:
    """It is over when the same job succeeds."""
    job_that_fails("tidy", ConfigError("catalog: is wrong")).execute_in_process(
        instance=sensors.instance, raise_on_error=False
    )
    assert sensors.tick("run_failures") == "platform/run_failed/configuration wrong; told log"
    assert sensors.tick("alerts_br") == "no alerts"

    @dg.job(name="tidy", executor_def=dg.in_process_executor)
    def tidy() -> None: ...

    tidy.execute_in_process(instance=sensors.instance)
    assert sensors.tick("run_failures") == "no alerts; told log"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (SourceUnavailable("PostgreSQL db:5432: Connection refused"), Cause.SOURCE_UNREACHABLE),
        (CatalogUnavailable("catalog sql: database is locked"), Cause.CATALOG_UNREACHABLE),
        (CatalogUnavailable("catalog sql: database or disk is full"), Cause.DISK_FULL),
        (ClusterUnavailable("cluster j-1 terminated"), Cause.CLUSTER_LOST),
        (OSError(28, "No space left on device"), Cause.DISK_FULL),
        (RuntimeError("nobody foresaw this"), Cause.UNKNOWN),
    ],
)
def test_the_likely_cause_follows_from_the_error(
    sensors: Sensors, error: Exception, cause: Cause
) -> None:
    """From the class of the platform's error, or from words where the class is general or
    another's; the words are the step's.
    """
    job = job_that_fails("broken", error, is_platform_error=isinstance(error, StoreAvailError))
    job.execute_in_process(
        instance=sensors.instance,
        raise_on_error=False,
        tags={"dagster/partition/country": COUNTRY, "dagster/partition/window": "2026-11-23T1000"},
    )
    (failed,) = sensors.failed()
    assert failed.cause == cause
    assert str(error.args[-1]) in failed.message


def test_a_run_whose_process_is_gone_is_lost(sensors: Sensors) -> None:
    """It has no failing step."""
    run = sensors.instance.create_run_for_job(
        job_that_fails("gone", ConfigError("x")), tags={"dagster/partition/country": COUNTRY}
    )
    sensors.instance.report_run_failed(
        run, "The process of this run is gone (killed, or the machine restarted)."
    )
    assert failure_of(sensors.instance, run.run_id).error is None
    sensors.tick("run_failures")
    assert sensors.tick("alerts_br") == "BR/run_failed/run lost; told log"


def test_a_failure_while_the_storage_is_down_is_noted_when_it_is_back(sensors: Sensors) -> None:
    """Until then people are told, once, that the alerts cannot be judged, and then that they
    can be again. This needs no storage.
    """
    warehouse = Path(sensors.world.runtime.storage.path())
    run_id = sensors.fail_window(Window.containing(datetime.now(UTC)))
    shutil.rmtree(warehouse)
    warehouse.write_text("not a folder")
    for name, country in (("run_failures", "platform"), ("alerts_br", "BR")):
        assert re.match(
            rf"the alerts of {country} cannot be judged: .*(Not a directory|File exists)",
            sensors.tick(name),
        )
    assert '"told":{"log":' in (sensors.cursors["alerts_br"] or "")
    told_at = sensors.cursors["alerts_br"]
    sensors.tick("alerts_br")
    assert sensors.cursors["alerts_br"] == told_at
    sensors.clock.offset = timedelta(hours=4)
    sensors.tick("alerts_br")
    sensors.clock.offset = timedelta()
    assert sensors.cursors["alerts_br"] != told_at
    warehouse.unlink()
    warehouse.mkdir()
    sensors.tick("run_failures")
    assert [failed.run_id for failed in sensors.failed()] == [run_id]
    assert "BR/run_failed/" in sensors.tick("alerts_br")
    assert '"blind":null' in (sensors.cursors["alerts_br"] or "")


def test_a_damaged_state_of_one_country_stops_no_other(sensors: Sensors) -> None:
    """It is told with the file and what to do; the other country is judged as before."""
    sensors.world.runtime.storage.replace("alerts/BR.json", b"{")
    assert re.match(
        r"the alerts of BR cannot be judged: .*alerts/BR\.json cannot be understood.*remove it",
        sensors.tick("alerts_br"),
    )
    assert '"state damaged"' in (sensors.cursors["alerts_br"] or "")
    assert sensors.tick("alerts_cl") == "no alerts"
