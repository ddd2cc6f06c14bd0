"""`storeavail-deploy cluster`: up, ensure, status, terminate; of which release a cluster is.

The plans are `clusters.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import click

from storeavail_deploy.cli import Deployment
from storeavail_deploy.clients import Clients, open_site
from storeavail_deploy.clusters import Clusters
from storeavail_deploy.flow import Flow
from storeavail_deploy.kept import Kept
from storeavail_deploy.plan import carry_out
from storeavail_deploy.publish import Checkout
from storeavail_deploy.release import Application, bootstrap_action
from storeavail_deploy.settings import Site
from storeavail_platform.domain.errors import StoreAvailError

analytics_option = click.option(
    "--analytics",
    is_flag=True,
    help="The cluster for notebooks instead, in the account and network of the one chosen country.",
)


commands = click.Group(help="Clusters: up (also replaces), ensure, status, terminate.")


@commands.command(epilog="Example:  storeavail-deploy --country BR cluster up")
@analytics_option
@click.option(
    "--replace",
    is_flag=True,
    help="Also replace a cluster that is as configured: for the patches of its release.",
)
@click.pass_obj
def up(deployment: Deployment, analytics: bool, replace: bool) -> None:
    """Bring up the clusters that are missing; replace those whose configuration changed, the
    new one proved before the old one ends.

    From a checkout of another commit than the current release: as the release had it, so that
    after `app rollback` the cluster goes back too.
    """
    deployment.carry_out(
        [
            change
            for clusters in opened(deployment, analytics)
            for change in clusters.with_alarms(clusters.plan_up(replace=replace))
        ]
    )


@commands.command(epilog="Example:  storeavail-deploy --all cluster ensure")
@click.pass_obj
def ensure(deployment: Deployment) -> None:
    """Bring back clusters that were lost, as the current release has them. For a schedule.

    It replaces none, and leaves alone what `cluster terminate` ended. The countries do not wait
    for one another.
    """

    def bring_back(code: str) -> int:
        try:
            clusters = lost(deployment, code)
            changes = [] if clusters is None else clusters.with_alarms(clusters.plan_ensure())
            return carry_out(
                changes,
                dry_run=deployment.dry_run,
                tell=lambda text: click.echo(f"{code}  {text}"),
            )
        except StoreAvailError as error:
            click.echo(f"{code}  error: {error}", err=True)
            return 1

    with ThreadPoolExecutor(max_workers=max(1, len(deployment.chosen))) as pool:
        codes = set(pool.map(bring_back, deployment.chosen))
    sys.exit(1 if 1 in codes else max(codes, default=0))


@commands.command(epilog="Example:  storeavail-deploy --all cluster status")
@analytics_option
@click.pass_obj
def status(deployment: Deployment, analytics: bool) -> None:
    """Print each cluster: id, state, whether it is as configured and has proved itself, steps
    that run. Changes nothing.
    """
    for clusters in opened(deployment, analytics):
        for line in clusters.status():
            click.echo(line)


@commands.command(epilog="Example:  storeavail-deploy --country BR cluster terminate")
@analytics_option
@click.pass_obj
def terminate(deployment: Deployment, analytics: bool) -> None:
    """End the clusters when their steps have ended. `cluster ensure` does not bring them back,
    `cluster up` does.

    Windows are observed and landed on, and computed when a cluster is there again.
    """
    sites = chosen_sites(deployment, analytics)
    found = [to_end(site, clients, analytics=analytics) for site, clients in sites]
    deployment.carry_out([end for clusters in found for end in clusters.plan_terminate()])


def chosen_sites(deployment: Deployment, analytics: bool) -> list[tuple[Site, Clients]]:
    """The chosen countries in their accounts, or the one that has the cluster for notebooks.

    Raises:
        click.UsageError: the cluster for notebooks is asked for in several countries at once.
    """
    if analytics:
        deployment.only(
            "--analytics: choose the one country in whose account and network the cluster is"
        )
    return [open_site(deployment.platform, code) for code in deployment.chosen]


def opened(deployment: Deployment, analytics: bool) -> list[Clusters]:
    """The clusters of the chosen countries, or those for notebooks, as they have to be.

    Raises as `chosen_sites`, and:
        ConfigError: nothing was published that a cluster could start with.
    """
    head = Checkout().head
    return [
        Clusters(Flow(site, bootstrap_action(site.settings), True), clients, click.echo)
        if analytics
        else of_release(site, clients, head, click.echo)
        for site, clients in chosen_sites(deployment, analytics)
    ]


def of_release(
    site: Site, clients: Clients, head: str, tell: Callable[[str], None] = lambda text: None
) -> Clusters:
    """A country's cluster with its current release.

    Args:
        head: the checkout's commit. Where it is the release's, the cluster is what the
            configuration says today, and the release holds that from then on; else it is what the
            release holds.

    Raises:
        ConfigError: no release is published.
    """
    application, bootstrap = Application.of(site.settings), bootstrap_action(site.settings)
    commit, kept = application.current_release().commit, Kept(application, site.code)
    if commit == head:
        return Clusters(Flow(site, bootstrap), clients, tell, kept=kept, commit=commit)
    held = kept.request(commit)
    if held is None:
        why = "which holds no cluster of its own: as the configuration and this checkout say"
    else:
        why = "as it has it; what the configuration says since counts in a checkout of it"
    tell(f"{site.code}: cluster of release {commit}, {why} (this one is {head})")
    return Clusters(Flow(site, bootstrap, held=held), clients, tell, kept=kept)


def lost(deployment: Deployment, code: str) -> Clusters | None:
    """A country's cluster as its newest release that holds one has it; None where none does.

    Raises:
        ConfigError: see `open_site`.
    """
    site, clients = open_site(deployment.platform, code)
    application = Application.of(site.settings)
    kept = Kept(application, code)
    # a roll-out that ended between `app publish` and `cluster up` has left one that holds none
    held = next(filter(None, map(kept.request, application.history().commits)), None)
    if held is None:
        return None
    return Clusters(Flow(site, {}, held=held), clients, click.echo, kept=kept)


def to_end(site: Site, clients: Clients, *, analytics: bool = False) -> Clusters:
    """Clusters that are only looked for: what they are made of does not matter any more."""
    application = Application.of(site.settings)
    is_kept = not analytics and application.history().current is not None
    kept = Kept(application, site.code) if is_kept else None
    return Clusters(Flow(site, {}, analytics), clients, click.echo, kept=kept)
