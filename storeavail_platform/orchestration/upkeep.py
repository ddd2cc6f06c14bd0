"""The upkeep job of a country and its schedule. What upkeep does lies in `upkeep/`, and for
Dagster's own storage in `history.py`.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import dagster as dg
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError

from storeavail_platform.config import Platform
from storeavail_platform.orchestration.history import remove_history
from storeavail_platform.orchestration.jobs import CATCH_UP_PRIORITY, MAX_RUNTIME, country_tags
from storeavail_platform.orchestration.partitions import COUNTRY
from storeavail_platform.orchestration.reports import schedule_name
from storeavail_platform.orchestration.sensors import RUN_FAILURES
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.upkeep import BACKUP, maintain

UPKEEP_JOB = "upkeep"
OP = "maintain"
INSTIGATORS = ("window", "alerts", "catch_up", UPKEEP_JOB, "brief")
"""What the names of a country's schedules and sensors begin with."""
CRON = "12 3-5 * * *"
"""On the country's clock, when few stores are open; between a window's run and the next.

The second and third go on with what the first left.
"""
LONGEST_TURN = timedelta(minutes=4)
"""How long a run keeps the country's place in the queue, so that the next window is observed in
time.
"""


class UpkeepConfig(dg.Config):
    """Whose tables are kept."""

    country: str = Field(description="Its code.")


def upkeep_config(country: str) -> Mapping[str, Any]:
    return {"ops": {OP: {"config": {"country": country}}}}


@dg.op(
    name=OP,
    description=(
        "Compact, expire and clean a country's tables, remove old readings, bring the union views"
        " up to date."
    ),
    required_resource_keys={"runtime"},
    out=dg.Out(dg.Nothing),
)
def maintain_country(context: dg.OpExecutionContext, config: UpkeepConfig) -> None:
    """The op of an upkeep run.

    What is done when its turn is over, or when it is killed, stays; the next goes on.
    """
    runtime: Runtime = context.resources.runtime
    country, until = config.country, runtime.clock() + LONGEST_TURN
    failed, is_backed_up = [], False
    for done in maintain(runtime, country, runtime.clock()):
        if done.is_error:
            failed.append(str(done))
            context.log.error(str(done))
        else:
            context.log.info(str(done))
        is_backed_up |= done.what == BACKUP
        if runtime.clock() > until:
            context.log.info("the turn of this run is over; the next upkeep goes on")
            break
    if not is_backed_up:
        try:
            context.log.info(tidied(runtime, context.instance, country))
        except (OSError, SQLAlchemyError) as error:
            failed.append(f"Dagster's storage: {error}")
            context.log.error(failed[-1])
    if failed:
        raise dg.Failure(
            f"upkeep of {country}: {'; '.join(failed)}. Nothing is lost; the next upkeep tries it"
            " again"
        )


def tidied(runtime: Runtime, instance: dg.DagsterInstance, country: str) -> str:
    """Remove what a country's runs and ticks of before `retention.history` have left in Dagster's
    storage, those of no country with the first; gives it in words.
    """
    before = runtime.clock() - runtime.country(country).retention.history
    names = [f"{kind}_{country.lower()}" for kind in INSTIGATORS]
    reports = runtime.platform.reports.scheduled
    names += [schedule_name(report) for report in reports if report.country == country]
    is_first = country == next(iter(runtime.platform.countries))
    removed = remove_history(
        instance,
        before,
        [country, *([None] if is_first else [])],
        [*names, *([RUN_FAILURES] if is_first else [])],
    )
    return (
        f"Dagster's storage: events and logs of {removed.runs} runs removed, {removed.tick_files}"
        f" files and the rows of ticks, of before {before:%Y-%m-%d %H:%M} UTC"
    )


@dg.job(
    name=UPKEEP_JOB,
    description="One country's upkeep: compaction, expiry, orphans, retention, views, history.",
    executor_def=dg.in_process_executor,
    tags=MAX_RUNTIME,
)
def upkeep_job() -> None:
    """One op: upkeep changes no rows, so that it materialises nothing."""
    maintain_country()


def upkeep_schedules(platform: Platform) -> list[dg.ScheduleDefinition]:
    """A running schedule for every country that is served here."""
    return [_country_schedule(code, platform.country(code).timezone) for code in platform.served]


def _country_schedule(country: str, timezone: str) -> dg.ScheduleDefinition:
    def evaluate(_: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        # a schedule's own tags may not be Dagster's, those of its runs may
        tags = country_tags(country, CATCH_UP_PRIORITY)
        return dg.RunRequest(run_config=upkeep_config(country), tags=tags)

    return dg.ScheduleDefinition(
        name=f"upkeep_{country.lower()}",
        cron_schedule=CRON,
        execution_timezone=timezone,
        job=upkeep_job,
        execution_fn=evaluate,
        tags={COUNTRY: country},
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Keeps the tables of {country} fast and small, at night.",
    )
