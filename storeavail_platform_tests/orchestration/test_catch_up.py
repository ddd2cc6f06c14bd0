"""The catch-up sensor on a real Dagster instance: which runs it asks for, in what order, and
when it rests.
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRun, DagsterRunStatus
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from storeavail_platform.config import load_text
from storeavail_platform.domain.windows import Window, partition_key
from storeavail_platform.orchestration.build import build_definitions
from storeavail_platform.orchestration.catch_up import (
    AT_ONCE,
    CATCH_UP,
    GAPS_AT_ONCE,
    LONGEST_PAUSE,
    SHORTEST_PAUSE,
    pause,
)
from storeavail_platform.orchestration.jobs import GAPS_JOB, LIVE_PRIORITY, WINDOW_JOB, window_tags
from storeavail_platform.orchestration.processes import RunProcess, start_of
from storeavail_platform.orchestration.runs import GONE, RunFailure
from storeavail_platform_tests.alerting.alert_world import COUNTRY, FIRST, AlertWorld
from storeavail_testing.clock import SetClock
from storeavail_testing.storage import WatchedStorage, at


@dataclass
class CatchUp:
    """A country's sensor, and its cursor between ticks."""

    world: AlertWorld
    definitions: dg.Definitions
    instance: dg.DagsterInstance
    clock: SetClock
    cursor: str | None = None

    def tick(self, now: datetime) -> dg.SensorExecutionData:
        """Evaluate the sensor once at a moment (UTC)."""
        sensor = self.definitions.resolve_sensor_def("catch_up_br")
        self.clock.stop(now)
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, definitions=self.definitions
        )
        data = sensor.evaluate_tick(context)
        self.cursor = data.cursor
        return data

    def windows(self, now: datetime) -> list[str]:
        """The partition keys of the windows that the tick asks for."""
        return [
            request.partition_key or ""
            for request in self.tick(now).run_requests or []
            if request.job_name == WINDOW_JOB
        ]

    def run(
        self,
        window: Window,
        status: DagsterRunStatus,
        *,
        is_asked_for: bool = True,
        process: RunProcess | None = None,
    ) -> DagsterRun:
        """Leave a run of a window behind."""
        tags = {**window_tags(COUNTRY, window), **({CATCH_UP: "0"} if is_asked_for else {})}
        tags |= {} if process is None else process.tags
        return self.instance.add_run(
            DagsterRun(job_name=WINDOW_JOB, run_id=str(uuid.uuid4()), status=status, tags=tags)
        )


@pytest.fixture
def catch_up(tmp_path: Path) -> Iterator[CatchUp]:
    world = AlertWorld(tmp_path)
    with dg.instance_for_test() as instance:
        clock = SetClock()
        yield CatchUp(
            world, build_definitions(world.runtime.platform, clock=clock), instance, clock
        )


def after(window: Window, minutes: float = 20) -> datetime:
    """A moment after a window's start; with 20 minutes its deadline is over."""
    return window.start + timedelta(minutes=minutes)


def test_a_new_country_has_nothing_to_catch_up(catch_up: CatchUp) -> None:
    """Windows are counted from the country's first landed one: before it nothing is missing,
    however long ago the grid begins.
    """
    assert catch_up.tick(after(FIRST)).skip_message == "no window is unfinished"


def test_landed_windows_are_run_again_oldest_first(catch_up: CatchUp) -> None:
    """Few at once, below the window in progress in priority, one run a window."""
    windows = [FIRST.next(number) for number in range(AT_ONCE + 2)]
    for window in reversed(windows):
        catch_up.world.land(window)
    requests = catch_up.tick(after(windows[-1])).run_requests
    assert requests is not None
    assert [request.partition_key for request in requests] == [
        partition_key(COUNTRY, window) for window in windows[:AT_ONCE]
    ]
    assert all(int(request.tags["dagster/priority"]) < LIVE_PRIORITY for request in requests)
    assert all(
        request.tags["dagster/partition/country"] == COUNTRY
        and request.tags["dagster/partition/window"]
        for request in requests
    )


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


def test_the_window_in_progress_is_left_to_its_own_runs(catch_up: CatchUp) -> None:
    """Landed and not complete before its deadline, it is asked for by its schedule or a person;
    after that by catch-up.
    """
    catch_up.world.land(FIRST)
    assert catch_up.windows(after(FIRST, 16)) == []
    assert catch_up.windows(after(FIRST, 19)) == [partition_key(COUNTRY, FIRST)]


def killed_process() -> RunProcess:
    """A process that was killed."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    named = replace(RunProcess.own(), pid=process.pid, started=start_of(process.pid) or "")
    process.kill()
    process.wait()
    return named


def test_a_window_whose_run_was_killed_is_asked_for_until_its_deadline(catch_up: CatchUp) -> None:
    """Before anything of it is landed: the dead run gives its country back and the next is asked
    for, in front of all others, which goes on trying until the deadline; after that it is a gap.
    """
    # Dagster's storage stamps runs by its own clock
    window = Window.containing(datetime.now(UTC))
    catch_up.world.complete(window.next(-1))
    dead = catch_up.run(
        window, DagsterRunStatus.STARTED, is_asked_for=False, process=killed_process()
    )
    requests = catch_up.tick(after(window, 16)).run_requests
    assert requests is not None
    (request,) = requests
    ended = catch_up.instance.get_run_by_id(dead.run_id)
    assert ended is not None
    assert ended.status is DagsterRunStatus.FAILURE
    assert request.partition_key == partition_key(COUNTRY, window)
    assert request.run_config["ops"]["observation"]["config"] == {"until_deadline": True}
    assert int(request.tags["dagster/priority"]) == LIVE_PRIORITY
    assert catch_up.windows(after(window, 16.9)) == [partition_key(COUNTRY, window)]
    assert catch_up.windows(after(window, 17.1)) == []


def test_a_window_is_not_asked_for_beside_a_run_or_after_its_own_failure(
    catch_up: CatchUp,
) -> None:
    """One that is alive goes on; one that failed in its own words has tried what could be tried;
    a complete window needs none.
    """
    window = Window.containing(datetime.now(UTC))
    catch_up.world.complete(window.next(-1))
    catch_up.run(window, DagsterRunStatus.FAILURE, is_asked_for=False)
    alive = catch_up.run(window, DagsterRunStatus.STARTED, process=RunProcess.own())
    assert catch_up.windows(after(window, 16)) == []
    catch_up.instance.report_run_canceled(alive)
    assert catch_up.windows(after(window, 16)) == []
    catch_up.run(window, DagsterRunStatus.FAILURE, is_asked_for=False)
    assert catch_up.windows(after(window, 16)) == [partition_key(COUNTRY, window)]
    catch_up.world.complete(window)
    assert catch_up.windows(after(window, 16)) == []


def test_what_kills_every_run_is_not_fed_without_end(catch_up: CatchUp) -> None:
    """After the second lost run of a window a minute passes before the next, and so on."""
    failed_at = datetime.now(UTC)
    window = Window.containing(failed_at)
    catch_up.world.complete(window.next(-1))
    for _ in range(2):
        catch_up.run(window, DagsterRunStatus.FAILURE, is_asked_for=False)
    assert catch_up.windows(failed_at + timedelta(seconds=50)) == []
    assert catch_up.windows(failed_at + timedelta(seconds=90)) == [partition_key(COUNTRY, window)]


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (RunFailure(None, GONE), True),
        (RunFailure("DiskFull", "No space left on device: the disk of /srv is full"), True),
        (RunFailure("OperationalError", "(sqlite3.OperationalError) disk I/O error"), True),
        (RunFailure("TablesFailed", "table stores: No space left on device"), True),
        (RunFailure("SourceUnavailable", "PostgreSQL: No space left on device"), False),
        (RunFailure("SourceRejected", "there is no table stores"), False),
    ],
)
def test_a_run_without_room_on_a_disk_is_as_good_as_lost(
    failure: RunFailure, expected: bool
) -> None:
    """Also where only Dagster's storage had none, so that the step could not go on: its window is
    asked for again until the deadline.
    """
    assert failure.says_nothing is expected


def test_a_run_that_waits_says_behind_which(catch_up: CatchUp) -> None:
    """In its own log, once; another country's run is nothing to it."""
    holder = catch_up.run(FIRST, DagsterRunStatus.STARTED, process=RunProcess.own())
    location = GrpcServerCodeLocationOrigin("127.0.0.1", port=1, location_name="storeavail")
    waits = catch_up.instance.add_run(
        DagsterRun(
            job_name=WINDOW_JOB,
            status=DagsterRunStatus.QUEUED,
            tags=window_tags(COUNTRY, FIRST.next()),
            remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(location, "r"), WINDOW_JOB),
        )
    )
    for _ in range(2):
        catch_up.tick(after(FIRST.next()))
    events = catch_up.instance.all_logs(waits.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    assert [event.message for event in events] == [
        f"Waits behind run {holder.run_id} (window {FIRST}): one run of a country at a time"
    ]


@pytest.mark.parametrize(
    "status",
    [
        DagsterRunStatus.NOT_STARTED,
        DagsterRunStatus.STARTING,
        DagsterRunStatus.STARTED,
        DagsterRunStatus.CANCELING,
    ],
)
def test_never_beside_a_run_of_the_same_window(catch_up: CatchUp, status: DagsterRunStatus) -> None:
    """A window whose own run is on its way or running is not asked for; the others are."""
    catch_up.world.land(FIRST)
    catch_up.world.land(FIRST.next())
    catch_up.run(FIRST, status, is_asked_for=False)
    assert catch_up.windows(after(FIRST.next())) == [partition_key(COUNTRY, FIRST.next())]


def test_a_window_that_its_run_completes_meanwhile_is_not_asked_for(catch_up: CatchUp) -> None:
    """The run ends between the sensor's two looks: what was seen as unfinished has a run, and
    is not run a second time.
    """
    platform = catch_up.world.runtime.platform
    storage, path = catch_up.world.runtime.storage, f"windows/{COUNTRY}/{FIRST}.json"
    catch_up.world.complete(FIRST)
    marker = storage.read(path)
    assert marker is not None
    storage.delete_tree(f"windows/{COUNTRY}")
    catch_up.world.land(FIRST)
    catch_up.run(FIRST, DagsterRunStatus.STARTED, is_asked_for=False)

    def complete() -> None:
        storage.replace(path, marker)
        for run in catch_up.instance.get_runs():
            catch_up.instance.report_run_canceled(run)

    # once it was seen that there is no marker
    watched = WatchedStorage(
        platform.warehouse, at("after", ("names",), f"windows/{COUNTRY}", complete)
    )
    catch_up.definitions = build_definitions(platform, clock=catch_up.clock, storage=watched)
    assert catch_up.windows(after(FIRST)) == []
    assert storage.read(path) == marker


def test_no_more_is_asked_for_while_catch_up_runs_go_on(catch_up: CatchUp) -> None:
    """The queue of a country does not grow with every tick."""
    catch_up.world.land(FIRST)
    catch_up.world.land(FIRST.next())
    catch_up.run(FIRST, DagsterRunStatus.STARTING)
    assert (
        catch_up.tick(after(FIRST.next())).skip_message
        == "the runs asked for before are still going on"
    )


def test_a_country_that_keeps_failing_is_left_alone_for_longer_and_longer(
    catch_up: CatchUp,
) -> None:
    """A minute after the first failure, doubled with each, half an hour at most; then one run
    at a time.
    """
    assert [pause(number) for number in (0, 1, 2, 3)] == [
        timedelta(),
        SHORTEST_PAUSE,
        2 * SHORTEST_PAUSE,
        4 * SHORTEST_PAUSE,
    ]
    assert pause(50) == LONGEST_PAUSE
    # Dagster's storage stamps runs by its own clock
    failed_at = datetime.now(UTC)
    first = Window.containing(failed_at).next(-4)
    for number in range(3):
        catch_up.world.land(first.next(number))
    catch_up.run(first, DagsterRunStatus.FAILURE)
    assert "resting until" in (catch_up.tick(failed_at + SHORTEST_PAUSE / 2).skip_message or "")
    # a window that failed less goes first: one that always fails holds up no other
    assert catch_up.windows(failed_at + SHORTEST_PAUSE * 1.5) == [
        partition_key(COUNTRY, first.next())
    ]
    catch_up.run(first.next(), DagsterRunStatus.SUCCESS)
    catch_up.world.complete(first.next())
    assert len(catch_up.windows(failed_at + SHORTEST_PAUSE * 1.5)) == 2


def test_windows_that_nobody_observed_are_recorded_by_one_run(catch_up: CatchUp) -> None:
    """One run for a range, once their deadline has passed; the window in progress is not given
    up before.
    """
    catch_up.world.complete(FIRST)
    gaps = [FIRST.next(number) for number in (1, 2, 3)]
    in_progress = FIRST.next(4)
    requests = catch_up.tick(after(in_progress, 10)).run_requests
    assert requests is not None
    (request,) = requests
    assert request.job_name == GAPS_JOB
    assert request.partition_key is None
    assert request.run_config == {
        "ops": {
            "record_gaps": {
                "config": {"country": COUNTRY, "windows": [window.key for window in gaps]}
            }
        }
    }
    long_after = catch_up.tick(FIRST.start + timedelta(days=3)).run_requests
    assert long_after is not None
    assert len(long_after[0].run_config["ops"]["record_gaps"]["config"]["windows"]) == GAPS_AT_ONCE


def test_where_only_the_cluster_reads_a_gap_is_a_run_of_its_window(tmp_path: Path) -> None:
    """The stores of a gap are read by the window's own step, which goes to the cluster, and not
    by the process of a gap run.
    """
    world = AlertWorld(tmp_path)
    world.complete(FIRST)
    text = "engine: spark" + world.config.read_text().replace(
        "./br.ndjson}", "./br.ndjson}, observe_from: cluster"
    )
    platform = load_text(text, base=tmp_path, origin=str(world.config))
    with dg.instance_for_test() as instance:
        clock = SetClock()
        made = CatchUp(world, build_definitions(platform, clock=clock), instance, clock)
        requests = made.tick(after(FIRST.next(6))).run_requests
    assert requests is not None
    assert [request.partition_key for request in requests] == [
        partition_key(COUNTRY, FIRST.next(n)) for n in range(1, AT_ONCE + 1)
    ]
    assert all(
        request.run_config["ops"]["observation"]["config"]["record_gap"] for request in requests
    )


def test_every_country_has_a_running_sensor(catch_up: CatchUp) -> None:
    """Catch-up needs no click."""
    sensors = [
        sensor
        for sensor in catch_up.definitions.sensors or []
        if sensor.name.startswith("catch_up_")
    ]
    assert [sensor.name for sensor in sensors] == ["catch_up_br", "catch_up_cl"]
    assert all(sensor.default_status == dg.DefaultSensorStatus.RUNNING for sensor in sensors)
