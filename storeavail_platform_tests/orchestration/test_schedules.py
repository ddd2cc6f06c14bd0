"""Schedules: exact run requests at frozen times, late ticks skipped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from storeavail_platform.config import load_text
from storeavail_platform.orchestration.build import build_definitions
from storeavail_platform.orchestration.jobs import WINDOW_JOB
from storeavail_testing.clock import SetClock

CONFIG = """
warehouse: ./warehouse
partitions_start: 2026-11-20
reports:
  brief_at: "07:30"
  scheduled: [{name: grill-weekly, cron: "30 9 * * 1", country: CL, brand: Grill 42}]
countries:
  BR: {timezone: America/Sao_Paulo, postgres: {dsn: "env:BR_DSN"}, online_index: {path: ./br.ndjson}}
  CL: {timezone: America/Santiago, postgres: {dsn: "env:CL_DSN"}, online_index: {path: ./cl.ndjson}}
"""


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def definitions(tmp_path: Path, clock: SetClock) -> dg.Definitions:
    return build_definitions(load_text(CONFIG, base=tmp_path, origin="test.yaml"), clock=clock)


def evaluate(definitions: dg.Definitions, name: str, tick: datetime) -> dg.ScheduleExecutionData:
    repository = definitions.get_repository_def()
    context = dg.build_schedule_context(scheduled_execution_time=tick, repository_def=repository)
    return repository.get_schedule_def(name).evaluate_tick(context)


def requested(definitions: dg.Definitions, name: str, tick: datetime) -> list[dg.RunRequest]:
    return list(evaluate(definitions, name, tick).run_requests or [])


def test_each_country_has_a_running_schedule_at_minutes_7_22_37_52(
    definitions: dg.Definitions,
) -> None:
    """A new country works without a click, in UTC."""
    schedules = [
        one for one in definitions.get_repository_def().schedule_defs if one.job_name == WINDOW_JOB
    ]
    assert {schedule.name for schedule in schedules} == {"window_br", "window_cl"}
    for schedule in schedules:
        assert schedule.cron_schedule == "7,22,37,52 * * * *"
        assert schedule.execution_timezone == "UTC"
        assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


def test_a_tick_requests_its_window_by_key(definitions: dg.Definitions, clock: SetClock) -> None:
    """The request carries partition key, run key, and the tags country, window and priority;
    the run tries until the deadline.
    """
    tick = datetime(2026, 11, 23, 10, 22, tzinfo=UTC)
    clock.stop(tick + timedelta(seconds=3))
    requests = evaluate(definitions, "window_br", tick).run_requests
    assert requests is not None
    (request,) = requests
    assert request.partition_key == "BR|2026-11-23T1015"
    assert request.run_key == "BR|2026-11-23T1015"
    assert {
        "dagster/partition/country": "BR",
        "dagster/partition/window": "2026-11-23T1015",
        "dagster/priority": "10",
    }.items() <= request.tags.items()
    assert request.run_config == {"ops": {"observation": {"config": {"until_deadline": True}}}}


@pytest.mark.parametrize(
    ("now", "is_skipped"),
    [("2026-11-23T10:32:00+00:00", False), ("2026-11-23T10:32:01+00:00", True)],
)
def test_a_tick_after_the_deadline_is_skipped_with_a_reason(
    definitions: dg.Definitions, clock: SetClock, now: str, is_skipped: bool
) -> None:
    """The deadline is the window's end plus the grace of two minutes; later nothing could be
    observed.
    """
    clock.stop(datetime.fromisoformat(now))
    data = evaluate(definitions, "window_br", datetime(2026, 11, 23, 10, 22, tzinfo=UTC))
    assert bool(data.run_requests) != is_skipped
    if is_skipped:
        assert (
            data.skip_message
            == "window 2026-11-23T1015 of BR could be observed until 2026-11-23 10:32:00 UTC; this"
            " tick came at 10:32:01 UTC"
        )


def test_briefs_and_reports_have_schedules_in_their_countrys_zone(
    definitions: dg.Definitions,
) -> None:
    """One a country, and one for each report of the configuration; all of them run."""
    schedules = {each.name: each for each in definitions.get_repository_def().schedule_defs}
    shown = {
        name: (schedules[name].cron_schedule, schedules[name].execution_timezone)
        for name in ("brief_br", "brief_cl", "report_grill_weekly")
    }
    assert shown == {
        "brief_br": ("30 7 * * *", "America/Sao_Paulo"),
        "brief_cl": ("30 7 * * *", "America/Santiago"),
        "report_grill_weekly": ("30 9 * * 1", "America/Santiago"),
    }
    for name in shown:
        assert schedules[name].default_status == dg.DefaultScheduleStatus.RUNNING


def test_a_brief_is_asked_for_by_the_date_that_is_over(
    definitions: dg.Definitions, clock: SetClock
) -> None:
    """The country's yesterday, once, with the moment at which it is due, also where the tick comes
    late; a report by its name. A tick of the day before is skipped.
    """
    tick = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
    clock.stop(tick + timedelta(hours=3))
    (brief,) = requested(definitions, "brief_br", tick)
    assert (brief.partition_key, brief.run_key) == ("BR|2026-11-22", "brief|BR|2026-11-22")
    assert brief.tags["dagster/partition/country"] == "BR"
    due = {"due_at": "2026-11-23T10:30:00+00:00"}
    assert brief.run_config == {"ops": {"morning_brief": {"config": due}}}
    (report,) = requested(definitions, "report_grill_weekly", tick)
    config = {"name": "grill-weekly", "local_date": "2026-11-22", **due}
    assert report.run_config == {"ops": {"make_report": {"config": config}}}
    clock.stop(tick + timedelta(days=1))
    skipped = evaluate(definitions, "brief_br", tick)
    assert skipped.skip_message == "it was due at 2026-11-23 10:30 UTC, more than a day ago"


def test_a_platform_without_briefs_has_no_schedule_of_them(tmp_path: Path) -> None:
    """`reports.brief_at: null`."""
    config = CONFIG.replace('"07:30"', "null")
    built = build_definitions(load_text(config, base=tmp_path, origin="test.yaml"))
    names = {each.name for each in built.get_repository_def().schedule_defs}
    assert not names & {"brief_br", "brief_cl"}
    assert "report_grill_weekly" in names
