"""`storeavail-deploy cluster`: bring a country's cluster up, replace it, look at it, end it. How that is done is `clusters.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from storeavail_deploy.alarms import follow_cluster
from storeavail_deploy.cli import Deployment
from storeavail_deploy.clients import Clients, open_site
from storeavail_deploy.clusters import Clusters
from storeavail_deploy.flow import Flow
from storeavail_deploy.plan import Change
from storeavail_deploy.release import bootstrap_action
from storeavail_deploy.settings import Site

analytics_option = click.option(
    "--analytics", is_flag=True, help="The cluster for notebooks instead, in the account and network of the one chosen country."
)


@click.group()
def commands() -> None:
    """Clusters: up (also replaces), status, terminate."""


@commands.command(epilog="Example:  storeavail-deploy --country BR cluster up")
@analytics_option
@click.pass_obj
def up(deployment: Deployment, analytics: bool) -> None:
    """Bring up the clusters that are missing; replace those whose configuration changed, the new one proved before the old one ends."""
    deployment.carry_out(plan_up(opened(deployment, analytics), analytics, tell=click.echo))


@commands.command(epilog="Example:  storeavail-deploy --all cluster status")
@analytics_option
@click.pass_obj
def status(deployment: Deployment, analytics: bool) -> None:
    """Print each cluster: id, state, whether it is as configured and has proved itself, steps that run. Changes nothing."""
    for site, clients in opened(deployment, analytics):
        for line in clusters(site, clients, analytics, tell=click.echo).status():
            click.echo(line)


@commands.command(epilog="Example:  storeavail-deploy --country BR cluster terminate")
@analytics_option
@click.pass_obj
def terminate(deployment: Deployment, analytics: bool) -> None:
    """End the clusters when their steps have ended. Windows are observed and landed on, and computed when a cluster is there again."""
    changes: list[Change] = []
    for site, clients in opened(deployment, analytics):
        # what they were made of does not matter any more
        changes += Clusters(Flow(site, {}, analytics), clients, click.echo).plan_terminate()
    deployment.carry_out(changes)


def opened(deployment: Deployment, analytics: bool) -> list[tuple[Site, Clients]]:
    """The chosen countries.

    Raises:
        click.UsageError: the cluster for notebooks is asked for in several countries at once.
    """
    chosen = deployment.chosen
    if analytics and len(chosen) != 1:
        raise click.UsageError("--analytics: choose the one country in whose account and network the cluster is: --country CODE")
    return [open_site(deployment.platform, code) for code in chosen]


def clusters(site: Site, clients: Clients, analytics: bool, *, tell: Callable[[str], None]) -> Clusters:
    """The clusters of a country, or those for notebooks.

    Raises:
        ConfigError: nothing was published that a cluster could start with.
    """
    return Clusters(Flow(site, bootstrap_action(site.country), analytics), clients, tell)


def plan_up(sites: Sequence[tuple[Site, Clients]], analytics: bool, *, tell: Callable[[str], None]) -> list[Change]:
    """What is missing until the clusters are there; alarms, where a country has them, follow a new cluster."""
    changes: list[Change] = []
    for site, clients in sites:
        found = clusters(site, clients, analytics, tell=tell).plan_up()
        changes += found
        if found and not analytics:
            changes += follow_cluster(site, clients)
    return changes
