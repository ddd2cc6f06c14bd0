"""The translator: what `pipeline/` tells becomes what Dagster knows. No work is done here.

What a step's own assets are is yielded to Dagster; anything else that a run makes beside them (the
local dates and the page after a window) is recorded with a partition of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import date
from typing import Any

import dagster as dg

from storeavail_platform.dashboard import PageWritten
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration import describe
from storeavail_platform.orchestration.partitions import COUNTRY, LOCAL_DATE, WINDOW
from storeavail_platform.pipeline.compute import CheckOutcome
from storeavail_platform.pipeline.events import Checked, Marked, Postponed, RolledUp, TableCommitted
from storeavail_platform.pipeline.observe import Landed
from storeavail_platform.pipeline.runtime import Runtime

Context = dg.AssetExecutionContext | dg.OpExecutionContext
Own = dg.MaterializeResult[Any] | dg.AssetCheckResult


def translate(
    events: Iterable[object], context: Context, runtime: Runtime, own: Collection[str] = ()
) -> Iterator[Own]:
    """Tell Dagster of each event as it comes.

    Args:
        own: names of the assets that the step yields.

    Yields:
        Results of the step's own assets.
    """
    for event in events:
        match event:
            case Landed():
                yield from _landed(context, own, runtime, event)
            case Checked():
                of = partition(event.country, event.partition)
                yield from _check(context, own, of, event.outcome)
            case RolledUp():
                of = partition(event.country, event.local_date)
                for outcome in event.computed.checks:
                    yield from _check(context, own, of, outcome)
                metadata = describe.rolled_up(runtime, event)
                yield from _result(context, own, event.table.name, of, metadata)
            case TableCommitted():
                of = partition(event.country, event.partition)
                metadata = describe.committed(runtime, event)
                yield from _result(context, own, event.table.name, of, metadata, value=event)
            case PageWritten():
                metadata = describe.page(event)
                yield from _result(context, own, describe.DASHBOARD, event.country, metadata)
            case Marked():
                context.log.info(f"{event.marker.window} of {event.marker.country} is complete")
            case Postponed():
                context.log.error(str(event))


def partition(country: str, of: Window | date) -> dg.MultiPartitionKey:
    if isinstance(of, Window):
        return dg.MultiPartitionKey({COUNTRY: country, WINDOW: of.key})
    return dg.MultiPartitionKey({COUNTRY: country, LOCAL_DATE: of.isoformat()})


def _landed(
    context: Context, own: Collection[str], runtime: Runtime, event: Landed
) -> Iterator[Own]:
    """The observation; a lost window is not made, so that its partition stays empty."""
    if event.observation.is_observed:
        of = partition(event.country, event.window)
        metadata = describe.landed(runtime, event)
        yield from _result(context, own, describe.OBSERVATION, of, metadata)
    else:
        context.log.warning(f"{event.window} of {event.country} was never observed")


def _result(
    context: Context, own: Collection[str], asset: str, of: str | None, metadata: Any, **value: Any
) -> Iterator[Own]:
    """A materialisation. `value` is what the IO manager gets, where the asset has one."""
    if asset in own:
        yield dg.MaterializeResult(asset_key=asset, metadata=metadata, **value)
    else:
        context.log_event(dg.AssetMaterialization(asset, partition=of, metadata=metadata))


def _check(context: Context, own: Collection[str], of: str, outcome: CheckOutcome) -> Iterator[Own]:
    if not outcome.passed:
        context.log.warning(
            f"check {outcome.name} of {outcome.table}, {of}, failed: {dict(outcome.figures)}"
        )
    if outcome.table in own:
        yield dg.AssetCheckResult(**describe.check(outcome))
    else:
        evaluation: Any = dg.AssetCheckEvaluation(**describe.check(outcome), partition=of)
        # its annotation does not name checks, its code takes them
        context.log_event(evaluation)
