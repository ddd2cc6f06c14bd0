"""Commands that tell how windows went and what stands in their way: `status`, `check`."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import click
import orjson
from rich.text import Text

from storeavail_platform.commands.options import (
    OUT,
    chosen,
    config_option,
    country_option,
    current_time,
)
from storeavail_platform.commands.running import sources_running
from storeavail_platform.config import load_platform
from storeavail_platform.domain.finding import Finding


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
    colours = {"ok": "green", "warning": "yellow", "error": "bold red"}
    failed = False

    def tell(code: str, findings: Iterable[Finding]) -> None:
        nonlocal failed
        OUT.print(Text(code, "bold"))
        for finding in findings:
            failed |= finding.level == "error"
            OUT.print(
                Text.assemble(
                    (f"  {finding.level:<8}", colours[finding.level]),
                    f"{finding.what}: {finding.message}",
                )
            )

    with sources_running(platform):
        for code in chosen(platform, countries):
            tell(code, check_country(runtime, code, current_time()))
    for code, finding in check_left(runtime) if not countries else ():
        tell(code, [finding])
    if failed:
        sys.exit(1)
