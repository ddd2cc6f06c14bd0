"""`python -m benchmarks`: measures and prints; every measurement runs in a process of its own, so that
memory and warm-up are its own.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import (
    cluster,
    dashboard,
    data,
    days,
    growth,
    ids,
    incidents,
    index_read,
    naive,
    raw_reads,
    runs,
    script,
    upkeep,
    weight,
    window,
)
from benchmarks.apart import apart
from storeavail_platform.config import Platform
from storeavail_testing.elasticsearch import ElasticsearchServer
from storeavail_testing.postgres import PostgresServer
from storeavail_testing.processes import service_folder

MEASURED = 3
GOAL_SECONDS = 0.8
GOAL_DAGSTER_SECONDS = 1.0
GOAL_OBSERVATION, GOAL_WINDOW = 1.5, 2.0
"""Times the raw reads, and times the observation."""
GOAL_MEMORY_MB = 1_200
CONSOLE = Console(width=110, highlight=False)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Side by side on the same data; read the ratios."
    )
    parser.add_argument(
        "--stores", type=int, default=10_000, help="stores of the usual country (default: 10000)"
    )
    parser.add_argument(
        "--large",
        type=int,
        default=1_000_000,
        help="stores of the large country (default: 1000000)",
    )
    parser.add_argument("--skip-large", action="store_true", help="leave the large country out")
    parser.add_argument("--skip-spark", action="store_true", help="leave the plain PySpark job out")
    parser.add_argument(
        "--skip-days", action="store_true", help="leave the roll-up of a local date out"
    )
    parser.add_argument("--skip-dashboard", action="store_true", help="leave the page out")
    parser.add_argument(
        "--skip-upkeep", action="store_true", help="leave a month of commits with upkeep out"
    )
    parser.add_argument(
        "--skip-incidents", action="store_true", help="leave the judgement of causes out"
    )
    parser.add_argument(
        "--skip-cluster",
        action="store_true",
        help="leave the stand-in EMR and its stock launcher out",
    )
    arguments = parser.parse_args()
    with (
        service_folder("bench-postgres") as first,
        service_folder("bench-es") as second,
        tempfile.TemporaryDirectory() as third,
    ):
        postgres, elasticsearch = PostgresServer(first), ElasticsearchServer(second)
        postgres.start()
        elasticsearch.start()
        try:
            measure(postgres, elasticsearch, Path(third), arguments)
        finally:
            elasticsearch.kill()
            postgres.kill()
    apart(weight.measure)
    apart(runs.measure)
    if not arguments.skip_incidents:
        apart(incidents.measure)
    if not arguments.skip_large:
        apart(ids.measure)
    if not arguments.skip_days:
        apart(days.measure)
    if not arguments.skip_dashboard:
        apart(dashboard.measure)
    if not arguments.skip_upkeep:
        apart(upkeep.measure)
        apart(growth.measure)
    if not arguments.skip_cluster:
        measure_cluster(arguments.stores)


def measure(
    postgres: PostgresServer,
    elasticsearch: ElasticsearchServer,
    folder: Path,
    arguments: argparse.Namespace,
) -> None:
    """Fill, measure and print."""
    CONSOLE.print(
        f"{os.cpu_count()} cores; filling PostgreSQL and Elasticsearch with {arguments.stores:,}"
        " stores"
    )
    platform = data.fill(postgres, elasticsearch, folder, arguments.stores)
    dump = platform.dump()
    plain = apart(window.warm_windows, dump, window.WARM_UP + MEASURED)
    best = min(plain["runs"], key=lambda run: float(sum(run.values())))
    print_clock(f"a window of {arguments.stores:,} stores, warm, without Dagster", best)
    total = sum(best.values())
    dagster, whole = min(
        apart(window.dagster_windows, dump, window.WARM_UP + MEASURED)[window.WARM_UP :]
    )
    summary = Table(
        "what", "seconds", "ratio", "goal", title=f"{arguments.stores:,} stores, the same servers"
    )
    summary.add_row(
        "platform, landing to commit of every table",
        f"{total:.2f}",
        "1.0",
        f"at most {GOAL_SECONDS}",
    )
    goal = f"at most {GOAL_DAGSTER_SECONDS} more"
    summary.add_row("the same as a Dagster run", f"{dagster:.2f}", f"{dagster / total:.1f}", goal)
    summary.add_row("and its local dates and the page", f"{whole:.2f}", f"{whole / total:.1f}", "")
    if not arguments.skip_spark:
        config = platform.country(window.COUNTRY)
        seconds, counts = apart(
            naive.run,
            config.postgres.dsn.resolve(),
            elasticsearch.url,
            f"bench_{arguments.stores}",
            folder,
        )
        summary.add_row(
            "plain PySpark job (one table, no history)",
            f"{seconds:.2f}",
            f"{seconds / total:.1f}",
            "",
        )
        same = all(
            counts.get(status) == plain["counts"].get(status)
            for status in ("available", "missing", "rogue")
        )
        CONSOLE.print(
            "both give the same stores by status"
            if same
            else f"they differ: {plain['counts']} and {counts}"
        )
    CONSOLE.print(summary)
    print_index_read(dump, arguments.stores)
    if not arguments.skip_large:
        CONSOLE.print(f"filling PostgreSQL and Elasticsearch with {arguments.large:,} stores")
        large = data.fill(postgres, elasticsearch, folder, arguments.large)
        result = apart(window.warm_windows, large.dump(), 1)
        print_clock(
            f"a window of {arguments.large:,} stores, cold, without Dagster", result["runs"][0]
        )
        print_peers(large, elasticsearch.url, folder, arguments, result)
        print_index_read(large.dump(), arguments.large)


def print_peers(
    platform: Platform,
    url: str,
    folder: Path,
    arguments: argparse.Namespace,
    result: Mapping[str, Any],
) -> None:
    """A window of the large country beside the raw reads of the same bytes, and what people write."""
    index, config = f"bench_{arguments.large}", platform.country(window.COUNTRY)
    raw = apart(raw_reads.measure, platform.dump(), window.COUNTRY)
    seconds = result["runs"][0]
    whole, observed = sum(seconds.values()), next(iter(seconds.values()))
    peers = Table(
        "what",
        "seconds",
        "ratio",
        "MB",
        "goal",
        title=f"{arguments.large:,} stores, the same servers",
    )
    peers.add_row("the same bytes of both servers at once", f"{raw:.1f}", "1.0", "", "")
    peers.add_row(
        "platform: observation",
        f"{observed:.1f}",
        f"{observed / raw:.1f}",
        "",
        f"{GOAL_OBSERVATION}",
    )
    peers.add_row(
        "platform: the whole window",
        f"{whole:.1f}",
        f"{whole / raw:.1f}",
        f"{result['memory']:,.0f}",
        f"{GOAL_WINDOW} x observation ({whole / observed:.1f}), {GOAL_MEMORY_MB:,} MB",
    )
    dsn = config.postgres.dsn.resolve()
    spent, counts, memory = apart(script.run, dsn, url, index, folder)
    peers.add_row(
        "a script: COPY, helpers.scan, DuckDB, one Parquet file",
        f"{spent:.1f}",
        f"{spent / raw:.1f}",
        f"{memory:,.0f}",
        "",
    )
    CONSOLE.print(f"stores by status: {dict(result['counts'])}; of the script: {counts}")
    if not arguments.skip_spark:
        spent, _ = apart(naive.run, dsn, url, index, folder)
        peers.add_row("a plain PySpark job", f"{spent:.1f}", f"{spent / raw:.1f}", "", "")
    CONSOLE.print(peers)


def print_index_read(dump: str, documents: int) -> None:
    """What a document of the index costs, by how it is read."""
    found = apart(index_read.measure, dump, window.COUNTRY)
    table = Table(
        "a document of the index", "CPU us", "ratio", title=f"{documents:,} documents, one thread"
    )
    for how, spent in found.items():
        table.add_row(how, f"{spent:.2f}", f"{spent / found['as columns']:.1f}")
    CONSOLE.print(table)


def measure_cluster(stores: int) -> None:
    """The step on the stand-in EMR, where its time goes, and the same tables through
    dagster-aws' own launcher.
    """
    result = apart(cluster.measure, stores)
    print_clock(
        f"a launched window of {stores:,} stores on the stand-in EMR, from submit to marker",
        result["seconds"],
    )
    summary = Table(
        "what",
        "seconds",
        "ratio",
        "goal",
        title=f"{stores:,} stores, the same stand-in, S3 and metastore",
    )
    total = result["total"]
    summary.add_row("platform: one step", f"{total:.1f}", "1.0", "below 60")
    summary.add_row(
        "of it all commits through the metastore", f"{result['commits']:.1f}", "", "below 3"
    )
    floor = 1.5 * result["warm"] + result["start"]
    summary.add_row("the step's work in a warm session", f"{result['warm']:.1f}", "", "")
    summary.add_row("Spark's own start", f"{result['start']:.1f}", "", "")
    summary.add_row(
        "1.5 times the one and the other", f"{floor:.1f}", f"{floor / total:.2f}", "at least 1.0"
    )
    summary.add_row(
        "a step a table, dagster-aws' launcher",
        f"{result['stock']:.1f}",
        f"{result['stock'] / total:.1f}",
        "at least 8",
    )
    CONSOLE.print(summary)


def print_clock(title: str, seconds: Mapping[str, float]) -> None:
    table = Table("where the time goes", "seconds", "share", title=title)
    total = sum(seconds.values())
    for what, spent in seconds.items():
        table.add_row(what, f"{spent:.3f}", f"{spent / total:.0%}")
    table.add_row("total", f"{total:.3f}", "")
    CONSOLE.print(table)


if __name__ == "__main__":
    main()
