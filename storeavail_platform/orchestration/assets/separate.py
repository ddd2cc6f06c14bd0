"""What separate assets share: tables computed in a step of their own, from other tables, by Python or PySpark. `build.py` lists them.

Each is an ordinary asset over the window grid whose rows the IO manager `warehouse` commits; its table is declared in `tables/separate.py`. It
has a job of its own, and a sensor that runs it after each window. docs/adding-an-asset.md adds one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import dagster as dg

from storeavail_platform.domain.errors import TableDeclarationError
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.orchestration.assets.daily import table_schema
from storeavail_platform.orchestration.partitions import STEP_LAUNCHER

Asset = Callable[..., Callable[[Callable[..., Any]], dg.AssetsDefinition]]
"""`dg.asset` with the arguments that follow from a table's declaration; it takes further ones."""
MakeAsset = Callable[[Asset], dg.AssetsDefinition]
"""Makes an asset definition by `@asset()`."""


def separate_assets(
    tables: Sequence[Table],
    makers: Mapping[str, MakeAsset],
    partitions: dg.MultiPartitionsDefinition,
    *,
    is_launched: bool = False,
) -> list[dg.AssetsDefinition]:
    """The asset definitions over a partition grid.

    Args:
        is_launched: their steps run where the resource `step_launcher` takes them, instead of in the run's process.

    Raises:
        TableDeclarationError: a table without an asset, or an asset without a table.
    """
    names = {table.name for table in tables}
    if odd := sorted(names ^ set(makers)):
        raise TableDeclarationError(
            f"separate asset {odd[0]}: declare its table in tables/separate.py and list its asset in build.py, by the same name"
        )
    return [makers[table.name](partial(dg.asset, **arguments(table, partitions, is_launched=is_launched))) for table in tables]


def arguments(table: Table, partitions: dg.MultiPartitionsDefinition, *, is_launched: bool = False) -> dict[str, Any]:
    """The arguments of `dg.asset` that follow from a table's declaration."""
    return {
        "name": table.name,
        "description": table.description,
        "io_manager_key": "warehouse",
        "partitions_def": partitions,
        "group_name": "separate",
        "kinds": {"iceberg", *table.kinds},
        "owners": list(table.owners),
        "tags": {"layer": "separate"},
        "metadata": {"dagster/column_schema": table_schema(table)},
        "ins": {name: dg.AssetIn(key=name, input_manager_key="warehouse") for name in table.inputs},
        "required_resource_keys": {"runtime", STEP_LAUNCHER} if is_launched else {"runtime"},
    }


def job_name(table: str) -> str:
    """The job of a separate asset."""
    return f"{table}_job"


def separate_jobs(tables: Sequence[Table]) -> list[Any]:
    """A job for each separate asset: for people, for its sensor, and for its step on a cluster."""
    return [
        dg.define_asset_job(
            job_name(table.name),
            selection=dg.AssetSelection.assets(table.name),
            description=f"One window of {table.name}, from the committed tables.",
            executor_def=dg.in_process_executor,
        )
        for table in tables
    ]


def after_window_sensors(jobs: Sequence[Any], window_job: Any) -> list[dg.SensorDefinition]:
    """For each job a sensor that runs it for the partition of every window's run that has succeeded."""
    return [_after_window(job, window_job) for job in jobs]


def _after_window(job: Any, window_job: Any) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        name=f"after_window_{job.name}",
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[window_job],
        request_job=job,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Runs {job.name} for each window that is complete.",
    )
    def after_window(context: dg.RunStatusSensorContext) -> Iterator[dg.RunRequest]:
        key = context.dagster_run.tags.get("dagster/partition")
        if key is not None:
            yield dg.RunRequest(partition_key=key, run_key=context.dagster_run.run_id)

    return after_window
