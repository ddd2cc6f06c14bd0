"""What is done with one cluster: waiting until it is live, proving, admitting, draining and ending it. The plan is `clusters.py`."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from storeavail_deploy.clients import Clients, aws_errors
from storeavail_deploy.flow import Flow
from storeavail_deploy.release import deployer
from storeavail_platform.config import HiveCatalogConfig
from storeavail_platform.domain.errors import DeploymentFailed
from storeavail_platform.orchestration.emr.clusters import ENDED, LIVE, STARTING
from storeavail_platform.orchestration.emr.step_launcher import command
from storeavail_platform.storage.s3 import S3Storage

PROVED_TAG = "storeavail:proved"
PROBE = Path(__file__).with_name("probe.py")
POLL_SECONDS = 15.0
START_SECONDS = 45 * 60.0
"""Spot patience included; a cluster usually takes five to ten minutes."""
PROBE_SECONDS = 10 * 60.0
DRAIN_STEPS = 2
"""A cluster that ends is given so many times `emr.step_timeout`: a step that has just begun ends by then."""


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
        """Wait until a cluster is live, have it prove itself, and give it the tags by which it is found.

        Raises:
            DeploymentFailed: it ended, took too long, or did not prove itself; then it is ended.
        """
        self._wait_live()
        try:
            self._prove()
        except DeploymentFailed as error:
            self.end()
            raise DeploymentFailed(f"{error}\nThe new cluster {self.id} is being ended; what was there before goes on") from error
        tags = {PROVED_TAG: "true", **self.flow.admission}
        with aws_errors(f"admitting cluster {self.id}"):
            self.clients.emr.add_tags(ResourceId=self.id, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])

    def _wait_live(self) -> None:
        deadline, before = time.monotonic() + START_SECONDS, ""
        while True:
            with aws_errors(f"state of cluster {self.id}"):
                status = self.clients.emr.describe_cluster(ClusterId=self.id)["Cluster"]["Status"]
            state, reason = str(status["State"]), status.get("StateChangeReason", {}).get("Message") or ""
            if state != before:
                self.tell(f"        {self.id} {state} {reason}".rstrip())
                before = state
            if state in LIVE:
                return
            if state not in STARTING:
                raise DeploymentFailed(
                    f"cluster {self.id} did not start: {state}: {reason or 'EMR gives no reason'}. Logs: {self.flow.logs.url}/{self.id}/ "
                    "(node/*/bootstrap-actions, node/*/applications); correct the cause and run the command again"
                )
            if time.monotonic() > deadline:
                raise DeploymentFailed(
                    f"cluster {self.id} is still {state} after {START_SECONDS / 60:.0f} minutes: run the command again to go on waiting, or "
                    "`storeavail-deploy cluster terminate`"
                )
            time.sleep(self.poll_seconds)

    def _prove(self) -> None:
        """Run the probe as a step.

        Raises:
            DeploymentFailed: it failed, or did not end in time.
        """
        site, program = self.flow.site, PROBE.read_bytes()
        storage = S3Storage(site.application.url, deployer(site.country.aws))
        name = f"probe/{hashlib.sha256(program).hexdigest()[:12]}/{PROBE.name}"
        storage.create(name, program)
        catalog = site.platform.catalog
        assert isinstance(catalog, HiveCatalogConfig)
        args = command(site.emr, storage.path(name), catalog.uri)
        request: dict[str, Any] = {
            "JobFlowId": self.id,
            "Steps": [
                {
                    "Name": f"storeavail probe {self.flow.owner}",
                    "ActionOnFailure": "CONTINUE",
                    "HadoopJarStep": {"Jar": "command-runner.jar", "Args": args},
                }
            ],
        }
        if site.emr.execution_role and not self.flow.is_analytics:
            request["ExecutionRoleArn"] = site.emr.execution_role
        with aws_errors(f"probing cluster {self.id}"):
            (step,) = self.clients.emr.add_job_flow_steps(**request)["StepIds"]
        self.tell(f"        {self.id} is proving itself by step {step}")
        deadline = time.monotonic() + PROBE_SECONDS
        while True:
            with aws_errors(f"step {step} of cluster {self.id}"):
                state = str(self.clients.emr.describe_step(ClusterId=self.id, StepId=step)["Step"]["Status"]["State"])
            if state == "COMPLETED":
                return
            if state in ENDED or time.monotonic() > deadline:
                raise DeploymentFailed(
                    f"cluster {self.id} did not prove itself: step {step} is {state}. Its output: {self.flow.logs.url}/{self.id}/steps/{step}/. "
                    "Likely causes: the metastore is not reached (`storeavail-deploy metastore check`), the role may not read emr.code"
                )
            time.sleep(self.poll_seconds)

    def drain(self) -> None:
        """End a cluster when its steps have ended. New steps go to the one that was admitted last.

        Raises:
            DeploymentFailed: steps still run after a long time; nothing was ended.
        """
        patience = DRAIN_STEPS * self.flow.site.emr.step_timeout
        deadline, before = time.monotonic() + patience.total_seconds(), -1
        while True:
            with aws_errors(f"steps of cluster {self.id}"):
                steps = self.clients.emr.list_steps(ClusterId=self.id, StepStates=["PENDING", "RUNNING", "CANCEL_PENDING"])[
                    "Steps"
                ]
            if not steps:
                break
            if len(steps) != before:
                self.tell(f"        {self.id} waits for {len(steps)} steps: {', '.join(step['Name'] for step in steps)}")
                before = len(steps)
            if time.monotonic() > deadline:
                raise DeploymentFailed(
                    f"cluster {self.id} still has {len(steps)} steps after {patience / timedelta(minutes=1):.0f} minutes; "
                    f"it was left as it is: {steps[0]['Name']}"
                )
            time.sleep(self.poll_seconds)
        self.end()

    def end(self) -> None:
        with aws_errors(f"ending cluster {self.id}"):
            self.clients.emr.set_termination_protection(JobFlowIds=[self.id], TerminationProtected=False)
            self.clients.emr.terminate_job_flows(JobFlowIds=[self.id])
