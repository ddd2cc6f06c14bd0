"""Gap runs: windows that were never observed are recorded, many in one run.

Every store is `unknown/not_observed`: coverage falls and availability does not. A gap is computed,
committed and marked like any window, by DuckDB in the run's own process whatever the engine: there
is next to nothing to compute, and a gap is often there because a cluster is not.

A run that records gaps fails, without a retry and naming them: what is lost is not shown as made.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from storeavail_platform.domain.errors import NeverObserved
from storeavail_platform.domain.log import Log
from storeavail_platform.domain.windows import Window
from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.orchestration.assets.dashboard import write_pages
from storeavail_platform.orchestration.failures import as_failures
from storeavail_platform.orchestration.translate import Own, translate
from storeavail_platform.pipeline.events import Marked
from storeavail_platform.pipeline.observe import Observing
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.pipeline.window import WindowRun, follow_up, run_window
from storeavail_platform.upkeep.marking import marker_of_rows

OP = "record_gaps"
LONGEST_TURN = timedelta(minutes=5)
"""How long a gap run keeps the country's place in the queue. Between its tick and its deadline the
window in progress can wait ten minutes."""


class GapsConfig(dg.Config):
    """What a gap run records."""

    country: str = Field(description="Code of the country.")
    windows: list[str] = Field(
        description=(
            "Keys of the windows, such as 2026-11-23T1015. Those complete meanwhile are left alone."
        )
    )


def gap_config(country: str, windows: Sequence[Window]) -> dict[str, Any]:
    keys = [window.key for window in windows]
    return {"ops": {OP: {"config": {"country": country, "windows": keys}}}}


@dg.op(
    name=OP,
    description=(
        "Record windows of a country that were never observed: every store unknown/not_observed."
    ),
    required_resource_keys={"runtime"},
    out=dg.Out(dg.Nothing),
)
def record_gaps(context: dg.OpExecutionContext, config: GapsConfig) -> None:
    """The op of a gap run.

    What is complete when its turn is over, or when it fails or is killed, stays; the rest is
    recorded by the next.
    """
    runtime = on_duckdb(context.resources.runtime)
    windows = [Window.parse(key) for key in config.windows]
    with as_failures(retry=False):
        events = gaps(runtime, config.country, windows, context.run.run_id, context.log)
        lost: list[str] = []
        for result in translate(noting_gaps(events, lost), context, runtime):
            raise AssertionError(f"an op has no assets of its own: {result}")
        refuse_lost(config.country, lost)


def record_own_gap(
    context: dg.AssetExecutionContext, runtime: Runtime, country: str, window: Window
) -> Iterator[Own]:
    """The gap of a window's own run, in the step of its observation: no other step comes after one
    that fails.

    Raises:
        NeverObserved: always, when the gap is recorded.
    """
    tables = frozenset(table.name for table in runtime.tables)
    run = WindowRun(country, window, context.run.run_id, tables, attempt=context.retry_number)
    runtime = on_duckdb(runtime)
    events = run_window(runtime, run, after=[write_pages(runtime)], log=context.log)
    yield from translate(events, context, runtime)
    refuse_lost(country, [window.key])


def on_duckdb(runtime: Runtime) -> Runtime:
    """The same parts with DuckDB as the engine."""
    return replace(runtime, engine=DuckDBEngine(runtime.storage))


def noting_gaps(events: Iterator[object], lost: list[str]) -> Iterator[object]:
    """The same events; windows that are complete without an observation are added to `lost`."""
    for event in events:
        if isinstance(event, Marked) and event.marker.observed_at is None:
            lost.append(event.marker.window)
        yield event


def refuse_lost(country: str, lost: Sequence[str]) -> None:
    """Fail where windows were lost.

    Raises:
        NeverObserved: names them.
    """
    if not lost:
        return
    named = f"window {lost[0]}" if len(lost) == 1 else f"{len(lost)} windows ({', '.join(lost)})"
    raise NeverObserved(
        f"{named} of {country}: never observed until the deadline, and recorded as a gap: every"
        " store is unknown/not_observed. A live index cannot be read for the past, so that it stays"
        " one; there is nothing to run again"
    )


def gaps(
    runtime: Runtime, country: str, windows: Sequence[Window], run_id: str, log: Log
) -> Iterator[object]:
    """Record windows one after another until the turn is over, then what follows.

    Where one was landed after all, that reading counts.
    """
    until = runtime.clock() + LONGEST_TURN
    how = Observing(runtime.platform.observation_grace, record_gap=True)
    tables = frozenset(table.name for table in runtime.tables)
    for number, window in enumerate(windows, start=1):
        if number > 1 and runtime.clock() > until:
            left = len(windows) - number + 1
            log.info("the turn of this run is over; %s windows are left for the next", left)
            break
        if runtime.markers.whole(country, window) is not None:
            pass
        elif (marker := marker_of_rows(runtime, country, window, runtime.clock())) is not None:
            # its marker and its readings were lost: a gap would take the place of its rows
            log.warning("the tables have the rows of %s: its marker is made again", window)
            runtime.markers.write(marker)
        else:
            run = WindowRun(country, window, run_id, tables, is_last=False)
            yield from run_window(runtime, run, observing=how, log=log)
        log.info("%s of %s is complete (%s of %s)", window, country, number, len(windows))
    yield from follow_up(runtime, country, run_id, [write_pages(runtime)])
