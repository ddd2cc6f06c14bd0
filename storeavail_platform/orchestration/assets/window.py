"""The fused step `availability_window`: every window table is an asset, computed in one session.

One EMR step and one Spark session serve a window instead of one per table, while Dagster shows,
checks and can run each table by itself. A subset computes what it needs from the landing, and
commits and checks only what was selected.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from storeavail_platform.domain.tables.relations import GIVEN_RELATIONS, RELATIONS
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.orchestration import describe
from storeavail_platform.orchestration.assets import observation
from storeavail_platform.orchestration.assets.dashboard import write_pages
from storeavail_platform.orchestration.assets.follow_up import FollowUpConfig
from storeavail_platform.orchestration.failures import retried_until_first
from storeavail_platform.orchestration.partitions import STEP_LAUNCHER, partition_of
from storeavail_platform.orchestration.translate import Own, translate
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.pipeline.window import WindowRun, run_window

WINDOW_STEP = "availability_window"


def window_assets(
    tables: Sequence[Table],
    partitions: dg.MultiPartitionsDefinition,
    *,
    is_launched: bool = False,
) -> dg.AssetsDefinition:
    """The fused step over a partition grid, with an asset for each table.

    Args:
        is_launched: the step runs where the resource `step_launcher` takes it, instead of in the
            run's process.
    """
    names = {table.name for table in tables}

    @dg.multi_asset(
        name=WINDOW_STEP,
        outs={table.name: asset_out(table, tables) for table in tables},
        deps=[observation.KEY],
        internal_asset_deps={table.name: upstream(table, names) for table in tables},
        check_specs=describe.check_specs(tables),
        can_subset=True,
        partitions_def=partitions,
        required_resource_keys={"runtime", STEP_LAUNCHER} if is_launched else {"runtime"},
    )
    def availability_window(
        context: dg.AssetExecutionContext, config: FollowUpConfig
    ) -> Iterator[Own]:
        runtime: Runtime = context.resources.runtime
        country, window = partition_of(context)
        selected = frozenset(key.path[-1] for key in context.selected_asset_keys)
        run = WindowRun(
            country,
            window,
            context.run.run_id,
            selected,
            attempt=context.retry_number,
            is_last=config.follow_up,
        )
        events = run_window(runtime, run, after=[write_pages(runtime)], log=context.log)
        yield from translate(retried_until_first(events), context, runtime, own=selected)

    return availability_window


def asset_out(table: Table, tables: Sequence[Table]) -> dg.AssetOut:
    described = describe.table_asset(table, tables)
    return dg.AssetOut(key=table.name, io_manager_key="warehouse", is_required=False, **described)


def upstream(table: Table, names: set[str]) -> set[dg.AssetKey]:
    """The assets that a table reads: other tables, and the observation for other relations."""
    keys = {dg.AssetKey(name) for name in table.inputs if name in names}
    reads_landing = any(name in RELATIONS and name not in GIVEN_RELATIONS for name in table.inputs)
    return keys | ({observation.KEY} if reads_landing else set())
