"""One window from the sources to its marker, and what follows: the whole work as one generator. The
run after a killed one goes through it again, from what is landed.

Whoever wants a window runs this: the fused Dagster step, gap runs, a cluster's step, a benchmark.
Whatever raises before the marker leaves the window incomplete and landed; tables that were
committed by then stay, and a second run replaces their rows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pyarrow as pa

from storeavail_platform.domain.errors import StoreAvailError, TablesFailed, WarehouseError
from storeavail_platform.domain.log import Log
from storeavail_platform.domain.tables.causes import WINDOW_CAUSES
from storeavail_platform.domain.tables.declarations import STORE_AVAILABILITY, WINDOW_QUALITY
from storeavail_platform.domain.tables.queries import WINDOW_FIGURES
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.causes import given_relations, window_rates
from storeavail_platform.pipeline.commit import commit
from storeavail_platform.pipeline.compute import (
    BeforeTables,
    Computed,
    add_relations,
    compute,
    computed_in_thread,
)
from storeavail_platform.pipeline.confirm import add_confirmation
from storeavail_platform.pipeline.events import Checked, Marked, Postponed
from storeavail_platform.pipeline.local_dates import note_window, roll_up_noted
from storeavail_platform.pipeline.observe import (
    Landed,
    Observing,
    Sources,
    Target,
    landed,
    observe,
)
from storeavail_platform.pipeline.rates import make_missing_rates
from storeavail_platform.pipeline.room import room_watched
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.warehouse.engine import Session
from storeavail_platform.warehouse.markers import FailedCheck, Figures, Marker

AfterCommit = Callable[[str], Iterator[object]]
"""Does something for a country, by its code, once a window is complete, and tells what it did."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WindowRun:
    """What is to be done for a window.

    Attributes:
        run_id: written into every row, and into the snapshots that it makes.
        tables: names of the tables to commit; empty: the window is only observed.
        attempt: 0, 1, ... of the same run: none writes over files that another has committed.
        is_last: False where more windows of the country follow in this process: local dates and
            what comes after the commit are then done once, by `follow_up`.
    """

    country: str
    window: Window
    run_id: str
    tables: frozenset[str] = frozenset()
    attempt: int = 0
    is_last: bool = True


def run_window(
    runtime: Runtime,
    run: WindowRun,
    *,
    observing: Observing | None = None,
    after: Sequence[AfterCommit] = (),
    log: Log = logger,
) -> Iterator[object]:
    """Observe, compute, check, commit, mark; then roll up local dates, then `after`.

    Args:
        observing: how to observe it; None: what is landed is computed.
        after: done once the window is complete. What fails there is told as `Postponed`.

    Yields:
        The events of `events.py`, each once it is true.

    Raises:
        ObservationRefused, SourceError: it could not be observed. Nothing was landed.
        NotObserved, LandingDamaged: nothing whole is landed.
        TablesFailed: at least one table failed; those that did not are committed.
        DiskFull: there was no room for it.
        WarehouseError: a commit, or the marker, failed for as long as it was tried.
    """
    with room_watched(runtime, run.country, run.window, log):
        if observing is not None:
            yield _observed(runtime, run, observing, log)
        if not run.tables:
            return
        yield from _computed(runtime, run, log)
        if run.is_last:
            yield from follow_up(runtime, run.country, run.run_id, after)


def follow_up(
    runtime: Runtime, country: str, run_id: str, after: Sequence[AfterCommit]
) -> Iterator[object]:
    """What follows once a country's windows are complete: local dates, then `after`.

    An error fails nothing: what is noted is made up for by the country's next window.
    """
    judged, failed = set[tuple[str, str]](), list[FailedCheck]()
    try:
        for rolled in roll_up_noted(runtime, country, run_id):
            yield rolled
            date = rolled.local_date.isoformat()
            judged.add((rolled.table.name, date))
            failed += failed_checks(rolled.computed, date)
        until = Window.containing(runtime.clock()).next()
        newest = next(runtime.markers.latest(country, before=until), None) if judged else None
        if newest is not None:
            before = newest.failed_checks
            kept = [each for each in before if (each.table, each.partition) not in judged]
            if (*kept, *failed) != before:
                runtime.markers.write(replace(newest, failed_checks=(*kept, *failed)))
    except (StoreAvailError, OSError) as error:
        yield Postponed(country, "its dates are rolled up", error)
    for do in after:
        try:
            yield from do(country)
        except (StoreAvailError, OSError) as error:
            yield Postponed(country, f"the page of {country} is written", error)


def _observed(runtime: Runtime, run: WindowRun, how: Observing, log: Log) -> Landed:
    code = run.country
    target = Target(code, runtime.country(code).timezone, run.window)
    sources = Sources(
        runtime.index_source(code), runtime.stores_source(code), runtime.land_splits(code)
    )
    found = observe(runtime.landing, target, sources, how, log=log, clock=runtime.clock)
    return Landed(code, run.window, found)


def _computed(runtime: Runtime, run: WindowRun, log: Log) -> Iterator[object]:
    country, window = run.country, run.window
    found = Landed(country, window, landed(runtime.landing, country, window))
    constants = {"country": country, "window_start": window.start, "run_id": run.run_id}
    failed: list[Computed] = []
    checks: list[FailedCheck] = []
    rates: pa.Table | None = None
    if WINDOW_CAUSES.name in run.tables and found.observation.is_observed:
        rates = yield from _rates(runtime, run, log)

    def directory(table: Table) -> str:
        parts = ("data", window.key, run.run_id, str(run.attempt))
        return runtime.warehouse.location(country, table.name, *parts)

    with (
        runtime.engine.session(found.observation.rows) as session,
        ThreadPoolExecutor(max_workers=1) as thread,
    ):
        settings = runtime.country(country)
        add_relations(session, runtime.landing, runtime.markers, settings, found)
        relations: BeforeTables = {
            STORE_AVAILABILITY.name: lambda: add_confirmation(session, runtime, found, log),
            WINDOW_CAUSES.name: lambda: given_relations(runtime, country, window, rates),
        }
        results = compute(session, runtime.tables, run.tables, constants, directory, relations)
        for computed in computed_in_thread(thread, results):
            yield computed
            yield from (Checked(country, window, outcome) for outcome in computed.checks)
            checks += failed_checks(computed, window.key)
            if computed.error is None:
                yield commit(runtime, country, window, computed, run.run_id)
            else:
                log.error("%s", computed.error)
                failed.append(computed)
        if not failed:
            if {STORE_AVAILABILITY.name, WINDOW_QUALITY.name} & run.tables:
                runtime.warehouse.retry_while_down(note_window, runtime, country, window)
            marked = (runtime, session, run, found, checks)
            yield from runtime.warehouse.retry_while_down(mark, *marked)
    if failed:
        raise TablesFailed(
            [computed.table.name for computed in failed], [str(c.error) for c in failed]
        )


def _rates(runtime: Runtime, run: WindowRun, log: Log) -> Generator[object, None, pa.Table]:
    """The usual rates that a window is judged by. Where it is the first of its date to ask for them
    they are made; a window does without those that cannot be made.
    """
    country, window = run.country, run.window
    rates = window_rates(runtime, country, window)
    try:
        made = list(make_missing_rates(runtime, country, window, run.run_id, rates))
    except (StoreAvailError, OSError) as error:
        log.warning("the usual rates of %s for %s: %s", country, window, error)
        return rates
    yield from made
    return window_rates(runtime, country, window) if made else rates


def failed_checks(computed: Computed, partition: str) -> list[FailedCheck]:
    """The checks of a table that failed without keeping its rows back."""
    return [
        FailedCheck(outcome.table, outcome.name, partition, outcome.figures)
        for outcome in computed.checks
        if not outcome.passed and not outcome.blocking
    ]


def mark(
    runtime: Runtime,
    session: Session,
    run: WindowRun,
    found: Landed,
    checks: Sequence[FailedCheck] = (),
) -> list[Marked]:
    """Write the window's marker, every selected table being committed.

    All tables make the window complete. A subset renews what it committed in the marker of a
    complete window, and makes none.
    """
    country, window, selected = run.country, run.window, run.tables
    before = runtime.markers.whole(country, window)
    is_whole = selected >= {table.name for table in runtime.tables}
    if before is None and not is_whole:
        return []
    states = dict(before.tables) if before else {}
    for name in selected:
        state = runtime.warehouse.pointer(country, name)
        if state is None:
            raise WarehouseError(
                f"table {name} of {country} was committed for {window}, and its pointer is gone;"
                " run the window again"
            )
        states[name] = state
    is_new = before is None or selected >= WINDOW_FIGURES.inputs.keys()
    figures = (
        Figures(**session.rows(WINDOW_FIGURES.sql)[0])
        if is_new or before is None
        else before.figures
    )
    earlier = () if before is None else before.failed_checks
    kept = [check for check in earlier if check.table not in selected]
    marker = Marker(
        country=country,
        window=window.key,
        run_id=run.run_id if is_whole or before is None else before.run_id,
        observed_at=found.observation.observed_at,
        completed_at=runtime.clock() if is_whole or before is None else before.completed_at,
        figures=figures,
        tables=states,
        failed_checks=(*kept, *checks),
    )
    runtime.markers.write(marker)
    return [Marked(marker)]
