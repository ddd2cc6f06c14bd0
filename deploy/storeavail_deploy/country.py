"""`storeavail-deploy country`: `add` scaffolds a country and ends with every role updated and what
`storeavail check` finds; `remove` takes one away.

What a country begins and ends with as text is `scaffold.py`; what its end takes away on AWS,
`removal.py`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import click

from storeavail_deploy.cli import Deployment, end_with
from storeavail_deploy.clients import open_site
from storeavail_deploy.entries import (
    with_code_location,
    with_country,
    without_code_location,
    without_country,
)
from storeavail_deploy.plan import Change, carry_out
from storeavail_deploy.removal import Removal
from storeavail_deploy.roles import plan_roles
from storeavail_deploy.scaffold import (
    before_end,
    country_block,
    database_sql,
    last_steps,
    next_steps,
)
from storeavail_deploy.settings import deployable
from storeavail_platform.commands.diagnose import check_country
from storeavail_platform.config import Platform, load_platform, load_text
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.pipeline.runtime import build_runtime

DATA = "data: `storeavail remove-country {code}` removes it"

Command = TypeVar("Command", bound=Callable[..., object])

commands = click.Group(help="Countries: scaffold a new one, take one away.")


def _workspace(help_text: str) -> Callable[[Command], Command]:
    return click.option(
        "--workspace",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help=f"Dagster's workspace file, {help_text}.  [default: none]",
    )


@commands.command(
    epilog=(
        "Example:  storeavail-deploy --config storeavail.yaml country add CL --timezone"
        " America/Santiago"
    )
)
@click.option(
    "--timezone",
    required=True,
    metavar="ZONE",
    help="IANA zone of its stores, for example America/Santiago.",
)
@_workspace("to which the country's code server is added")
@click.argument("code", metavar="CODE")
@click.pass_obj
def add(deployment: Deployment, code: str, timezone: str, workspace: Path | None) -> None:
    """Add a country to the configuration; print the SQL for its database and the commands to run;
    then check its connections.

    Run it again when its block is filled in: it then brings the roles of every country up to date,
    and checks. Exit code 1 until the check finds no error.
    """
    platform = deployment.platform
    changes = plan_add(platform, code, timezone, workspace)
    if code in platform.countries:
        # of a new block it is not known yet in which account the country is
        changes += every_role(platform)
    exit_code = carry_out(changes, dry_run=deployment.dry_run, tell=click.echo)
    if exit_code:
        sys.exit(exit_code)
    platform = load_platform(platform.origin)
    click.echo(f"\nIn the database of {code}:\n\n{database_sql(code)}\nThen:\n")
    click.echo("\n".join(f"    {command}" for command in next_steps(platform, code)))
    click.echo(f"\nstoreavail check --country {code}")
    end_with(check_country(build_runtime(platform), code, datetime.now(UTC)), "  ")


@commands.command(epilog="Example:  storeavail-deploy --config storeavail.yaml country remove CL")
@_workspace("from which the country's code server is taken")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.argument("code", metavar="CODE")
@click.pass_obj
def remove(deployment: Deployment, code: str, workspace: Path | None, yes: bool) -> None:
    """Take a country away: its clusters, alarms, roles, code location, and last its block of the
    configuration. Says what stays, and asks first.

    Its data stays, until `storeavail remove-country`.
    """
    platform = deployment.platform
    settings = platform.country(code)
    opened = None if settings.emr is None else open_site(platform, code)
    removal = None if opened is None else Removal(*opened, tell=click.echo)
    changes = plan_remove(platform, code, workspace, removal)
    click.echo(f"Before: {before_end(code)}")
    for line in removal.stays() if removal is not None else [DATA.format(code=code)]:
        click.echo(f"stays   {line}")

    def ask() -> None:
        if not yes:
            click.confirm(f"Take {code} away? Its code server has ended?", abort=True)

    exit_code = carry_out(changes, dry_run=deployment.dry_run, tell=click.echo, ask=ask)
    if exit_code == 0:
        click.echo("\nThen:\n")
        click.echo("\n".join(f"    {command}" for command in last_steps(platform, code)))
    sys.exit(exit_code)


def every_role(platform: Platform, account: str | None = None) -> list[Change]:
    """What is missing until the roles of every country are as they should be: some name what
    other countries have.

    Args:
        account: of the countries in this one alone.
    """
    sites = [open_site(platform, code) for code in deployable(platform)]
    return plan_roles([each for each in sites if account in (None, each[0].account)])


def plan_remove(
    platform: Platform, code: str, workspace: Path | None, removal: Removal | None
) -> list[Change]:
    """What there is of a country and goes: on AWS, where it is there; its code location; its block
    of the configuration, last.

    Raises:
        ConfigError: the configuration is on S3, or would be a wrong one without the country;
            nothing was changed.
    """
    file = _local(platform)
    text = without_country(
        file.read_text(encoding="utf-8"), code, platform.origin, str(file.parent)
    )
    changes: list[Change] = []
    if removal is not None:
        without = load_text(text, base=str(file.parent), origin=platform.origin)
        changes += [*removal.plan(), *every_role(without, removal.site.account)]
    if workspace is not None:
        before = workspace.read_text(encoding="utf-8")
        after = without_code_location(before, code, str(workspace))
        if after != before:
            why = f"code location {code.lower()}"
            changes.append(Change("delete", str(workspace), why, partial(_write, workspace, after)))
    write = partial(_write, file, text)
    return [*changes, Change("delete", platform.origin, f"countries.{code}", write)]


def _local(platform: Platform) -> Path:
    """The configuration's file.

    Raises:
        ConfigError: it is on S3.
    """
    if platform.origin.startswith("s3://"):
        raise ConfigError(
            f"{platform.origin}: edit the file in its repository and copy it to S3; --config"
            " takes that file here"
        )
    return Path(platform.origin)


def plan_add(platform: Platform, code: str, timezone: str, workspace: Path | None) -> list[Change]:
    """What is missing until the configuration has the country, and the workspace its code server.

    Raises:
        ConfigError: the configuration is on S3, or the country would make it, or the workspace, a
            wrong one; nothing is written.
    """
    changes: list[Change] = []
    if code not in platform.countries:
        file = _local(platform)
        block = country_block(platform, code, timezone)
        text = with_country(
            file.read_text(encoding="utf-8"), block, platform.origin, str(file.parent)
        )
        # its places may hold another country's
        deployable(load_text(text, base=str(file.parent), origin=platform.origin))
        changes.append(
            Change(
                "update",
                platform.origin,
                f"countries.{code}\n\n{block}",
                partial(_write, file, text),
            )
        )
    if workspace is not None:
        before = workspace.read_text(encoding="utf-8")
        after = with_code_location(before, code, str(workspace))
        if after != before:
            changes.append(
                Change(
                    "update",
                    str(workspace),
                    f"code location {code.lower()}",
                    partial(_write, workspace, after),
                )
            )
    return changes


def _write(file: Path, text: str) -> None:
    """Replace a file as a whole, with its mode; a reader sees the old text or the new one."""
    target = file.resolve()
    with tempfile.NamedTemporaryFile(
        "w", dir=target.parent, prefix=f".{target.name}-", delete=False, encoding="utf-8"
    ) as new:
        new.write(text)
        new.flush()
        os.fsync(new.fileno())
    Path(new.name).chmod(target.stat().st_mode)
    Path(new.name).replace(target)
