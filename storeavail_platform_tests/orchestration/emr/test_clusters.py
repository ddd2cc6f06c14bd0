"""EMR's API: which cluster is chosen, what a step is submitted with, how it is cancelled, what
errors say.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ReadTimeoutError,
)
from botocore.stub import Stubber

from storeavail_platform.config import Country, load_text
from storeavail_platform.domain.errors import ClusterUnavailable, ConfigError, StepFailed
from storeavail_platform.orchestration.emr.clusters import (
    Cluster,
    ClusterStep,
    emr_errors,
    find_cluster,
    submitted,
)

CONFIG = """
countries:
  BR:
    timezone: America/Sao_Paulo
    postgres: {dsn: env:DSN}
    online_index: {path: index.ndjson}
    emr: {cluster: CLUSTER, staging: s3://bucket/br/staging, code: s3://bucket/app/code.zip}
"""
ROLE = "arn:aws:iam::123456789012:role/storeavail-br"
COMMAND = ["spark-submit", "main.py"]


@pytest.fixture
def emr() -> Iterator[tuple[Any, Stubber]]:
    """A client that answers with what a test gives, and refuses parameters that EMR's API does
    not know or the test does not expect.
    """
    client = boto3.client(
        "emr", region_name="sa-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )
    with Stubber(client) as stubber:
        yield client, stubber
        stubber.assert_no_pending_responses()


def country(cluster: str) -> Country:
    return load_text(CONFIG.replace("CLUSTER", cluster), base="/", origin="test.yaml").country("BR")


def described(cluster: str, state: str = "WAITING", **tags: str) -> dict[str, Any]:
    return {
        "Cluster": {
            "Id": cluster,
            "Status": {"State": state},
            "LogUri": "s3n://bucket/logs/",
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        }
    }


def listed(cluster: str, name: str, hour: int) -> dict[str, Any]:
    created = datetime(2026, 11, 23, hour, tzinfo=UTC)
    return {
        "Id": cluster,
        "Name": name,
        "Status": {"State": "WAITING", "Timeline": {"CreationDateTime": created}},
    }


def test_a_step_goes_with_its_runtime_role_and_leaves_the_cluster_alone(
    emr: tuple[Any, Stubber],
) -> None:
    """`ExecutionRoleArn` is sent where it is configured, the action on failure is CONTINUE,
    logs are told as an s3:// address.
    """
    client, stubber = emr
    step = {
        "Name": "a step",
        "ActionOnFailure": "CONTINUE",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": COMMAND},
    }
    stubber.add_response(
        "add_job_flow_steps",
        {"StepIds": ["s-1"]},
        {"JobFlowId": "j-1", "Steps": [step], "ExecutionRoleArn": ROLE},
    )
    stubber.add_response(
        "add_job_flow_steps", {"StepIds": ["s-2"]}, {"JobFlowId": "j-1", "Steps": [step]}
    )
    cluster = Cluster(client, "BR", "j-1", "s3n://bucket/logs/")
    assert (
        cluster.add(client, "a step", COMMAND, execution_role=ROLE).logs
        == "s3://bucket/logs/j-1/steps/s-1/"
    )
    assert cluster.add(client, "a step", COMMAND).id == "s-2"


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("ValidationException", 400, StepFailed),
        ("ThrottlingException", 400, ClusterUnavailable),
        ("InternalServerError", 500, ClusterUnavailable),
    ],
)
def test_a_rejected_step(
    emr: tuple[Any, Stubber], code: str, status: int, error: type[Exception]
) -> None:
    """What EMR says is passed on with cluster and country; only what can pass by itself is
    worth a retry.
    """
    client, stubber = emr
    stubber.add_client_error(
        "add_job_flow_steps", code, "the job flow is shutting down", http_status_code=status
    )
    with pytest.raises(
        error, match=r"cluster j-1 of BR did not take the step.*the job flow is shutting down"
    ):
        Cluster(client, "BR", "j-1", None).add(client, "a step", COMMAND)


def test_cancelling_ends_the_process(emr: tuple[Any, Stubber]) -> None:
    """A running step's process is terminated, not asked; where EMR refuses, the error says how
    to end the step by hand.
    """
    client, stubber = emr
    step = ClusterStep(client, "BR", "j-1", "s-1", "logs/")
    parameters = {
        "ClusterId": "j-1",
        "StepIds": ["s-1"],
        "StepCancellationOption": "TERMINATE_PROCESS",
    }
    stubber.add_response(
        "cancel_steps",
        {"CancelStepsInfoList": [{"StepId": "s-1", "Status": "SUBMITTED"}]},
        parameters,
    )
    step.cancel()
    failed = {"CancelStepsInfoList": [{"StepId": "s-1", "Status": "FAILED", "Reason": "not now"}]}
    stubber.add_response("cancel_steps", failed, parameters)
    stubber.add_response("describe_step", {"Step": {"Status": {"State": "RUNNING"}}})
    with pytest.raises(
        StepFailed,
        match="not now; end it by `aws emr cancel-steps --cluster-id j-1 --step-ids s-1`",
    ):
        step.cancel()
    stubber.add_response("cancel_steps", failed, parameters)
    stubber.add_response("describe_step", {"Step": {"Status": {"State": "COMPLETED"}}})
    step.cancel()


def test_why_a_step_failed(emr: tuple[Any, Stubber]) -> None:
    """EMR's own explanation and its log file are part of the reason."""
    client, stubber = emr
    details = {
        "Reason": "Unknown Error.",
        "Message": "Exception in thread main",
        "LogFile": "s3://bucket/logs/stderr.gz",
    }
    stubber.add_response(
        "describe_step", {"Step": {"Status": {"State": "FAILED", "FailureDetails": details}}}
    )
    status = ClusterStep(client, "BR", "j-1", "s-1", "logs/").status()
    assert status.has_ended
    assert status.reason == "Unknown Error., Exception in thread main, s3://bucket/logs/stderr.gz"


def test_the_newest_live_cluster_of_the_name_with_the_tags_on_any_page(
    emr: tuple[Any, Stubber],
) -> None:
    """All pages are read; other names, older clusters, other tags and those that are still
    starting are passed over.
    """
    client, stubber = emr
    states = {"ClusterStates": ["RUNNING", "WAITING", "STARTING", "BOOTSTRAPPING"]}
    first = [listed("j-OLD", "storeavail-br", 1), listed("j-MX", "storeavail-mx", 9)]
    second = [
        listed("j-GOOD", "storeavail-br", 2),
        listed("j-TAG", "storeavail-br", 3),
        listed("j-NEW", "storeavail-br", 4),
    ]
    stubber.add_response("list_clusters", {"Clusters": first, "Marker": "more"}, states)
    stubber.add_response("list_clusters", {"Clusters": second}, {**states, "Marker": "more"})
    stubber.add_response(
        "describe_cluster",
        described("j-NEW", "BOOTSTRAPPING", stage="live"),
        {"ClusterId": "j-NEW"},
    )
    stubber.add_response(
        "describe_cluster", described("j-TAG", stage="test"), {"ClusterId": "j-TAG"}
    )
    stubber.add_response(
        "describe_cluster", described("j-GOOD", stage="live"), {"ClusterId": "j-GOOD"}
    )
    assert (
        find_cluster(client, country("{name: storeavail-br, tags: {stage: live}}")).id == "j-GOOD"
    )


def test_no_live_cluster(emr: tuple[Any, Stubber]) -> None:
    """Says which were seen and why not; it may pass."""
    client, stubber = emr
    stubber.add_response("list_clusters", {"Clusters": [listed("j-NEW", "storeavail-br", 4)]})
    stubber.add_response("describe_cluster", described("j-NEW", "STARTING"))
    with pytest.raises(ClusterUnavailable, match=r"'storeavail-br' of BR .*j-NEW is STARTING"):
        find_cluster(client, country("{name: storeavail-br}"))
    stubber.add_response("describe_cluster", described("j-1", "TERMINATED"))
    with pytest.raises(
        ClusterUnavailable, match=r"cluster j-1 of BR is TERMINATED.*countries.BR.emr.cluster"
    ):
        find_cluster(client, country("{id: j-1}"))


def test_a_cluster_of_somebody_elses_with_the_same_name_is_passed_over(
    emr: tuple[Any, Stubber],
) -> None:
    """The country's role may not describe it, and its own is the next."""
    client, stubber = emr
    both = [listed("j-OWN", "storeavail-br", 1), listed("j-FOREIGN", "storeavail-br", 2)]
    stubber.add_response("list_clusters", {"Clusters": both})
    stubber.add_client_error("describe_cluster", "AccessDeniedException", "not authorized")
    stubber.add_response("describe_cluster", described("j-OWN"), {"ClusterId": "j-OWN"})
    assert find_cluster(client, country("{name: storeavail-br}")).id == "j-OWN"
    stubber.add_response("list_clusters", {"Clusters": both[1:]})
    stubber.add_client_error("describe_cluster", "AccessDeniedException", "not authorized")
    with pytest.raises(ClusterUnavailable, match="j-FOREIGN may not be described"):
        find_cluster(client, country("{name: storeavail-br}"))


def test_a_step_whose_answer_was_lost_is_found_by_its_name(emr: tuple[Any, Stubber]) -> None:
    """On any page, as long as it has not ended."""
    client, stubber = emr
    cluster = Cluster(client, "BR", "j-1", "s3://bucket/logs")
    asked = {"ClusterId": "j-1", "StepStates": ["PENDING", "RUNNING"]}
    stubber.add_response(
        "list_steps", {"Steps": [{"Id": "s-1", "Name": "another"}], "Marker": "more"}, asked
    )
    stubber.add_response(
        "list_steps", {"Steps": [{"Id": "s-2", "Name": "mine"}]}, {**asked, "Marker": "more"}
    )
    found = submitted(cluster, "mine")
    assert found is not None
    assert (found.id, found.logs) == ("s-2", "s3://bucket/logs/j-1/steps/s-2/")
    stubber.add_response("list_steps", {"Steps": []}, asked)
    assert submitted(cluster, "mine") is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (EndpointConnectionError(endpoint_url="https://emr"), ClusterUnavailable),
        (ReadTimeoutError(endpoint_url="https://emr"), ClusterUnavailable),
        (NoCredentialsError(), ConfigError),
        (NoRegionError(), ConfigError),
    ],
)
def test_what_cannot_be_asked_is_no_outage(error: Exception, kind: type[Exception]) -> None:
    """A network that is down may pass; missing credentials and a missing region are the
    configuration's.
    """
    with pytest.raises(kind, match="state of the step"), emr_errors("state of the step"):
        raise error


def test_an_id_that_no_cluster_has(emr: tuple[Any, Stubber]) -> None:
    """EMR's refusal names the setting; another try would not help."""
    client, stubber = emr
    stubber.add_client_error(
        "describe_cluster", "InvalidRequestException", "Cluster id 'j-9' is not valid."
    )
    with pytest.raises(
        StepFailed, match=r"countries\.BR\.emr\.cluster.*Cluster id 'j-9' is not valid"
    ):
        find_cluster(client, country("{id: j-9}"))
