"""Commands that run windows and tell how they went: `run`, `status`, `check`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import click
import orjson

from storeavail_platform.commands.options import (
    ERROR,
    OUT,
    WindowType,
    chosen,
    config_option,
    country_option,
    current_time,
    print_findings,
)
from storeavail_platform.config import Platform, demo_config_path, load_platform
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.windows import Window


@contextlib.contextmanager
def sources_running(platform: Platform) -> Iterator[None]:
    """Start the demo's PostgreSQL for the demo's own configuration, and record its index up to
    now; any other has its own servers.
    """
    if platform.origin != str(demo_config_path()):
        yield
        return
    from storeavail_platform.demo import demo_running

    with demo_running(demo_config_path().parent, current_time()):
        yield


@click.command(
    epilog=(
        "Example:  storeavail run --country BR --window 2026-11-23T1015 --select store_availability"
    )
)
@config_option
@country_option
@click.option(
    "--window",
    type=WindowType(),
    metavar="KEY",
    help="UTC start of the window, like 2026-11-23T1015.  [default: the one in progress]",
)
@click.option(
    "--select",
    multiple=True,
    metavar="TABLE",
    type=click.Choice(["observation", *(table.name for table in TABLES)]),
    help="Only this table; may be repeated.  [default: the observation and every table]",
)
def run(
    config_path: str | None,
    countries: tuple[str, ...],
    window: Window | None,
    select: tuple[str, ...],
) -> None:
    """Run one window: observe, compute, check and commit it, each country in a process of its own.

    A window that is landed is computed again from what was read then. Exit code 1 if a country
    failed; the others complete.
    """
    from storeavail_platform.commands.report import outcome_line
    from storeavail_platform.orchestration.launch import Outcome, launch
    from storeavail_platform.pipeline.runtime import build_runtime
    from storeavail_platform.warehouse.layout import layout_of

    platform = load_platform(config_path)
    runtime = build_runtime(platform)
    # before a process and a run a country begin
    layout_of(runtime.storage)
    window = window or Window.containing(current_time())

    def tell(outcome: Outcome) -> None:
        (OUT if outcome.reason is None else ERROR).print(outcome_line(runtime, outcome))

    with sources_running(platform):
        outcomes = launch(
            platform,
            {code: [window] for code in chosen(platform, countries)},
            select=select,
            on_outcome=tell,
        )
    if any(outcome.reason is not None for outcome in outcomes):
        sys.exit(1)


@click.command(epilog="Example:  storeavail status --format json")
@config_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print it.",
)
def status(config_path: str | None, form: str) -> None:
    """Show where each country stands: last complete window, its figures, what waits, what is
    missing.
    """
    from storeavail_platform.commands.report import print_status
    from storeavail_platform.pipeline.runtime import build_runtime
    from storeavail_platform.reading.status import all_statuses

    runtime = build_runtime(load_platform(config_path))
    statuses = all_statuses(runtime, current_time())
    if form == "json":
        click.echo(orjson.dumps(statuses, option=orjson.OPT_INDENT_2).decode())
    else:
        print_status(OUT, statuses)


@click.command(epilog="Example:  storeavail check --country BR")
@config_option
@country_option
def check(config_path: str | None, countries: tuple[str, ...]) -> None:
    """Try every connection and query of a country, and say what is wrong and what to change.

    Changes nothing.
    """
    from storeavail_platform.commands.diagnose import check_country, check_left
    from storeavail_platform.pipeline.runtime import build_runtime

    platform = load_platform(config_path)
    runtime = build_runtime(platform)
    failed = False
    with sources_running(platform):
        for code in chosen(platform, countries):
            failed |= print_findings(code, check_country(runtime, code, current_time()))
    for code, finding in check_left(runtime) if not countries else ():
        failed |= print_findings(code, [finding])
    if failed:
        sys.exit(1)
