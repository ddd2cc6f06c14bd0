"""`build_definitions`: the explicit list of everything that Dagster knows of the platform. `definitions.py` calls it once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import dagster as dg

from storeavail_platform.config import Platform, load_platform
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.daily import DAILY_TABLES
from storeavail_platform.domain.tables.portable import check_separate, check_tables
from storeavail_platform.domain.tables.separate import SEPARATE_TABLES
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.engines.typecheck import check_types
from storeavail_platform.orchestration.assets.daily import daily_assets
from storeavail_platform.orchestration.assets.dashboard import dashboard_asset
from storeavail_platform.orchestration.assets.observation import observation_asset
from storeavail_platform.orchestration.assets.separate import (
    MakeAsset,
    after_window_sensors,
    job_name,
    separate_assets,
    separate_jobs,
)
from storeavail_platform.orchestration.assets.window import window_assets
from storeavail_platform.orchestration.catch_up import catch_up_sensors
from storeavail_platform.orchestration.io_manager import WarehouseIOManager
from storeavail_platform.orchestration.jobs import DATE_JOB, WINDOW_JOB, date_job, gaps_job, window_job
from storeavail_platform.orchestration.partitions import STEP_LAUNCHER, date_partitions, window_partitions
from storeavail_platform.orchestration.schedules import window_schedules
from storeavail_platform.orchestration.sensors import alert_sensors
from storeavail_platform.orchestration.upkeep import upkeep_job, upkeep_schedules
from storeavail_platform.pipeline.runtime import build_runtime

SEPARATE_ASSETS: Mapping[str, MakeAsset] = {}
"""The separate assets by the names of their tables."""


def build_definitions(
    platform: Platform,
    *,
    resource_overrides: Mapping[str, Any] | None = None,
    tables: tuple[Table, ...] = TABLES,
    separate_tables: tuple[Table, ...] = SEPARATE_TABLES,
    separate: Mapping[str, MakeAsset] = SEPARATE_ASSETS,
) -> dg.Definitions:
    """Everything: assets with their checks, the job, schedules, sensors, resources.

    Args:
        resource_overrides: resources by key that replace the platform's own.
        tables, separate_tables, separate: the window tables, and the separate assets; more or other ones for engineers who try an addition.

    Raises:
        ConfigError: the configuration asks for a part that is not there.
        TableDeclarationError: a table or its SQL file is wrong.
    """
    check_tables((*tables, *DAILY_TABLES))
    check_types((*tables, *DAILY_TABLES))
    check_separate(separate_tables, (*tables, *DAILY_TABLES))
    runtime = build_runtime(platform, tables=tables, separate_tables=separate_tables)
    partitions = window_partitions(platform)
    job = window_job(tables)
    jobs_after = separate_jobs(separate_tables)
    is_launched = platform.execution == "emr"
    reads_on_cluster = any(country.observe_from == "cluster" for country in platform.countries.values())
    return dg.Definitions(
        assets=[
            observation_asset(partitions, is_launched=is_launched and reads_on_cluster),
            window_assets(tables, partitions, is_launched=is_launched),
            daily_assets(date_partitions(platform), is_launched=is_launched),
            dashboard_asset(platform),
            *separate_assets(separate_tables, separate, partitions, is_launched=is_launched),
        ],
        jobs=[job, date_job(), gaps_job, upkeep_job, *jobs_after],
        schedules=[*window_schedules(platform, job), *upkeep_schedules(platform)],
        sensors=[*alert_sensors(runtime), *catch_up_sensors(runtime, [job, gaps_job]), *after_window_sensors(jobs_after, job)],
        resources={
            "runtime": dg.ResourceDefinition.hardcoded_resource(runtime, "The platform's parts for this configuration."),
            "warehouse": dg.IOManagerDefinition.hardcoded_io_manager(
                WarehouseIOManager(runtime), "Commits to the Iceberg tables."
            ),
            **({STEP_LAUNCHER: step_launcher(platform)} if is_launched else {}),
            **(resource_overrides or {}),
        },
    )


def step_launcher(platform: Platform) -> dg.ResourceDefinition:
    """The resource through which steps run on the countries' clusters; it connects nowhere before a step is launched."""

    def launcher(_: dg.InitResourceContext) -> Any:
        # dagster-aws takes long to import, and only a run needs it
        from storeavail_platform.orchestration.emr.step_launcher import CountryStepLauncher

        return CountryStepLauncher(platform)

    return dg.ResourceDefinition(launcher, description="Runs steps on the cluster of the partition's country.")


def load_window_job() -> dg.JobDefinition:
    """The window job of the configuration in the environment: what a process that runs it by name reconstructs."""
    return restored_window_job(load_platform().dump())


@cache
def restored_window_job(configuration: str) -> dg.JobDefinition:
    """The window job of a configuration handed over by `Platform.dump`. Dagster asks several times in a run; it is built once."""
    return build_definitions(Platform.restore(configuration)).resolve_job_def(WINDOW_JOB)


@cache
def launched_window_job(configuration: str) -> dg.JobDefinition:
    """The window job of a configuration handed over to a cluster: it is there already, so nothing launches steps."""
    return _launched(configuration, WINDOW_JOB)


@cache
def launched_date_job(configuration: str) -> dg.JobDefinition:
    """The same for the job of local dates."""
    return _launched(configuration, DATE_JOB)


@cache
def launched_separate_job(configuration: str, table: str) -> dg.JobDefinition:
    """The same for the job of a separate asset."""
    return _launched(configuration, job_name(table))


def _launched(configuration: str, job: str) -> dg.JobDefinition:
    here = {STEP_LAUNCHER: dg.ResourceDefinition.none_resource("The step is where it was launched to.")}
    platform = Platform.restore(configuration)
    countries = {
        # a step has its cluster's rights, or those of its runtime role: the launcher's profile and role are not there
        code: country.model_copy(update={"aws": country.aws.model_copy(update={"profile": None, "assume_role": None})})
        for code, country in platform.countries.items()
    }
    return build_definitions(platform.model_copy(update={"countries": countries}), resource_overrides=here).resolve_job_def(job)
