"""Who may do what: the policy documents of every role, made from the configuration. Nothing is
called here.

A country's roles reach what is that country's, by name. Wildcards stand where AWS gives no name
beforehand (the six characters after a secret's name, ids of clusters, which are told apart by tag
instead) or takes none (`elasticmapreduce:ListClusters`), and for what lies below a prefix.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from storeavail_deploy.settings import Prefix, Site, secret_arn
from storeavail_deploy.statements import (
    Statement,
    allow,
    certificates,
    configuration,
    index_domain,
    key,
    key_grants,
    listings,
    objects,
    on_clusters,
    secrets,
)
from storeavail_platform.aws.notices import METRICS
from storeavail_platform.config import SnsChannel
from storeavail_platform.domain.places import FILES, LEASE
from storeavail_platform.warehouse.readings import MANIFEST_NAME

READ = ("s3:GetObject", "s3:GetObjectVersion")
WRITE = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
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


ASSUME = ("sts:AssumeRole", "sts:TagSession")
ECS_TASKS, EKS_PODS = "ecs-tasks.amazonaws.com", "pods.eks.amazonaws.com"
PASSED_TO = "iam:PassedToService"
EMR_SERVICE_POLICY = "iam::aws:policy/service-role/AmazonEMRServicePolicy_v2"
SCALING_POLICY = "iam::aws:policy/service-role/AmazonElasticMapReduceforAutoScalingRole"
SCALING = "application-autoscaling.amazonaws.com*"


def document(statements: Iterable[Statement | None]) -> dict[str, Any]:
    """A policy document of those statements that there are."""
    return {"Version": "2012-10-17", "Statement": [each for each in statements if each is not None]}


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


def analyst_policy(sites: Sequence[Site]) -> dict[str, Any]:
    """What analysts do: read tables, windows and pages of every country, and raw databases by
    their own secrets.
    """
    return document(
        [*_read_only(sites), configuration(sites[0]), *_raw_access(sites), key(sites[0])]
    )


def analytics_nodes_policy(sites: Sequence[Site]) -> dict[str, Any]:
    """What the cluster for notebooks does: reads every country, writes its own logs and
    notebooks, no data.
    """
    notebooks = {
        Prefix.of(site.deploy.analytics.notebooks)
        for site in sites
        if site.deploy.analytics.notebooks
    }
    # a hundred countries' logs, named one by one, are longer than IAM takes
    places = sorted(notebooks.union(_of_any(site, site.analytics_logs) for site in sites))
    return document(
        [
            *_read_only(sites, code=True, listed=places),
            objects(sites[0], "LogsAndNotebooks", WRITE, places),
            certificates(sites),
            SESSION,
            configuration(sites[0]),
            *_raw_access(sites, [name for site in sites for name in site.sign_in_secrets()]),
            key(sites[0]),
        ]
    )


def metastore_policy(site: Site) -> dict[str, Any]:
    """What the Hive Metastore does by itself: sees whether folders of namespaces and tables are
    there, and makes them. It reads and writes no row.
    """
    tables = site.warehouse.below("tables")
    names = tables.key.split("/")
    above = [Prefix(tables.bucket, "/".join(names[:end])) for end in range(1, len(names) + 1)]
    # S3A's folders are empty objects with a slash at their end, which no file has
    folders = [Prefix(place.bucket, f"{place.key}/") for place in above]
    made = Prefix(tables.bucket, f"{tables.key}/*/")
    seen = [*above, *folders, tables.below("*")]
    return document(
        [
            objects(site, "See", READ[:1], [*above, *folders, tables.below("*")], whole=True),
            objects(site, "Folders", ("s3:PutObject",), [folders[-1], made], whole=True),
            *listings(site, [], seen),
            # whether a folder is there is asked as if it were a file: of any name
            {
                **objects(site, "NoRow", READ, [tables.below("*.parquet")], whole=True),
                "Effect": "Deny",
            },
            key(site),
        ]
    )


def backup_policy(site: Site) -> dict[str, Any]:
    """What `storeavail backup` does: reads the whole warehouse, and holds upkeep back meanwhile by
    a file of each country.
    """
    leases = site.warehouse.below("tables", "*", LEASE)
    return document(
        [
            objects(site, "Read", READ, [site.warehouse]),
            objects(site, "Leases", WRITE[1:3], [leases], whole=True),
            *listings(site, [site.warehouse]),
            configuration(site),
            key(site),
        ]
    )


def pages_policy(site: Site) -> dict[str, Any]:
    """What the dashboard's server does: reads pages, and nothing else of the warehouse."""
    dashboard = site.warehouse.below("dashboard")
    pages = [dashboard.below(name) for name in ("index.html", "*/index.html")]
    pages += [dashboard.below("*", name) for name in ("summary.json", "alive.js")]
    return document(
        [
            objects(site, "Pages", READ[:1], [*pages, site.layout], whole=True),
            # that one is not there yet
            *listings(site, [], [*pages, site.layout]),
            configuration(site),
            key(site),
            NO_SECRET,
        ]
    )


def _of_any(site: Site, place: Prefix) -> Prefix:
    """A country's place, by a pattern that is every country's whose place has its code at the same
    level.
    """
    names = ["*" if name.upper() == site.code else name for name in place.key.split("/")]
    return Prefix(place.bucket, "/".join(names))


NO_SECRET: Statement = {
    "Sid": "NoSecret",
    "Effect": "Deny",
    "Action": "secretsmanager:GetSecretValue",
    "Resource": "*",
}


def no_secret_but(own: Sequence[str]) -> Statement:
    """No secret but one's own, whatever else is granted. It names what is allowed, not what is
    denied: secrets of a hundred countries' sources are longer than IAM takes.
    """
    if not own:
        return NO_SECRET
    return {
        **{name: value for name, value in NO_SECRET.items() if name != "Resource"},
        "NotResource": list(own),
    }


SESSION = allow(
    "Session",
    [
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    ],
    "*",
)
"""A way onto a node, by Systems Manager. Who may begin a session is said by the account's own
policies.
"""

FIND_CLUSTER = allow("FindCluster", "elasticmapreduce:ListClusters", "*")
"""EMR takes no resource here; names of clusters, and no more, are told of every country."""


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


def _read_only(
    sites: Sequence[Site], *, code: bool = False, listed: Sequence[Prefix] = ()
) -> list[Statement]:
    warehouse = sites[0].warehouse
    # every country's, whoever deploys: named one by one they are longer than IAM takes
    read = [warehouse.below(folder) for folder in ("tables", "windows", "dashboard", *FILES)]
    read += sorted({site.application for site in sites}) if code else ()
    return [
        objects(sites[0], "Read", READ, read),
        # which windows were read and are not complete, and no row of them
        objects(
            sites[0],
            "Landed",
            READ[:1],
            [sites[0].layout, warehouse.below("landing", "*", MANIFEST_NAME)],
            whole=True,
        ),
        *listings(
            sites[0],
            [*read, *map(warehouse.below, ("landing", "roll_up")), *listed],
            [sites[0].layout],
        ),
    ]


def _raw_access(sites: Sequence[Site], more: Sequence[str] = ()) -> list[Statement]:
    """Analysts' own secrets and the note of each access, which is made and never read or
    changed; no secret of the windows' sources.

    Args:
        more: names of secrets that are read too.
    """
    own = sorted(
        {
            *(secret_arn(site, name) for site in sites for name in site.analysts_secrets()),
            *(secret_arn(sites[0], name) for name in more),
        }
    )
    roles = {
        site.settings.analyst.aws.assume_role for site in sites if site.settings.analyst is not None
    } - {None}
    read, become = "secretsmanager:GetSecretValue", "sts:AssumeRole"
    return [
        # made only where there is none: what is noted cannot be written over
        {
            **objects(sites[0], "Audit", ("s3:PutObject",), [sites[0].warehouse.below("audit")]),
            "Condition": {"Null": {"s3:if-none-match": "false"}},
        },
        *([allow("OwnSecrets", read, own)] if own else []),
        *_analysts_domains(sites),
        *([allow("OwnRoles", become, sorted(map(str, roles)))] if roles else []),
        # whatever else is granted
        no_secret_but(own),
    ]


def _analysts_domains(sites: Sequence[Site]) -> list[Statement]:
    return [
        {**statement, "Sid": f"{statement['Sid']}{site.code}"}
        for site in sites
        if site.settings.analyst is not None
        for statement in index_domain(site, site.settings.analyst.online_index)
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
