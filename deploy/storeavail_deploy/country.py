"""`storeavail-deploy country add`: scaffolds a country and ends with what `storeavail check` finds. The texts are made in `scaffold.py`."""

from __future__ import annotations

import os
import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from storeavail_deploy.cli import Deployment
from storeavail_deploy.plan import Change, carry_out
from storeavail_deploy.scaffold import country_block, database_sql, next_steps, with_code_location, with_country
from storeavail_deploy.settings import deployable
from storeavail_platform.commands.diagnose import check_country
from storeavail_platform.config import Platform, load_platform, load_text
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.pipeline.runtime import build_runtime


@click.group()
def commands() -> None:
    """Countries: scaffold a new one."""


@commands.command(epilog="Example:  storeavail-deploy --config storeavail.yaml country add CL --timezone America/Santiago")
@click.option("--timezone", required=True, metavar="ZONE", help="IANA zone of its stores, for example America/Santiago.")
@click.option(
    "--workspace",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Dagster's workspace file, to which the country's code server is added.  [default: none]",
)
@click.argument("code", metavar="CODE")
@click.pass_obj
def add(deployment: Deployment, code: str, timezone: str, workspace: Path | None) -> None:
    """Add a country to the configuration; print the SQL for its database and the commands to run; then check its connections.

    Run it again when the commands have been run: it changes nothing then, and checks. Exit code 1 until the check finds no error.
    """
    platform = deployment.platform
    exit_code = carry_out(plan_add(platform, code, timezone, workspace), dry_run=deployment.dry_run, tell=click.echo)
    if exit_code:
        sys.exit(exit_code)
    platform = load_platform(platform.origin)
    click.echo(f"\nIn the database of {code}:\n\n{database_sql(code)}\nThen:\n")
    click.echo("\n".join(f"    {command}" for command in next_steps(platform, code)))
    click.echo(f"\nstoreavail check --country {code}")
    findings = check_country(build_runtime(platform), code, datetime.now(UTC))
    for finding in findings:
        click.echo(f"  {finding.level:<8}{finding.what}: {finding.message}")
    sys.exit(int(any(finding.level == "error" for finding in findings)))


def plan_add(platform: Platform, code: str, timezone: str, workspace: Path | None) -> list[Change]:
    """What is missing until the configuration has the country, and the workspace its code server.

    Raises:
        ConfigError: the configuration is on S3, or the country would make it, or the workspace, a wrong one; nothing is written.
    """
    changes: list[Change] = []
    if code not in platform.countries:
        if platform.origin.startswith("s3://"):
            raise ConfigError(
                f"{platform.origin}: edit the file in its repository and copy it to S3; --config takes that file here"
            )
        file = Path(platform.origin)
        block = country_block(platform, code, timezone)
        text = with_country(file.read_text(encoding="utf-8"), block, platform.origin, str(file.parent))
        # its places may hold another country's
        deployable(load_text(text, base=str(file.parent), origin=platform.origin))
        changes.append(Change("update", platform.origin, f"countries.{code}\n\n{block}", partial(_write, file, text)))
    if workspace is not None:
        before = workspace.read_text(encoding="utf-8")
        after = with_code_location(before, code, str(workspace))
        if after != before:
            changes.append(Change("update", str(workspace), f"code location {code.lower()}", partial(_write, workspace, after)))
    return changes


def _write(file: Path, text: str) -> None:
    """Replace a file as a whole, with its mode; a reader sees the old text or the new one."""
    target = file.resolve()
    with tempfile.NamedTemporaryFile("w", dir=target.parent, prefix=f".{target.name}-", delete=False, encoding="utf-8") as new:
        new.write(text)
        new.flush()
        os.fsync(new.fileno())
    Path(new.name).chmod(target.stat().st_mode)
    Path(new.name).replace(target)
