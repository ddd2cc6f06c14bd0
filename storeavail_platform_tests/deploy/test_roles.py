"""Roles: who may do what by evaluating the documents, that one country is denied another's
things, and that a second time changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest
from parliament import analyze_policy_string
from storeavail_deploy.clients import open_site
from storeavail_deploy.deployer import deployer_policy
from storeavail_deploy.plan import NOTHING_TO_DO, PENDING
from storeavail_deploy.policies import EMR_SERVICE_POLICY
from storeavail_deploy.roles import (
    POLICY,
    POLICY_LIMIT,
    Role,
    country_roles,
    plan_roles,
    shared_roles,
)
from storeavail_deploy.settings import Site
from storeavail_deploy.statements import SESSION

from storeavail_platform.config import Platform, load_text
from storeavail_platform.domain.errors import ConfigError, DeploymentFailed
from storeavail_platform_tests.deploy.aws import (
    ACCOUNT,
    DEPLOY,
    REGION,
    Account,
    configuration,
    configuration_text,
    done,
)
from storeavail_platform_tests.deploy.iam import allows

NOTHING = (0, NOTHING_TO_DO)
DATA = "arn:aws:s3:::company/warehouse"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234"
EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
COMMANDS = ("AddJobFlowSteps", "CancelSteps", "TerminateJobFlows")
"""What has a cluster do something."""
EMR = "elasticmapreduce.amazonaws.com"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
LINKED_ROLE = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/{EMR}/AWSServiceRoleForEMRCleanup"
PREFIX_REQUEST = "elasticmapreduce__RequestTag___storeavail__prefix"
TOLERATED = "UNKNOWN_CONDITION_FOR_ACTION - Unknown condition elasticmapreduce:ResourceTag/"
"""AWS lists this key with the cluster that the action is for, and not with the action: there
parliament does not look.
"""


def site_of(platform: Platform, code: str) -> Site:
    return Site(platform, platform.country(code), ACCOUNT, REGION)


def roles(platform: Platform, code: str = "BR") -> dict[str, Role]:
    """A country's roles, and the shared ones, by name."""
    site = site_of(platform, code)
    return {role.name: role for role in (*country_roles(site), *shared_roles(site))}


def policies(platform: Platform, code: str = "BR") -> dict[str, list[Mapping[str, Any]]]:
    """The documents of each role."""
    return {
        name: [role.policy]
        for name, role in roles(platform, code).items()
        if role.policy is not None
    }


def cluster_tags(code: str) -> dict[str, str]:
    return {
        "elasticmapreduce__ResourceTag___storeavail__prefix": "storeavail",
        "elasticmapreduce__ResourceTag___storeavail__country": code,
    }


def reach(documents: list[Mapping[str, Any]], code: str) -> Iterator[str]:
    """What a role can reach of a country's things."""
    namespace = f"storeavail_{code.lower()}"
    objects = {
        "landing": f"{DATA}/landing/{code}/2026-11-23T1015/stores/1/part-0.parquet",
        "tables": f"{DATA}/tables/{namespace}/stores/data/x.parquet",
        "windows": f"{DATA}/windows/{code}/2026-11-23T1015.json",
        "dashboard": f"{DATA}/dashboard/{code}/index.html",
        "roll_up": f"{DATA}/roll_up/{code}/2026-11-23T1015/due",
        "alerts": f"{DATA}/alerts/{code}.json",
        "staging": f"arn:aws:s3:::company/{code.lower()}/staging/run/step/step.json",
        "logs": f"arn:aws:s3:::company/{code.lower()}/logs/j-1/steps/s-1/stderr.gz",
    }
    for name, arn in objects.items():
        for action in ("GetObject", "PutObject", "DeleteObject"):
            if allows(documents, f"s3:{action}", arn):
                yield f"{name} {action}"
        prefix = arn.partition(":::company/")[2].rpartition("/")[0] + "/"
        if allows(documents, "s3:ListBucket", "arn:aws:s3:::company", s3__prefix=prefix):
            yield f"{name} List"
    secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{code.lower()}/dsn-AbCdEf"
    if allows(documents, "secretsmanager:GetSecretValue", secret):
        yield "secret"
    cluster = f"arn:aws:elasticmapreduce:{REGION}:{ACCOUNT}:cluster/j-{code}"
    for action in (*COMMANDS, "DescribeCluster"):
        if allows(documents, f"elasticmapreduce:{action}", cluster, **cluster_tags(code)):
            yield f"cluster {action}"


@pytest.mark.parametrize(
    "own",
    ["", ", observe_from: cluster", f", deploy: {{encryption: {{kms_key: '{KEY}'}}}}"],
    ids=["plain", "cluster", "key"],
)
def test_one_countrys_roles_reach_nothing_of_anothers(own: str) -> None:
    """BR's role is denied AR's prefixes, secret and cluster, and reaches its own: both ways,
    for every role of a country.
    """
    platform = configuration(own=own)
    for mine, other in (("BR", "AR"), ("AR", "BR")):
        for name, documents in policies(platform, mine).items():
            if name.startswith(f"storeavail-{mine.lower()}-"):
                assert list(reach(documents, other)) == [], name
        worker = set(reach(policies(platform, mine)[f"storeavail-{mine.lower()}-worker"], mine))
        assert {
            "landing PutObject",
            "tables GetObject",
            "staging DeleteObject",
            "secret",
            "cluster AddJobFlowSteps",
            "alerts PutObject",
        } <= worker
        assert "cluster TerminateJobFlows" not in worker
        assert "logs PutObject" not in worker
        nodes = set(reach(policies(platform, mine)[f"storeavail-{mine.lower()}-nodes"], mine))
        assert {
            "tables PutObject",
            "windows PutObject",
            "staging GetObject",
            "logs PutObject",
            "landing List",
        } <= nodes
        assert not {each for each in nodes if each.startswith(("cluster", "alerts"))}
        # a cluster that does not read the sources has no use for their passwords
        assert ("secret" in nodes) == ("observe_from" in own)


def test_a_worker_reads_every_secret_that_its_country_names() -> None:
    """Whatever setting names it, a user's name too; another country's not, nor does an analyst."""
    login = "username: 'aws:{code}/user', password: 'aws:{code}/password'"
    found = policies(configuration(login=login))
    for name in ("dsn", "index", "user", "password"):
        for code, is_own in (("br", True), ("ar", False)):
            secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{code}/{name}-AbCdEf"
            reads = allows(found["storeavail-br-worker"], "secretsmanager:GetSecretValue", secret)
            assert reads == is_own, secret
            for role in ("storeavail-analyst", "storeavail-analytics-nodes"):
                granted = [*found[role], EVERYTHING]
                assert not allows(granted, "secretsmanager:GetSecretValue", secret), secret


def test_a_staging_bucket_of_its_own_lists_nothing_of_others() -> None:
    """All of it may be listed, and of the warehouse's bucket no more than before."""
    text = configuration_text(own=", deploy: {logs: 's3://company/{code}/logs'}")
    for code in ("br", "ar"):
        text = text.replace(f"s3://company/{code}/staging", f"s3://{code}-staging")
    own, other = text.split("\n  AR:")
    text = f"{own.replace('{code}', 'br')}\n  AR:{other.replace('{code}', 'ar')}"
    platform = load_text(text, base="/", origin="company.yaml")
    for mine, others in (("BR", "ar"), ("AR", "br")):
        for name, documents in policies(platform, mine).items():
            if not name.startswith(f"storeavail-{mine.lower()}-"):
                continue
            assert not allows(
                documents, "s3:ListBucket", f"arn:aws:s3:::{others}-staging", s3__prefix=""
            ), name
            for prefix in ("", "warehouse/", f"warehouse/landing/{others.upper()}/", f"{others}/"):
                assert not allows(
                    documents, "s3:ListBucket", "arn:aws:s3:::company", s3__prefix=prefix
                ), f"{name} {prefix}"
        worker = policies(platform, mine)[f"storeavail-{mine.lower()}-worker"]
        staging = f"arn:aws:s3:::{mine.lower()}-staging"
        assert allows(worker, "s3:ListBucket", staging, s3__prefix="run/step/")


def test_every_role_sees_the_warehouses_layout_and_none_changes_it() -> None:
    """Whoever writes makes the file that says it where there is none; nobody writes over it,
    and that it is not there is seen.
    """
    found = policies(configuration())
    layout, key = f"{DATA}/warehouse.json", "warehouse/warehouse.json"
    writers = {"storeavail-br-worker", "storeavail-br-nodes"}
    for role in writers | {
        "storeavail-br-operator",
        "storeavail-analyst",
        "storeavail-analytics-nodes",
    }:
        documents = found[role]
        assert allows(documents, "s3:GetObject", layout), role
        assert allows(documents, "s3:ListBucket", "arn:aws:s3:::company", s3__prefix=key), role
        first = allows(documents, "s3:PutObject", layout, **{"s3__if-none-match": "*"})
        assert first == (role in writers), role
        assert not allows(documents, "s3:PutObject", layout), f"{role}: it could be written over"
        assert not allows(documents, "s3:DeleteObject", layout), role


def test_operators_and_analysts_read_and_neither_reads_a_secret() -> None:
    """An operator reads data and logs, and has nothing run: a step is any program, with the rights
    of the nodes. An analyst, and the cluster for notebooks, read tables of every country and write
    no data.
    """
    found = policies(configuration())
    operator = set(reach(found["storeavail-br-operator"], "BR"))
    assert {
        "cluster DescribeCluster",
        "logs GetObject",
        "staging GetObject",
        "landing GetObject",
    } <= operator
    assert not {
        each
        for each in operator
        if "Put" in each
        or "Delete" in each
        or each in ("secret", *(f"cluster {action}" for action in COMMANDS))
    }
    for role in ("storeavail-analyst", "storeavail-analytics-nodes"):
        for code in ("BR", "AR"):
            reads = set(reach(found[role], code))
            assert {
                "tables GetObject",
                "tables List",
                "windows GetObject",
                "dashboard GetObject",
            } <= reads
            assert not {
                each
                for each in reads
                if "Put" in each
                or "Delete" in each
                or each.startswith(("secret", "cluster", "staging"))
            } - {"landing List", "roll_up List"}
            # `status` counts what has landed, by its manifests; rows of it are not read
            assert "landing GetObject" not in reads
    secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:br/dsn-AbCdEf"
    for role in ("storeavail-br-operator", "storeavail-analyst", "storeavail-analytics-nodes"):
        assert not allows([*found[role], EVERYTHING], "secretsmanager:GetSecretValue", secret), (
            f"{role}: the Deny has to win"
        )


def test_analysts_reach_raw_databases_by_their_own_secrets_and_note_it() -> None:
    """Their group's secrets, not the windows'; the note of an access can be made and neither
    read nor removed.
    """
    found = policies(
        configuration(
            own=(
                ", analyst: {postgres: {dsn: 'aws:analysts/dsn'}, aws: {assume_role:"
                " 'arn:aws:iam::123456789012:role/raw'}}"
            )
        )
    )
    note = f"{DATA}/audit/2026-11-23/x.json"
    for role in ("storeavail-analyst", "storeavail-analytics-nodes"):
        assert allows(
            found[role],
            "secretsmanager:GetSecretValue",
            f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:analysts/dsn-AbCdEf",
        )
        assert not allows(
            found[role],
            "secretsmanager:GetSecretValue",
            f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:br/dsn-AbCdEf",
        )
        assert allows(found[role], "sts:AssumeRole", "arn:aws:iam::123456789012:role/raw")
        assert allows(found[role], "s3:PutObject", note, **{"s3__if-none-match": "*"})
        assert not allows(found[role], "s3:PutObject", note), "it could be written over"
        assert not any(
            allows(found[role], f"s3:{action}", note) for action in ("GetObject", "DeleteObject")
        )
    assert not allows(found["storeavail-br-nodes"], "s3:PutObject", note)


def test_a_configuration_on_s3_is_read_by_whoever_works_with_it() -> None:
    """Workers, analysts and the cluster for notebooks, with the SQL file that it names; a step
    gets it from its launcher.
    """
    place, query = "s3://company/config/storeavail.yaml", "s3://company/config/stores.sql"
    dumped = json.loads(configuration().dump())
    dumped["text"] = dumped["text"].replace(
        "'aws:br/dsn'", "'aws:br/dsn', stores_query: stores.sql"
    )
    dumped |= {"base": "s3://company/config", "origin": place, "files": {query: "SELECT 1"}}
    found = policies(Platform.restore(json.dumps(dumped)))
    for role in ("storeavail-br-worker", "storeavail-analyst", "storeavail-analytics-nodes"):
        for address in (place, query):
            assert allows(found[role], "s3:GetObject", address.replace("s3://", "arn:aws:s3:::")), (
                role,
                address,
            )
    assert not allows(
        found["storeavail-br-nodes"], "s3:GetObject", place.replace("s3://", "arn:aws:s3:::")
    )


def test_workers_tell_and_measure() -> None:
    """They publish to their country's topic and to configured channels, those of its reports too,
    and put metrics into the platform's namespace only.
    """
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:team"
    worker = policies(configuration(own=f", alerts: {{channels: [{{sns: '{topic}'}}]}}"))[
        "storeavail-br-worker"
    ]
    assert allows(worker, "sns:Publish", topic)
    assert allows(worker, "sns:Publish", f"arn:aws:sns:{REGION}:{ACCOUNT}:storeavail-br-alarms")
    assert not allows(worker, "sns:Publish", f"arn:aws:sns:{REGION}:{ACCOUNT}:storeavail-ar-alarms")
    assert allows(worker, "cloudwatch:PutMetricData", "*", cloudwatch__namespace="storeavail")
    reports = (
        "reports: {scheduled: [{name: a, cron: 0 9 * * 1, country: BR, channels:"
        f" [{{sns: '{topic}'}}, {{apprise: 'aws:br/mail'}}]}}]}}\n"
    )
    platform = load_text(configuration_text() + reports, base="/", origin="company.yaml")
    secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:br/mail-a1b2c3"
    for code, may in (("BR", True), ("AR", False)):
        own = policies(platform, code)[f"storeavail-{code.lower()}-worker"]
        assert allows(own, "sns:Publish", topic) is may
        assert allows(own, "secretsmanager:GetSecretValue", secret) is may
    assert not allows(worker, "cloudwatch:PutMetricData", "*", cloudwatch__namespace="AWS/EC2")


def test_a_runtime_role_takes_the_data_from_the_nodes() -> None:
    """With `emr.execution_role` the nodes reach code and logs alone and may become that role;
    steps are submitted with no other role.
    """
    arn = f"arn:aws:iam::{ACCOUNT}:role/storeavail-br-steps"
    platform = configuration(["BR"])
    emr = platform.country("BR").emr
    assert emr is not None
    country = platform.country("BR").model_copy(
        update={"emr": emr.model_copy(update={"execution_role": arn})}
    )
    found = {role.name: role for role in country_roles(Site(platform, country, ACCOUNT, REGION))}
    assert {
        each.partition(" ")[0] for each in reach([found["storeavail-br-nodes"].policy or {}], "BR")
    } == {"logs"}
    assert allows([found["storeavail-br-nodes"].policy or {}], "sts:AssumeRole", arn)
    assert "tables PutObject" in set(reach([found["storeavail-br-steps"].policy or {}], "BR"))
    cluster = f"arn:aws:elasticmapreduce:{REGION}:{ACCOUNT}:cluster/j-1"
    worker = [found["storeavail-br-worker"].policy or {}]
    for role, is_allowed in ((arn, True), (f"arn:aws:iam::{ACCOUNT}:role/other", False)):
        context = {**cluster_tags("BR"), "elasticmapreduce__ExecutionRoleArn": role}
        assert allows(worker, "elasticmapreduce:AddJobFlowSteps", cluster, **context) == is_allowed
    wrong = country.model_copy(
        update={"emr": emr.model_copy(update={"execution_role": arn.replace("steps", "x")})}
    )
    with pytest.raises(
        ConfigError,
        match=(
            r"countries\.BR\.emr\.execution_role: the role that `roles apply` makes"
            r" .*storeavail-br-steps"
        ),
    ):
        list(country_roles(Site(platform, wrong, ACCOUNT, REGION)))


def test_keys_and_certificates_are_there_for_whoever_needs_them() -> None:
    """With a key EMR may give EC2 a grant for disks, and for nothing else; nodes read the
    certificates, and nobody else does.
    """
    secured = f", deploy: {{encryption: {{kms_key: '{KEY}', certificates: 's3://company/c.zip'}}}}"
    made = policies(configuration(own=secured))
    zipped = "arn:aws:s3:::company/c.zip"
    reading = {name for name, found in made.items() if allows(found, "s3:GetObject", zipped)}
    assert reading == {"storeavail-br-nodes", "storeavail-analytics-nodes"}
    for role in ("storeavail-br-service", "storeavail-analytics-service"):
        assert allows(made[role], "kms:CreateGrant", KEY, kms__GrantIsForAWSResource="true")
        assert not allows(made[role], "kms:CreateGrant", KEY, kms__GrantIsForAWSResource="false")
        assert not allows(made[role], "kms:CreateGrant", KEY.replace("1234", "5678"))
    for role in ("storeavail-br-nodes", "storeavail-br-worker", "storeavail-analyst"):
        assert allows(made[role], "kms:GenerateDataKey", KEY), role
        assert not allows(made[role], "kms:CreateGrant", KEY, kms__GrantIsForAWSResource="true")


def test_the_sign_in_of_notebooks_is_read_by_their_nodes_alone() -> None:
    """By the nodes that set Zeppelin up; an analyst's role reads it no more than other secrets."""
    signing = ", deploy: {analytics: {sign_in: 'aws:zeppelin'}}"
    secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:zeppelin-AbCdEf"
    for name, documents in policies(configuration(own=signing)).items():
        may = allows(documents, "secretsmanager:GetSecretValue", secret)
        assert may == (name == "storeavail-analytics-nodes"), name


def test_a_session_leads_onto_a_node_and_stays(aws: Account) -> None:
    """By the one policy of the nodes' role, which `roles apply` keeps; no other role has it."""
    made = policies(configuration())
    nodes = {"storeavail-br-nodes", "storeavail-analytics-nodes"}
    for action in SESSION["Action"]:
        assert {name for name, found in made.items() if allows(found, action, "*")} == nodes
    platform = configuration(["BR"])
    done(plan_roles(aws.sites(platform)))
    assert done(plan_roles(aws.sites(platform))) == NOTHING
    kept: Any = aws.session.client("iam").get_role_policy(
        RoleName="storeavail-br-nodes", PolicyName=POLICY
    )["PolicyDocument"]
    assert SESSION in kept["Statement"]


SIGNED = "auth: aws, domain: stores-{code}"
ANALYSTS = (
    ", analyst: {online_index: {url: 'aws:analysts/index', index: stores, auth: aws, domain: all}},"
    " deploy: {analytics: {notebooks: 's3://company/notebooks'}}"
)


def test_a_domain_of_opensearch_is_read_by_its_own_country() -> None:
    """Who reads the sources may read the country's domain, and change nothing on it but let a point
    in time go; analysts have their own; where the cluster does not read, it may not.
    """
    domain = f"arn:aws:es:{REGION}:{ACCOUNT}:domain/stores-"
    own = policies(configuration(login=SIGNED, own=ANALYSTS))
    worker, nodes = own["storeavail-br-worker"], own["storeavail-br-nodes"]
    for action, path, is_allowed in (
        ("Get", "br/", True),
        ("Get", "br/stores/_settings/index.number_of_shards", True),
        ("Post", "br/stores/_search/point_in_time", True),
        ("Post", "br/_search", True),
        ("Delete", "br/_search/point_in_time", True),
        ("Delete", "br/stores", False),
        ("Put", "br/stores/_doc/1", False),
        ("Post", "br/_bulk", False),
        ("Get", "ar/", False),
        ("Post", "ar/_search", False),
    ):
        found = allows(worker, f"es:ESHttp{action}", domain + path)
        assert found == is_allowed, (action, path)
        assert not allows(nodes, f"es:ESHttp{action}", domain + path)
    reading = policies(configuration(login=SIGNED, own=", observe_from: cluster"))
    assert allows(reading["storeavail-br-nodes"], "es:ESHttpPost", f"{domain}br/_search")
    analysts = own["storeavail-analyst"]
    assert not allows(analysts, "es:ESHttpPost", f"{domain}br/_search")
    assert allows(analysts, "es:ESHttpPost", f"{domain.removesuffix('stores-')}all/_search")
    elsewhere = SIGNED.replace("stores-{code}", "'arn:aws:es:eu-west-1:111111111111:domain/far'")
    far = policies(configuration(login=elsewhere))["storeavail-br-worker"]
    assert allows(
        far, "es:ESHttpGet", "arn:aws:es:eu-west-1:111111111111:domain/far/stores/_settings"
    )


@pytest.mark.parametrize(
    "own",
    [
        "",
        (
            f", deploy: {{encryption: {{kms_key: '{KEY}'}}, analytics: {{notebooks:"
            " 's3://company/notebooks'}}"
        ),
    ],
    ids=["plain", "full"],
)
def test_policies_are_well_formed_and_name_what_they_mean(own: str) -> None:
    """parliament finds nothing in any document; `*` stands as a resource only where AWS takes
    no other; EMR passes one role to EC2 alone.
    """
    unnamed = {
        *(
            "elasticmapreduce:ListClusters",
            "cloudwatch:PutMetricData",
            "secretsmanager:GetSecretValue",
        ),
        *SESSION["Action"],
        *("cloudwatch:GetMetricData", "cloudwatch:GetMetricStatistics", "cloudwatch:ListMetrics"),
    }
    platforms = [configuration(["BR", "AR"], own=own), configuration(login=SIGNED, own=own)]
    everyone = [each for platform in platforms for each in policies(platform).items()]
    for name, documents in everyone:
        for document in documents:
            findings = [
                str(finding) for finding in analyze_policy_string(json.dumps(document)).findings
            ]
            assert [each for each in findings if not each.startswith(TOLERATED)] == [], name
            for statement in document["Statement"]:
                actions = (
                    [statement["Action"]]
                    if isinstance(statement["Action"], str)
                    else statement["Action"]
                )
                assert not [
                    action for action in actions if "*" in action and not action.startswith("kms:")
                ], name
                if statement.get("Resource") == "*":
                    assert set(actions) <= unnamed, name
                    assert (
                        statement["Effect"] == "Deny"
                        or "secretsmanager:GetSecretValue" not in actions
                    )
    service = policies(configuration(["BR"]))["storeavail-br-service"]
    mine = f"arn:aws:iam::{ACCOUNT}:role/storeavail-br-nodes"
    assert allows(service, "iam:PassRole", mine, iam__PassedToService="ec2.amazonaws.com")
    assert not allows(service, "iam:PassRole", mine, iam__PassedToService="lambda.amazonaws.com")
    assert not allows(
        service,
        "iam:PassRole",
        mine.replace("-br-", "-ar-"),
        iam__PassedToService="ec2.amazonaws.com",
    )


def test_roles_are_made_once_and_drift_is_mended(aws: Account) -> None:
    """A dry run changes nothing, a second run makes no call that does; a policy that somebody
    added, or changed, goes back.
    """
    platform = configuration()
    assert done(plan_roles(aws.sites(platform)), dry_run=True)[0] == PENDING
    assert aws.changing == []
    assert done(plan_roles(aws.sites(platform)))[0] == 0
    iam = aws.session.client("iam")
    profile = iam.get_instance_profile(InstanceProfileName="storeavail-br-nodes")["InstanceProfile"]
    assert [role["RoleName"] for role in profile["Roles"]] == ["storeavail-br-nodes"]
    trust: Any = iam.get_role(RoleName="storeavail-br-service")["Role"]["AssumeRolePolicyDocument"]
    assert trust["Statement"][0]["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}

    aws.calls.clear()
    assert done(plan_roles(aws.sites(platform))) == NOTHING
    assert aws.changing == []

    everything = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
        }
    )
    trust_all = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}],
        }
    )
    iam.put_role_policy(
        RoleName="storeavail-br-nodes", PolicyName="more", PolicyDocument=everything
    )
    iam.put_role_policy(
        RoleName="storeavail-br-operator", PolicyName=POLICY, PolicyDocument=everything
    )
    iam.attach_role_policy(
        RoleName="storeavail-analyst", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess"
    )
    iam.update_assume_role_policy(RoleName="storeavail-br-worker", PolicyDocument=trust_all)
    _, output_text = done(plan_roles([aws.site(platform)]))
    for phrase in (
        "delete  role storeavail-br-nodes: policy more",
        "update  role storeavail-br-operator: what it may do",
        "ReadOnlyAccess, which is not of",
    ):
        assert phrase in output_text
    assert "update  role storeavail-br-worker: who may assume it" in output_text
    assert iam.list_role_policies(RoleName="storeavail-br-nodes")["PolicyNames"] == [POLICY]
    assert done(plan_roles(aws.sites(platform))) == NOTHING


def test_a_failure_half_way_is_completed(aws: Account) -> None:
    """A role without its policy, and an instance profile without its role, are completed by the
    next run.
    """
    platform = configuration(["BR"])
    for count in (1, 5, 6, 7):
        done(plan_roles(aws.sites(platform))[:count])
    assert done(plan_roles(aws.sites(platform)))[0] == 0
    assert done(plan_roles(aws.sites(platform))) == NOTHING


def test_a_role_of_somebody_elses_is_refused(aws: Account) -> None:
    """A role of that name without our tags is left as it is, and named."""
    aws.session.client("iam").create_role(
        RoleName="storeavail-br-worker", AssumeRolePolicyDocument="{}"
    )
    with pytest.raises(
        ConfigError,
        match=(
            r"role storeavail-br-worker is there already and was not made by storeavail-deploy"
            r" for BR"
        ),
    ):
        plan_roles(aws.sites(configuration(["BR"])))


@pytest.mark.parametrize(
    ("code", "output_text"),
    [
        (
            "AccessDenied",
            (
                r"reading role storeavail-br-service: .*\(AccessDenied\) .*GetRole operation: no;"
                r" these credentials may not call GetRole: use a profile that may"
            ),
        ),
        ("Throttling", r"AWS slows its callers down, .*: run the same command again in a minute"),
    ],
)
def test_what_aws_refuses_is_told(aws: Account, code: str, output_text: str) -> None:
    """Which call, on what, why, and what to do."""
    from botocore.stub import Stubber

    site, clients = aws.site(configuration(["BR"]))
    with Stubber(clients.iam) as stubber:
        stubber.add_client_error("get_role", code, "no", 403 if code == "AccessDenied" else 400)
        with pytest.raises(DeploymentFailed, match=output_text):
            plan_roles([(site, clients)])


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1"])
def test_aws_in_china_is_refused_in_words(aws: Account, region: str) -> None:
    """Its services have other names; before anything is made. GovCloud's are everybody's."""
    own = boto3.Session(region_name=region)
    if region == "us-gov-west-1":
        assert open_site(configuration(), "BR", own)[0].partition == "aws-us-gov"
        return
    with pytest.raises(ConfigError, match=r"cn-north-1 is in AWS' partition aws-cn, whose"):
        open_site(configuration(), "BR", own)
    assert aws.changing == []


def test_custom_scaling_has_a_role_that_emr_may_pass() -> None:
    """Only with a custom policy; to automatic scaling alone."""
    made = roles(
        configuration(
            ["BR"], deploy=DEPLOY[:-1] + ", cluster: {scaling_policy: {Constraints: {}}}}"
        )
    )
    assert (
        "application-autoscaling.amazonaws.com"
        in made["storeavail-br-scaling"].trust["Statement"][0]["Principal"]["Service"]
    )
    scaling = f"arn:aws:iam::{ACCOUNT}:role/storeavail-br-scaling"
    service = [made["storeavail-br-service"].policy or {}]
    assert allows(
        service,
        "iam:PassRole",
        scaling,
        iam__PassedToService="application-autoscaling.amazonaws.com",
    )
    assert not allows(service, "iam:PassRole", scaling, iam__PassedToService="ec2.amazonaws.com")
    assert "storeavail-br-scaling" not in roles(configuration(["BR"]))


def test_principals_and_boundary_are_the_configurations() -> None:
    """Who may assume a role, where it is said; else the account's own policies decide."""
    host = f"arn:aws:iam::{ACCOUNT}:role/dagster-host"
    made = roles(configuration(["BR"], deploy=DEPLOY[:-1] + f", roles: {{workers: ['{host}']}}}}"))
    assert made["storeavail-br-worker"].trust["Statement"][0]["Principal"] == {"AWS": host}
    assert made["storeavail-br-operator"].trust["Statement"][0]["Principal"] == {
        "AWS": f"arn:aws:iam::{ACCOUNT}:root"
    }


def test_workloads_of_ecs_and_eks_assume_a_role_by_their_own_means() -> None:
    """Tasks and pods of this account alone, by their service; by IRSA one service account."""
    provider = "oidc.eks.sa-east-1.amazonaws.com/id/AB12"
    pod = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{provider}#system:serviceaccount:data:worker"
    host = f"arn:aws:iam::{ACCOUNT}:role/host"
    listed = f"['{host}', ecs-tasks.amazonaws.com, pods.eks.amazonaws.com, '{pod}']"
    made = roles(configuration(["BR"], deploy=DEPLOY[:-1] + f", roles: {{workers: {listed}}}}}"))
    by_arn, tasks, pods, irsa = made["storeavail-br-worker"].trust["Statement"]
    assert by_arn["Principal"] == {"AWS": host}
    for statement, service, actions in (
        (tasks, "ecs-tasks.amazonaws.com", "sts:AssumeRole"),
        (pods, "pods.eks.amazonaws.com", ["sts:AssumeRole", "sts:TagSession"]),
    ):
        assert (statement["Principal"], statement["Action"]) == ({"Service": service}, actions)
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    assert irsa["Principal"] == {"Federated": pod.partition("#")[0]}
    assert irsa["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert irsa["Condition"]["StringEquals"] == {
        f"{provider}:aud": "sts.amazonaws.com",
        f"{provider}:sub": "system:serviceaccount:data:worker",
    }
    # a provider as a whole would let every pod of the cluster
    with pytest.raises(ConfigError, match=r"deploy\.roles\.workers"):
        configuration(["BR"], deploy=DEPLOY[:-1] + f", roles: {{workers: ['{pod[:-36]}']}}}}")


def test_policies_fit_at_a_hundred_countries() -> None:
    """Within IAM's 10,240 characters, with the key, notebooks and analysts' secret of a full
    configuration.
    """
    codes = [f"{first}{second}" for first in "ABCDEFGHIJ" for second in "ABCDEFGHIJ"]
    own = (
        f", analyst: {{postgres: {{dsn: 'aws:analysts/dsn'}}}}, deploy: {{encryption: {{kms_key:"
        f" '{KEY}'}}, analytics: {{notebooks: 's3://company/notebooks'}}}}"
    )
    platform = configuration(codes, own=own)
    site = site_of(platform, "AA")
    found = {name: documents[0] for name, documents in policies(platform, "AA").items()}
    found["deployer"] = deployer_policy([site])
    sizes = {name: len(json.dumps(policy, separators=(",", ":"))) for name, policy in found.items()}
    assert {name: size for name, size in sizes.items() if size > POLICY_LIMIT} == {}


def test_a_deployer_may_do_what_is_deployed_and_nothing_beside(aws: Account) -> None:
    """Every call of `roles apply` is in its policy; roles are passed to what works with them alone;
    another prefix's things, rows and sources' secrets are out of reach.
    """
    platform = configuration()
    policy = deployer_policy([site for site, _ in aws.sites(platform)])
    findings = [str(each) for each in analyze_policy_string(json.dumps(policy)).findings]
    # keys of EMR's tags, as above; who makes buckets says who may use them
    tolerated = ("UNKNOWN_CONDITION_FOR_ACTION", "RESOURCE_POLICY_PRIVILEGE_ESCALATION")
    assert [each for each in findings if not each.startswith(tolerated)] == []
    aws.calls.clear()
    done(plan_roles(aws.sites(platform)))
    done(plan_roles(aws.sites(platform)))
    role = f"arn:aws:iam::{ACCOUNT}:role/storeavail-br"
    called = {name for name, _ in aws.calls} - {"GetCallerIdentity"}
    managed = {"iam__PolicyARN": f"arn:aws:{EMR_SERVICE_POLICY}"}
    for name in called:
        arn = role.replace(":role/", ":instance-profile/") if "Profile" in name else role
        assert allows([policy], f"iam:{name}", f"{arn}-nodes", **managed), name
    for action, arn, context, may in (
        ("iam:PassRole", f"{role}-service", {"iam__PassedToService": EMR}, True),
        ("iam:PassRole", f"{role}-nodes", {"iam__PassedToService": "ec2.amazonaws.com"}, True),
        ("iam:PassRole", f"{role}-nodes", {"iam__PassedToService": "lambda.amazonaws.com"}, False),
        ("iam:PassRole", f"{role}-worker", {"iam__PassedToService": EMR}, False),
        ("iam:AttachRolePolicy", f"{role}-nodes", {"iam__PolicyARN": ADMINISTRATOR}, False),
        ("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/other", {}, False),
        ("iam:CreateServiceLinkedRole", LINKED_ROLE, {"iam__AWSServiceName": EMR}, True),
        ("elasticmapreduce:RunJobFlow", "*", {PREFIX_REQUEST: "storeavail"}, True),
        ("elasticmapreduce:RunJobFlow", "*", {PREFIX_REQUEST: "other"}, False),
        ("s3:PutBucketPolicy", "arn:aws:s3:::company", {}, True),
        ("s3:ListBucket", "arn:aws:s3:::company", {}, True),
        ("s3:ListBucket", "arn:aws:s3:::company", {"s3__prefix": "warehouse/tables/"}, False),
        ("s3:PutObject", "arn:aws:s3:::company/app/code.zip", {}, True),
        ("s3:GetObject", f"{DATA}/tables/storeavail_br/stores/data/x.parquet", {}, False),
        (
            "secretsmanager:GetSecretValue",
            f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:br/dsn-AbCdEf",
            {},
            False,
        ),
    ):
        assert allows([policy], action, arn, **context) == may, (action, arn, context)
