"""Who may assume a role: the trust documents of every role. Nothing is called here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storeavail_deploy.settings import Site
from storeavail_deploy.statements import Statement, document

ASSUME = ("sts:AssumeRole", "sts:TagSession")
ECS_TASKS, EKS_PODS = "ecs-tasks.amazonaws.com", "pods.eks.amazonaws.com"


def trust_of_service(site: Site, *services: str, source: str | None = None) -> dict[str, Any]:
    """What lets AWS services assume a role, for this account alone where the service says for
    whom it acts.
    """
    allowed: Statement = {
        "Effect": "Allow",
        "Principal": {"Service": services[0] if len(services) == 1 else list(services)},
        "Action": "sts:AssumeRole",
    }
    if source is not None:
        allowed["Condition"] = {
            "StringEquals": {"aws:SourceAccount": site.account},
            "ArnLike": {"aws:SourceArn": source},
        }
    return document([allowed])


def trust_of(site: Site, principals: Sequence[str]) -> dict[str, Any]:
    """What lets principals assume a role; without any, the account's own policies decide.

    Args:
        principals: ARNs; `ecs-tasks.amazonaws.com` for tasks on ECS, `pods.eks.amazonaws.com` for
            EKS Pod Identity; `ARN-OF-AN-OIDC-PROVIDER#system:serviceaccount:NAMESPACE:NAME` for a
            pod by IRSA.
    """
    services = sorted({ECS_TASKS, EKS_PODS}.intersection(principals))
    pods = [each for each in principals if "#" in each]
    others = [each for each in principals if each not in services and each not in pods]
    if not principals:
        # the root principal is the account as such: whoever its own policies let
        others = [site.arn("iam", "root", is_global=True)]
    return document(
        [
            (
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": others if len(others) > 1 else others[0]},
                    "Action": "sts:AssumeRole",
                }
                if others
                else None
            ),
            *(_trust_of_workloads(site, service) for service in services),
            *map(_trust_of_pod, pods),
        ]
    )


def _trust_of_workloads(site: Site, service: str) -> Statement:
    """Tasks on ECS, or pods by EKS Pod Identity, of this account alone."""
    return {
        "Effect": "Allow",
        "Principal": {"Service": service},
        # Pod Identity says by tags which pod it is
        "Action": list(ASSUME) if service == EKS_PODS else ASSUME[0],
        "Condition": {"StringEquals": {"aws:SourceAccount": site.account}},
    }


def _trust_of_pod(named: str) -> Statement:
    """One service account of a cluster, by the cluster's OIDC provider."""
    arn, _, subject = named.partition("#")
    provider = arn.partition(":oidc-provider/")[2]
    return {
        "Effect": "Allow",
        "Principal": {"Federated": arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {f"{provider}:aud": "sts.amazonaws.com", f"{provider}:sub": subject}
        },
    }


def trust_of_nodes(site: Site) -> dict[str, Any]:
    """What lets EMR on a country's nodes assume the country's runtime role."""
    nodes = {"AWS": site.role_arn(site.name("nodes"))}
    return document([{"Effect": "Allow", "Principal": nodes, "Action": list(ASSUME)}])
