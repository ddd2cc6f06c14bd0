"""Alarms: what is watched, that a second time changes nothing, and that they follow a cluster
that was replaced.
"""

from __future__ import annotations

import json
from typing import Any

from storeavail_deploy.alarms import Alarms, follow_cluster
from storeavail_deploy.plan import NOTHING_TO_DO, PENDING

from storeavail_platform.config import Platform
from storeavail_platform_tests.deploy.aws import (
    ACCOUNT,
    DEPLOY,
    REGION,
    Account,
    configuration,
    done,
)

NOTHING = (0, NOTHING_TO_DO)
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:storeavail-br-alarms"
WITH_RDS = DEPLOY[:-1] + ", metastore: {rds: metastore-db}}"


def plan(aws: Account, platform: Platform) -> list[Any]:
    return Alarms(*aws.site(platform)).plan()


def start_cluster(aws: Account) -> str:
    instances: Any = {
        "KeepJobFlowAliveWhenNoSteps": True,
        "MasterInstanceType": "m5.xlarge",
        "InstanceCount": 1,
    }
    return aws.session.client("emr").run_job_flow(
        Name="storeavail-br", ReleaseLabel="emr-7.14.0", Instances=instances
    )["JobFlowId"]


def test_a_country_is_watched_from_window_to_database(aws: Account) -> None:
    """Every alarm of the list, to the country's topic; a silent platform is an alarm; a dry run
    and a second run change nothing.
    """
    platform = configuration(["BR"], deploy=WITH_RDS)
    cluster = start_cluster(aws)
    aws.calls.clear()
    assert done(plan(aws, platform), dry_run=True)[0] == PENDING
    assert aws.changing == []
    assert done(plan(aws, platform))[0] == 0

    topic = aws.session.client("sns").get_topic_attributes(
        TopicArn=f"arn:aws:sns:{REGION}:{ACCOUNT}:storeavail-br-alarms"
    )
    of_alarms, of_events = json.loads(topic["Attributes"]["Policy"])["Statement"]
    assert of_alarms["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    # with one SNS would refuse whatever EventBridge sends
    assert "Condition" not in of_events

    alarms = {
        each["AlarmName"]: each
        for each in aws.session.client("cloudwatch").describe_alarms()["MetricAlarms"]
    }
    watched = {
        name.removeprefix("storeavail-br-"): (each["Namespace"], each["MetricName"])
        for name, each in alarms.items()
    }
    assert watched == {
        "window-age": ("storeavail", "WindowAge"),
        "apps-failed": ("AWS/ElasticMapReduce", "AppsFailed"),
        "nodes-unhealthy": ("AWS/ElasticMapReduce", "MRUnhealthyNodes"),
        "yarn-memory": ("AWS/ElasticMapReduce", "YARNMemoryAvailablePercentage"),
        "hdfs": ("AWS/ElasticMapReduce", "HDFSUtilization"),
        "metastore-connections": ("AWS/RDS", "DatabaseConnections"),
        "metastore-storage": ("AWS/RDS", "FreeStorageSpace"),
    }
    age = alarms["storeavail-br-window-age"]
    # 35 minutes, as alerts.freshness.fail says
    assert (age["TreatMissingData"], age["Threshold"], age["Dimensions"]) == (
        "breaching",
        2100.0,
        [{"Name": "Country", "Value": "BR"}],
    )
    assert {tuple(each["AlarmActions"]) for each in alarms.values()} == {(TOPIC,)}
    assert alarms["storeavail-br-hdfs"]["Dimensions"] == [{"Name": "JobFlowId", "Value": cluster}]

    subscriptions = aws.session.client("sns").list_subscriptions_by_topic(TopicArn=TOPIC)[
        "Subscriptions"
    ]
    assert [(each["Protocol"], each["Endpoint"]) for each in subscriptions] == [
        ("email", "oncall@example.com")
    ]
    events = aws.session.client("events")
    pattern = json.loads(events.describe_rule(Name="storeavail-br-step-state")["EventPattern"])
    assert pattern["detail"] == {
        "name": [{"prefix": "storeavail BR|"}],
        "state": ["FAILED", "CANCELLED"],
    }
    # a cluster goes through each of EMR's states once: a replacement is one mail
    ended = json.loads(events.describe_rule(Name="storeavail-br-cluster-state")["EventPattern"])
    assert ended["detail"]["state"] == ["TERMINATED_WITH_ERRORS", "TERMINATED"]
    assert [
        each["Arn"]
        for each in events.list_targets_by_rule(Rule="storeavail-br-cluster-state")["Targets"]
    ] == [TOPIC]
    body = json.loads(
        aws.session.client("cloudwatch").get_dashboard(DashboardName="storeavail-br-windows")[
            "DashboardBody"
        ]
    )
    assert len(body["widgets"]) == len(alarms)

    aws.calls.clear()
    assert done(plan(aws, platform)) == NOTHING
    assert aws.changing == []


def test_what_drifted_or_is_not_wanted_any_more_is_mended(aws: Account) -> None:
    """A changed alarm goes back; alarms of a database that is gone are removed, somebody else's
    stay; an address that left is unsubscribed.
    """
    done(plan(aws, configuration(["BR"], deploy=WITH_RDS)))
    cloudwatch = aws.session.client("cloudwatch")
    theirs: Any = {
        "Namespace": "x",
        "MetricName": "x",
        "EvaluationPeriods": 1,
        "Period": 60,
        "Statistic": "Sum",
        "Threshold": 1.0,
    }
    for name in ("storeavail-br-theirs", "storeavail-br-window-age"):
        cloudwatch.put_metric_alarm(
            AlarmName=name, ComparisonOperator="GreaterThanThreshold", **theirs
        )
    without = configuration(["BR"], deploy=DEPLOY.replace("oncall@", "night@"))
    _, said = done(plan(aws, without))
    for phrase in (
        "update  alarm storeavail-br-window-age: AlarmDescription",
        "delete  alarms storeavail-br-metastore-connections, storeavail-br-metastore-storage",
        "create  subscription night@example.com",
        "delete  subscription oncall@example.com",
    ):
        assert phrase in said
    names = {each["AlarmName"] for each in cloudwatch.describe_alarms()["MetricAlarms"]}
    assert names == {"storeavail-br-theirs", "storeavail-br-window-age"}
    assert done(plan(aws, without)) == NOTHING


def test_alarms_follow_a_new_cluster(aws: Account) -> None:
    """Where a country has alarms, those of its cluster watch the newest one; where it has none,
    none are made.
    """
    platform = configuration(["BR"])
    site, clients = aws.site(platform)
    assert follow_cluster(site, clients) == []
    done(plan(aws, platform))
    cluster = start_cluster(aws)
    assert done(follow_cluster(site, clients))[0] == 0
    (alarm,) = aws.session.client("cloudwatch").describe_alarms(AlarmNames=["storeavail-br-hdfs"])[
        "MetricAlarms"
    ]
    assert alarm["Dimensions"] == [{"Name": "JobFlowId", "Value": cluster}]
    assert done(plan(aws, platform)) == NOTHING


def test_a_failure_half_way_is_completed(aws: Account) -> None:
    """A topic without its subscriptions, and a rule without its target, are completed by the
    next run.
    """
    platform = configuration(["BR"])
    for count in (1, 2, 3, 4):
        done(plan(aws, platform)[:count])
    assert done(plan(aws, platform))[0] == 0
    assert done(plan(aws, platform)) == NOTHING
