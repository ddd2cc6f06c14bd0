"""`storeavail-deploy app`: publish a commit for countries, go back to the one before, say which
is current, wait until it has proved itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import click

from storeavail_deploy.cli import Deployment
from storeavail_deploy.publish import Checkout, plan_publish, plan_rollback
from storeavail_deploy.release import Application, deployer
from storeavail_platform.config import format_duration
from storeavail_platform.domain.errors import StorageUnavailable
from storeavail_platform.domain.windows import Window
from storeavail_platform.storage.s3 import S3Storage
from storeavail_platform.warehouse.markers import Markers

POLL_SECONDS = 15.0


commands = click.Group(help="The application: code, environment and notebooks on S3, by commit.")


@commands.command(epilog="Example:  storeavail-deploy --country BR app publish")
@click.pass_obj
def publish(deployment: Deployment) -> None:
    """Upload this checkout's commit unless it is there, and make it the current release of the
    chosen countries.
    """
    deployment.carry_out(plan_publish(deployment.platform, deployment.chosen, Checkout()))


@commands.command(epilog="Example:  storeavail-deploy --country BR app rollback")
@click.pass_obj
def rollback(deployment: Deployment) -> None:
    """Make the release before the current one the current one again, after its checksums were
    compared.
    """
    deployment.carry_out(plan_rollback(deployment.platform, deployment.chosen))


@commands.command(epilog="Example:  storeavail-deploy --all app current")
@click.pass_obj
def current(deployment: Deployment) -> None:
    """Print the commit that each chosen country's steps run: its code and the commit, or `none`."""
    for code in deployment.chosen:
        click.echo(
            f"{code}"
            f" {Application.of(deployment.platform.country(code)).history().current or 'none'}"
        )


@commands.command(epilog="Example:  storeavail-deploy --country BR app prove --minutes 40")
@click.option(
    "--minutes",
    type=click.IntRange(1, 240),
    default=40,
    show_default=True,
    help="How long to wait for each.",
)
@click.pass_obj
def prove(deployment: Deployment, minutes: int) -> None:
    """Wait until each chosen country has completed a window since this command began: the gate
    of a roll-out. Changes nothing.
    """
    warehouse = deployment.platform.warehouse
    for code in deployment.chosen:
        # as the deployer, like everything else here: whoever deploys may not be allowed to be a
        # country's worker
        storage = S3Storage(warehouse, deployer(deployment.platform.country(code).aws))
        window = wait_until_proved(
            Markers(storage), code, within=timedelta(minutes=minutes), tell=click.echo
        )
        click.echo(f"{code}: window {window} is complete")


def wait_until_proved(
    markers: Markers,
    country: str,
    *,
    within: timedelta,
    tell: Callable[[str], None] = lambda text: None,
    poll_seconds: float = POLL_SECONDS,
) -> str:
    """Wait until a window of a country has been observed and completed since now. Gives its key. A
    storage that does not answer is asked again.

    Raises:
        StorageUnavailable: none was in time; says which was the last.
    """
    began = datetime.now(UTC)
    first, deadline = Window.containing(began), time.monotonic() + within.total_seconds()
    tell(f"{country}: waiting for window {first} or a later one, at most {format_duration(within)}")
    while True:
        try:
            for key in reversed(markers.complete(country, after=first.next(-1).key)):
                marker = markers.read(country, Window.parse(key)) if key >= first.key else None
                if (
                    marker is not None
                    and marker.observed_at is not None
                    and began <= marker.observed_at <= marker.completed_at
                ):
                    return marker.window
        except StorageUnavailable as error:
            tell(f"{country}: {error}")
        if time.monotonic() > deadline:
            last = next(iter(markers.latest(country)), None)
            raise StorageUnavailable(
                f"{country}: no window was completed within {format_duration(within)} since"
                f" {began:%H:%M:%S} UTC (the last one: {last.window if last else 'none'}); look at"
                " the country's runs in Dagster, and go back to the release before"
            )
        time.sleep(poll_seconds)
