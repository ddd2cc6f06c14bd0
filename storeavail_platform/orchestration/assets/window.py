"""The fused step `availability_window`: every window table is an asset of its own, computed in one step and one engine session.

One EMR step and one Spark session serve a window instead of one per table, while Dagster shows, checks and can run each table by itself. A
subset computes what it needs from the landing, and commits and checks only what was selected.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import dagster as dg

from storeavail_platform.domain.errors import WarehouseError
from storeavail_platform.domain.tables.portable import column_lineage
from storeavail_platform.domain.tables.relations import RELATIONS
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.assets import observation
from storeavail_platform.orchestration.assets.checks import check_result, check_specs
from storeavail_platform.orchestration.assets.daily import roll_up_after
from storeavail_platform.orchestration.assets.dashboard import write_pages_after
from storeavail_platform.orchestration.failures import as_failures
from storeavail_platform.orchestration.io_manager import Written
from storeavail_platform.orchestration.partitions import STEP_LAUNCHER, partition_of
from storeavail_platform.pipeline.compute import Computed, add_relations, ahead, compute
from storeavail_platform.pipeline.local_dates import FACTS, note_window
from storeavail_platform.pipeline.observe import Observation, landed
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.warehouse.engine import Session
from storeavail_platform.warehouse.markers import Figures, Marker

STEP = "availability_window"
Event = dg.Output[Written] | dg.AssetCheckResult

FIGURES_SQL = """
SELECT
  CAST(COALESCE(SUM(s.expected_minutes), 0) AS BIGINT) AS expected_minutes,
  CAST(COALESCE(SUM(s.available_minutes), 0) AS BIGINT) AS available_minutes,
  CAST(COALESCE(SUM(s.missing_minutes), 0) AS BIGINT) AS missing_minutes,
  CAST(COALESCE(SUM(s.unknown_minutes), 0) AS BIGINT) AS unknown_minutes,
  CAST(COALESCE(SUM(s.rogue_minutes), 0) AS BIGINT) AS rogue_minutes,
  CAST(COALESCE(SUM(s.stores_missing), 0) AS BIGINT) AS stores_missing,
  CAST(COALESCE(SUM(s.stores_rogue), 0) AS BIGINT) AS stores_rogue,
  MAX(q.listed) AS listed,
  MAX(q.missing_share) AS missing_share,
  MAX(q.suspect) AS suspect,
  MAX(q.suspect_reason) AS suspect_reason
FROM window_quality q LEFT JOIN availability_summary s ON TRUE
"""
FIGURES_TABLES = {"availability_summary", "window_quality"}


def window_assets(
    tables: Sequence[Table], partitions: dg.MultiPartitionsDefinition, *, is_launched: bool = False
) -> dg.AssetsDefinition:
    """The fused step over a partition grid, with an asset for each table.

    Args:
        is_launched: the step runs where the resource `step_launcher` takes it, instead of in the run's process.
    """
    names = {table.name for table in tables}

    @dg.multi_asset(
        name=STEP,
        outs={table.name: asset_out(table, tables) for table in tables},
        deps=[observation.KEY],
        internal_asset_deps={table.name: upstream(table, names) for table in tables},
        check_specs=check_specs(tables),
        can_subset=True,
        partitions_def=partitions,
        required_resource_keys={"runtime", STEP_LAUNCHER} if is_launched else {"runtime"},
    )
    def availability_window(context: dg.AssetExecutionContext) -> Iterator[Event]:
        runtime: Runtime = context.resources.runtime
        country, window = partition_of(context)
        selected = {key.path[-1] for key in context.selected_asset_keys}
        yield from run_window(runtime, country, window, selected, context)
        roll_up_after(runtime, country, context)
        write_pages_after(runtime, country, context)

    return availability_window


def asset_out(table: Table, tables: Sequence[Table]) -> dg.AssetOut:
    """A table's asset: what people read in the UI about it."""
    return dg.AssetOut(
        key=table.name,
        io_manager_key="warehouse",
        is_required=False,
        description=table.description,
        group_name="window",
        kinds={"iceberg", "sql", *table.kinds},
        owners=list(table.owners),
        tags={"layer": "window"},
        metadata={
            "dagster/column_schema": dg.TableSchema(
                columns=[
                    dg.TableColumn(
                        column.name,
                        column.type,
                        description=column.description,
                        constraints=dg.TableColumnConstraints(nullable=column.nullable),
                    )
                    for column in table.all_columns
                ]
            ),
            "dagster/column_lineage": lineage(table, tables),
            "sql": dg.MetadataValue.md(f"```sql\n{table.sql}\n```"),
        },
    )


def upstream(table: Table, names: set[str]) -> set[dg.AssetKey]:
    """The assets that a table reads: other tables, and the observation where it reads a landed or given relation."""
    keys = {dg.AssetKey(name) for name in table.inputs if name in names}
    return keys | ({observation.KEY} if any(name in RELATIONS for name in table.inputs) else set())


def lineage(table: Table, tables: Sequence[Table]) -> dg.TableColumnLineage:
    """Column lineage of a table. Columns of landed and given relations belong to `observation`, as `relation.column`."""
    names = {other.name for other in tables}

    def dependency(source: str, column: str) -> dg.TableColumnDep:
        if source in names:
            return dg.TableColumnDep(asset_key=source, column_name=column)
        return dg.TableColumnDep(asset_key=observation.KEY, column_name=f"{source}.{column}")

    return dg.TableColumnLineage(
        {
            column: [dependency(source, name) for source, name in origins]
            for column, origins in column_lineage(table, tables).items()
        }
    )


def run_window(
    runtime: Runtime, country: str, window: Window, selected: set[str], context: dg.AssetExecutionContext | dg.OpExecutionContext
) -> Iterator[Event]:
    """Compute, check and hand over the selected tables one after another; at the end write the window's marker.

    Whoever takes an output commits it before asking for the next event: the IO manager in the fused step.

    Raises:
        dg.Failure: nothing is landed, or at least one table failed; the tables that did not fail are committed.
    """
    run_id = context.run.run_id
    failed: list[Computed] = []
    with as_failures():
        found = landed(runtime.landing, country, window)
    with runtime.engine.session(found.rows) as session, ThreadPoolExecutor(max_workers=1) as thread:
        with as_failures():
            add_relations(session, runtime.landing, found, runtime.country(country), window, runtime.markers)
        results = compute(
            session,
            runtime.tables,
            selected,
            country=country,
            window=window,
            run_id=run_id,
            # A retry of the same run must not write over files that its first attempt has committed.
            directory=lambda table: runtime.warehouse.location(
                country, table.name, "data", window.key, run_id, str(context.retry_number)
            ),
        )
        for computed in ahead(thread, results):
            for outcome in computed.checks:
                yield check_result(outcome)
            if computed.error is not None:
                context.log.error(str(computed.error))
                failed.append(computed)
                continue
            yield dg.Output(
                Written(computed, run_id),
                output_name=computed.table.name,
                metadata={"dagster/column_lineage": lineage(computed.table, runtime.tables)},
            )
        if not failed:
            # tried again here, because a step that is tried again commits again
            with as_failures(retry=False):
                if FACTS in selected:
                    runtime.warehouse.patiently(note_window, runtime, country, window)
                runtime.warehouse.patiently(mark, runtime, session, country, window, found, selected, run_id)
    if failed:
        raise dg.Failure(
            description="; ".join(str(computed.error) for computed in failed),
            metadata={"tables": [computed.table.name for computed in failed]},
            allow_retries=False,
        )


def mark(
    runtime: Runtime, session: Session, country: str, window: Window, found: Observation, selected: set[str], run_id: str
) -> None:
    """Write the window's marker, every selected table being committed.

    All tables make the window complete. A subset renews what it committed in the marker of a complete window, and makes none.
    """
    before = runtime.markers.read(country, window)
    is_whole = selected >= {table.name for table in runtime.tables}
    if before is None and not is_whole:
        return
    states = dict(before.tables) if before else {}
    for name in selected:
        state = runtime.warehouse.pointer(country, name)
        if state is None:
            raise WarehouseError(
                f"table {name} of {country} was committed for {window}, and its pointer is gone; run the window again"
            )
        states[name] = state
    is_new = before is None or selected >= FIGURES_TABLES
    runtime.markers.write(
        Marker(
            country=country,
            window=window.key,
            run_id=run_id if is_whole or before is None else before.run_id,
            observed_at=found.observed_at,
            completed_at=datetime.now(UTC) if is_whole or before is None else before.completed_at,
            figures=Figures(**session.rows(FIGURES_SQL)[0]) if is_new or before is None else before.figures,
            tables=states,
        )
    )
