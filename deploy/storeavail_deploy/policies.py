"""What a country's roles may: the policy documents, made from the configuration. Nothing is called
here.

They reach what is that country's, by name. Wildcards stand where AWS gives no name beforehand (the
six characters after a secret's name, ids of clusters, which are told apart by tag instead) or takes
none (`elasticmapreduce:ListClusters`), and for what lies below a prefix. What countries have in
common is `shared_policies.py`, who may assume a role `trust.py`.
"""

from __future__ import annotations

from typing import Any

from storeavail_deploy.settings import Prefix, Site
from storeavail_deploy.statements import (
    FIND_CLUSTER,
    NO_SECRET,
    PASSED_TO,
    READ,
    SESSION,
    WRITE,
    Statement,
    allow,
    certificates,
    configuration,
    document,
    index_domain,
    key,
    key_grants,
    listings,
    objects,
    on_clusters,
    secrets,
)
from storeavail_deploy.trust import ASSUME
from storeavail_platform.aws.notices import METRICS
from storeavail_platform.config import SnsChannel

STEP_ACTIONS = (
    "elasticmapreduce:AddJobFlowSteps",
    "elasticmapreduce:CancelSteps",
    "elasticmapreduce:DescribeCluster",
    "elasticmapreduce:DescribeStep",
    "elasticmapreduce:ListSteps",
)
LOOK_ACTIONS = (
    "elasticmapreduce:DescribeCluster",
    "elasticmapreduce:DescribeStep",
    "elasticmapreduce:ListBootstrapActions",
    "elasticmapreduce:ListInstanceFleets",
    "elasticmapreduce:ListInstanceGroups",
    "elasticmapreduce:ListInstances",
    "elasticmapreduce:ListSteps",
)
ALARM_ACTIONS = ("cloudwatch:DescribeAlarmHistory", "cloudwatch:DescribeAlarms")
METRIC_ACTIONS = (
    "cloudwatch:GetMetricData",
    "cloudwatch:GetMetricStatistics",
    "cloudwatch:ListMetrics",
)
"""CloudWatch has no resource that would tell one country's figures from another's."""
EMR_SERVICE_POLICY = "iam::aws:policy/service-role/AmazonEMRServicePolicy_v2"
SCALING_POLICY = "iam::aws:policy/service-role/AmazonElasticMapReduceforAutoScalingRole"
SCALING = "application-autoscaling.amazonaws.com*"


def service_policy(site: Site, nodes_role: str) -> dict[str, Any]:
    """What EMR needs beyond AmazonEMRServicePolicy_v2: to give instances the role of this
    cluster's nodes, and no other.
    """
    return document(
        [
            allow(
                "PassNodesRole",
                "iam:PassRole",
                site.role_arn(nodes_role),
                StringEquals={PASSED_TO: "ec2.amazonaws.com"},
            ),
            (
                allow(
                    "PassScalingRole",
                    "iam:PassRole",
                    site.role_arn(site.name("scaling")),
                    StringLike={PASSED_TO: SCALING},
                )
                if nodes_role == site.name("nodes") and site.deploy.cluster.scaling_policy
                else None
            ),
            key(site),
            key_grants(site),
        ]
    )


def nodes_policy(site: Site) -> dict[str, Any]:
    """What a country's cluster does: reads its code, writes its logs, and its steps' work
    unless these have a runtime role.
    """
    role = site.emr.execution_role
    return document(
        [
            objects(site, "Code", READ, [site.application]),
            objects(site, "Logs", WRITE, [site.logs]),
            certificates([site]),
            SESSION,
            *([allow("RuntimeRole", ASSUME, role)] if role else step_statements(site)),
            *listings(
                site,
                [site.application, site.logs, *([] if role else step_places(site))],
                [] if role else step_files(site),
            ),
            key(site),
        ]
    )


def runtime_policy(site: Site) -> dict[str, Any]:
    """What a country's steps do, as a role of their own."""
    return document(
        [
            objects(site, "Code", READ, [site.application]),
            *step_statements(site),
            *listings(site, [site.application, *step_places(site)], step_files(site)),
            key(site),
        ]
    )


def worker_policy(site: Site, topic: str) -> dict[str, Any]:
    """What a country's code server and its runs do: observe, submit and follow steps, commit,
    upkeep, alert.
    """
    alerts = site.settings.alerts
    channels = (
        *alerts.channels,
        *(channel for route in alerts.routes for channel in route.channels),
        *site.platform.reports.channels_of(site.settings.code),
    )
    topics = sorted(
        {topic, *(channel.sns for channel in channels if isinstance(channel, SnsChannel))}
    )
    return document(
        [
            *step_statements(site, with_secrets=True),
            objects(
                site,
                "Notes",
                WRITE,
                site.own_files(),
                whole=True,
            ),
            configuration(site),
            *listings(site, step_places(site), [*site.own_files(), site.summaries]),
            *_steps(site),
            allow("Alert", "sns:Publish", topics),
            allow(
                "WindowAge",
                "cloudwatch:PutMetricData",
                "*",
                StringEquals={"cloudwatch:namespace": METRICS},
            ),
            key(site),
        ]
    )


def operator_policy(site: Site) -> dict[str, Any]:
    """What an operator of a country may: look at clusters, steps, logs, data and alarms. No secret,
    whatever else is granted.

    Nothing is run with it: a step is any program, with the rights of the cluster's nodes. A window
    is run again in Dagster, as the country's worker.
    """
    return document(
        [
            on_clusters("Look", LOOK_ACTIONS, site),
            FIND_CLUSTER,
            objects(site, "Read", READ, [*site.own_data(), site.staging, site.logs]),
            objects(site, "Notes", READ[:1], [*site.own_files(), site.layout], whole=True),
            # read by everybody who asks how a country does, and no program
            objects(site, "Silences", WRITE[1:2], site.own_files("silences"), whole=True),
            *listings(site, [site.logs, *step_places(site)], site.own_files()),
            allow("Alarms", ALARM_ACTIONS, site.arn("cloudwatch", f"alarm:{site.name('*')}")),
            allow("Metrics", METRIC_ACTIONS, "*"),
            key(site),
            NO_SECRET,
        ]
    )


def step_places(site: Site) -> list[Prefix]:
    """Where a country's runs and steps list files, or have to see that one is not there."""
    return [*site.own_data(), site.staging, site.layout]


def step_files(site: Site) -> list[Prefix]:
    """What people said of a country's windows, and other countries' summaries: read by its steps,
    and not there before somebody has said something, or begun.
    """
    return [*site.own_files("losses", "silences", "trust"), site.summaries]


def step_statements(site: Site, *, with_secrets: bool | None = None) -> list[Statement]:
    """What computing a window does with files and secrets.

    Args:
        with_secrets: whether the sources are read; by default where the configuration says that the
            cluster reads them.
    """
    warehouse = site.warehouse
    reads = site.settings.observe_from == "cluster" if with_secrets is None else with_secrets
    return [
        objects(site, "Data", WRITE, [*site.own_data(), site.staging]),
        # the page of all countries is written by whoever finished a window, from every country's
        # summary
        objects(
            site, "Overview", WRITE[:2], [warehouse.below("dashboard", "index.html")], whole=True
        ),
        objects(site, "Said", READ[:1], step_files(site), whole=True),
        objects(site, "Layout", READ[:1], [site.layout], whole=True),
        # made only where there is none: a country cannot write over what holds for all
        {
            **objects(site, "FirstLayout", WRITE[1:2], [site.layout], whole=True),
            "Condition": {"Null": {"s3:if-none-match": "false"}},
        },
        *([secrets(site)] if reads and site.secrets() else []),
        *(index_domain(site, site.settings.online_index) if reads else []),
    ]


def _steps(site: Site) -> list[Statement]:
    """Submitting steps to the country's clusters and following them."""
    if not site.emr.execution_role:
        return [on_clusters("Steps", STEP_ACTIONS, site), FIND_CLUSTER]
    submit = on_clusters("Submit", STEP_ACTIONS[:1], site)
    # as no other role than the country's own
    submit["Condition"]["ArnEquals"] = {
        "elasticmapreduce:ExecutionRoleArn": site.emr.execution_role
    }
    return [on_clusters("Steps", STEP_ACTIONS[1:], site), submit, FIND_CLUSTER]
