"""Growth: what a whole window costs after 3,000 windows with upkeep, against what it costs after
30, in CPU seconds of this process.

`python -m benchmarks.growth [--metastore]` runs windows through `pipeline.run_window`: landing,
tables, commits, marker, local dates, the page, then the overview and catch-up's look. Two countries
of one warehouse take turns, one on its first day and one a month old, at the same hour of the day,
so that what else the machine does hurts both alike; then a third on its first day and the old one
in the evening, when both have had no upkeep for longest.

What is before the measured windows is made in less time: rows are those of a computed window with
another time. The last day is committed window by window. The eight days before, whose states
are kept, have a commit for six hours each, which is what is kept of a day's states, and upkeep each
night. A day of before is one commit of one file, which is all that upkeep leaves of it.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.history import (
    DAY_WINDOWS,
    KEPT_DAYS,
    PARTS,
    TEMPLATE,
    ZONE,
    Clock,
    History,
)
from storeavail_platform.config import load_text
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import build_runtime

BESIDE = "page, nothing kept"
"""Not a part of a window: its page once more, as where nothing is kept of before."""
OLD, YOUNG, EVENING = "BR", "CL", "AR"
"""Countries: a month old; on its first day, twice."""
STORES = 1000
DAYS = 31
MEASURED_AT = 30
"""Windows of the day before those that are measured: after 30, and after 3,006."""
EVENING_AT = 90
MEASURED = 7
PROFILED = 2
GOAL_RATIO = 1.3
SOURCES = "postgres: {dsn: 'env:DSN'}, online_index: {path: ./index.ndjson}"
CONSOLE = Console(width=110, highlight=False)


def measure(
    stores: int = STORES,
    days: int = DAYS,
    metastore: str | None = None,
    profile: str | None = None,
) -> None:
    """Make all countries, let them take turns, and print what each part of a window takes."""
    midnight = datetime.combine(datetime.now(UTC).date(), datetime.min.time(), UTC)
    # later than now: files are older than upkeep takes them to be, and it removes what is left over
    first = Window(midnight + timedelta(days=2))
    clock = Clock(first.start)
    catalog = f"catalog: {{type: hive, uri: '{metastore}'}}\n" if metastore else ""
    codes = (TEMPLATE, OLD, YOUNG, EVENING)
    countries = "".join(f"  {code}: {{timezone: {ZONE}, {SOURCES}}}\n" for code in codes)
    text = f"warehouse: ./warehouse\n{catalog}countries:\n{countries}"
    with tempfile.TemporaryDirectory() as folder, clock.dating_snapshots():
        (Path(folder) / "warehouse").mkdir()
        platform = load_text(text, base=Path(folder), origin="bench.yaml")
        runtime = build_runtime(platform, clock=clock)
        template = History(runtime, clock, TEMPLATE, stores, first)
        template.learn()
        old, young, evening = (
            History(runtime, clock, code, stores, first, template.rows)
            for code in (OLD, YOUNG, EVENING)
        )
        begin = MEASURED_AT - 1 - MEASURED // 2
        late = EVENING_AT - 1 - MEASURED // 2
        young.grow(begin)
        evening.grow(late)
        old.landed_from = max(0, (days - KEPT_DAYS) * DAY_WINDOWS)
        old.grow(days * DAY_WINDOWS + begin)
        compare(young, old, profile)
        while old.number % DAY_WINDOWS < late:
            old.commit()
        compare(evening, old, profile and f"{profile}-evening")


def compare(young: History, old: History, profile: str | None) -> None:
    """Let two countries run windows in turn, and print the medians."""
    title = f"CPU milliseconds of a window, {old.stores:,} stores"
    shown = Table("after windows", *PARTS, "whole", "ratio", BESIDE, title=title)
    numbers = [each.number + 1 + MEASURED // 2 for each in (young, old)]
    seconds: list[list[list[float]]] = [[], []]
    for _ in range(MEASURED):
        for each, found in zip((young, old), seconds, strict=True):
            found.append([*each.whole(), each.page_without_kept()])
    wholes = [statistics.median(sum(parts) for *parts, _ in found) for found in seconds]
    for number, found, whole in zip(numbers, seconds, wholes, strict=True):
        *parts, beside = [statistics.median(part) * 1000 for part in zip(*found, strict=True)]
        cells = [f"{part:.0f}" for part in (*parts, whole * 1000)]
        shown.add_row(f"{number:,}", *cells, f"{whole / wholes[0]:.2f}", f"{beside:.0f}")
    CONSOLE.print(shown)
    CONSOLE.print(f"goal: at most {GOAL_RATIO}")
    if profile:
        # windows of their own: a profile takes time
        for each, name in ((young, "young"), (old, "old")):
            profiler = cProfile.Profile(time.process_time)
            for _ in range(PROFILED):
                with profiler:
                    each.whole()
            profiler.dump_stats(f"{profile}-{name}.prof")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth")
    parser.add_argument("--stores", type=int, default=STORES)
    parser.add_argument("--days", type=int, default=DAYS, help="how old the old country is")
    parser.add_argument("--metastore", action="store_true", help="commit through a real metastore")
    parser.add_argument("--profile", help="how the names begin of profiles of CPU seconds")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        uri = None
        if arguments.metastore:
            uri = stack.enter_context(running_metastore())
        measure(arguments.stores, arguments.days, uri, arguments.profile)


@contextlib.contextmanager
def running_metastore() -> Iterator[str]:
    """The address of a metastore that runs meanwhile."""
    from storeavail_testing.metastore import HiveMetastore
    from storeavail_testing.postgres import PostgresServer
    from storeavail_testing.processes import service_folder

    with service_folder("growth-postgres") as first, service_folder("growth-metastore") as second:
        postgres = PostgresServer(first)
        postgres.start()
        metastore = HiveMetastore(second, postgres)
        metastore.start()
        try:
            yield metastore.uri
        finally:
            metastore.kill()
            postgres.kill()


if __name__ == "__main__":
    main()
