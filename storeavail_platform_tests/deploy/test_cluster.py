"""Clusters: the exact requests, one cluster however often it is asked for, the new one proved
before the old one ends, and what goes wrong.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from click.testing import CliRunner, Result
from moto.emr.models import emr_backends
from storeavail_deploy.cli import main
from storeavail_deploy.clients import Clients
from storeavail_deploy.cluster import of_release
from storeavail_deploy.clusters import Clusters
from storeavail_deploy.environment import CLUSTER_PYTHON
from storeavail_deploy.flow import PREPARE, Flow, merged_classifications, zeppelin_classifications
from storeavail_deploy.kept import Kept
from storeavail_deploy.plan import NOTHING_TO_DO, PENDING, Change
from storeavail_deploy.probe import code_zip, zeppelin
from storeavail_deploy.release import (
    CODE,
    Application,
    Artifact,
    History,
    Release,
    release_path,
)

from storeavail_platform.config import Platform
from storeavail_platform.domain.errors import ClusterUnavailable, ConfigError, DeploymentFailed
from storeavail_platform.orchestration.emr.clusters import find_cluster
from storeavail_platform_tests.deploy.aws import (
    ACCOUNT,
    DEPLOY,
    REGION,
    Account,
    configuration,
    configuration_text,
    done,
)
from storeavail_testing.http_server import QuietHandler, http_server
from storeavail_testing.processes import free_port

NOTHING = (0, NOTHING_TO_DO)
BOOTSTRAP = {
    "Name": "storeavail environment",
    "ScriptBootstrapAction": {
        "Path": "s3://company/app/bootstrap/1/bootstrap.sh",
        "Args": ["s3://company/app/environments/1.tar.gz", "0" * 64],
    },
}
BIGGER = DEPLOY[:-1] + ", cluster: {core: {on_demand: 2}}}"
CODE_SHA256 = "c0de" * 16
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234"


@dataclass
class Company:
    """The clusters of BR, whose probes end as `outcome` says."""

    aws: Account
    outcome: str = "COMPLETED"
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.before("DescribeStep", self.end_step)

    def before(self, operation: str, call: Callable[[Mapping[str, Any]], None]) -> None:
        """Call with the parameters of each request of an operation, before EMR has it.

        Counts for clients made after that.
        """
        self.aws.session.events.register(
            f"provide-client-params.emr.{operation}", lambda params, **_: call(params)
        )

    def end_step(self, params: Mapping[str, Any]) -> None:
        """Moto runs no steps: one that is asked about, which only probes are, has ended."""
        (step,) = [
            each for each in self.backend[params["ClusterId"]].steps if each.id == params["StepId"]
        ]
        step.state = self.outcome

    def clusters(
        self, platform: Platform, *, is_analytics: bool = False, bootstrap: Any = BOOTSTRAP
    ) -> Clusters:
        site, clients = self.aws.site(platform)
        return Clusters(Flow(site, bootstrap, is_analytics), clients, poll_seconds=0.001)

    def released(self, platform: Platform, head: str) -> Clusters:
        """BR's cluster with the release that is current, from a checkout of the commit `head`."""
        site, clients = self.aws.site(platform)
        said = self.said.append
        return replace(of_release(site, clients, head, said), poll_seconds=0.001)

    def publish(self, *commits: str) -> None:
        """Have these commits be what was current, the newest first."""
        application = Application.of(configuration(["BR"]).country("BR"))
        artifact = Artifact(path="code.zip", size=1, sha256=CODE_SHA256)
        for commit in commits:
            release = Release(
                commit=commit, files={CODE: artifact}, environment=artifact, bootstrap=artifact
            )
            application.storage.create(release_path(commit), release.model_dump_json().encode())
        history = History(commits=commits).model_dump_json()
        application.storage.replace(application.history_path, history.encode())

    def lose(self) -> None:
        """What is there ends by itself."""
        for cluster in self.live():
            self.backend[cluster].state = "TERMINATED_WITH_ERRORS"

    @property
    def backend(self) -> dict[str, Any]:
        clusters: dict[str, Any] = emr_backends[ACCOUNT][REGION].clusters
        return clusters

    def live(self) -> list[str]:
        """Ids of the clusters that have not ended, in the order in which they were made."""
        return [
            name
            for name, cluster in self.backend.items()
            if not cluster.state.startswith("TERMINATED")
        ]

    def up(self, platform: Platform, **options: Any) -> tuple[int, str]:
        return done(self.clusters(platform).plan_up(), **options)


@pytest.fixture
def company(aws: Account) -> Company:
    location: Any = {"LocationConstraint": REGION}
    aws.session.client("s3").create_bucket(Bucket="company", CreateBucketConfiguration=location)
    made = Company(aws)
    made.publish("c0ffee")
    aws.calls.clear()
    return made


def test_a_cluster_proves_itself_with_the_code_that_was_published(company: Company) -> None:
    """Its probe is told what the code has to hash to, and loads no other."""
    company.up(configuration(["BR"]))
    (request,) = company.aws.sent("AddJobFlowSteps")
    arguments = request["Steps"][0]["HadoopJarStep"]["Args"]
    assert arguments[-2:] == ["s3://company/app/code.zip", CODE_SHA256]
    assert "--py-files" not in arguments
    boto3.client("s3").put_object(Bucket="company", Key="app/code.zip", Body=b"code")
    with pytest.raises(SystemExit, match="is not what was published"):
        code_zip(*arguments[-2:])
    whole = hashlib.sha256(b"code").hexdigest()
    assert Path(code_zip(arguments[-2], whole)).read_bytes() == b"code"


class LetsIn(QuietHandler):
    """Zeppelin without a sign-in, to whoever asks."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


@pytest.mark.parametrize(
    ("unit", "address", "said"),
    [
        (None, "closed", "none"),
        ("start --code c", "closed", "does not start: nobody may sign in"),
        ("start --code c --sign-in s", "closed", "Zeppelin does not start"),
        ("start --code c --sign-in s", "open", "Zeppelin lets in whoever comes (200)"),
    ],
)
def test_a_cluster_for_notebooks_proves_that_zeppelin_asks(
    tmp_path: Path, unit: str | None, address: str, said: str
) -> None:
    """One that lets in everybody, or does not start though it is told who may sign in, is none."""
    file = tmp_path / "storeavail.conf"
    if unit is not None:
        file.write_text(unit)
    with http_server(LetsIn) as server:
        port = server.server_port if address == "open" else free_port()
        try:
            found = zeppelin(file, f"http://127.0.0.1:{port}/", patience=0.1)
        except SystemExit as error:
            found = str(error)
    assert found.startswith(said)


def test_the_request_is_the_configurations(company: Company) -> None:
    """All of `run_job_flow`, which botocore has compared with EMR's own model."""
    done(
        company.clusters(
            configuration(
                ["BR"], deploy=DEPLOY[:-1] + ", cluster: {task: {spot: 2}, spot_patience: 20m}}"
            )
        ).plan_up()
    )
    (request,) = company.aws.sent("RunJobFlow")
    instances, tags = (
        request.pop("Instances"),
        {tag["Key"]: tag["Value"] for tag in request.pop("Tags")},
    )
    security = request.pop("SecurityConfiguration")
    assert request == {
        "Name": "storeavail-br",
        "ReleaseLabel": "emr-7.14.0",
        "Applications": [{"Name": name} for name in ("Hadoop", "Spark", "Hive", "HCatalog")],
        "LogUri": "s3://company/br/logs/",
        "ServiceRole": "storeavail-br-service",
        "JobFlowRole": "storeavail-br-nodes",
        "VisibleToAllUsers": True,
        "ScaleDownBehavior": "TERMINATE_AT_TASK_COMPLETION",
        "StepConcurrencyLevel": 4,
        "BootstrapActions": [BOOTSTRAP],
        "Configurations": [
            {"Classification": "iceberg-defaults", "Properties": {"iceberg.enabled": "true"}},
            {
                "Classification": "hive-site",
                "Properties": {"hive.metastore.uris": "thrift://metastore.internal:9083"},
            },
            {
                "Classification": "spark-hive-site",
                "Properties": {"hive.metastore.uris": "thrift://metastore.internal:9083"},
            },
            {
                "Classification": "spark-defaults",
                "Properties": {"spark.pyspark.python": CLUSTER_PYTHON},
            },
            {
                "Classification": "core-site",
                "Properties": {"fs.s3a.directory.marker.retention": "keep"},
            },
        ],
        "ManagedScalingPolicy": {
            "ComputeLimits": {
                "UnitType": "InstanceFleetUnits",
                "MinimumCapacityUnits": 1,
                "MaximumCapacityUnits": 4,
                "MaximumOnDemandCapacityUnits": 1,
                "MaximumCoreCapacityUnits": 1,
            }
        },
    }
    fleets = {fleet["InstanceFleetType"]: fleet for fleet in instances.pop("InstanceFleets")}
    assert instances == {
        "KeepJobFlowAliveWhenNoSteps": True,
        "TerminationProtected": True,
        "Ec2SubnetIds": ["subnet-0a1b2c3d", "subnet-0a1b2c3e"],
    }
    assert {
        kind: (fleet["TargetOnDemandCapacity"], fleet.get("TargetSpotCapacity"))
        for kind, fleet in fleets.items()
    } == {
        "MASTER": (1, None),
        "CORE": (1, 0),
        "TASK": (0, 2),
    }
    spot = fleets["TASK"]["LaunchSpecifications"]["SpotSpecification"]
    assert (spot["TimeoutAction"], spot["TimeoutDurationMinutes"]) == ("SWITCH_TO_ON_DEMAND", 20)
    assert len(fleets["TASK"]["InstanceTypeConfigs"]) > 1
    assert tags["for-use-with-amazon-emr-managed-policies"] == "true"
    assert (tags["storeavail:country"], tags["team"]) == ("BR", "data")
    (made,) = company.aws.sent("CreateSecurityConfiguration")
    assert made["Name"] == security
    assert json.loads(made["SecurityConfiguration"])["EncryptionConfiguration"] == {
        "EnableAtRestEncryption": True,
        "EnableInTransitEncryption": False,
        "AtRestEncryptionConfiguration": {
            "S3EncryptionConfiguration": {"EncryptionMode": "SSE-S3"}
        },
    }


def test_options_reach_the_request(company: Company) -> None:
    """Key, certificates, own security groups, classifications laid over ours, and a custom
    scaling policy passed through.
    """
    policy = {
        "Constraints": {"MinCapacity": 1, "MaxCapacity": 5},
        "Rules": [
            {
                "Name": "r",
                "Action": {"SimpleScalingPolicyConfiguration": {"ScalingAdjustment": 1}},
                "Trigger": {
                    "CloudWatchAlarmDefinition": {
                        "ComparisonOperator": "LESS_THAN",
                        "MetricName": "YARNMemoryAvailablePercentage",
                        "Period": 300,
                        "Threshold": 15.0,
                    }
                },
            }
        ],
    }
    own = (
        f", encryption: {{kms_key: '{KEY}', certificates: 's3://company/certs.zip'}}, cluster:"
        f" {{scaling_policy: {json.dumps(policy)}, task: {{spot: 1}}, configurations:"
        " [{Classification: spark-defaults, Properties: {spark.executor.memory: 4g}}]}}"
    )
    deploy_text = (
        DEPLOY[:-1].replace(
            "subnet-0a1b2c3e]", "subnet-0a1b2c3e], node_group: sg-0a, service_group: sg-0b"
        )
        + own
    )
    flow = company.clusters(configuration(["BR"], deploy=deploy_text)).flow
    instances = flow.request["Instances"]
    assert "ManagedScalingPolicy" not in flow.request
    assert flow.request["AutoScalingRole"] == "storeavail-br-scaling"
    assert instances["InstanceGroups"][2]["AutoScalingPolicy"] == policy
    assert (instances["InstanceGroups"][2]["Market"], instances["Ec2SubnetId"]) == (
        "SPOT",
        "subnet-0a1b2c3d",
    )
    assert (
        instances["EmrManagedMasterSecurityGroup"],
        instances["ServiceAccessSecurityGroup"],
    ) == ("sg-0a", "sg-0b")
    spark = next(
        each
        for each in flow.request["Configurations"]
        if each["Classification"] == "spark-defaults"
    )
    assert spark["Properties"] == {
        "spark.pyspark.python": CLUSTER_PYTHON,
        "spark.executor.memory": "4g",
    }
    encryption = flow.security["EncryptionConfiguration"]
    assert (
        encryption["AtRestEncryptionConfiguration"]["LocalDiskEncryptionConfiguration"]["AwsKmsKey"]
        == KEY
    )
    assert (
        encryption["InTransitEncryptionConfiguration"]["TLSCertificateConfiguration"]["S3Object"]
        == "s3://company/certs.zip"
    )
    assert flow.request["LogEncryptionKmsKeyId"] == KEY
    # botocore compares it with EMR's model
    emr = company.aws.session.client("emr")
    with Stubber(emr) as stubber:
        stubber.add_response("run_job_flow", {"JobFlowId": "j-1"}, flow.request)
        emr.run_job_flow(**flow.request)


def test_a_cluster_is_brought_up_once(company: Company) -> None:
    """A dry run asks for nothing; then one is started, proved and found by the platform; a
    second run changes nothing and says so.
    """
    platform = configuration(["BR"])
    code, output_text = company.up(platform, dry_run=True)
    assert (code, company.aws.changing, company.backend) == (PENDING, [], {})
    assert "create  cluster storeavail-br: emr-7.14.0, for BR" in output_text
    assert company.up(platform)[0] == 0
    (cluster,) = company.live()
    site, clients = company.aws.site(platform)
    assert find_cluster(clients.emr, site.settings).id == cluster
    tags = clients.emr.describe_cluster(ClusterId=cluster)["Cluster"]["Tags"]
    assert {"Key": "storeavail:proved", "Value": "true"} in tags
    assert company.clusters(platform).status()[0].endswith("as configured, proved, 0 steps")
    company.aws.calls.clear()
    assert company.up(platform) == NOTHING
    assert company.aws.changing == []


def test_a_changed_configuration_replaces_the_cluster(company: Company) -> None:
    """The new one is up and proved before the old one is asked to end, and the old one ends
    when its steps have.
    """
    company.up(configuration(["BR"]))
    (old,) = company.live()
    emr = company.aws.session.client("emr")
    (step,) = emr.add_job_flow_steps(
        JobFlowId=old,
        Steps=[{"Name": "storeavail BR|x", "HadoopJarStep": {"Jar": "command-runner.jar"}}],
    )["StepIds"]
    assert (
        "of another configuration"
        in company.clusters(configuration(["BR"], deploy=BIGGER)).status()[0]
    )
    company.aws.calls.clear()
    waited: list[str] = []

    def end_the_second_time(params: Mapping[str, Any]) -> None:
        waited.append(company.backend[old].state)
        if len(waited) == 2:
            next(each for each in company.backend[old].steps if each.id == step).state = "COMPLETED"

    company.before("ListSteps", end_the_second_time)
    changes = company.clusters(configuration(["BR"], deploy=BIGGER)).plan_up()
    assert [str(change).split(":")[0] for change in changes] == [
        "replace cluster storeavail-br",
        f"delete  cluster storeavail-br {old}",
    ]
    assert done(changes)[0] == 0
    assert waited == ["RUNNING"] * 2, "it was ended while its step ran"
    # its probe is a step
    changing = company.aws.changing
    assert changing.index("AddJobFlowSteps") < changing.index("TerminateJobFlows")
    (new,) = company.live()
    assert new != old
    assert company.up(configuration(["BR"], deploy=BIGGER)) == NOTHING


def test_another_environment_replaces_and_other_code_does_not(company: Company) -> None:
    """What nodes start with is part of a cluster; code.zip is fetched by every step."""
    platform = configuration(["BR"])
    company.up(platform)
    other = json.loads(json.dumps(BOOTSTRAP).replace("environments/1", "environments/2"))
    assert [change.action for change in company.clusters(platform, bootstrap=other).plan_up()] == [
        "replace",
        "delete",
    ]


@pytest.mark.parametrize("done_before", ["asked for", "replaced"])
def test_what_failed_half_way_is_completed(company: Company, done_before: str) -> None:
    """A cluster that was asked for and not waited for is taken, not started again; an old one
    that was left is ended.
    """
    company.up(configuration(["BR"]))
    (old,) = company.live()
    platform = configuration(["BR"], deploy=BIGGER)
    clusters = company.clusters(platform)
    if done_before == "asked for":
        clusters.clients.emr.run_job_flow(**clusters.flow.request)
        wanted = ["update", "delete"]
    else:
        done(clusters.plan_up()[:-1])
        wanted = ["delete"]
    changes = company.clusters(platform).plan_up()
    assert [change.action for change in changes] == wanted
    assert done(changes)[0] == 0
    (new,) = company.live()
    assert new != old
    assert company.up(platform) == NOTHING


def test_a_new_cluster_that_does_not_prove_itself_is_ended_and_the_old_one_stays(
    company: Company,
) -> None:
    """The old one goes on working; the message names the step, where its output is, and likely
    causes.
    """
    company.up(configuration(["BR"]))
    company.outcome = "FAILED"
    old = company.live()
    with pytest.raises(
        DeploymentFailed,
        match=(
            r"(?s)did not prove itself: step s-\w+ is FAILED.*s3://company/br/logs/.*The new"
            r" cluster j-\w+ is being ended"
        ),
    ) as failed:
        company.up(configuration(["BR"], deploy=BIGGER))
    assert "metastore check" in str(failed.value)
    assert company.live() == old


def test_going_back_to_a_release_goes_back_to_its_cluster(company: Company) -> None:
    """A release holds the cluster that came up with it. After `app rollback` it is brought up as it
    was, whatever the checkout and the configuration, which are the new ones, say meanwhile.
    """
    small, big = configuration(["BR"]), configuration(["BR"], deploy=BIGGER)
    assert done(company.released(small, "c0ffee").plan_up())[0] == 0
    before = company.released(small, "c0ffee").found()[0].fingerprint
    company.publish("decade", "c0ffee")
    # the same cluster goes on with the new release, which holds it from then on
    (kept,) = company.released(small, "decade").plan_up()
    assert str(kept).startswith("update  release decade: holds cluster storeavail-br")
    done([kept])
    assert done(company.released(big, "decade").plan_up())[0] == 0
    assert done(company.released(big, "decade").plan_up()) == NOTHING
    (new,) = company.released(big, "decade").found()
    assert new.fingerprint != before
    company.publish("c0ffee")
    changes = company.released(big, "decade").plan_up()
    assert [change.action for change in changes] == ["replace", "delete"]
    assert done(changes)[0] == 0
    (back,) = company.released(big, "decade").found()
    assert (back.fingerprint, back.id != new.id) == (before, True)
    assert done(company.released(big, "decade").plan_up()) == NOTHING
    request = company.aws.sent("RunJobFlow")[-1]
    assert request == company.aws.sent("RunJobFlow")[0]
    assert company.said[-1].startswith("BR: cluster of release c0ffee, as it has it")


def test_a_release_of_before_goes_back_as_today(company: Company) -> None:
    """One that holds no cluster: the configuration's, and that is said; nothing is held of what
    another commit made.
    """
    company.released(configuration(["BR"]), "decade")
    assert "cluster of release c0ffee, which holds no cluster of its own" in company.said[0]
    for _ in range(2):
        clusters = company.released(configuration(["BR"]), "decade")
        assert clusters.kept is not None
        assert done(clusters.plan_up())[0] == 0
        assert clusters.kept.request("c0ffee") is None


@pytest.mark.parametrize("is_proved", [True, False], ids=["proved", "was asked for"])
def test_a_cluster_is_replaced_for_patches(company: Company, is_proved: bool) -> None:
    """Though it is as configured, and once: what was not completed is gone on with when it is asked
    for again.
    """
    platform = configuration(["BR"])
    company.up(platform)
    (old,) = company.live()
    clusters = company.clusters(platform)
    changes = clusters.plan_up(replace=True)
    assert f"asked for: it proves itself before {old} ends" in str(changes[0])
    if is_proved:
        done(changes[:1])
        wanted = ["delete"]
    else:
        company.aws.session.client("emr").run_job_flow(**clusters.flow.request)
        wanted = ["update", "delete"]
    changes = clusters.plan_up(replace=True)
    assert [change.action for change in changes] == wanted
    done(changes)
    (new,) = company.live()
    assert new != old
    assert company.up(platform) == NOTHING


def test_a_lost_cluster_is_brought_back_as_its_release_has_it(company: Company) -> None:
    """Once, and not for what the configuration says meanwhile; one that was ended on purpose stays
    away until it is brought up.
    """
    platform = configuration(["BR"])

    def ensured() -> list[str]:
        company.publish("c0ffee")
        released = company.released(configuration(["BR"], deploy=BIGGER), "other")
        changes = released.plan_ensure()
        done(changes)
        return [change.action for change in changes]

    company.released(platform, "c0ffee")
    done(company.released(platform, "c0ffee").plan_up())
    first = company.released(platform, "c0ffee").found()[0]
    assert ensured() == []
    company.lose()
    assert ensured() == ["create"]
    (second,) = company.released(platform, "c0ffee").found()
    assert (second.fingerprint, second.id != first.id) == (first.fingerprint, True)
    assert ensured() == []
    # somebody asked for one and did not wait for it
    company.lose()
    company.aws.session.client("emr").run_job_flow(**company.aws.sent("RunJobFlow")[0])
    assert ensured() == ["update"]
    done(company.released(platform, "c0ffee").plan_terminate())
    assert ensured() == []
    done(company.released(platform, "c0ffee").plan_up())
    company.lose()
    assert ensured() == ["create"]


def test_each_country_is_ensured_by_itself(company: Company, tmp_path: Path) -> None:
    """From the command line, for a schedule: what is wrong with one keeps no other waiting, and the
    exit code tells of it; a country that never had a cluster is none that was lost.
    """
    config = tmp_path / "company.yaml"
    config.write_text(configuration_text())

    def ensure(code: str) -> Result:
        options = ["--config", str(config), code, "--dry-run"]
        return CliRunner().invoke(main, [*options, "cluster", "ensure"])

    assert ensure("--all").exit_code == 0
    platform = configuration()
    done(company.released(platform, "c0ffee").plan_up())
    assert ensure("--all").exit_code == 0
    company.lose()
    assert ensure("--country=BR").exit_code == PENDING
    assert ensure("--country=AR").exit_code == 0
    held = Kept(Application.of(platform.country("AR")), "AR")
    found = company.released(platform, "c0ffee").kept
    assert found is not None
    request = found.request("c0ffee")
    assert request is not None
    held.hold("c0ffee", request)
    instances: Any = {
        "KeepJobFlowAliveWhenNoSteps": True,
        "MasterInstanceType": "m5.xlarge",
        "InstanceCount": 1,
    }
    emr = company.aws.session.client("emr")
    emr.run_job_flow(Name="storeavail-ar", ReleaseLabel="emr-7.14.0", Instances=instances)
    both = ensure("--all")
    assert both.exit_code == 1
    assert "BR  plan    create  cluster storeavail-br: emr-7.14.0, for BR; it was lost" in (
        both.output
    )
    assert "AR  error: cluster" in both.output


def test_a_cluster_is_admitted_by_its_tags_when_it_has_proved_itself(company: Company) -> None:
    """With `emr.cluster.tags` the platform does not find a new cluster before its probe has
    ended well.
    """
    platform = configuration(["BR"])
    emr = platform.country("BR").emr
    assert emr is not None
    cluster = emr.cluster.model_copy(update={"tags": {"ready": "yes"}})
    country = platform.country("BR").model_copy(
        update={"emr": emr.model_copy(update={"cluster": cluster})}
    )
    platform = platform.model_copy(update={"countries": {"BR": country}})
    seen: list[str] = []

    def look(params: Mapping[str, Any]) -> None:
        try:
            seen.append(find_cluster(company.aws.session.client("emr"), country).id)
        except ClusterUnavailable as error:
            seen.append(str(error))

    company.before("DescribeStep", look)
    clusters = company.clusters(platform)
    done(clusters.plan_up())
    assert "has other tags" in seen[0]
    assert find_cluster(clusters.clients.emr, country).id == company.live()[0]


def test_terminate_ends_what_is_there(company: Company) -> None:
    """A dry run ends nothing; protection is lifted; a second time there is nothing to do, which
    is said.
    """
    platform = configuration(["BR"])
    company.up(platform)
    company.aws.calls.clear()
    assert done(company.clusters(platform).plan_terminate(), dry_run=True)[0] == PENDING
    assert company.aws.changing == []
    assert done(company.clusters(platform).plan_terminate())[0] == 0
    assert company.live() == []
    assert done(company.clusters(platform).plan_terminate()) == NOTHING
    assert company.clusters(platform).status() == ["BR cluster storeavail-br: none is there"]


def test_the_cluster_for_notebooks_has_zeppelin_and_a_role_that_reads(company: Company) -> None:
    """Zeppelin is on it alone, with its classifications; its roles are its own; it ends when
    nobody uses it; a country's cluster is not touched.
    """
    company.up(configuration(["BR"]))
    clusters = company.clusters(configuration(["BR"]), is_analytics=True)
    assert done(clusters.plan_up())[0] == 0
    country, notebooks = company.aws.sent("RunJobFlow")
    assert "Zeppelin" not in [each["Name"] for each in country["Applications"]]
    assert "Zeppelin" in [each["Name"] for each in notebooks["Applications"]]
    assert (notebooks["JobFlowRole"], notebooks["ServiceRole"]) == (
        "storeavail-analytics-nodes",
        "storeavail-analytics-service",
    )
    assert (notebooks["Name"], notebooks["LogUri"]) == (
        "storeavail-analytics",
        "s3://company/br/logs/analytics/",
    )
    properties = {
        each["Classification"]: each["Properties"] for each in notebooks["Configurations"]
    }
    ours = {each["Classification"]: each["Properties"] for each in zeppelin_classifications()}
    assert properties["zeppelin-site"] == ours["zeppelin-site"]
    shape = (
        "analytics: {notebooks: s3://company/notes, sign_in: 'aws:zeppelin', scaling: {maximum: 9}}"
    )
    text = f"{DEPLOY[:-1]}, encryption: {{kms_key: '{KEY}'}}, {shape}}}"
    full = company.clusters(configuration(["BR"], deploy=text), is_analytics=True).flow
    kept = {each["Classification"]: each["Properties"] for each in full.configurations()}
    where = ours["zeppelin-site"] | {
        "zeppelin.notebook.s3.bucket": "company",
        "zeppelin.notebook.s3.user": "notes",
        "zeppelin.notebook.s3.endpoint": "s3.sa-east-1.amazonaws.com",
        "zeppelin.notebook.s3.sse": "false",
    }
    assert kept["zeppelin-site"] == where
    # its nodes set up Zeppelin, by a program that is published; no country's cluster does
    script = full.request["BootstrapActions"][0]["ScriptBootstrapAction"]
    _, _, folder, program, sha256, *arguments = script["Args"]
    assert folder == str(Path(CLUSTER_PYTHON).parents[1])
    assert program == f"s3://company/app/bootstrap/{sha256}/prepare.py"
    assert sha256 == hashlib.sha256(PREPARE.read_bytes()).hexdigest()
    said = "install --code s3://company/app/code.zip --region sa-east-1"
    assert " ".join(arguments) == f"{said} --notebooks s3://company/notes --sign-in zeppelin"
    assert country["BootstrapActions"] == [BOOTSTRAP]
    # one notebook gets no more than its part of a larger cluster
    assert kept["spark-defaults"]["spark.dynamicAllocation.maxExecutors"] == "9"
    assert properties["spark-defaults"] == {
        "spark.pyspark.python": CLUSTER_PYTHON,
        **ours["spark-defaults"],
    }
    assert notebooks["AutoTerminationPolicy"] == {"IdleTimeout": 4 * 60 * 60}
    protected = [each["Instances"]["TerminationProtected"] for each in (country, notebooks)]
    assert protected == [True, False], "one that ends by itself is not kept from it"
    assert "AutoTerminationPolicy" not in country
    never = configuration(["BR"], deploy=DEPLOY[:-1] + ", analytics: {idle_after: null}}")
    request = company.clusters(never, is_analytics=True).flow.request
    assert "AutoTerminationPolicy" not in request
    assert request["Instances"]["TerminationProtected"]
    assert len(company.live()) == 2
    assert done(clusters.plan_up()) == NOTHING
    assert done(clusters.plan_terminate())[0] == 0
    assert len(company.live()) == 1


def test_what_the_configuration_lacks_is_told_at_once(company: Company) -> None:
    """Everything a cluster needs, with its path; and a release that EMR does not have, with the
    nearest one.
    """
    bare = configuration(
        ["BR"], deploy="{cluster: {core: {types: [m6g.xlarge, m6i.xlarge, x2gd.large]}}}"
    )
    with pytest.raises(ConfigError) as refused:
        company.clusters(
            bare.model_copy(
                update={
                    "countries": {
                        "BR": bare.country("BR").model_copy(update={"emr": _without_python(bare)})
                    }
                }
            )
        ).plan_up()
    output_text = str(refused.value).splitlines()
    assert "countries.BR.deploy.network.subnets: is required" in output_text[1]
    assert (
        f"countries.BR.emr.spark: spark.pyspark.python has to be {CLUSTER_PYTHON}" in output_text[2]
    )
    types = "countries.BR.deploy.cluster.core.types: m6g.xlarge, x2gd.large: the packages"
    assert types in output_text[3]
    wrong = configuration(["BR"], deploy=DEPLOY[:-1] + ", cluster: {release: emr-7.140.0}}")
    with pytest.raises(
        ConfigError,
        match=(
            r"deploy\.cluster\.release: EMR has no emr-7\.140\.0 in sa-east-1; did you mean"
            r" 'emr-7\.14\.0'"
        ),
    ):
        company.up(wrong)
    assert company.aws.changing == []


def _without_python(platform: Platform) -> Any:
    emr = platform.country("BR").emr
    assert emr is not None
    return emr.model_copy(update={"spark": {}})


def test_a_cluster_of_somebody_elses_is_refused(company: Company) -> None:
    """One of that name without our tags is neither taken nor ended."""
    instances: Any = {
        "KeepJobFlowAliveWhenNoSteps": True,
        "MasterInstanceType": "m5.xlarge",
        "InstanceCount": 1,
    }
    theirs = company.aws.session.client("emr").run_job_flow(
        Name="storeavail-br", ReleaseLabel="emr-7.14.0", Instances=instances
    )["JobFlowId"]
    for plan in (
        company.clusters(configuration(["BR"])).plan_up,
        company.clusters(configuration(["BR"])).plan_terminate,
    ):
        with pytest.raises(
            ConfigError,
            match=(
                f"cluster {theirs} is named storeavail-br and was not made by storeavail-deploy"
                " for BR"
            ),
        ):
            plan()


STARTED = {"Cluster": {"Status": {"State": "STARTING", "Timeline": {}}}}
ENDED = {
    "Cluster": {
        "Status": {
            "State": "TERMINATED_WITH_ERRORS",
            "StateChangeReason": {
                "Code": "BOOTSTRAP_FAILURE",
                "Message": (
                    "On the master instance, bootstrap action 1 returned a non-zero return code"
                ),
            },
        }
    }
}


def stub_list(stubber: Stubber, clusters: list[dict[str, Any]]) -> None:
    stubber.add_response("list_clusters", {"Clusters": clusters}, {"ClusterStates": ANY})


def bring_up(company: Company) -> tuple[Clients, Change]:
    """The change that starts a cluster, its security configuration being there; what EMR
    answers is the test's.
    """
    clusters = company.clusters(configuration(["BR"]))
    security, _ = clusters.plan_up()
    done([security])
    (change,) = clusters.plan_up()
    return clusters.clients, change


@pytest.mark.parametrize(
    ("answer", "output_text"),
    [
        (
            (
                "client",
                "ValidationException",
                "The requested number of instances exceeds your EC2 quota",
                400,
            ),
            r"starting cluster storeavail-br.*\(ValidationException\).*EC2 quota",
        ),
        (
            (
                "client",
                "AccessDeniedException",
                "not authorized to perform: elasticmapreduce:RunJobFlow",
                400,
            ),
            r"these credentials may not call RunJobFlow: use a profile that may",
        ),
        (
            ("client", "ThrottlingException", "Rate exceeded", 400),
            r"AWS slows its callers down, .*: run the same command again in a minute",
        ),
    ],
    ids=["refused", "denied", "throttled"],
)
def test_what_emr_refuses_is_told_and_asked_for_once(
    company: Company, answer: tuple[str, str, str, int], output_text: str
) -> None:
    """Starting a cluster is never repeated by itself: it could be there twice."""
    clients, change = bring_up(company)
    with Stubber(clients.emr_once) as stubber:
        _, code, message, status = answer
        stubber.add_client_error("run_job_flow", code, message, status)
        with pytest.raises(DeploymentFailed, match=f"(?s){output_text}"):
            done([change])
        stubber.assert_no_pending_responses()


def test_a_cluster_that_does_not_start_is_explained(company: Company) -> None:
    """EMR's reason, and where the logs of its bootstrap actions are."""
    clients, change = bring_up(company)
    with Stubber(clients.emr_once) as once, Stubber(clients.emr) as stubber:
        once.add_response("run_job_flow", {"JobFlowId": "j-1"})
        stubber.add_response("describe_cluster", STARTED)
        stubber.add_response("describe_cluster", ENDED)
        with pytest.raises(
            DeploymentFailed,
            match=(
                r"cluster j-1 did not start: TERMINATED_WITH_ERRORS: .*bootstrap action 1"
                r" .*s3://company/br/logs/j-1/"
            ),
        ):
            done([change])


def test_a_cluster_named_by_its_id_is_not_deployed(company: Company) -> None:
    """The next one would have another id."""
    platform = configuration(["BR"])
    emr = platform.country("BR").emr
    assert emr is not None
    by_id = emr.model_copy(
        update={"cluster": emr.cluster.model_copy(update={"id": "j-1", "name": None})}
    )
    country = platform.country("BR").model_copy(update={"emr": by_id})
    with pytest.raises(
        ConfigError,
        match=(
            r"countries\.BR\.emr\.cluster\.id names one cluster that is there: give the cluster a"
            r" name"
        ),
    ):
        company.clusters(platform.model_copy(update={"countries": {"BR": country}})).plan_up()


def test_classifications_are_laid_over_one_another() -> None:
    """Property by property, nested ones too."""
    inner = partial(lambda **properties: {"Classification": "export", "Properties": properties})
    assert merged_classifications(
        [{"Classification": "spark-env", "Configurations": [inner(A="1", B="1")]}],
        [
            {"Classification": "spark-env", "Configurations": [inner(B="2")]},
            {"Classification": "x", "Properties": {"y": "z"}},
        ],
    ) == [
        {"Classification": "spark-env", "Properties": {}, "Configurations": [inner(A="1", B="2")]},
        {"Classification": "x", "Properties": {"y": "z"}},
    ]
