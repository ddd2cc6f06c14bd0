"""`storeavail-deploy cluster`: which clusters are there, and the plans that bring them up, replace
or end them.

What is done with one of them is `admission.py`.

A cluster is told by its name and by tags. Which configuration it was made with is a tag as well
(`flow.py`), and that it has proved itself:

    started ─> live ─> proved (a step ran on it) ─> admitted (the tags of `emr.cluster.tags`)
    ─> another one is admitted ─> drained ─> ended

Each run looks where things stand and goes on from there, so what failed half way is completed by
the next run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import click

from storeavail_deploy.admission import POLL_SECONDS, PROVED_TAG, OneCluster
from storeavail_deploy.alarms import follow_cluster
from storeavail_deploy.cli import Deployment
from storeavail_deploy.clients import Clients, aws_errors, change, list_aws, open_site, read_aws
from storeavail_deploy.flow import FINGERPRINT_TAG, Flow
from storeavail_deploy.plan import Change
from storeavail_deploy.release import bootstrap_action
from storeavail_deploy.settings import COUNTRY_TAG, PREFIX_TAG, tags_of
from storeavail_platform.config import Country
from storeavail_platform.config.values import did_you_mean
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.orchestration.emr.clusters import LIVE, STARTING

analytics_option = click.option(
    "--analytics",
    is_flag=True,
    help="The cluster for notebooks instead, in the account and network of the one chosen country.",
)


commands = click.Group(help="Clusters: up (also replaces), status, terminate.")


@commands.command(epilog="Example:  storeavail-deploy --country BR cluster up")
@analytics_option
@click.pass_obj
def up(deployment: Deployment, analytics: bool) -> None:
    """Bring up the clusters that are missing; replace those whose configuration changed, the
    new one proved before the old one ends.
    """
    changes: list[Change] = []
    for clusters in opened(deployment, analytics):
        found = clusters.plan_up()
        # alarms, where a country has them, follow a new cluster
        follow = (
            follow_cluster(clusters.flow.site, clusters.clients) if found and not analytics else []
        )
        changes += [*found, *follow]
    deployment.carry_out(changes)


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
    """End the clusters when their steps have ended.

    Windows are observed and landed on, and computed when a cluster is there again.
    """
    # what they were made of does not matter any more
    found = opened(deployment, analytics, lambda settings: {})
    deployment.carry_out([end for clusters in found for end in clusters.plan_terminate()])


def opened(
    deployment: Deployment,
    analytics: bool,
    bootstrap: Callable[[Country], Mapping[str, Any]] = bootstrap_action,
) -> list[Clusters]:
    """The clusters of the chosen countries, or those for notebooks.

    Raises:
        click.UsageError: the cluster for notebooks is asked for in several countries at once.
        ConfigError: nothing was published that a cluster could start with.
    """
    if analytics:
        deployment.only(
            "--analytics: choose the one country in whose account and network the cluster is"
        )
    sites = [open_site(deployment.platform, code) for code in deployment.chosen]
    return [
        Clusters(Flow(site, bootstrap(site.settings), analytics), clients, click.echo)
        for site, clients in sites
    ]


@dataclass(frozen=True)
class Found:
    """A cluster of the name that is there."""

    id: str
    state: str
    created: datetime
    tags: dict[str, str]

    @property
    def fingerprint(self) -> str | None:
        return self.tags.get(FINGERPRINT_TAG)


@dataclass(frozen=True)
class Clusters:
    """The clusters of one flow.

    Attributes:
        tell: gets progress, a line at a time.
    """

    flow: Flow
    clients: Clients
    tell: Callable[[str], None] = field(default=lambda text: None)
    poll_seconds: float = POLL_SECONDS

    def found(self) -> list[Found]:
        """Those of the name that are there, the newest first.

        Raises:
            ConfigError: one of them is not this deployment's.
            DeploymentFailed: EMR refuses, or does not answer.
        """
        emr, name = self.clients.emr, self.flow.name
        what = f"list of the clusters named {name}"
        listed = list_aws(what, emr, "list_clusters", "Clusters", ClusterStates=[*STARTING, *LIVE])
        found = [self._found(each["Id"]) for each in listed if each["Name"] == name]
        return sorted(found, key=lambda cluster: cluster.created, reverse=True)

    def _found(self, cluster: str) -> Found:
        with aws_errors(f"cluster {cluster}"):
            described: Any = self.clients.emr.describe_cluster(ClusterId=cluster)["Cluster"]
        status, tags = described["Status"], tags_of(described)
        mine = {PREFIX_TAG: self.flow.site.deploy.prefix, COUNTRY_TAG: self.flow.owner}
        if not mine.items() <= tags.items():
            raise ConfigError(
                f"cluster {cluster} is named {self.flow.name} and was not made by storeavail-deploy"
                f" for {self.flow.owner} (it lacks the tags {mine}): choose another name, or end it"
                " by hand"
            )
        return Found(cluster, status["State"], status["Timeline"]["CreationDateTime"], tags)

    def plan_up(self) -> list[Change]:
        """What is missing until exactly one cluster is there, made as the configuration says, and
        proved.

        Raises:
            ConfigError: the configuration lacks something, the release is none, or a cluster of the
                name is somebody else's.
            DeploymentFailed: AWS refuses, or does not answer.
        """
        wanted, found = self.flow.fingerprint, self.found()
        current = next((each for each in found if each.fingerprint == wanted), None)
        old = [each for each in found if each is not current]
        changes: list[Change] = []
        if current is None:
            self._check_release()
            if not self._has_security():
                thing = f"security configuration {self.flow.security_name}"
                changes.append(change("create", thing, "encryption", self._make_security))
            why = f"{self.flow.shape.release}, for {self.flow.owner}"
            if old:
                why += (
                    "; the configuration has changed: it proves itself before"
                    f" {', '.join(each.id for each in old)} ends"
                )
            changes.append(Change("replace" if old else "create", self._thing, why, self._bring_up))
        elif not {PROVED_TAG: "true", **self.flow.admission}.items() <= current.tags.items():
            why = f"is {current.state}: wait, and have it prove itself"
            changes.append(
                Change("update", f"{self._thing} {current.id}", why, self._one(current.id).admit)
            )
        return [*changes, *(self._end(each, "replaced") for each in old)]

    def plan_terminate(self) -> list[Change]:
        """What ends every cluster of the name. Raises as `plan_up`."""
        return [self._end(each, f"is {each.state}") for each in self.found()]

    def _end(self, cluster: Found, why: str) -> Change:
        why = f"{why}; it ends when its steps have"
        return Change("delete", f"{self._thing} {cluster.id}", why, self._one(cluster.id).drain)

    def status(self) -> list[str]:
        """A line for each cluster.

        Raises as `plan_up`, except where the configuration lacks something for a new one.
        """
        lines = []
        for each in self.found():
            with aws_errors(f"steps of cluster {each.id}"):
                steps = self.clients.emr.list_steps(
                    ClusterId=each.id, StepStates=["PENDING", "RUNNING"]
                )["Steps"]
            made = (
                "as configured"
                if each.fingerprint == self.flow.fingerprint
                else "of another configuration"
            )
            proof = "proved" if PROVED_TAG in each.tags else "not proved"
            lines.append(
                f"{self.flow.owner} {self._thing} {each.id} {each.state} since"
                f" {each.created:%Y-%m-%d %H:%M} {made}, {proof}, {len(steps)} steps"
            )
        return lines or [f"{self.flow.owner} {self._thing}: none is there"]

    def _one(self, cluster: str) -> OneCluster:
        return OneCluster(self.flow, self.clients, cluster, self.tell, self.poll_seconds)

    @property
    def _thing(self) -> str:
        return f"cluster {self.flow.name}"

    def _check_release(self) -> None:
        release = self.flow.shape.release
        with aws_errors("list of EMR's releases"):
            answer = self.clients.emr.list_release_labels()
            labels = answer["ReleaseLabels"]
            while token := answer.get("NextToken"):
                answer = self.clients.emr.list_release_labels(NextToken=token)
                labels += answer["ReleaseLabels"]
        if release not in labels:
            raise ConfigError(
                f"countries.{self.flow.site.code}.deploy.cluster.release: EMR has no {release} in "
                f"{self.flow.site.region}{did_you_mean(release, labels)}"
            )

    def _has_security(self) -> bool:
        emr, name = self.clients.emr, self.flow.security_name
        read = partial(emr.describe_security_configuration, Name=name)
        return (
            read_aws(f"security configuration {name}", read, "InvalidRequestException") is not None
        )

    def _make_security(self) -> None:
        text = json.dumps(self.flow.security, sort_keys=True)
        self.clients.emr.create_security_configuration(
            Name=self.flow.security_name, SecurityConfiguration=text
        )

    def _bring_up(self) -> None:
        with aws_errors(
            f"starting {self._thing}; whether it was started is not known if EMR did not answer:"
            " run the command again, it looks"
        ):
            cluster = self.clients.emr_once.run_job_flow(**self.flow.request)["JobFlowId"]
        self.tell(f"        {cluster} was asked for; it usually takes five to ten minutes")
        self._one(cluster).admit()
