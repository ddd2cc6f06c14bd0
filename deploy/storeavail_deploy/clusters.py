"""Which clusters are there, and the plan that brings them up, replaces or ends them. No command line (`cluster.py`).

What is done with one of them is `admission.py`.

A cluster is told by its name and by tags. Which configuration it was made with is a tag as well (`flow.py`), and that it has proved itself:

    started ─> live ─> proved (a step ran on it) ─> admitted (the tags of `emr.cluster.tags`) ─> another one is admitted ─> drained ─> ended

Each run looks where things stand and goes on from there, so what failed half way is completed by the next run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from storeavail_deploy.admission import POLL_SECONDS, PROVED_TAG, OneCluster
from storeavail_deploy.clients import Clients, aws_errors
from storeavail_deploy.flow import FINGERPRINT_TAG, Flow
from storeavail_deploy.plan import Change
from storeavail_deploy.settings import COUNTRY_TAG, PREFIX_TAG
from storeavail_platform.config.values import did_you_mean
from storeavail_platform.domain.errors import ConfigError, DeploymentFailed
from storeavail_platform.orchestration.emr.clusters import LIVE, STARTING


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

    @property
    def is_proved(self) -> bool:
        return PROVED_TAG in self.tags


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
        found = []
        with aws_errors(f"list of the clusters named {self.flow.name}"):
            for page in self.clients.emr.get_paginator("list_clusters").paginate(ClusterStates=[*STARTING, *LIVE]):
                for each in page["Clusters"]:
                    if each["Name"] == self.flow.name:
                        cluster = self.clients.emr.describe_cluster(ClusterId=each["Id"])["Cluster"]
                        tags = {tag["Key"]: tag["Value"] for tag in cluster.get("Tags", ())}
                        created = cluster["Status"]["Timeline"]["CreationDateTime"]
                        found.append(Found(each["Id"], str(cluster["Status"]["State"]), created, tags))
        mine = {PREFIX_TAG: self.flow.site.deploy.prefix, COUNTRY_TAG: self.flow.owner}
        for known in found:
            if not mine.items() <= known.tags.items():
                raise ConfigError(
                    f"cluster {known.id} is named {self.flow.name} and was not made by storeavail-deploy for {self.flow.owner} (it lacks the "
                    f"tags {mine}): choose another name, or end it by hand"
                )
        return sorted(found, key=lambda cluster: cluster.created, reverse=True)

    def plan_up(self) -> list[Change]:
        """What is missing until exactly one cluster is there, made as the configuration says, and proved.

        Raises:
            ConfigError: the configuration lacks something, the release is none, or a cluster of the name is somebody else's.
            DeploymentFailed: AWS refuses, or does not answer.
        """
        wanted, found = self.flow.fingerprint, self.found()
        current = next((each for each in found if each.fingerprint == wanted), None)
        old = [each for each in found if each is not current]
        changes: list[Change] = []
        if current is None:
            self._check_release()
            if not self._has_security():
                changes.append(
                    Change("create", f"security configuration {self.flow.security_name}", "encryption", self._make_security)
                )
            why = f"{self.flow.shape.release}, for {self.flow.owner}"
            if old:
                why += f"; the configuration has changed: it proves itself before {', '.join(each.id for each in old)} ends"
            changes.append(Change("replace" if old else "create", self._thing, why, self._bring_up))
        elif not self._is_admitted(current):
            changes.append(
                Change(
                    "update",
                    f"{self._thing} {current.id}",
                    f"is {current.state}: wait, and have it prove itself",
                    self._one(current.id).admit,
                )
            )
        changes += [
            Change("delete", f"{self._thing} {each.id}", "replaced; it ends when its steps have", self._one(each.id).drain)
            for each in old
        ]
        return changes

    def plan_terminate(self) -> list[Change]:
        """What ends every cluster of the name. Raises as `plan_up`."""
        return [
            Change(
                "delete",
                f"{self._thing} {each.id}",
                f"is {each.state}; it ends when its steps have",
                self._one(each.id).drain,
            )
            for each in self.found()
        ]

    def status(self) -> list[str]:
        """A line for each cluster. Raises as `plan_up`, except where the configuration lacks something for a new one."""
        lines = []
        for each in self.found():
            with aws_errors(f"steps of cluster {each.id}"):
                steps = self.clients.emr.list_steps(ClusterId=each.id, StepStates=["PENDING", "RUNNING"])["Steps"]
            made = "as configured" if each.fingerprint == self.flow.fingerprint else "of another configuration"
            proof = "proved" if each.is_proved else "not proved"
            lines.append(
                f"{self.flow.owner} {self._thing} {each.id} {each.state} since {each.created:%Y-%m-%d %H:%M} {made}, {proof}, {len(steps)} steps"
            )
        return lines or [f"{self.flow.owner} {self._thing}: none is there"]

    def _one(self, cluster: str) -> OneCluster:
        return OneCluster(self.flow, self.clients, cluster, self.tell, self.poll_seconds)

    @property
    def _thing(self) -> str:
        return f"cluster {self.flow.name}"

    def _check_release(self) -> None:
        release = self.flow.shape.release
        labels: list[str] = []
        token: dict[str, Any] = {}
        with aws_errors("list of EMR's releases"):
            while True:
                answer = self.clients.emr.list_release_labels(**token)
                labels += answer.get("ReleaseLabels", [])
                if not answer.get("NextToken"):
                    break
                token = {"NextToken": answer["NextToken"]}
        if release not in labels:
            raise ConfigError(
                f"countries.{self.flow.site.code}.deploy.cluster.release: EMR has no {release} in "
                f"{self.flow.site.region}{did_you_mean(release, labels)}"
            )

    def _has_security(self) -> bool:
        emr, name = self.clients.emr, self.flow.security_name
        try:
            with aws_errors(f"security configuration {name}"):
                emr.describe_security_configuration(Name=name)
        except DeploymentFailed as error:
            if isinstance(error.__cause__, emr.exceptions.InvalidRequestException):
                return False
            raise
        return True

    def _make_security(self) -> None:
        with aws_errors(f"making security configuration {self.flow.security_name}"):
            self.clients.emr.create_security_configuration(
                Name=self.flow.security_name, SecurityConfiguration=json.dumps(self.flow.security, sort_keys=True)
            )

    def _bring_up(self) -> None:
        with aws_errors(
            f"starting {self._thing}; whether it was started is not known if EMR did not answer: run the command again, it looks"
        ):
            cluster = self.clients.emr_once.run_job_flow(**self.flow.request)["JobFlowId"]
        self.tell(f"        {cluster} was asked for; it usually takes five to ten minutes")
        self._one(cluster).admit()

    def _is_admitted(self, cluster: Found) -> bool:
        return cluster.is_proved and self.flow.admission.items() <= cluster.tags.items()
