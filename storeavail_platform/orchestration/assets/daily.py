"""The assets of local dates: `store_outages` and `daily_store_availability`, partitioned by country and local date.

After each window the dates it has changed are rolled up in the window's own run (`roll_up_after`); a run of these assets does a date again.
What a roll-up is lies in `pipeline/local_dates.py`.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import dagster as dg

from storeavail_platform.domain.errors import NotObserved, StoreAvailError
from storeavail_platform.domain.tables.daily import DAILY_TABLES
from storeavail_platform.domain.tables.portable import column_lineage
from storeavail_platform.domain.tables.relations import DAILY_RELATIONS
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.orchestration.assets.checks import check_result, check_specs
from storeavail_platform.orchestration.failures import as_failures
from storeavail_platform.orchestration.partitions import COUNTRY, LOCAL_DATE, STEP_LAUNCHER, WINDOW, date_of
from storeavail_platform.pipeline.local_dates import FACTS, STORES, RolledUp, roll_up, roll_up_noted
from storeavail_platform.pipeline.runtime import Runtime

warnings.filterwarnings("ignore", message="Class `MultiPartitionMapping` is currently in beta", category=dg.BetaWarning)

STEP = "local_date"
WINDOWS_OF_DATE = dg.MultiPartitionMapping(
    {
        COUNTRY: dg.DimensionPartitionMapping(COUNTRY, dg.IdentityPartitionMapping()),
        # a local date begins up to 14 hours before UTC's and ends up to 12 hours after it
        WINDOW: dg.DimensionPartitionMapping(LOCAL_DATE, dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=1)),
    }
)


def daily_assets(partitions: dg.MultiPartitionsDefinition, *, is_launched: bool = False) -> dg.AssetsDefinition:
    """The daily tables over the grid of local dates.

    Args:
        is_launched: the step runs where the resource `step_launcher` takes it, instead of in the run's process.
    """

    @dg.multi_asset(
        name=STEP,
        specs=[asset_spec(table) for table in DAILY_TABLES],
        check_specs=check_specs(DAILY_TABLES),
        can_subset=True,
        partitions_def=partitions,
        required_resource_keys={"runtime", STEP_LAUNCHER} if is_launched else {"runtime"},
    )
    def local_date(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        runtime: Runtime = context.resources.runtime
        country, day = date_of(context)
        selected = {key.path[-1] for key in context.selected_asset_keys}
        is_there = False
        with as_failures():
            for rolled in roll_up(runtime, country, [day], context.run.run_id, tables=selected):
                is_there = True
                yield dg.MaterializeResult(
                    asset_key=rolled.table.name,
                    metadata=metadata(runtime, rolled),
                    check_results=[check_result(outcome) for outcome in rolled.checks],
                )
            if not is_there:
                raise NotObserved(f"{country} has no window on {day}: nothing was rolled up; run windows of the date first")

    return local_date


def asset_spec(table: Table) -> dg.AssetSpec:
    """A daily table's asset: what people read in the UI about it."""
    names = {other.name for other in DAILY_TABLES}
    sources = [dg.AssetDep(name, partition_mapping=WINDOWS_OF_DATE) for name in (FACTS, STORES)]
    return dg.AssetSpec(
        table.name,
        deps=[*sources, *(name for name in table.inputs if name in names)],
        description=table.description,
        group_name="local_date",
        kinds={"iceberg", "sql", *table.kinds},
        owners=list(table.owners),
        tags={"layer": "local_date"},
        metadata={
            "dagster/column_schema": table_schema(table),
            "dagster/column_lineage": lineage(table),
            "sql": dg.MetadataValue.md(f"```sql\n{table.sql}\n```"),
        },
    )


def table_schema(table: Table) -> dg.TableSchema:
    """The table's columns for the UI."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.type,
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for column in table.all_columns
        ]
    )


def lineage(table: Table) -> dg.TableColumnLineage:
    """Column lineage of a daily table: to the facts, or to the other daily table. What the platform gives (`roll_up`) has no asset."""

    def deps(origins: Any) -> list[dg.TableColumnDep]:
        columns = {(FACTS if source in DAILY_RELATIONS else source, column) for source, column in origins if source != "roll_up"}
        return [dg.TableColumnDep(asset_key=asset, column_name=column) for asset, column in sorted(columns)]

    return dg.TableColumnLineage({column: deps(origins) for column, origins in column_lineage(table, DAILY_TABLES).items()})


def metadata(runtime: Runtime, rolled: RolledUp) -> dict[str, Any]:
    """What a materialisation of a daily table tells."""
    warehouse, table = runtime.warehouse, rolled.table
    return {
        "dagster/row_count": rolled.rows,
        "dagster/uri": runtime.storage.uri(warehouse.location(rolled.country, table.name)),
        "dagster/relation_identifier": f"{runtime.country(rolled.country).namespace}.{table.name}",
        "dagster/column_lineage": lineage(table),
        "snapshot_id": str(rolled.committed.snapshot_id),
        "bytes": sum(file.size for file in rolled.files),
        "compute_seconds": round(rolled.compute_seconds, 3),
        "commit_seconds": round(rolled.commit_seconds, 3),
        "is_provisional": rolled.is_provisional,
    }


def roll_up_after(runtime: Runtime, country: str, context: dg.AssetExecutionContext | dg.OpExecutionContext) -> None:
    """Roll up the dates that noted windows have changed, and tell Dagster of each.

    The window is complete, so that an error here is logged and does not fail its run: the notes stay, and the next window of the country
    makes up for it.
    """
    try:
        for rolled in roll_up_noted(runtime, country, context.run.run_id):
            for outcome in rolled.checks:
                if not outcome.passed:
                    context.log.warning(
                        f"{rolled.table.name} of {country} {rolled.local_date}: {outcome.name} failed: {outcome.figures}"
                    )
            partition = dg.MultiPartitionKey({COUNTRY: country, LOCAL_DATE: rolled.local_date.isoformat()})
            context.log_event(dg.AssetMaterialization(rolled.table.name, partition=partition, metadata=metadata(runtime, rolled)))
    except (StoreAvailError, OSError) as error:
        context.log.error(f"{error}. The window is complete; its dates are rolled up with the next window of {country}")
