"""The catch-up sensor on a real Dagster instance: which runs it asks for, in what order, and when it rests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRun, DagsterRunStatus
from freezegun import freeze_time

from storeavail_platform.automation.catch_up import AT_ONCE, CATCH_UP, GAPS_AT_ONCE, LONGEST_REST, SHORTEST_REST, rest
from storeavail_platform.automation.jobs import GAPS_JOB, LIVE_PRIORITY, WINDOW_JOB, window_tags
from storeavail_platform.build import build_definitions
from storeavail_platform.windows import Window, partition_key
from storeavail_platform_tests.automation.alert_world import COUNTRY, FIRST, AlertWorld


@dataclass
class CatchUp:
    """A country's sensor, and its cursor between ticks."""

    world: AlertWorld
    definitions: dg.Definitions
    instance: dg.DagsterInstance
    cursor: str | None = None

    def tick(self, now: datetime) -> dg.SensorExecutionData:
        """Evaluate the sensor once at a moment."""
        sensor = self.definitions.resolve_sensor_def("catch_up_br")
        with freeze_time(now):
            context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor, definitions=self.definitions)
            data = sensor.evaluate_tick(context)
        self.cursor = data.cursor
        return data

    def windows(self, now: datetime) -> list[str]:
        """The partition keys of the windows that the tick asks for."""
        return [request.partition_key or "" for request in self.tick(now).run_requests or [] if request.job_name == WINDOW_JOB]

    def run(self, window: Window, status: DagsterRunStatus, *, is_asked_for: bool = True) -> None:
        """Leave a run of a window behind."""
        tags = {**window_tags(COUNTRY, window), **({CATCH_UP: "0"} if is_asked_for else {})}
        self.instance.add_run(DagsterRun(job_name=WINDOW_JOB, run_id=str(uuid.uuid4()), status=status, tags=tags))


@pytest.fixture
def catch_up(tmp_path: Path) -> Iterator[CatchUp]:
    world = AlertWorld(tmp_path)
    with dg.instance_for_test() as instance:
        yield CatchUp(world, build_definitions(world.runtime.platform), instance)


def after(window: Window, minutes: float = 20) -> datetime:
    """A moment after a window's start; with 20 minutes its deadline is over."""
    return window.start + timedelta(minutes=minutes)


def test_a_new_country_has_nothing_to_catch_up(catch_up: CatchUp) -> None:
    """Windows are counted from the country's first landed one: before it nothing is missing, however long ago the grid begins."""
    assert catch_up.tick(after(FIRST)).skip_message == "no window is unfinished"


def test_landed_windows_are_run_again_oldest_first(catch_up: CatchUp) -> None:
    """Few at once, below the window in progress in priority, one run a window."""
    windows = [FIRST.next(number) for number in range(AT_ONCE + 2)]
    for window in reversed(windows):
        catch_up.world.land(window)
    requests = catch_up.tick(after(windows[-1])).run_requests
    assert requests is not None
    assert [request.partition_key for request in requests] == [partition_key(COUNTRY, window) for window in windows[:AT_ONCE]]
    assert all(int(request.tags["dagster/priority"]) < LIVE_PRIORITY for request in requests)
    assert all(request.tags["country"] == COUNTRY and request.tags["window"] for request in requests)


def test_what_is_complete_is_left_alone_and_not_looked_at_again(catch_up: CatchUp) -> None:
    """The cursor moves over finished windows, and stays before the oldest unfinished one."""
    for number in range(4):
        catch_up.world.land(FIRST.next(number))
        if number != 2:
            catch_up.world.complete(FIRST.next(number))
    now = after(FIRST.next(3))
    assert catch_up.windows(now) == [partition_key(COUNTRY, FIRST.next(2))]
    assert catch_up.cursor == FIRST.next(1).key
    catch_up.world.complete(FIRST.next(2))
    assert catch_up.windows(now) == []
    assert catch_up.cursor == FIRST.next(3).key


@pytest.mark.parametrize("status", [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
def test_never_beside_a_run_of_the_same_window(catch_up: CatchUp, status: DagsterRunStatus) -> None:
    """A window whose own run is on its way or running is not asked for; the others are."""
    catch_up.world.land(FIRST)
    catch_up.world.land(FIRST.next())
    catch_up.run(FIRST, status, is_asked_for=False)
    assert catch_up.windows(after(FIRST.next())) == [partition_key(COUNTRY, FIRST.next())]


def test_no_more_is_asked_for_while_catch_up_runs_go_on(catch_up: CatchUp) -> None:
    """The queue of a country does not grow with every tick."""
    catch_up.world.land(FIRST)
    catch_up.world.land(FIRST.next())
    catch_up.run(FIRST, DagsterRunStatus.STARTING)
    assert catch_up.tick(after(FIRST.next())).skip_message == "the runs asked for before are still going on"


def test_a_country_that_keeps_failing_is_left_alone_for_longer_and_longer(catch_up: CatchUp) -> None:
    """A minute after the first failure, doubled with each, half an hour at most; then one run at a time."""
    assert [rest(number) for number in (0, 1, 2, 3)] == [timedelta(), SHORTEST_REST, 2 * SHORTEST_REST, 4 * SHORTEST_REST]
    assert rest(50) == LONGEST_REST
    # Dagster's storage stamps runs by its own clock
    failed_at = datetime.now(UTC)
    first = Window.containing(failed_at).next(-4)
    for number in range(3):
        catch_up.world.land(first.next(number))
    catch_up.run(first, DagsterRunStatus.FAILURE)
    assert "resting until" in (catch_up.tick(failed_at + SHORTEST_REST / 2).skip_message or "")
    # a window that failed less goes first: one that always fails holds up no other
    assert catch_up.windows(failed_at + SHORTEST_REST * 1.5) == [partition_key(COUNTRY, first.next())]
    catch_up.run(first.next(), DagsterRunStatus.SUCCESS)
    catch_up.world.complete(first.next())
    assert len(catch_up.windows(failed_at + SHORTEST_REST * 1.5)) == 2


def test_windows_that_nobody_observed_are_recorded_by_one_run(catch_up: CatchUp) -> None:
    """One run for a range, once their deadline has passed; the window in progress is not given up before."""
    catch_up.world.complete(FIRST)
    gaps = [FIRST.next(number) for number in (1, 2, 3)]
    in_progress = FIRST.next(4)
    requests = catch_up.tick(after(in_progress, 10)).run_requests
    assert requests is not None
    (request,) = requests
    assert request.job_name == GAPS_JOB
    assert request.partition_key is None
    assert request.run_config == {
        "ops": {"record_gaps": {"config": {"country": COUNTRY, "windows": [window.key for window in gaps]}}}
    }
    long_after = catch_up.tick(FIRST.start + timedelta(days=3)).run_requests
    assert long_after is not None
    assert len(long_after[0].run_config["ops"]["record_gaps"]["config"]["windows"]) == GAPS_AT_ONCE


def test_every_country_has_a_running_sensor(catch_up: CatchUp) -> None:
    """Catch-up needs no click."""
    sensors = [sensor for sensor in catch_up.definitions.sensors or [] if sensor.name.startswith("catch_up_")]
    assert [sensor.name for sensor in sensors] == ["catch_up_br", "catch_up_cl"]
    assert all(sensor.default_status == dg.DefaultSensorStatus.RUNNING for sensor in sensors)
