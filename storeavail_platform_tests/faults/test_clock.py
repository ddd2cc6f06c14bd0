"""A night with a wrong clock, as Dagster's runs and the catch-up sensor go through it. The witness
is a real PostgreSQL; what one window does by a wrong clock is in `pipeline/test_witnesses.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from storeavail_platform.domain.alert_kinds import Cause
from storeavail_platform.domain.windows import Window, partition_key
from storeavail_platform.orchestration.assets.observation import KEY as OBSERVATION
from storeavail_platform.orchestration.runs import WINDOW_TAG
from storeavail_platform.orchestration.sensors import failed_since
from storeavail_platform_tests.end_to_end.world import World, world
from storeavail_platform_tests.faults.made_up import Driven, failure

__all__ = ["world"]

HOUR, RIGHT = timedelta(hours=1), timedelta()
STORE_ROWS = """
INSERT INTO stores SELECT i, 'Store ' || i, NULL, 'City', 'Brand', NULL, true FROM generate_series(1, 4) i;
INSERT INTO store_weekly_hours SELECT i, d, '00:00', '24:00' FROM generate_series(1, 4) i, generate_series(1, 7) d;
"""
DOCUMENTS = [{"store_id": str(i), "online": i != 2} for i in range(1, 5)]


@pytest.fixture
def driven(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driven]:
    """A country with a live index: a file, whose reading has no witness of its own. It is the
    middle of a window of yesterday, for PostgreSQL too.
    """
    (world.folder / "live.ndjson").write_text("\n".join(map(json.dumps, DOCUMENTS)))
    world.add_country("BR", "America/Sao_Paulo", "{path: ./live.ndjson}", rows=STORE_ROWS)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    with dg.instance_for_test() as instance:
        made = Driven(world, instance)
        made.clock.set(Window.containing(datetime.now(UTC)).next(-96).middle())
        yield made


def is_observed(driven: Driven, window: Window) -> bool | None:
    marker = driven.runtime.markers.read("BR", window)
    return None if marker is None else marker.observed_at is not None


def caught_up(driven: Driven) -> list[str]:
    """Keys of the windows that a tick of the sensor has run by themselves."""
    return [run.dagster_run.tags.get(WINDOW_TAG, "") for run in driven.catch_up()]


def test_a_night_with_a_fast_clock(driven: Driven) -> None:
    """The scheduled run of a window of the future fails in words, with a cause of its own; so does
    the gap run of windows that have not begun, and no gap is left. When the clock is right again
    these windows are observed in their time; the one whose run failed is asked for again.
    """
    first = Window.containing(driven.clock())
    assert driven.window(first).success
    driven.clock.wrong = HOUR
    future = Window.containing(driven.clock())
    run = driven.window(future, until_deadline=True)
    assert "1 h 00 min 00 s ahead of PostgreSQL's" in failure(run)
    assert all("no gap was recorded" in failure(run) for run in driven.catch_up())
    since = datetime(2026, 1, 1, tzinfo=UTC)
    failed, _ = failed_since(driven.runtime, driven.instance, "BR", since)
    assert {(run.cause, run.window) for run in failed} >= {(Cause.CLOCK_WRONG, future.key)}
    driven.clock.wrong = RIGHT
    assert driven.runtime.markers.complete("BR") == [first.key]
    assert driven.runtime.landing.windows("BR") == [first.key]
    driven.clock.set(first.next().middle())
    assert driven.window(first.next()).success
    driven.clock.set(future.start + timedelta(minutes=2))
    assert future.key not in caught_up(driven)
    driven.clock.set(future.middle() + timedelta(minutes=1))
    assert future.key in caught_up(driven)
    assert is_observed(driven, future)
    assert partition_key("BR", future) in driven.instance.get_materialized_partitions(OBSERVATION)


def test_a_gap_that_can_still_be_read_is_asked_for(driven: Driven) -> None:
    """A gap that a fast clock recorded, unwitnessed, of the window in progress: the sensor asks
    for it from its middle on, once, and it is observed.
    """
    window = Window.containing(driven.clock())
    driven.clock.set(window.start + HOUR)
    assert "recorded as a gap" in failure(driven.window(window, record_gap=True))
    driven.clock.set(window.start + timedelta(minutes=3))
    assert driven.catch_up() == []
    driven.clock.set(window.middle())
    (run,) = driven.catch_up()
    assert run.success
    assert is_observed(driven, window)
    assert driven.catch_up() == []
