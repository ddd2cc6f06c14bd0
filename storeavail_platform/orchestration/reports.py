"""The schedules of briefs and of the configuration's reports, and the jobs that they run. What they
tell lies in `reading/`, their pages in `dashboard/briefs.py`; messages are sent by the alerts'
sensors.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import Field

from storeavail_platform.alerting import outbox
from storeavail_platform.config import Platform, ScheduledReport
from storeavail_platform.dashboard.briefs import make_report
from storeavail_platform.domain.clock import Clock
from storeavail_platform.orchestration.assets.brief import BRIEF
from storeavail_platform.orchestration.failures import as_failures
from storeavail_platform.orchestration.jobs import CATCH_UP_PRIORITY, MAX_RUNTIME, country_tags
from storeavail_platform.orchestration.partitions import COUNTRY, LOCAL_DATE
from storeavail_platform.pipeline.runtime import Runtime

BRIEF_JOB = "brief"
REPORT_JOB = "report"
REPORT_OP = "make_report"
TOO_LATE = timedelta(days=1)
"""A tick that is older is skipped: the next brief is there, or nearly."""
Evaluate = Callable[[dg.ScheduleEvaluationContext], dg.RunRequest | dg.SkipReason]


class ReportConfig(dg.Config):
    """Which report is made, of which date."""

    name: str = Field(description="Its name in the configuration (`reports.scheduled`).")
    local_date: str = Field(description="The local date that it tells of, like 2026-11-22.")
    due_at: str = Field(description="When its message is due, like 2026-11-23T11:00:00+00:00.")


@dg.op(
    name=REPORT_OP,
    description="Make a report of the configuration: its page, and its message.",
    required_resource_keys={"runtime"},
    out=dg.Out(dg.Nothing),
)
def make_scheduled(context: dg.OpExecutionContext, config: ReportConfig) -> None:
    """The op of a report's run."""
    runtime: Runtime = context.resources.runtime
    with as_failures():
        report = runtime.platform.report(config.name)
        day, due_at = date.fromisoformat(config.local_date), datetime.fromisoformat(config.due_at)
        made = make_report(runtime, report, day, runtime.clock(), due_at.astimezone(UTC))
        outbox.put(runtime.storage, report.country, made.due)
        context.log.info(f"{made.text.title}: {made.path}")


@dg.job(
    name=REPORT_JOB,
    description="A report of the configuration, on its schedule.",
    executor_def=dg.in_process_executor,
    tags=MAX_RUNTIME,
)
def report_job() -> None:
    """One op: a report is of no partition that assets have."""
    make_scheduled()


def brief_job() -> Any:
    """A country's brief of a local date."""
    return dg.define_asset_job(
        BRIEF_JOB,
        selection=dg.AssetSelection.assets(BRIEF),
        description="A country's brief of a local date: its page, and its message.",
        executor_def=dg.in_process_executor,
        tags=MAX_RUNTIME,
    )


def schedule_name(report: ScheduledReport) -> str:
    return f"report_{report.name.replace('-', '_')}"


def report_schedules(platform: Platform, job: Any, clock: Clock) -> list[dg.ScheduleDefinition]:
    """A running schedule for the brief of every country that is served here, unless there are to be
    none, and one for each of its reports.
    """
    at = platform.reports.brief_at
    zones = {code: platform.country(code).timezone for code in platform.served}
    briefs = [
        dg.ScheduleDefinition(
            name=f"brief_{code.lower()}",
            cron_schedule=f"{at.minute} {at.hour} * * *",
            job=job,
            execution_fn=_brief_tick(code, zone, clock),
            description=f"The morning brief of {code}.",
            **_running(code, zone),
        )
        for code, zone in zones.items()
        if at is not None
    ]
    reports = [
        dg.ScheduleDefinition(
            name=schedule_name(report),
            cron_schedule=report.cron,
            job=report_job,
            execution_fn=_report_tick(report, zones[report.country], clock),
            description=f"The report {report.name} of {report.country}.",
            **_running(report.country, zones[report.country]),
        )
        for report in platform.reports.scheduled
        if report.country in zones
    ]
    return [*briefs, *reports]


def _running(country: str, timezone: str) -> dict[str, Any]:
    return {
        "execution_timezone": timezone,
        "tags": {COUNTRY: country},
        "default_status": dg.DefaultScheduleStatus.RUNNING,
    }


def _brief_tick(country: str, timezone: str, clock: Clock) -> Evaluate:
    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tick = context.scheduled_execution_time
        if (reason := _too_late(tick, clock())) is not None:
            return reason
        day = _day_before(tick, timezone)
        key = dg.MultiPartitionKey({COUNTRY: country, LOCAL_DATE: day.isoformat()})
        return dg.RunRequest(
            partition_key=key,
            run_key=f"brief|{key}",
            tags=country_tags(country, CATCH_UP_PRIORITY),
            run_config={"ops": {BRIEF: {"config": {"due_at": _utc(tick)}}}},
        )

    return evaluate


def _report_tick(report: ScheduledReport, timezone: str, clock: Clock) -> Evaluate:
    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tick = context.scheduled_execution_time
        if (reason := _too_late(tick, clock())) is not None:
            return reason
        day = _day_before(tick, timezone)
        config = {"name": report.name, "local_date": day.isoformat(), "due_at": _utc(tick)}
        return dg.RunRequest(
            run_key=f"report|{report.name}|{_utc(tick)}",
            tags=country_tags(report.country, CATCH_UP_PRIORITY),
            run_config={"ops": {REPORT_OP: {"config": config}}},
        )

    return evaluate


def _too_late(tick: datetime, now: datetime) -> dg.SkipReason | None:
    if now - tick < TOO_LATE:
        return None
    return dg.SkipReason(
        f"it was due at {tick.astimezone(UTC):%Y-%m-%d %H:%M} UTC, more than a day ago"
    )


def _day_before(tick: datetime, timezone: str) -> date:
    """The last local date that is over at a tick."""
    return tick.astimezone(ZoneInfo(timezone)).date() - timedelta(days=1)


def _utc(tick: datetime) -> str:
    return tick.astimezone(UTC).isoformat()
