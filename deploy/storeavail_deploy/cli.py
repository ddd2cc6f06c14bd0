"""The `storeavail-deploy` command: which countries, from which configuration, and whether to change
anything. No rules live here.

Exit codes: 0 all is as it should be, or was made so; 1 something failed, and the reason is printed;
2 the command line itself is wrong; 3 a dry run found something to do. Each command's group is in
the module of its name and is imported when it is used.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

import click

from storeavail_deploy.environment import require_checkout
from storeavail_deploy.plan import Change, carry_out
from storeavail_platform.config import Country, Platform, load_platform
from storeavail_platform.domain.errors import StoreAvailError
from storeavail_platform.domain.finding import Finding

GROUPS = (
    "alarms",
    "app",
    "cluster",
    "country",
    "metastore",
    "network",
    "notes",
    "roles",
    "storage",
)
"""Modules of this package; each has a click group `commands`."""


@dataclass(frozen=True)
class Deployment:
    """What every command gets (`click.pass_obj`).

    Attributes:
        config_path: as given by `--config`.
        countries: codes as given by `--country`; empty for none.
        every: whether `--all` was given.
    """

    config_path: str | None
    countries: tuple[str, ...]
    every: bool
    dry_run: bool

    @cached_property
    def platform(self) -> Platform:
        return load_platform(self.config_path)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The codes of the chosen countries.

        Raises:
            click.UsageError: neither `--country` nor `--all` was given, or both.
            ConfigError: there is no such country.
        """
        if self.every == bool(self.countries):
            raise click.UsageError(
                "say which countries: --country CODE (may be repeated), or --all"
            )
        if self.every:
            return tuple(self.platform.countries)
        return tuple(dict.fromkeys(self.platform.country(code).code for code in self.countries))

    def only(self, why: str) -> Country:
        """The one chosen country, for what is one country's affair as `why` says.

        Raises:
            click.UsageError: none or several were chosen.
        """
        if len(self.chosen) != 1:
            raise click.UsageError(f"{why}: --country CODE")
        return self.platform.country(self.chosen[0])

    def carry_out(self, changes: Sequence[Change]) -> None:
        """Print the plan, carry it out unless it is a dry run, and end with the exit code."""
        sys.exit(carry_out(changes, dry_run=self.dry_run, tell=click.echo))


def end_with(findings: Sequence[Finding], indent: str = "") -> NoReturn:
    """Print findings; exit code 1 if one of them is an error."""
    for finding in findings:
        click.echo(f"{indent}{finding.level:<8}{finding.what}: {finding.message}")
    sys.exit(any(finding.level == "error" for finding in findings))


class Commands(click.Group):
    """Loads the groups when they are asked for, and prints the platform's errors as messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(GROUPS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in GROUPS:
            return None
        group: click.Group = importlib.import_module(f"storeavail_deploy.{name}").commands
        return group

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except StoreAvailError as error:
            click.secho("error: ", fg="red", bold=True, nl=False, err=True)
            click.echo(str(error), err=True)
            ctx.exit(1)


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(package_name="storeavail-platform")
@click.option(
    "--config",
    "config_path",
    metavar="FILE",
    help="The platform's configuration: file or s3:// address.  [default: $STOREAVAIL_CONFIG]",
)
@click.option(
    "--country", "countries", multiple=True, metavar="CODE", help="This country; may be repeated."
)
@click.option("--all", "every", is_flag=True, help="Every country of the configuration.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the plan and change nothing; exit code 3 if there is something to do.",
)
@click.pass_context
def main(
    ctx: click.Context,
    config_path: str | None,
    countries: tuple[str, ...],
    every: bool,
    dry_run: bool,
) -> None:
    """What the countries run on: application, storage, roles, clusters, alarms.

    A plan first; a second run changes nothing.
    """
    require_checkout()
    ctx.obj = Deployment(config_path, countries, every, dry_run)


if __name__ == "__main__":
    main()
