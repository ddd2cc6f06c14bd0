"""Windows that nobody observed, and windows completed late: recorded, counted, told apart from
stores that were down.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from storeavail_platform.alerting.failed_runs import FailedRun
from storeavail_platform.domain.alert_kinds import Cause
from storeavail_platform.domain.errors import StorageUnavailable
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.windows import Window, partition_key
from storeavail_platform.orchestration.assets.gaps import LONGEST_TURN, gap_config
from storeavail_platform.orchestration.assets.observation import KEY as OBSERVATION
from storeavail_platform.orchestration.catch_up import find_runs
from storeavail_platform.orchestration.jobs import GAPS_JOB
from storeavail_platform.orchestration.sensors import failed_since, has_succeeded_since
from storeavail_platform.pipeline.observe import Observing, Sources, Target, observe
from storeavail_platform.reading.status import all_statuses, country_status
from storeavail_platform.warehouse.catalog import COMMIT_ID
from storeavail_platform_tests.end_to_end.world import World, world
from storeavail_platform_tests.faults.made_up import Driven, failure, past
from storeavail_testing.storage import WRITING, Step, WatchedStorage, at

__all__ = ["world"]

STORE_ROWS = """
INSERT INTO stores SELECT i, 'Store ' || i, NULL, 'City', 'Brand', NULL, true FROM generate_series(1, 4) i;
INSERT INTO store_weekly_hours SELECT i, d, '00:00', '24:00' FROM generate_series(1, 4) i, generate_series(1, 7) d;
"""
DOCUMENTS = [
    {"store_id": str(i), "online": i != 2, "updated_at": datetime.now(UTC).isoformat()}
    for i in range(1, 5)
]
FIRST, GAP, LATER_GAP, LAST = past(3), past(2), past(1), past(0)


@pytest.fixture
def driven(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driven]:
    """A country with four stores that are always open, observed in the first and the last of
    four windows.
    """
    index = world.record("BR", FIRST, DOCUMENTS)
    world.record("BR", LAST, DOCUMENTS)
    world.add_country("BR", "America/Sao_Paulo", index, rows=STORE_ROWS)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    with dg.instance_for_test() as instance:
        yield Driven(world, instance)


def figures(driven: Driven, window: Window) -> tuple[float | None, float | None]:
    marker = driven.runtime.markers.read(driven.country, window)
    assert marker is not None
    return marker.figures.availability, marker.figures.coverage


def test_gaps_are_recorded_by_one_run_and_cost_coverage_alone(driven: Driven) -> None:
    """Every store is unknown/not_observed: coverage falls to nothing, availability does not;
    the observed windows stay as they were.
    """
    assert driven.window(FIRST).success
    assert driven.window(LAST).success
    before = country_status(driven.runtime, "BR", datetime.now(UTC))
    assert before.gaps[:2] == [GAP.key, LATER_GAP.key]
    (run,) = driven.catch_up()
    assert f" windows ({GAP}, {LATER_GAP}" in failure(run)
    assert "of BR: never observed until the deadline" in failure(run)
    after = country_status(driven.runtime, "BR", datetime.now(UTC))
    assert not {GAP.key, LATER_GAP.key} & {*after.gaps, *after.waiting}
    assert figures(driven, GAP) == (None, 0.0)
    assert figures(driven, FIRST) == (0.75, 1.0)
    rows = driven.world.query(
        "SELECT window_start, status, reason, COUNT(*) AS stores FROM store_availability GROUP BY"
        " ALL ORDER BY ALL"
    )
    said = {
        (row["window_start"].astimezone(UTC), row["status"], row["reason"]): row["stores"]
        for row in rows
    }
    for window in (GAP, LATER_GAP):
        assert {key[1:]: stores for key, stores in said.items() if key[0] == window.start} == {
            ("unknown", "not_observed"): 4
        }
    (whole,) = driven.world.query(
        "SELECT SUM(available_minutes) / (SUM(expected_minutes) - SUM(unknown_minutes)) AS"
        " availability FROM availability_summary"
    )
    assert whole["availability"] == 0.75


def test_dagster_does_not_show_a_lost_window_as_made(driven: Driven) -> None:
    """The run that records gaps fails without a retry and names them, and their observation stays
    empty in the grid; the tables have their rows. The country is not left alone for that failure,
    nobody is told of it as of a failed run, and nothing is asked for again.
    """
    assert driven.window(FIRST).success
    assert driven.window(LAST).success
    (run,) = driven.catch_up()
    assert not run.success
    assert not [event for event in run.all_events if event.is_step_up_for_retry]
    lost, made = ({partition_key("BR", w) for w in ws} for ws in ((GAP, LATER_GAP), (FIRST, LAST)))
    done = driven.instance.get_materialized_partitions(OBSERVATION)
    assert made <= done
    assert not lost & done
    for table in TABLES:
        assert lost | made <= driven.instance.get_materialized_partitions(dg.AssetKey(table.name))
    assert find_runs(driven.instance, "BR").failures == 0
    before = datetime(2026, 1, 1, tzinfo=UTC)
    assert failed_since(driven.runtime, driven.instance, "BR", before)[0] == []
    failed = FailedRun("r", GAPS_JOB, "BR", None, before, Cause.SOURCE_UNREACHABLE, "down")
    assert has_succeeded_since(driven.instance, failed)
    assert driven.catch_up() == []
    (rows,) = driven.world.query(
        "SELECT COUNT(DISTINCT run_id) AS runs FROM store_availability WHERE window_start <="
        f" '{LAST.start}'"
    )
    assert rows["runs"] == 3


def test_a_gap_run_keeps_the_window_in_progress_waiting_for_a_turn_only(driven: Driven) -> None:
    """When its turn is over it ends, having completed what it began; the next run goes on from
    there.
    """
    assert driven.window(FIRST).success
    assert driven.window(LAST).success

    def linger(step: Step) -> None:
        # recording a gap takes longer than the turn
        if step.when == "after" and step.operation in WRITING and "windows/BR" in step.path:
            driven.clock.offset += LONGEST_TURN + timedelta(seconds=1)

    driven.storage = WatchedStorage(driven.runtime.platform.warehouse, linger)
    for recorded, left in ((GAP, True), (LATER_GAP, False)):
        (run,) = driven.catch_up()
        assert failure(run).startswith(f"window {recorded} of BR: never observed")
        assert figures(driven, recorded) == (None, 0.0)
        assert (
            LATER_GAP.key in country_status(driven.runtime, "BR", datetime.now(UTC)).gaps
        ) == left


def test_a_window_that_was_observed_after_all_is_no_gap(driven: Driven) -> None:
    """A reading that landed before the gap was recorded counts; a gap run computes the window
    from it.
    """
    assert driven.window(FIRST).success
    index, stores = driven.runtime.index_source("BR"), driven.runtime.stores_source("BR")
    driven.world.record("BR", GAP, DOCUMENTS)
    observe(
        driven.runtime.landing,
        Target("BR", "America/Sao_Paulo", GAP),
        Sources(index, stores),
        Observing(timedelta(minutes=2)),
    )
    job = driven.definitions.resolve_job_def(GAPS_JOB)
    assert job.execute_in_process(
        instance=driven.instance, run_config=gap_config("BR", [GAP])
    ).success
    assert figures(driven, GAP) == (0.75, 1.0)


def test_a_backfill_refuses_what_was_never_observed_unless_told_to_record_it(
    driven: Driven,
) -> None:
    """Landed windows are recomputed; for others the message names `record_gap`, and with it the
    gap is recorded.
    """
    live = driven.world.folder / "live.ndjson"
    live.write_text("")
    assert driven.window(FIRST).success
    driven.world.countries["BR"] = driven.world.countries["BR"].replace(
        "./index/BR", "./live.ndjson"
    )
    driven.world.add_country("CL", "America/Santiago", "{path: ./live.ndjson}")
    assert driven.window(FIRST).success
    refused = driven.window(GAP)
    assert not refused.success
    assert "record_gap" in failure(refused)
    for _ in range(2):
        recorded = driven.window(GAP, record_gap=True)
        assert failure(recorded).startswith(f"window {GAP} of BR: never observed")
        assert figures(driven, GAP) == (None, 0.0)
    done = driven.instance.get_materialized_partitions(OBSERVATION)
    assert partition_key("BR", GAP) not in done


def test_status_counts_the_lost_windows_of_the_last_days(driven: Driven) -> None:
    """Also when they are recorded; those that are not yet are beside them."""
    assert driven.window(FIRST).success
    assert driven.window(LAST).success
    driven.catch_up()
    (country,) = all_statuses(driven.runtime, datetime.now(UTC))
    assert country.recorded_gaps[:2] == [GAP.key, LATER_GAP.key]
    said = driven.world.command("status", COLUMNS="200").stdout
    assert "lost in the last 7 days, never observed and recorded as gaps: " in said
    # the newest first; windows that are over since this module was imported are gaps too
    *_, before, newest = country.recorded_gaps
    assert f"{newest}, {before}" in said
    (later,) = all_statuses(driven.runtime, datetime.now(UTC) + timedelta(days=8))
    assert later.recorded_gaps == []


def test_postgresql_down_after_the_index_was_landed(
    driven: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The observation is kept, and the window completes later from the stores as they are then;
    `stores_read_at` says how late.
    """
    dsn = driven.world.environment["BR_DSN"]
    monkeypatch.setenv("BR_DSN", "postgresql://nobody@127.0.0.1:1/nothing")
    assert not driven.window(LAST).success
    assert driven.runtime.landing.find("BR", LAST, "online_index") is not None
    # the window first, then the gaps before it
    failed, *_ = driven.catch_up()
    assert "Connection refused" in failure(failed)
    monkeypatch.setenv("BR_DSN", dsn)
    assert driven.window(LAST).success
    (quality,) = driven.world.query("SELECT observed_at, stores_read_at FROM window_quality")
    assert quality["stores_read_at"] > quality["observed_at"]
    assert figures(driven, LAST) == (0.75, 1.0)


def test_a_marker_that_cannot_be_written_for_a_moment(driven: Driven) -> None:
    """It is written when the storage answers again, by the same run and without committing the
    window a second time.
    """
    refused: list[str] = []

    def refuse_once() -> None:
        refused.append("marker")
        raise StorageUnavailable("s3://bucket does not answer")

    driven.storage = WatchedStorage(
        driven.runtime.platform.warehouse, at("before", WRITING, "windows/BR", refuse_once)
    )
    assert driven.window(FIRST).success
    assert refused
    assert figures(driven, FIRST) == (0.75, 1.0)
    table = driven.runtime.warehouse.load("BR", "store_availability")
    assert table is not None
    assert (
        len(
            {
                snapshot.summary[COMMIT_ID]
                for snapshot in table.snapshots()
                if snapshot.summary is not None
            }
        )
        == 1
    )
