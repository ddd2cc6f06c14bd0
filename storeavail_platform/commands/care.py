"""Commands that look after the warehouse: `maintain`, `migrate`, `recover`, `backup`,
`remove-country`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.text import Text

from storeavail_platform.commands.options import (
    ERROR,
    OUT,
    chosen,
    config_option,
    country_option,
    current_time,
)
from storeavail_platform.config import load_platform


@click.command(epilog="Example:  storeavail maintain --country BR")
@config_option
@country_option
def maintain(config_path: str | None, countries: tuple[str, ...]) -> None:
    """Keep the tables fast and small: compaction, expiry, orphans, old readings, union views.

    A schedule does it every night.
    """
    from storeavail_platform.pipeline.runtime import build_runtime
    from storeavail_platform.upkeep import maintain as maintain_country

    platform = load_platform(config_path)
    runtime, now, failed = build_runtime(platform), current_time(), False
    for code in chosen(platform, countries):
        idle = True
        for done in maintain_country(runtime, code, now):
            idle = False
            failed |= done.is_error
            (ERROR if done.is_error else OUT).print(Text(f"{code}: {done}"), soft_wrap=True)
        if idle:
            OUT.print(Text(f"{code}: nothing to do"))
    if failed:
        sys.exit(1)


@click.command(epilog="Example:  storeavail migrate --dry-run")
@config_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
def migrate(config_path: str | None, dry_run: bool) -> None:
    """Bring the warehouse to the layout that this release reads and writes. One of a later release
    is refused.

    Stop the release of before first. Tables are copied day by day beside what they are, compared,
    and take its place last: safe to kill, and to run again. Windows are observed meanwhile, and
    computed afterwards.
    """
    from storeavail_platform.commands.migrate import migrate_all

    if not migrate_all(load_platform(config_path), dry_run=dry_run):
        sys.exit(1)


@click.command(epilog="Example:  storeavail recover --country BR --dry-run")
@config_option
@country_option
@click.option("--dry-run", is_flag=True, help="Say what is needed, and do nothing.")
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Ask whether what nothing brings back is accepted as lost, and record it: it is not told"
    " again.",
)
@click.option("--yes", is_flag=True, help="With --accept-loss: do not ask.")
def recover(
    config_path: str | None,
    countries: tuple[str, ...],
    dry_run: bool,
    accept_loss: bool,
    yes: bool,
) -> None:
    """Put catalog and tables right: register tables from their pointers, run windows whose rows are
    lost again from the landing.

    Says what it does first. Exit code 1 unless all is whole then. Safe to kill, and to run again.
    """
    if yes and not accept_loss:
        raise click.UsageError("--yes answers the question of --accept-loss")
    from storeavail_platform.commands.recover import Recovery
    from storeavail_platform.commands.report import outcome_line
    from storeavail_platform.orchestration.launch import Outcome
    from storeavail_platform.pipeline.runtime import build_runtime

    platform = load_platform(config_path)
    runtime = build_runtime(platform)

    def tell(outcome: Outcome) -> None:
        (OUT if outcome.reason is None else ERROR).print(outcome_line(runtime, outcome))

    def accepts(code: str) -> bool:
        return yes or click.confirm(
            f"Accept this loss of {code}? Nothing but a backup brings it back"
        )

    recovery = Recovery(
        platform,
        current_time(),
        lambda line: OUT.print(Text(line), soft_wrap=True),
        tell,
        accepts if accept_loss else None,
    )
    if not recovery.recover(chosen(platform, countries), dry_run=dry_run):
        sys.exit(1)


@click.command(epilog="Example:  storeavail backup /mnt/backup/storeavail")
@config_option
@country_option
@click.argument("folder", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path))
def backup(config_path: str | None, countries: tuple[str, ...], folder: Path) -> None:
    """Copy the warehouse and Dagster's home to a folder while they are in use; what is there
    already is not copied again.

    A restore is that folder copied back to the warehouse's own path, then `storeavail recover`.
    """
    from storeavail_platform.commands.backup import back_up_countries

    platform = load_platform(config_path)

    def tell(line: str) -> None:
        ERROR.print(Text(line), soft_wrap=True)

    done = back_up_countries(
        platform, chosen(platform, countries) if countries else [], folder.absolute(), tell
    )
    for problem in done.problems:
        tell(problem)
    OUT.print(Text(f"{folder}: {done}"), soft_wrap=True)
    if done.problems:
        sys.exit(1)


@click.command("remove-country", epilog="Example:  storeavail remove-country CL")
@config_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.argument("code", metavar="CODE")
def remove_country(config_path: str | None, yes: bool, code: str) -> None:
    """Remove all that is left of a country that is not in the configuration any more: tables,
    readings, markers, pages, alerts.
    """
    from storeavail_platform.pipeline.runtime import build_runtime
    from storeavail_platform.upkeep.removal import left_of
    from storeavail_platform.upkeep.removal import remove_country as remove

    runtime = build_runtime(load_platform(config_path))
    left = left_of(runtime, code, current_time())
    OUT.print(Text(str(left)), soft_wrap=True)
    if not yes:
        click.confirm(
            f"Remove all of it from {runtime.platform.warehouse}? It cannot be undone", abort=True
        )
    remove(runtime, left)
    OUT.print(Text(f"{code}: removed"))
