"""EMR's API, as far as a step needs it: the country's cluster, adding a step to it, watching and
cancelling that step. No Dagster.

The cluster is the one with the configured id, or the newest live one of a name, narrowed by tags.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError

from storeavail_platform.aws.sessions import CLIENT, session
from storeavail_platform.config import Aws, Country
from storeavail_platform.domain.errors import ClusterUnavailable, ConfigError, StepFailed

if TYPE_CHECKING:
    from mypy_boto3_emr import EMRClient
    from mypy_boto3_emr.literals import ClusterStateType

LIVE: Sequence[ClusterStateType] = ("RUNNING", "WAITING")
STARTING: Sequence[ClusterStateType] = ("STARTING", "BOOTSTRAPPING")
ENDED = ("COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED")
"""States of a step that does nothing any more."""
# A submit whose answer is lost is not repeated: the step could run twice at once. The run's own
# retry submits another attempt.
SUBMIT = Config(retries={"total_max_attempts": 1})


@dataclass(frozen=True)
class StepStatus:
    """A step's state in EMR's words, and the reason that EMR gives (empty while it gives none)."""

    state: str
    reason: str

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True)
class ClusterStep:
    """A step that was added to a country's cluster."""

    emr: EMRClient
    country: str
    cluster: str
    id: str
    logs: str

    def __str__(self) -> str:
        return (
            f"step {self.id} of cluster {self.cluster} ({self.country}), logs: {self.logs} (EMR"
            " copies them within minutes)"
        )

    def status(self) -> StepStatus:
        """What EMR says of the step.

        Raises:
            ClusterUnavailable: EMR does not answer, or throttles.
            StepFailed: it refuses to tell.
        """
        with emr_errors(f"state of {self}"):
            status = self.emr.describe_step(ClusterId=self.cluster, StepId=self.id)["Step"][
                "Status"
            ]
        failure, change = status.get("FailureDetails", {}), status.get("StateChangeReason", {})
        reasons = (
            failure.get("Reason"),
            failure.get("Message"),
            failure.get("LogFile"),
            change.get("Message"),
        )
        return StepStatus(
            str(status["State"]), ", ".join(str(reason) for reason in reasons if reason)
        )

    def lost_cluster(self) -> str | None:
        """The cluster's state and reason where it is not live any more, else None.

        Raises as `status`.
        """
        with emr_errors(f"state of cluster {self.cluster} of {self.country}"):
            status = self.emr.describe_cluster(ClusterId=self.cluster)["Cluster"]["Status"]
        state = str(status["State"])
        return (
            None
            if state in LIVE
            else ": ".join(
                filter(None, (state, status.get("StateChangeReason", {}).get("Message")))
            )
        )

    def cancel(self) -> None:
        """Ask EMR to end the step's process; a step that has ended is left as it is.

        Raises:
            ClusterUnavailable, StepFailed: EMR does not answer, or refuses. The message says how to
                end the step by hand.
        """
        by_hand = (
            f"end it by `aws emr cancel-steps --cluster-id {self.cluster} --step-ids {self.id}`"
        )
        with emr_errors(f"cancelling {self}; {by_hand}"):
            answer = self.emr.cancel_steps(
                ClusterId=self.cluster,
                StepIds=[self.id],
                StepCancellationOption="TERMINATE_PROCESS",
            )
        for step in answer["CancelStepsInfoList"]:
            if step.get("Status") == "FAILED" and not self.status().has_ended:
                raise StepFailed(f"EMR did not cancel {self}: {step.get('Reason')}; {by_hand}")


@dataclass(frozen=True)
class Cluster:
    """A country's live cluster."""

    emr: EMRClient
    country: str
    id: str
    log_uri: str | None

    def add(
        self,
        submitter: EMRClient,
        name: str,
        command: Sequence[str],
        *,
        execution_role: str | None = None,
    ) -> ClusterStep:
        """Add a step that runs a command on the master node. A failed step leaves the cluster and
        its other steps alone.

        Args:
            submitter: a client of `submit_client`.

        Raises:
            ClusterUnavailable: EMR does not answer; whether the step was added is not known.
            StepFailed: the cluster rejects the step.
        """
        jar = {"Jar": "command-runner.jar", "Args": list(command)}
        request: dict[str, Any] = {
            "JobFlowId": self.id,
            # CANCEL_AND_WAIT, dagster-aws' default, is rejected by clusters that run several steps
            # at once
            "Steps": [{"Name": name, "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar}],
        }
        if execution_role:
            request["ExecutionRoleArn"] = execution_role
        hint = "check the cluster's state, its release, and the rights of the role that launches"
        with emr_errors(f"cluster {self.id} of {self.country} did not take the step ({hint})"):
            (step,) = submitter.add_job_flow_steps(**request)["StepIds"]
        return self.step(step)

    def step(self, step: str) -> ClusterStep:
        root = (
            f"{re.sub('^s3[an]:', 's3:', self.log_uri).rstrip('/')}/{self.id}"
            if self.log_uri
            else "/mnt/var/log/hadoop"
        )
        return ClusterStep(self.emr, self.country, self.id, step, f"{root}/steps/{step}/")


def submitted(cluster: Cluster, name: str) -> ClusterStep | None:
    """The step of this name that a cluster has not ended, or None. Names are an attempt's own."""
    with emr_errors(f"steps of cluster {cluster.id} of {cluster.country}"):
        pages = cluster.emr.get_paginator("list_steps").paginate(
            ClusterId=cluster.id, StepStates=["PENDING", "RUNNING"]
        )
        found = next(
            (step["Id"] for page in pages for step in page["Steps"] if step["Name"] == name), None
        )
    return None if found is None else cluster.step(found)


def emr_client(aws: Aws) -> EMRClient:
    with emr_errors("a client of EMR"):
        client: EMRClient = session(aws).client("emr", config=CLIENT)
    return client


def submit_client(aws: Aws) -> EMRClient:
    """A client that sends each request once."""
    with emr_errors("a client of EMR"):
        client: EMRClient = session(aws).client("emr", config=CLIENT.merge(SUBMIT))
    return client


def find_cluster(emr: EMRClient, settings: Country) -> Cluster:
    """The country's cluster.

    Raises:
        ClusterUnavailable: no live cluster (says which were seen, and in which state), or EMR does
            not answer.
        ConfigError: the country has no cluster configured, or none with this id exists.
    """
    if settings.emr is None:
        raise ConfigError(
            f"countries.{settings.code}.emr is missing: execution: emr needs the country's cluster"
        )
    wanted = settings.emr.cluster
    if wanted.id is not None:
        described = _describe(emr, settings.code, wanted.id)
        state = str(described["Status"]["State"])
        if state not in LIVE:
            raise ClusterUnavailable(
                f"cluster {wanted.id} of {settings.code} is {state}; bring one up and set"
                f" countries.{settings.code}.emr.cluster"
            )
        return Cluster(emr, settings.code, wanted.id, described.get("LogUri"))
    seen = []
    with emr_errors(f"list of the clusters of {settings.code}"):
        for page in emr.get_paginator("list_clusters").paginate(ClusterStates=[*LIVE, *STARTING]):
            seen += [cluster for cluster in page["Clusters"] if cluster["Name"] == wanted.name]
    seen.sort(key=lambda cluster: cluster["Status"]["Timeline"]["CreationDateTime"], reverse=True)
    found = []
    for cluster in seen:
        try:
            described = _describe(emr, settings.code, cluster["Id"])
        except StepFailed:
            # somebody else's of the same name
            found.append(f"{cluster['Id']} may not be described")
            continue
        tags = {tag.get("Key"): tag.get("Value") for tag in described.get("Tags", ())}
        if not wanted.tags.items() <= tags.items():
            found.append(f"{cluster['Id']} has other tags")
        elif described["Status"]["State"] not in LIVE:
            found.append(f"{cluster['Id']} is {described['Status']['State']}")
        else:
            return Cluster(emr, settings.code, cluster["Id"], described.get("LogUri"))
    raise ClusterUnavailable(
        f"no cluster named {wanted.name!r} of {settings.code} is running or waiting"
        f" ({', '.join(found) or 'none of this name is starting either'}); start one, or correct"
        f" countries.{settings.code}.emr.cluster"
    )


def _describe(emr: EMRClient, country: str, cluster: str) -> Any:
    with emr_errors(
        f"cluster {cluster} of {country} cannot be described (correct"
        f" countries.{country}.emr.cluster, or grant elasticmapreduce:DescribeCluster)"
    ):
        return emr.describe_cluster(ClusterId=cluster)["Cluster"]


@contextlib.contextmanager
def emr_errors(what: str) -> Iterator[None]:
    """Raise what boto3 raises as errors of a step.

    Raises:
        ClusterUnavailable: EMR does not answer, or not now.
        StepFailed: it says no.
        ConfigError: it cannot be asked: no credentials, no region.
    """
    try:
        yield
    except ClientError as error:
        status, code = (
            error.response["ResponseMetadata"]["HTTPStatusCode"],
            error.response["Error"]["Code"],
        )
        may_pass = status >= 500 or status == 429 or "Throttl" in code
        problem = f"{what}: {error.response['Error'].get('Message', '')} ({code})"
        raise (ClusterUnavailable if may_pass else StepFailed)(problem) from error
    except (AwsConnectionError, HTTPClientError) as error:
        raise ClusterUnavailable(f"{what}: EMR does not answer: {error}") from error
    except BotoCoreError as error:
        raise ConfigError(
            f"{what}: {error}; see the country's aws.region and aws.profile, and the rights of this"
            " process"
        ) from error
