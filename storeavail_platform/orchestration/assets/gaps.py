"""Gap runs: windows that were never observed are recorded, many in one run, with every store `unknown/not_observed`.

So coverage falls and availability does not. A gap is computed, committed and marked like any window, by DuckDB in the run's own process
whatever the engine: there is next to nothing to compute, and a gap is often there because a cluster is not.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import dagster as dg

from storeavail_platform.domain.windows import Window, partition_key
from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.orchestration.assets import observation
from storeavail_platform.orchestration.assets.daily import roll_up_after
from storeavail_platform.orchestration.assets.dashboard import write_pages_after
from storeavail_platform.orchestration.assets.window import run_window
from storeavail_platform.orchestration.failures import as_failures
from storeavail_platform.orchestration.io_manager import WarehouseIOManager, Written
from storeavail_platform.orchestration.partitions import COUNTRY, WINDOW
from storeavail_platform.pipeline.observe import observe
from storeavail_platform.pipeline.runtime import Runtime

OP = "record_gaps"
LONGEST_TURN = timedelta(minutes=5)
"""How long a gap run keeps the country's place in the queue. Between its tick and its deadline the window in progress can wait ten minutes."""


def gap_config(country: str, windows: Sequence[Window]) -> dict[str, Any]:
    """Run configuration of a gap run."""
    return {"ops": {OP: {"config": {"country": country, "windows": [window.key for window in windows]}}}}


@dg.op(
    name=OP,
    description="Record windows of a country that were never observed: every store unknown/not_observed.",
    config_schema={
        "country": dg.Field(str, description="Code of the country."),
        "windows": dg.Field(
            [str], description="Keys of the windows, such as 2026-11-23T1015. Those complete meanwhile are left alone."
        ),
    },
    required_resource_keys={"runtime"},
    out=dg.Out(dg.Nothing),
)
def record_gaps(context: dg.OpExecutionContext) -> None:
    """The op of a gap run. What is complete when its turn is over, or when it fails or is killed, stays; the rest is recorded by the next."""
    runtime: Runtime = context.resources.runtime
    runtime = replace(runtime, engine=DuckDBEngine(runtime.storage))
    country, windows = context.op_config["country"], [Window.parse(key) for key in context.op_config["windows"]]
    until = time.monotonic() + LONGEST_TURN.total_seconds()
    for number, window in enumerate(windows, start=1):
        if number > 1 and time.monotonic() > until:
            context.log.info(f"the turn of this run is over; {len(windows) - number + 1} windows are left for the next")
            break
        if runtime.markers.read(country, window) is None:
            record_gap(runtime, country, window, context)
        context.log.info(f"{window} of {country} is complete ({number} of {len(windows)})")
    roll_up_after(runtime, country, context)
    write_pages_after(runtime, country, context)


def record_gap(runtime: Runtime, country: str, window: Window, context: dg.OpExecutionContext) -> None:
    """Record one window. Where it was landed after all, that reading counts.

    Raises:
        dg.Failure: the stores cannot be read, or a table cannot be computed or committed.
    """
    with as_failures(retry=False):
        found = observe(
            runtime.landing,
            country,
            runtime.country(country).timezone,
            window,
            index=runtime.index_source(country),
            stores=runtime.stores_source(country),
            grace=runtime.platform.observation_grace,
            record_gap=True,
            log=context.log,
        )
    partition = dg.MultiPartitionKey({COUNTRY: country, WINDOW: window.key})
    told = {"observed_at": str(found.observed_at or "never: a gap"), "stores_read_at": str(found.stores.read_at)}
    context.log_event(dg.AssetMaterialization(observation.KEY, partition=partition, metadata=told))
    manager = WarehouseIOManager(runtime)
    for event in run_window(runtime, country, window, {table.name for table in runtime.tables}, context):
        if isinstance(event, dg.AssetCheckResult):
            if not event.passed:
                context.log.warning(f"check {event.check_name} of {partition_key(country, window)} failed: {event.metadata}")
            continue
        written: Written = event.value
        with as_failures(retry=False):
            metadata = manager.commit(country, window, written)
        context.log_event(dg.AssetMaterialization(written.computed.table.name, partition=partition, metadata=metadata))
