"""What is done with one cluster: waiting until it is live, proving, admitting, draining and
ending it. The plan is `cluster.py`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from storeavail_deploy.clients import Clients, aws_errors
from storeavail_deploy.flow import Flow
from storeavail_deploy.release import CODE, Application, deployer
from storeavail_deploy.settings import tag_list
from storeavail_platform.config import HiveCatalogConfig
from storeavail_platform.domain.errors import ClusterUnavailable, DeploymentFailed, StepFailed
from storeavail_platform.orchestration.emr.clusters import LIVE, STARTING, Cluster
from storeavail_platform.orchestration.emr.command import command
from storeavail_platform.storage.s3 import S3Storage

PROVED_TAG = "storeavail:proved"
PROBE = Path(__file__).with_name("probe.py")
POLL_SECONDS = 15.0
START_SECONDS = 45 * 60.0
"""Spot patience included; a cluster usually takes five to ten minutes."""
PROBE_SECONDS = 10 * 60.0
END_SECONDS = 30 * 60.0
DRAIN_STEPS = 2
"""A cluster that ends is given so many times `emr.step_timeout`: a step that has just begun
ends by then.
"""
T = TypeVar("T")


@dataclass(frozen=True)
class OneCluster:
    """A cluster by its id.

    Attributes:
        tell: gets progress, a line at a time.
    """

    flow: Flow
    clients: Clients
    id: str
    tell: Callable[[str], None] = field(default=lambda text: None)
    poll_seconds: float = POLL_SECONDS

    def admit(self) -> None:
        """Wait until a cluster is live, have it prove itself, and give it the tags by which it is
        found.

        Raises:
            DeploymentFailed: it ended, took too long, or did not prove itself; then it is ended.
        """
        self._wait_live()
        try:
            self._prove()
        except (DeploymentFailed, ClusterUnavailable, StepFailed) as error:
            self.end()
            raise DeploymentFailed(
                f"{error}\nThe new cluster {self.id} is being ended; what was there before goes on"
            ) from error
        tags = {PROVED_TAG: "true", **self.flow.admission}
        with aws_errors(f"admitting cluster {self.id}"):
            self.clients.emr.add_tags(ResourceId=self.id, Tags=tag_list(tags))

    def _poll(self, what: str, read: Callable[[], T], seconds: float) -> Iterator[T]:
        """What AWS answers, asked anew until the time is over."""
        deadline = time.monotonic() + seconds
        while True:
            with aws_errors(what):
                answer = read()
            yield answer
            if time.monotonic() > deadline:
                return
            time.sleep(self.poll_seconds)

    def _wait_live(self) -> None:
        state = ""
        read = partial(self.clients.emr.describe_cluster, ClusterId=self.id)
        for answer in self._poll(f"state of cluster {self.id}", read, START_SECONDS):
            status, before = answer["Cluster"]["Status"], state
            state, reason = (
                str(status["State"]),
                status.get("StateChangeReason", {}).get("Message") or "",
            )
            if state != before:
                self.tell(f"        {self.id} {state} {reason}".rstrip())
            if state in LIVE:
                return
            if state not in STARTING:
                raise DeploymentFailed(
                    f"cluster {self.id} did not start: {state}: {reason or 'EMR gives no reason'}."
                    f" Logs: {self.flow.logs.url}/{self.id}/ (node/*/bootstrap-actions,"
                    " node/*/applications); correct the cause and run the command again"
                )
        raise DeploymentFailed(
            f"cluster {self.id} is still {state} after {START_SECONDS / 60:.0f} minutes: run the"
            " command again to go on waiting, or `storeavail-deploy cluster terminate`"
        )

    def _prove(self) -> None:
        """Run the probe as a step.

        Raises:
            DeploymentFailed: it failed, or did not end in time.
            ClusterUnavailable, StepFailed: EMR does not answer, or does not take the step.
        """
        site, program = self.flow.site, PROBE.read_bytes()
        storage = S3Storage(site.application.url, deployer(site.settings.aws))
        path = f"probe/{hashlib.sha256(program).hexdigest()[:12]}/{PROBE.name}"
        storage.create(path, program)
        released = Application.of(site.settings).current_release()
        catalog = site.platform.catalog
        assert isinstance(catalog, HiveCatalogConfig)
        step = Cluster(self.clients.emr, self.flow.owner, self.id, self.flow.logs.url).add(
            self.clients.emr,
            f"storeavail probe {self.flow.owner}",
            command(site.emr, storage.path(path), catalog.uri, released.files[CODE].sha256),
            execution_role=None if self.flow.is_analytics else site.emr.execution_role,
        )
        self.tell(f"        {self.id} is proving itself by step {step.id}")
        state = ""
        for status in self._poll(str(step), step.status, PROBE_SECONDS):
            state = status.state
            if state == "COMPLETED":
                return
            if status.has_ended:
                break
        raise DeploymentFailed(
            f"cluster {self.id} did not prove itself: step {step.id} is {state}. Its output:"
            f" {step.logs}. Likely causes: the metastore is not reached (`storeavail-deploy"
            " metastore check`), the role may not read emr.code, Zeppelin's sign-in is none"
        )

    def drain(self) -> None:
        """End a cluster when its steps have ended. New steps go to the one that was admitted last.

        Raises:
            DeploymentFailed: steps still run after a long time; nothing was ended.
        """
        patience, running = DRAIN_STEPS * self.flow.site.emr.step_timeout, list[Any]()
        read = partial(
            self.clients.emr.list_steps,
            ClusterId=self.id,
            StepStates=["PENDING", "RUNNING", "CANCEL_PENDING"],
        )
        for answer in self._poll(f"steps of cluster {self.id}", read, patience.total_seconds()):
            before, running = len(running), answer["Steps"]
            if not running:
                return self.end()
            if len(running) != before:
                self.tell(
                    f"        {self.id} waits for {len(running)} steps:"
                    f" {', '.join(step['Name'] for step in running)}"
                )
        raise DeploymentFailed(
            f"cluster {self.id} still has {len(running)} steps after"
            f" {patience / timedelta(minutes=1):.0f} minutes; it was left as it is:"
            f" {running[0]['Name']}"
        )

    def wait_ended(self) -> None:
        """Wait until a cluster that is being ended is gone.

        Raises:
            DeploymentFailed: it is not, after a long time.
        """
        state, read = "", partial(self.clients.emr.describe_cluster, ClusterId=self.id)
        for answer in self._poll(f"state of cluster {self.id}", read, END_SECONDS):
            state = str(answer["Cluster"]["Status"]["State"])
            if state.startswith("TERMINATED"):
                return
        raise DeploymentFailed(
            f"cluster {self.id} is still {state} after {END_SECONDS / 60:.0f} minutes: run the"
            " command again to go on waiting"
        )

    def end(self) -> None:
        with aws_errors(f"ending cluster {self.id}"):
            self.clients.emr.set_termination_protection(
                JobFlowIds=[self.id], TerminationProtected=False
            )
            self.clients.emr.terminate_job_flows(JobFlowIds=[self.id])
