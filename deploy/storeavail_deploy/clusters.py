"""The clusters of one name: which are there, and the plans that bring one up, replace it, bring it
back or end it. No command line (`cluster.py`).

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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from storeavail_deploy.admission import POLL_SECONDS, PROVED_TAG, OneCluster
from storeavail_deploy.alarms import follow_cluster
from storeavail_deploy.clients import Clients, aws_errors, change, list_aws, read_aws
from storeavail_deploy.flow import Flow
from storeavail_deploy.kept import FINGERPRINT_TAG, ClusterRequest, Kept
from storeavail_deploy.plan import Action, Change
from storeavail_deploy.settings import COUNTRY_TAG, PREFIX_TAG, tags_of
from storeavail_platform.config.values import did_you_mean
from storeavail_platform.domain.errors import ConfigError
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


@dataclass(frozen=True)
class Clusters:
    """The clusters of one flow.

    Attributes:
        tell: gets progress, a line at a time.
        kept: where it is kept what a country's cluster is; None for notebooks' clusters.
        commit: the release that holds the cluster from now on; None where nothing new is held.
    """

    flow: Flow
    clients: Clients
    tell: Callable[[str], None] = field(default=lambda text: None)
    poll_seconds: float = POLL_SECONDS
    kept: Kept | None = None
    commit: str | None = None

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

    def plan_up(self, *, replace: bool = False) -> list[Change]:
        """What is missing until exactly one cluster is there, made as the configuration says, and
        proved.

        Args:
            replace: a new one comes in the place of one that is as configured too. Where two are
                there, or the newest has not proved itself, that is under way and is completed.

        Raises:
            ConfigError: the configuration lacks something, the release is none, or a cluster of the
                name is somebody else's.
            DeploymentFailed: AWS refuses, or does not answer.
        """
        wanted, found = self.flow.fingerprint, self.found()
        current = next((each for each in found if each.fingerprint == wanted), None)
        old = [each for each in found if each is not current]
        reason = "the configuration has changed"
        if replace and current is not None and not old and self._is_admitted(current):
            old, reason, current = [current], "asked for", None
        if current is None:
            why = f"; {reason}: it proves itself before {', '.join(each.id for each in old)} ends"
            changes = self._new("replace" if old else "create", why if old else "")
        else:
            changes = self._admit(current)
        return [*changes, *self._keep(), *(self._end(each, "replaced") for each in old)]

    def plan_ensure(self) -> list[Change]:
        """What brings back a cluster that was lost. Nothing where one is there that has proved
        itself, or where it was ended on purpose.

        Raises as `plan_up`.
        """
        found = self.found()
        if (self.kept is not None and self.kept.is_ended) or any(
            each.state in LIVE and self._is_admitted(each) for each in found
        ):
            return []
        # one that somebody asked for and did not wait for is taken
        return self._admit(found[0]) if found else self._new("create", "; it was lost")

    def plan_terminate(self) -> list[Change]:
        """What ends every cluster of the name, for good. Raises as `plan_up`."""
        changes = [self._end(each, f"is {each.state}") for each in self.found()]
        if self.kept is not None and not self.kept.is_ended:
            mark = partial(self.kept.mark, is_ended=True)
            changes[:0] = [Change("update", self._thing, "nothing brings it back by itself", mark)]
        return changes

    def with_alarms(self, changes: list[Change]) -> list[Change]:
        """Changes, and after them a country's alarms, where it has them, follow a new cluster."""
        if not changes or self.flow.is_analytics:
            return changes
        return [*changes, *follow_cluster(self.flow.site, self.clients)]

    def _is_admitted(self, cluster: Found) -> bool:
        return {PROVED_TAG: "true", **self.flow.admission}.items() <= cluster.tags.items()

    def _admit(self, cluster: Found) -> list[Change]:
        if self._is_admitted(cluster):
            return []
        why = f"is {cluster.state}: wait, and have it prove itself"
        return [Change("update", f"{self._thing} {cluster.id}", why, self._one(cluster.id).admit)]

    def _new(self, action: Action, why: str) -> list[Change]:
        self._check_release()
        changes: list[Change] = []
        if not self._has_security():
            thing = f"security configuration {self.flow.security_name}"
            changes.append(change("create", thing, "encryption", self._make_security))
        why = f"{self.flow.release}, for {self.flow.owner}{why}"
        return [*changes, Change(action, self._thing, why, self._bring_up)]

    def _keep(self) -> Iterator[Change]:
        """The release holds what its cluster is, which is brought back from now on."""
        if self.kept is None:
            return
        request = ClusterRequest(request=self.flow.request, security=self.flow.security)
        if self.commit is not None:
            held = self.kept.request(self.commit)
            if held is None or held.fingerprint != request.fingerprint:
                hold = partial(self.kept.hold, self.commit, request)
                why = f"holds {self._thing}, to go back to"
                yield Change("update", f"release {self.commit}", why, hold)
        if self.kept.is_ended:
            mark = partial(self.kept.mark, is_ended=False)
            yield Change("update", self._thing, "is brought back by itself again", mark)

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
        release = self.flow.release
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
