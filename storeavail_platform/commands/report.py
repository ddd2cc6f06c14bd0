"""What commands print for people: outcomes of runs, status of countries, a period's figures.

No decisions are made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from storeavail_platform.domain.availability import AVAILABILITY_SQL, COVERAGE_SQL
from storeavail_platform.domain.text import moment
from storeavail_platform.domain.windows import Window
from storeavail_platform.reading.status import GAP_DAYS, CountryStatus, age_text
from storeavail_platform.warehouse.markers import Figures
from storeavail_platform.warehouse.readings import INDEX, POSTGRES
from storeavail_platform.warehouse.trust import Trust

if TYPE_CHECKING:
    from storeavail_platform.orchestration.launch import Outcome
    from storeavail_platform.pipeline.runtime import Runtime

MINUTES = ("expected", "available", "missing", "rogue", "unknown")
SUMS = ", ".join(f"SUM({name}_minutes) AS {name}_minutes" for name in MINUTES)
WORST = 3
"""Cities and stores named as the worst of a country."""
PROBLEMS = 2
"""Problems shown of a country: a lost catalog is one with every table."""


def percent(share: float | None, *, digits: int = 1) -> str:
    """A share of 0..1 as `95.1 %`; a dash where it is undefined."""
    return "-" if share is None else f"{share * 100:.{digits}f} %"


def outcome_line(runtime: Runtime, outcome: Outcome, *, is_gap_well: bool = False) -> Text:
    """One line on how a window's run ended, with the window's figures where it completed, and
    whether its rows come from what was landed before or was read again.

    Args:
        is_gap_well: a gap that stays one has not failed.
    """
    head = f"{outcome.country} {outcome.window}"
    if outcome.reason is not None and not (outcome.is_gap and is_gap_well):
        return Text.assemble((f"{head}  failed: ", "bold red"), outcome.reason)
    line = _figures_line(runtime, outcome, head)
    line.append(sources_text(runtime, outcome))
    return line


def sources_text(runtime: Runtime, outcome: Outcome) -> str:
    """Of a window that was landed before its run: what its rows come from. Empty for one that was
    observed by it.
    """
    window = Window.parse(outcome.window)
    begun = datetime.fromtimestamp(outcome.begun, UTC)
    index = runtime.landing.find(outcome.country, window, INDEX)
    stores = runtime.landing.find(outcome.country, window, POSTGRES)
    if not outcome.begun or index is None or stores is None or index.landed_at >= begun:
        return ""
    landed = f"  from what was landed at {moment(index.landed_at)}"
    read_at = moment(stores.read_at)
    if stores.landed_at >= begun:
        again = "again" if stores.reread else "late"
        return f"{landed}, stores and hours read {again} at {read_at}"
    return f"{landed}, stores and hours as read again at {read_at}" if stores.reread else landed


def _figures_line(runtime: Runtime, outcome: Outcome, head: str) -> Text:
    if outcome.is_gap:
        return Text(
            f"{head}  a gap: never observed, every store unknown  ({outcome.seconds:.1f} s)"
        )
    marker = runtime.markers.read(outcome.country, Window.parse(outcome.window))
    if marker is None:
        return Text(
            f"{head}  done in {outcome.seconds:.1f} s; other tables of the window are not"
            " computed yet"
        )
    figures = marker.figures
    line = Text(
        f"{head}  availability {percent(figures.availability)}, coverage"
        f" {percent(figures.coverage)}, {figures.stores_missing:,} stores missing,"
        f" {figures.stores_rogue:,} rogue{problem_rows(figures)}  ({outcome.seconds:.1f} s)"
    )
    suspicion = Trust(runtime.storage).verdicts(outcome.country).suspicion_of(marker)
    if suspicion is not None:
        line.append(f"  suspect: {suspicion}", "yellow")
    return line


def problem_rows(figures: Figures) -> str:
    """How many rows of the source tables have a problem, as the end of a list; nothing without
    one.
    """
    if not figures.rows_with_problem:
        return ""
    counts = {
        "stores": figures.stores_with_problem,
        "hours": figures.hours_with_problem,
        "documents": figures.documents_with_problem,
    }
    of_which = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    return f", {figures.rows_with_problem:,} rows with problems ({of_which})"


def print_status(console: Console, statuses: Iterable[CountryStatus]) -> None:
    """A table of where each country stands, and below it what waits and what is missing."""
    table = Table(
        "country",
        "last complete window",
        "observed",
        "availability",
        "coverage",
        "waiting",
        "problems",
        "gaps",
        "silences",
    )
    notes: list[str] = []
    for status in statuses:
        table.add_row(
            status.country,
            status.last_window or "none",
            f"{age_text(status.age_seconds)} ago" if status.age_seconds is not None else "-",
            percent(status.availability),
            percent(status.coverage),
            str(len(status.waiting)),
            "-" if status.rows_with_problem is None else f"{status.rows_with_problem:,}",
            str(len(status.gaps) + len(status.recorded_gaps)),
            str(len(status.silences)),
        )
        notes += [f"{status.country}: {note}" for note in _notes(status)]
    console.print(table)
    for note in notes:
        console.print(Text(note))


def _notes(status: CountryStatus) -> Iterator[str]:
    """What waits, is missing or is wrong in a country, a line each."""
    if status.suspect:
        yield f"window {status.last_window} is suspect: {status.suspect}"
    if status.verdict:
        yield status.verdict
    if status.waiting:
        waiting = _some(status.waiting)
        yield f"landed but not computed: {waiting}; `storeavail run` computes them"
    if status.gaps:
        yield f"never observed: {_some(status.gaps)}"
    if status.recorded_gaps:
        yield (
            f"lost in the last {GAP_DAYS} days, never observed and recorded as gaps:"
            f" {_some(status.recorded_gaps[::-1])}"
        )
    if status.lost:
        yield f"rows lost for good ({len(status.lost)}): {_some(status.lost)}"
    if status.not_rolled_up:
        yield (
            "local dates wait for these windows to be rolled up:"
            f" {_some(status.not_rolled_up)}; the next window does it, and its run's log says why"
            " it failed before"
        )
    yield from (f"silenced: {silence}" for silence in status.silences)
    yield from (f"looked after: {silence}" for silence in status.acknowledged)
    yield from status.problems[:PROBLEMS]
    if len(status.problems) > PROBLEMS:
        more = len(status.problems) - PROBLEMS
        yield f"{more} more problems; `storeavail check` lists all"


def print_countries(console: Console, runtime: Runtime, since: Window, until: Window) -> None:
    """For each country a table of its figures from `since` to `until` (inclusive), with its
    worst cities and stores.
    """
    period = (
        f"window_start >= TIMESTAMPTZ '{since.start.isoformat()}' AND window_start <= TIMESTAMPTZ"
        f" '{until.start.isoformat()}'"
    )
    for code in runtime.platform.countries:
        within = f"WHERE country = '{code}' AND {period}"
        total = figures(
            runtime,
            f"""SELECT *, {AVAILABILITY_SQL} AS availability, {COVERAGE_SQL} AS coverage
                FROM (SELECT {SUMS}, COUNT(DISTINCT window_start) AS windows
                  FROM availability_summary {within})""",
        )[0]
        table = Table(
            "",
            "",
            title=f"{code}  {runtime.country(code).timezone}",
            show_header=False,
            title_justify="left",
        )
        table.add_row("availability", percent(total["availability"], digits=2))
        table.add_row("coverage", percent(total["coverage"], digits=2))
        table.add_row("missing store hours", f"{(total['missing_minutes'] or 0) / 60:,.0f}")
        table.add_row("rogue store hours", f"{(total['rogue_minutes'] or 0) / 60:,.0f}")
        table.add_row("windows", str(total["windows"]))
        table.add_row("worst cities", "\n".join(_worst_cities(runtime, within)) or "-")
        table.add_row("worst brands", "\n".join(_worst_brands(runtime, within)) or "-")
        table.add_row("worst stores", "\n".join(_worst_stores(runtime, within)) or "-")
        console.print(table)


def figures(runtime: Runtime, sql: str) -> list[dict[str, Any]]:
    """The rows of a query."""
    # `status` has no use for what it imports
    from storeavail_platform.reading.query import query

    rows: list[dict[str, Any]] = query(runtime, sql).to_pylist()
    return rows


def _worst_cities(runtime: Runtime, within: str) -> list[str]:
    return _worst_groups(runtime, "city", within)


def _worst_brands(runtime: Runtime, within: str) -> list[str]:
    return _worst_groups(runtime, "brand", within)


def _worst_groups(runtime: Runtime, column: str, within: str) -> list[str]:
    rows = figures(
        runtime,
        f"""SELECT name, {AVAILABILITY_SQL} AS availability, missing_minutes / 60 AS hours
            FROM (SELECT {column} AS name, {SUMS} FROM availability_summary {within}
              AND {column} IS NOT NULL GROUP BY {column})
            WHERE missing_minutes > 0 ORDER BY hours DESC, name LIMIT {WORST}""",
    )
    return [
        f"{row['name']}  {percent(row['availability'])}, {row['hours']:,.0f} h missing"
        for row in rows
    ]


def _worst_stores(runtime: Runtime, within: str) -> list[str]:
    rows = figures(
        runtime,
        f"""SELECT store_id, MAX(name) AS name, MAX(city) AS city, SUM(missing_minutes) AS minutes
          FROM store_availability {within}
          GROUP BY store_id HAVING SUM(missing_minutes) > 0
          ORDER BY minutes DESC, store_id LIMIT {WORST}""",
    )
    return [
        f"{row['store_id']} {row['name']}, {row['city']}  {row['minutes']:,.0f} min missing"
        for row in rows
    ]


def _some(keys: Sequence[str], most: int = 4) -> str:
    shown = ", ".join(keys[:most])
    return shown if len(keys) <= most else f"{shown} and {len(keys) - most} more"
