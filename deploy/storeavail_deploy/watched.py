"""What is watched of a country, as CloudWatch and EventBridge take it: alarms, event patterns,
graphs. Nothing is called here (`alarms.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from storeavail_deploy.settings import Site
from storeavail_platform.aws.notices import METRICS, WINDOW_AGE

EMR_NAMESPACE = "AWS/ElasticMapReduce"
RDS_NAMESPACE = "AWS/RDS"
FIVE_MINUTES = 300
GIB = 2**30
CLUSTER_STATES = ("TERMINATED_WITH_ERRORS", "TERMINATED")
"""Each cluster ends in one of them: one mail for one that ends, planned or not."""
STEP_STATES = ("FAILED", "CANCELLED")
ALARMS = (
    "window-age",
    "apps-failed",
    "nodes-unhealthy",
    "yarn-memory",
    "hdfs",
    "metastore-connections",
    "metastore-storage",
)
"""Every name that there may be: an alarm of such a name that is not wanted any more is removed."""


def alarms(site: Site, topic: str, cluster: str | None) -> list[dict[str, Any]]:
    """The alarms, as `put_metric_alarm` takes them."""
    limits, settings = site.deploy.alarms, site.settings
    fail = int(settings.alerts.freshness.fail.total_seconds())
    found = [
        _alarm(
            "window-age",
            f"The newest observation of {site.code} is older than {fail} s, or nobody says how old"
            " it is: see docs/operations.md",
            (METRICS, WINDOW_AGE, {"Country": site.code}),
            ("Maximum", ">", float(fail)),
            missing="breaching",
        )
    ]
    if cluster is not None:
        on = {"JobFlowId": cluster}
        found += [
            _alarm(
                "apps-failed",
                f"A Spark application failed on {cluster}",
                (EMR_NAMESPACE, "AppsFailed", on),
                ("Sum", ">", 0.0),
            ),
            _alarm(
                "nodes-unhealthy",
                f"Nodes of {cluster} are unhealthy",
                (EMR_NAMESPACE, "MRUnhealthyNodes", on),
                ("Maximum", ">", 0.0),
                periods=2,
            ),
            _alarm(
                "yarn-memory",
                f"{cluster} has little YARN memory left: steps wait",
                (EMR_NAMESPACE, "YARNMemoryAvailablePercentage", on),
                ("Average", "<", limits.yarn_free_percent),
                periods=3,
            ),
            _alarm(
                "hdfs",
                f"HDFS of {cluster} fills up",
                (EMR_NAMESPACE, "HDFSUtilization", on),
                ("Maximum", ">=", limits.hdfs_percent),
            ),
        ]
    if (rds := site.deploy.metastore.rds) is not None:
        on = {"DBInstanceIdentifier": rds}
        found += [
            _alarm(
                "metastore-connections",
                f"{rds} has many connections",
                (RDS_NAMESPACE, "DatabaseConnections", on),
                ("Maximum", ">=", float(limits.rds_connections)),
            ),
            _alarm(
                "metastore-storage",
                f"{rds} has little storage left",
                (RDS_NAMESPACE, "FreeStorageSpace", on),
                ("Minimum", "<", limits.rds_free_gib * GIB),
            ),
        ]
    to = {"AlarmActions": [topic], "OKActions": [topic]}
    return [{**alarm, "AlarmName": site.name(alarm["AlarmName"]), **to} for alarm in found]


def rules(site: Site) -> dict[str, dict[str, Any]]:
    """Event patterns by the rules' names."""
    return {
        site.name("cluster-state"): {
            "source": ["aws.emr"],
            "detail-type": ["EMR Cluster State Change"],
            "detail": {"name": [site.emr.cluster.name or ""], "state": list(CLUSTER_STATES)},
        },
        site.name("step-state"): {
            "source": ["aws.emr"],
            "detail-type": ["EMR Step Status Change"],
            # as the step launcher names its steps
            "detail": {
                "name": [{"prefix": f"storeavail {site.code}|"}],
                "state": list(STEP_STATES),
            },
        },
    }


def widgets(site: Site, alarms: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """One graph an alarm, two beside one another, each with the line from which on it is an
    alarm.
    """
    for number, alarm in enumerate(alarms):
        dimensions = [
            text for each in alarm["Dimensions"] for text in (each["Name"], each["Value"])
        ]
        yield {
            "type": "metric",
            "x": 12 * (number % 2),
            "y": 6 * (number // 2),
            "width": 12,
            "height": 6,
            "properties": {
                "title": alarm["AlarmName"].removeprefix(site.name("")),
                "region": site.region,
                "view": "timeSeries",
                "period": alarm["Period"],
                "stat": alarm["Statistic"],
                "metrics": [[alarm["Namespace"], alarm["MetricName"], *dimensions]],
                "annotations": {"horizontal": [{"label": "alarm", "value": alarm["Threshold"]}]},
            },
        }


def _alarm(
    what: str,
    description: str,
    metric: tuple[str, str, dict[str, str]],
    rule: tuple[str, str, float],
    *,
    periods: int = 1,
    missing: str = "notBreaching",
) -> dict[str, Any]:
    namespace, name, dimensions = metric
    statistic, comparison, threshold = rule
    operators = {
        ">": "GreaterThanThreshold",
        ">=": "GreaterThanOrEqualToThreshold",
        "<": "LessThanThreshold",
    }
    return {
        "AlarmName": what,
        "AlarmDescription": description,
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        "Statistic": statistic,
        "Period": FIVE_MINUTES,
        "EvaluationPeriods": periods,
        "Threshold": threshold,
        "ComparisonOperator": operators[comparison],
        "TreatMissingData": missing,
        "ActionsEnabled": True,
    }
