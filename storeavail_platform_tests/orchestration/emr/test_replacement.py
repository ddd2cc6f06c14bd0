"""A country's cluster is replaced while its windows go on: none is lost, none runs where it
should not.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import orjson
import pytest
from storeavail_deploy.admission import PROVED_TAG
from storeavail_deploy.clients import open_site
from storeavail_deploy.clusters import Clusters
from storeavail_deploy.environment import CLUSTER_PYTHON
from storeavail_deploy.flow import Flow
from storeavail_deploy.plan import NOTHING_TO_DO, carry_out

from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_testing.company import DOCUMENTS, STORE_ROWS, WINDOW, Company
from storeavail_testing.waiting import wait_for

BOOTSTRAP = {
    "Name": "storeavail environment",
    "ScriptBootstrapAction": {"Path": "s3://none/bootstrap.sh", "Args": []},
}
PLACE = "deploy: {network: {subnets: [subnet-0a]}, cluster: {scaling: {maximum: MAXIMUM}}}\n"
STEP_SECONDS = 900.0


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_four_windows_complete_across_a_replacement(company: Company) -> None:
    """The second window runs on the old cluster while the new one proves itself; the old one
    ends after it; the rest run on the new one.
    """
    windows = [WINDOW.next(number) for number in range(4)]
    terminate(company, company.add_country("BR", WINDOW, DOCUMENTS, STORE_ROWS))
    for window in windows:
        company.record("BR", window, DOCUMENTS)
    deployed = company.config.read_text().replace(
        '"spark.sql.shuffle', f'"spark.pyspark.python": "{CLUSTER_PYTHON}", "spark.sql.shuffle'
    )
    # the platform finds a cluster by this tag, which one gets when it has proved itself
    deployed = deployed.replace("cluster: {name:", "cluster: {tags: {ready: 'yes'}, name:")
    company.config.write_text(PLACE.replace("MAXIMUM", "4") + deployed)
    old = proved_cluster(company)
    run(company, windows[0]).communicate(timeout=STEP_SECONDS)

    company.config.write_text(PLACE.replace("MAXIMUM", "8") + deployed)
    second: list[subprocess.Popen[bytes]] = []

    def run_second(**_: Any) -> None:
        if not second:
            second.append(run(company, windows[1]))
            key = f"BR|{windows[1].key}"
            wait_for(
                f"a step of {key}", lambda: key in str(steps(company, old)), seconds=STEP_SECONDS
            )

    session = boto3.Session()
    # which it does of the step by which the new cluster proves itself
    session.events.register("provide-client-params.emr.DescribeStep", run_second)
    assert bring_up(company, [], session) == 0
    second[0].communicate(timeout=STEP_SECONDS)
    (new,) = live(company)
    run(company, *windows[2:]).communicate(timeout=STEP_SECONDS)

    runtime = build_runtime(company.platform())
    assert runtime.markers.complete("BR") == [window.key for window in windows]
    ran = {
        window.key: [
            cluster for cluster in (old, new) if window.key in str(steps(company, cluster))
        ]
        for window in windows
    }
    assert list(ran.values()) == [[old], [old], [new], [new]]
    assert {
        step["Status"]["State"] for cluster in (old, new) for step in company.emr.steps(cluster)
    } == {"COMPLETED"}
    said: list[str] = []
    assert bring_up(company, said) == 0
    assert said == [NOTHING_TO_DO]


def clusters(company: Company, session: boto3.Session | None = None) -> Clusters:
    """The country's clusters, from what a release would start one with."""
    site, clients = open_site(company.platform(), "BR", session)
    return Clusters(Flow(site, BOOTSTRAP), clients, poll_seconds=0.2)


def bring_up(company: Company, said: list[str], session: boto3.Session | None = None) -> int:
    """`storeavail-deploy cluster up`; what it tells."""
    return carry_out(clusters(company, session).plan_up(), dry_run=False, tell=said.append)


def proved_cluster(company: Company) -> str:
    """A cluster as `cluster up` leaves it, without the half minute of its proof; its id."""
    made = clusters(company)
    security, _ = made.plan_up()
    carry_out([security], dry_run=False, tell=lambda text: None)
    cluster = made.clients.emr.run_job_flow(**made.flow.request)["JobFlowId"]
    tags = {PROVED_TAG: "true", **made.flow.admission}
    made.clients.emr.add_tags(
        ResourceId=cluster, Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
    )
    assert made.plan_up() == []
    return cluster


def run(company: Company, *windows: Window) -> subprocess.Popen[bytes]:
    """The process of a run of windows, one after another."""
    request = orjson.dumps(
        {"country": "BR", "windows": [window.key for window in windows], "select": []}
    ).decode()
    command = [sys.executable, "-m", "storeavail_platform.orchestration.execute", request]
    with Path(company.folder / "run.log").open("ab") as log:
        return subprocess.Popen(
            command, env=company.environment, stdout=subprocess.PIPE, stderr=log, cwd=company.folder
        )


def live(company: Company) -> list[str]:
    """Ids of the country's clusters that run."""
    found = boto3.client("emr").list_clusters(ClusterStates=["RUNNING", "WAITING"])["Clusters"]
    return [each["Id"] for each in found if each["Name"] == f"{company.folder.name}-BR"]


def steps(company: Company, cluster: str) -> list[str]:
    """Names of a cluster's steps."""
    return [step["Name"] for step in company.emr.steps(cluster)]


def terminate(company: Company, cluster: str) -> None:
    """The stand-in's own cluster is not one of the deployment's."""
    company.emr.terminate_cluster(cluster)
