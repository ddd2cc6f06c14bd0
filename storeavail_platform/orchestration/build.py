"""`build_definitions`: the explicit list of everything that Dagster knows of the platform.

`definitions.py` calls it once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import dagster as dg

from storeavail_platform.config import Platform, load_platform
from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.checking import check_queries, check_tables
from storeavail_platform.domain.tables.daily import DAILY_TABLES
from storeavail_platform.domain.tables.queries import QUERIES
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.engines.typecheck import check_query_types, check_types
from storeavail_platform.orchestration.assets.brief import brief_asset
from storeavail_platform.orchestration.assets.daily import daily_assets
from storeavail_platform.orchestration.assets.dashboard import dashboard_asset
from storeavail_platform.orchestration.assets.observation import observation_asset
from storeavail_platform.orchestration.assets.window import window_assets
from storeavail_platform.orchestration.catch_up import catch_up_sensors
from storeavail_platform.orchestration.io_manager import WarehouseIOManager
from storeavail_platform.orchestration.jobs import WINDOW_JOB, date_job, gaps_job, window_job
from storeavail_platform.orchestration.partitions import (
    STEP_LAUNCHER,
    date_partitions,
    window_partitions,
)
from storeavail_platform.orchestration.reports import brief_job, report_job, report_schedules
from storeavail_platform.orchestration.resources import PlatformRuntime, step_launcher
from storeavail_platform.orchestration.schedules import window_schedules
from storeavail_platform.orchestration.sensors import alert_sensors
from storeavail_platform.orchestration.upkeep import upkeep_job, upkeep_schedules
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.storage.local import Storage


def build_definitions(
    platform: Platform,
    *,
    resource_overrides: Mapping[str, Any] | None = None,
    tables: tuple[Table, ...] = TABLES,
    clock: Clock = utc_now,
    storage: Storage | None = None,
) -> dg.Definitions:
    """Everything: assets with their checks, the jobs, schedules, sensors, resources.

    Args:
        resource_overrides: resources by key that replace the platform's own.
        tables: the window tables; more or other ones for engineers who try an addition.
        clock: what time it is for schedules, sensors and runs.
        storage: the warehouse's files; by default where the configuration says.

    Raises:
        ConfigError: the configuration asks for what is not installed.
        TableDeclarationError: a table or its SQL file is wrong.
    """
    check_tables((*tables, *DAILY_TABLES))
    check_types((*tables, *DAILY_TABLES))
    check_queries(QUERIES)
    check_query_types(QUERIES)
    runtime = build_runtime(platform, tables=tables, clock=clock, storage=storage)
    resource = PlatformRuntime.of(runtime)
    partitions = window_partitions(platform)
    job, brief = window_job(tables), brief_job()
    is_launched = platform.execution == "emr"
    reads_on_cluster = any(
        country.observe_from == "cluster" for country in platform.countries.values()
    )
    return dg.Definitions(
        assets=[
            observation_asset(partitions, is_launched=is_launched and reads_on_cluster),
            window_assets(tables, partitions, is_launched=is_launched),
            daily_assets(date_partitions(platform), is_launched=is_launched),
            dashboard_asset(platform),
            brief_asset(date_partitions(platform)),
        ],
        jobs=[job, date_job(), gaps_job, upkeep_job, brief, report_job],
        schedules=[
            *window_schedules(platform, job, clock),
            *upkeep_schedules(platform),
            *report_schedules(platform, brief, clock),
        ],
        sensors=[*alert_sensors(runtime), *catch_up_sensors(runtime, [job, gaps_job])],
        resources={
            "runtime": resource,
            "warehouse": WarehouseIOManager(runtime=resource),
            **({STEP_LAUNCHER: step_launcher(platform, clock)} if is_launched else {}),
            **(resource_overrides or {}),
        },
    )


def load_window_job() -> dg.JobDefinition:
    """The window job of the configuration in the environment.

    What a process that runs it by name reconstructs.
    """
    return restored_window_job(load_platform().dump())


@cache
def restored_window_job(configuration: str) -> dg.JobDefinition:
    """The window job of a configuration handed over by `Platform.dump`.

    Dagster asks several times in a run; it is built once.
    """
    return build_definitions(Platform.restore(configuration)).resolve_job_def(WINDOW_JOB)


@cache
def launched_job(configuration: str, job: str) -> dg.JobDefinition:
    """A job of a configuration handed over to a cluster: the step is there already."""
    here = {
        STEP_LAUNCHER: dg.ResourceDefinition.none_resource("The step is where it was launched to.")
    }
    platform = Platform.restore(configuration)
    countries = {
        # a step has its cluster's rights, or those of its runtime role: the launcher's profile and
        # role are not there
        code: country.model_copy(update={"aws": country.aws.of_this_process()})
        for code, country in platform.countries.items()
    }
    platform = platform.model_copy(update={"countries": countries})
    return build_definitions(platform, resource_overrides=here).resolve_job_def(job)
