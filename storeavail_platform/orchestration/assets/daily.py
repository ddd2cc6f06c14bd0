"""The assets of local dates, partitioned by country and local date.

After each window the dates it has changed are rolled up in the window's own run; a run of these
assets does a date again. What a roll-up is lies in `pipeline/local_dates.py`.
"""

from collections.abc import Iterator
from itertools import chain

import dagster as dg

from storeavail_platform.domain.errors import NotObserved
from storeavail_platform.domain.tables.daily import DAILY_TABLES
from storeavail_platform.domain.tables.declarations import STORES
from storeavail_platform.domain.tables.relations import DAILY_SOURCES
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.orchestration import describe
from storeavail_platform.orchestration.failures import as_failures
from storeavail_platform.orchestration.partitions import (
    COUNTRY,
    LOCAL_DATE,
    STEP_LAUNCHER,
    WINDOW,
    date_of,
)
from storeavail_platform.orchestration.translate import Own, translate
from storeavail_platform.pipeline.local_dates import roll_up
from storeavail_platform.pipeline.runtime import Runtime

LOCAL_DATE_STEP = "local_date"


def windows_of_date() -> dg.MultiPartitionMapping:
    """Windows by local date: it begins up to 14 hours before UTC's and ends up to 12 after it."""
    windows = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=1)
    return dg.MultiPartitionMapping(
        {
            COUNTRY: dg.DimensionPartitionMapping(COUNTRY, dg.IdentityPartitionMapping()),
            WINDOW: dg.DimensionPartitionMapping(LOCAL_DATE, windows),
        }
    )


def daily_assets(
    partitions: dg.MultiPartitionsDefinition, *, is_launched: bool = False
) -> dg.AssetsDefinition:
    """The daily tables over the grid of local dates.

    Args:
        is_launched: the step runs where the resource `step_launcher` takes it, instead of in the
            run's process.
    """

    @dg.multi_asset(
        name=LOCAL_DATE_STEP,
        specs=[asset_spec(table) for table in DAILY_TABLES],
        check_specs=describe.check_specs(DAILY_TABLES),
        can_subset=True,
        partitions_def=partitions,
        required_resource_keys={"runtime", STEP_LAUNCHER} if is_launched else {"runtime"},
    )
    def local_date(context: dg.AssetExecutionContext) -> Iterator[Own]:
        runtime: Runtime = context.resources.runtime
        country, day = date_of(context)
        selected = {key.path[-1] for key in context.selected_asset_keys}
        with as_failures():
            events = roll_up(runtime, country, [day], context.run.run_id, tables=selected)
            first = next(events, None)
            if first is None:
                raise NotObserved(
                    f"{country} has no window on {day}: nothing was rolled up; run windows of the"
                    " date first"
                )
            yield from translate(chain([first], events), context, runtime, own=selected)

    return local_date


def asset_spec(table: Table) -> dg.AssetSpec:
    names = {other.name for other in DAILY_TABLES}
    mapping = windows_of_date()
    return dg.AssetSpec(
        table.name,
        deps=[
            *(
                dg.AssetDep(name, partition_mapping=mapping)
                for name in sorted(window_sources(table) - names)
            ),
            *(name for name in table.inputs if name in names),
        ],
        **describe.table_asset(table, DAILY_TABLES),
    )


def window_sources(table: Table) -> set[str]:
    """The tables that a daily table's relations are rows of; zones of stores tell when a date is
    over.
    """
    sources = {DAILY_SOURCES[name] for name in table.inputs if name in DAILY_SOURCES}
    return sources | ({STORES.name} if "roll_up" in table.inputs else set())
