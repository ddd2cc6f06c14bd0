"""The asset `observation`: the one reading of both sources for a window.

Its data is the landing; Dagster holds the metadata.
"""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from storeavail_platform.orchestration import describe
from storeavail_platform.orchestration.assets.gaps import record_own_gap
from storeavail_platform.orchestration.failures import as_failures
from storeavail_platform.orchestration.partitions import STEP_LAUNCHER, partition_of
from storeavail_platform.orchestration.translate import Own, translate
from storeavail_platform.pipeline.observe import Landed, Observing
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.pipeline.window import WindowRun, run_window

KEY = dg.AssetKey(describe.OBSERVATION)


class ObservationConfig(dg.Config):
    """How the observation is made."""

    until_deadline: bool = Field(
        default=False,
        description=(
            "Go on trying a source that is down until the window's deadline (scheduled runs do),"
            " instead of a few times."
        ),
    )
    record_gap: bool = Field(
        default=False,
        description=(
            "For a window whose deadline has passed and that was never observed: land that, "
            "so that its stores become unknown/not_observed, instead of refusing it. The run then "
            "fails, naming the gap."
        ),
    )
    reread: bool = Field(
        default=False,
        description=(
            "Read the stores and hours of a landed window again, as PostgreSQL has them now; what"
            " was read of the index stays. For opening hours, or a query, that were wrong."
        ),
    )


def observation_asset(
    partitions: dg.MultiPartitionsDefinition, *, is_launched: bool = False
) -> dg.AssetsDefinition:
    """The asset definition over a partition grid.

    Args:
        is_launched: the resource `step_launcher` decides where it runs (`observe_from`), instead of
            the run's own process.
    """

    @dg.asset(
        key=KEY,
        description=(
            "One reading of the online index and of PostgreSQL for a window, landed as immutable "
            "Parquet. It needs neither the catalog nor the engine, and a window that is landed is "
            "never read again, but for its stores and hours where a person asks for it."
        ),
        partitions_def=partitions,
        group_name="landing",
        kinds={"elasticsearch", "postgres", "parquet"},
        owners=describe.OWNERS,
        tags={"layer": "landing"},
        required_resource_keys={"runtime", STEP_LAUNCHER} if is_launched else {"runtime"},
    )
    def observation(context: dg.AssetExecutionContext, config: ObservationConfig) -> Iterator[Own]:
        runtime: Runtime = context.resources.runtime
        country, window = partition_of(context)
        how = Observing(
            runtime.platform.observation_grace,
            config.until_deadline,
            config.record_gap,
            config.reread,
        )
        run = WindowRun(country, window, context.run.run_id)
        # sources are tried again by the observation itself
        with as_failures(retry=False):
            for event in run_window(runtime, run, observing=how, log=context.log):
                yield from translate([event], context, runtime, own={describe.OBSERVATION})
                if isinstance(event, Landed) and not event.observation.is_observed:
                    yield from record_own_gap(context, runtime, country, window)

    return observation
