"""The asset `observation`: the one reading of both sources for a window. Its data is the landing; Dagster holds the metadata."""

import dagster as dg

from storeavail_platform.orchestration.failures import as_failures
from storeavail_platform.orchestration.partitions import STEP_LAUNCHER, partition_of
from storeavail_platform.pipeline.observe import observe
from storeavail_platform.pipeline.runtime import Runtime

KEY = dg.AssetKey("observation")


def observation_asset(partitions: dg.MultiPartitionsDefinition, *, is_launched: bool = False) -> dg.AssetsDefinition:
    """The asset definition over a partition grid.

    Args:
        is_launched: the resource `step_launcher` decides where it runs (`observe_from`), instead of the run's own process.
    """

    @dg.asset(
        key=KEY,
        description=(
            "One reading of the online index and of PostgreSQL for a window, landed as immutable Parquet. It needs neither the "
            "catalog nor the engine, and a window that is landed is never read again."
        ),
        partitions_def=partitions,
        group_name="landing",
        kinds={"elasticsearch", "postgres", "parquet"},
        owners=["team:store-operations"],
        tags={"layer": "landing"},
        required_resource_keys={"runtime", STEP_LAUNCHER} if is_launched else {"runtime"},
        config_schema={
            "until_deadline": dg.Field(
                bool,
                default_value=False,
                description="Go on trying a source that is down until the window's deadline (scheduled runs do), instead of a few times.",
            ),
            "record_gap": dg.Field(
                bool,
                default_value=False,
                description=(
                    "For a window whose deadline has passed and that was never observed: land that, so that its stores become "
                    "unknown/not_observed, instead of refusing it."
                ),
            ),
        },
    )
    def observation(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        runtime: Runtime = context.resources.runtime
        country, window = partition_of(context)
        with as_failures(retry=False):
            settings = runtime.country(country)
            found = observe(
                runtime.landing,
                country,
                settings.timezone,
                window,
                index=runtime.index_source(country),
                stores=runtime.stores_source(country),
                grace=runtime.platform.observation_grace,
                **context.op_execution_context.op_config,
                spread=runtime.spread(country),
                log=context.log,
            )
        index, stores = found.index, found.stores
        return dg.MaterializeResult(
            metadata={
                "observed_at": str(found.observed_at or "never: a gap"),
                **{name: index.facts[name] for name in ("observed_minute", "listed", "online") if found.is_observed},
                "stores_rows": stores.rows("raw_stores"),
                "hours_rows": stores.rows("raw_store_hours"),
                "stores_delay_seconds": (stores.read_at - index.read_at).total_seconds(),
                "landing_delay_seconds": (index.landed_at - index.read_at).total_seconds(),
                "bytes": index.size + stores.size,
                "dagster/uri": runtime.storage.uri("landing", country, window.key),
            }
        )

    return observation
