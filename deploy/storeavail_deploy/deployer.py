"""What whoever deploys may: the policy of the account's deployer, made from the configuration.
Nothing is called here.

Names begin with `deploy.prefix`, clusters are told by their tags. Where AWS takes no resource
(EMR's security configurations and release labels, descriptions of alarms) `*` stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from storeavail_deploy.policies import EMR_SERVICE_POLICY, SCALING, SCALING_POLICY
from storeavail_deploy.settings import PREFIX_TAG, Site, secret_arn
from storeavail_deploy.statements import (
    FIND_CLUSTER,
    PASSED_TO,
    READ,
    Statement,
    allow,
    configuration,
    document,
    key,
    listings,
    objects,
)

ROLES = (
    "AddRoleToInstanceProfile",
    "CreateInstanceProfile",
    "CreateRole",
    "DeleteInstanceProfile",
    "DeleteRole",
    "DeleteRolePermissionsBoundary",
    "DeleteRolePolicy",
    "DetachRolePolicy",
    "GetInstanceProfile",
    "GetRole",
    "GetRolePolicy",
    "ListAttachedRolePolicies",
    "ListRolePolicies",
    "PutRolePermissionsBoundary",
    "PutRolePolicy",
    "RemoveRoleFromInstanceProfile",
    "TagInstanceProfile",
    "TagRole",
    "UpdateAssumeRolePolicy",
)
BUCKETS = (
    "CreateBucket",
    "GetBucketLocation",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketPublicAccessBlock",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetEncryptionConfiguration",
    "GetLifecycleConfiguration",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketTagging",
    "PutBucketVersioning",
    "PutEncryptionConfiguration",
    "PutLifecycleConfiguration",
)
CLUSTERS = (
    "AddJobFlowSteps",
    "AddTags",
    "DescribeCluster",
    "DescribeStep",
    "ListInstances",
    "ListSteps",
    "PutAutoTerminationPolicy",
    "RemoveTags",
    "SetTerminationProtection",
    "TerminateJobFlows",
)
TOPICS = (
    "CreateTopic",
    "DeleteTopic",
    "GetTopicAttributes",
    "ListSubscriptionsByTopic",
    "SetTopicAttributes",
    "Subscribe",
    "TagResource",
)
RULES = (
    "DeleteRule",
    "DescribeRule",
    "ListTargetsByRule",
    "PutRule",
    "PutTargets",
    "RemoveTargets",
    "TagResource",
)
LINKED = {
    "elasticmapreduce.amazonaws.com*": "AWSServiceRoleForEMRCleanup*",
    "spot.amazonaws.com": "AWSServiceRoleForEC2Spot",
}
"""Roles that AWS makes for itself in an account, by the service: EMR's clean-up, Spot instances."""


def deployer_policy(sites: Sequence[Site]) -> dict[str, Any]:
    """What `storeavail-deploy` does for countries of one account and region."""
    site, prefix = sites[0], sites[0].deploy.prefix
    tag = {f"elasticmapreduce:ResourceTag/{PREFIX_TAG}": prefix}
    asked = {f"elasticmapreduce:RequestTag/{PREFIX_TAG}": prefix}
    clusters = site.arn("elasticmapreduce", "cluster/*")
    named = [
        site.arn("iam", f"{what}/{prefix}-*", is_global=True)
        for what in ("role", "instance-profile")
    ]
    managed = [f"arn:{site.partition}:{each}" for each in (EMR_SERVICE_POLICY, SCALING_POLICY)]
    return document(
        [
            allow("Roles", _of("iam", ROLES), named),
            allow(
                "Managed", "iam:AttachRolePolicy", named[0], ArnEquals={"iam:PolicyARN": managed}
            ),
            *_passing(site),
            *_linked(site),
            *_buckets(sites),
            allow("Clusters", _of("elasticmapreduce", CLUSTERS), clusters, StringEquals=tag),
            allow("Start", "elasticmapreduce:RunJobFlow", "*", StringEquals=asked),
            allow("Tag", "elasticmapreduce:AddTags", clusters, StringEquals=asked),
            allow(
                "Look",
                [
                    "elasticmapreduce:CreateSecurityConfiguration",
                    "elasticmapreduce:DeleteSecurityConfiguration",
                    "elasticmapreduce:DescribeSecurityConfiguration",
                    "elasticmapreduce:ListReleaseLabels",
                    # named by an id that nobody knows before
                    "sns:Unsubscribe",
                ],
                "*",
            ),
            FIND_CLUSTER,
            allow("SeeAlarms", "cloudwatch:DescribeAlarms", site.arn("cloudwatch", "alarm:*")),
            allow("Topics", _of("sns", TOPICS), site.arn("sns", f"{prefix}-*")),
            allow(
                "Alarms",
                _of("cloudwatch", ("DeleteAlarms", "PutMetricAlarm", "TagResource")),
                site.arn("cloudwatch", f"alarm:{prefix}-*"),
            ),
            allow(
                "Dashboards",
                _of("cloudwatch", ("DeleteDashboards", "GetDashboard", "PutDashboard")),
                f"arn:{site.partition}:cloudwatch::{site.account}:dashboard/{prefix}-*",
            ),
            allow("Rules", _of("events", RULES), site.arn("events", f"rule/{prefix}-*")),
            _metastore(sites),
            configuration(site),
            key(site),
        ]
    )


def _of(service: str, actions: Sequence[str]) -> list[str]:
    return [f"{service}:{action}" for action in actions]


def _passing(site: Site) -> Iterator[Statement]:
    """Giving roles to what works with them: to nothing else, and no other."""
    for sid, suffix, service in (
        ("PassService", "service", "elasticmapreduce.amazonaws.com"),
        ("PassNodes", "nodes", "ec2.amazonaws.com"),
        ("PassScaling", "scaling", "elasticmapreduce.amazonaws.com"),
    ):
        role = site.role_arn(f"{site.deploy.prefix}-*-{suffix}")
        services = [service, SCALING] if suffix == "scaling" else [service]
        yield allow(sid, "iam:PassRole", role, StringLike={PASSED_TO: services})


def _linked(site: Site) -> Iterator[Statement]:
    for number, (service, name) in enumerate(LINKED.items(), 1):
        yield allow(
            f"Linked{number}",
            "iam:CreateServiceLinkedRole",
            site.arn("iam", f"role/aws-service-role/{service}/{name}", is_global=True),
            StringLike={"iam:AWSServiceName": service},
        )


def _buckets(sites: Sequence[Site]) -> Iterator[Statement]:
    """The buckets themselves; below them what is published, and whether windows became complete."""
    site = sites[0]
    published = sorted({each.application for each in sites})
    windows = site.warehouse.below("windows")
    buckets = {place.bucket for each in sites for place in (each.staging, each.logs)}
    buckets |= {place.bucket for place in (site.warehouse, *published)}
    arns = [f"arn:{site.partition}:s3:::{bucket}" for bucket in sorted(buckets)]
    yield allow("Buckets", _of("s3", BUCKETS), arns)
    # whether a bucket is there is asked without a prefix
    yield allow("There", "s3:ListBucket", arns, Null={"s3:prefix": "true"})
    yield objects(site, "Publish", (*READ, "s3:PutObject", "s3:AbortMultipartUpload"), published)
    yield objects(site, "Windows", READ[:1], [windows])
    yield from listings(site, [*published, windows])


def _metastore(sites: Sequence[Site]) -> Statement | None:
    """The connection string that the metastore's schema is loaded by."""
    dsns = [each.deploy.metastore.dsn for each in sites]
    names = sorted(
        {
            str(dsn).removeprefix("aws:").partition("#")[0]
            for dsn in dsns
            if str(dsn).startswith("aws:")
        }
    )
    found = [secret_arn(sites[0], name) for name in names]
    return allow("Metastore", "secretsmanager:GetSecretValue", found) if found else None
