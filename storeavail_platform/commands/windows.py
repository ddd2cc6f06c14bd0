"""Commands that tell how windows went and what stands in their way: `status`, `check`."""

from __future__ import annotations

import sys

import click
import orjson
from rich.text import Text

from storeavail_platform.alerting.failed_runs import PLATFORM
from storeavail_platform.commands.options import (
    ERROR,
    OUT,
    chosen,
    config_option,
    country_option,
    current_time,
    print_findings,
)
from storeavail_platform.commands.report import print_status
from storeavail_platform.config import load_platform
from storeavail_platform.pipeline.standing import build_standing
from storeavail_platform.reading import silences
from storeavail_platform.reading.status import all_statuses, lateness


@click.command(epilog="Example:  storeavail status --fail-late")
@config_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print it.",
)
@click.option(
    "--fail-late",
    is_flag=True,
    help="Exit code 1 where a country's newest observation is older than alerts.freshness.fail.",
)
def status(config_path: str | None, form: str, fail_late: bool) -> None:
    """Show where each country stands: last complete window, its figures, what waits, what is
    missing.

    With --fail-late for cron and monitoring: late countries are named, and exit code 1 says so.
    """
    standing, now = build_standing(load_platform(config_path)), current_time()
    statuses = all_statuses(standing, now)
    if form == "json":
        click.echo(orjson.dumps(statuses, option=orjson.OPT_INDENT_2).decode())
    else:
        print_status(OUT, statuses)
        for silence in silences.current(standing.storage, PLATFORM, now):
            OUT.print(Text(f"{PLATFORM}: {silence.word}: {silence}"))
    late = {
        status.country: why
        for status in statuses
        if status.country in standing.platform.countries
        and (why := lateness(standing, status.country, status.observed_at, now)) is not None
    }
    if fail_late and late:
        for code, why in late.items():
            ERROR.print(Text.assemble((f"{code} is late: ", "bold red"), why))
        sys.exit(1)


@click.command(epilog="Example:  storeavail check --country BR")
@config_option
@country_option
def check(config_path: str | None, countries: tuple[str, ...]) -> None:
    """Try every connection and query of a country, and say what is wrong and what to change.

    Changes nothing.
    """
    from storeavail_platform.commands.diagnose import check_country, check_left
    from storeavail_platform.commands.running import sources_running
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
