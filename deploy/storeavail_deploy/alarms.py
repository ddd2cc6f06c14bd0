"""`storeavail-deploy alarms`: who is told by mail when a country falls behind, its cluster is
unwell, or the metastore's database is.

A topic with its subscriptions, CloudWatch alarms, rules for what EMR announces, a dashboard. The
platform's own alerts (freshness and availability, with causes) are Dagster's: these here also come
when Dagster itself is down.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import click

from storeavail_deploy.cli import Deployment
from storeavail_deploy.clients import Clients, change, list_aws, open_site, read_aws
from storeavail_deploy.plan import Change
from storeavail_deploy.settings import Site, tag_list
from storeavail_deploy.watched import ALARMS, alarms, rules, widgets
from storeavail_platform.orchestration.emr.clusters import LIVE

TARGET = "mail"
PENDING = "PendingConfirmation"


commands = click.Group(help="Alarms: mails when a country falls behind or its cluster is unwell.")


@commands.command(epilog="Example:  storeavail-deploy --country BR alarms apply")
@click.pass_obj
def apply(deployment: Deployment) -> None:
    """Make what is missing of the chosen countries' topics, alarms, event rules and dashboards."""
    sites = [open_site(deployment.platform, code) for code in deployment.chosen]
    deployment.carry_out([each for site, clients in sites for each in Alarms(site, clients).plan()])


def follow_cluster(site: Site, clients: Clients) -> list[Change]:
    """What has a country's alarms watch the cluster that is there when it is carried out;
    nothing where it has no alarms yet.
    """
    found = Alarms(site, clients)

    def follow() -> None:
        for each in found.plan():
            each.apply()

    return (
        [Change("update", f"alarms of {site.code}", "watch the new cluster", follow)]
        if found.attributes()
        else []
    )


@dataclass(frozen=True)
class Alarms:
    site: Site
    clients: Clients

    @property
    def topic(self) -> str:
        return self.site.arn("sns", self.site.name("alarms"))

    def plan(self) -> list[Change]:
        """What is missing until they are as they should be.

        Raises:
            DeploymentFailed: AWS refuses, or does not answer.
        """
        cluster = self._cluster()
        return [*self._topic(), *self._alarms(cluster), *self._rules(), *self._dashboard(cluster)]

    def attributes(self) -> dict[str, str] | None:
        """The topic's, or None where it is not there."""
        read = partial(self.clients.sns.get_topic_attributes, TopicArn=self.topic)
        found = read_aws(f"topic {self.topic}", read, "NotFound")
        return None if found is None else found["Attributes"]

    def _cluster(self) -> str | None:
        """The id of the country's newest live cluster."""
        what, wanted = f"list of the clusters of {self.site.code}", self.site.emr.cluster
        live = list_aws(what, self.clients.emr, "list_clusters", "Clusters", ClusterStates=[*LIVE])
        found = [each for each in live if each["Name"] == wanted.name]
        newest = max(
            found,
            key=lambda each: each["Status"]["Timeline"]["CreationDateTime"],
            default={"Id": wanted.id},
        )
        return newest["Id"]

    def _topic(self) -> Iterator[Change]:
        sns, name, found = self.clients.sns, self.site.name("alarms"), self.attributes()
        if found is None:
            make = partial(sns.create_topic, Name=name, Tags=tag_list(self.site.tags()))
            yield change("create", f"topic {name}", self.topic, make)
        policy = self._topic_policy()
        if found is None or json.loads(found["Policy"]) != policy:
            allow = partial(
                sns.set_topic_attributes,
                TopicArn=self.topic,
                AttributeName="Policy",
                AttributeValue=json.dumps(policy),
            )
            yield change(
                "update",
                f"topic {name}",
                "CloudWatch and EventBridge of this account may publish",
                allow,
            )
        there = {} if found is None else self._subscriptions()
        emails = self.site.deploy.alarms.emails
        for email in (email for email in emails if email not in there):
            subscribe = partial(
                sns.subscribe, TopicArn=self.topic, Protocol="email", Endpoint=email
            )
            yield change(
                "create", f"subscription {email}", "a mail asks for confirmation", subscribe
            )
        for email, arn in there.items():
            if email not in emails and arn != PENDING:
                remove = partial(sns.unsubscribe, SubscriptionArn=arn)
                yield change(
                    "delete", f"subscription {email}", "is not of the configuration", remove
                )

    def _subscriptions(self) -> dict[str, str]:
        """ARNs of the subscriptions by mail, by address."""
        what, operation = f"subscriptions of {self.topic}", "list_subscriptions_by_topic"
        found = list_aws(what, self.clients.sns, operation, "Subscriptions", TopicArn=self.topic)
        return {
            each["Endpoint"]: each["SubscriptionArn"]
            for each in found
            if each["Protocol"] == "email"
        }

    def _topic_policy(self) -> dict[str, Any]:
        def allowed(sid: str, service: str) -> dict[str, Any]:
            return {
                "Sid": sid,
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sns:Publish",
                "Resource": self.topic,
            }

        own = {"StringEquals": {"aws:SourceAccount": self.site.account}}
        return {
            "Version": "2012-10-17",
            "Statement": [
                {**allowed("Alarms", "cloudwatch.amazonaws.com"), "Condition": own},
                # SNS takes no condition for EventBridge: with one, its messages never come
                allowed("Events", "events.amazonaws.com"),
            ],
        }

    def _alarms(self, cluster: str | None) -> Iterator[Change]:
        cloudwatch, prefix = self.clients.cloudwatch, self.site.name("")
        what = f"alarms of {self.site.code}"
        found = list_aws(
            what, cloudwatch, "describe_alarms", "MetricAlarms", AlarmNamePrefix=prefix
        )
        there = {each["AlarmName"]: each for each in found}
        wanted = {each["AlarmName"]: each for each in alarms(self.site, self.topic, cluster)}
        for name, alarm in wanted.items():
            before = there.get(name, {})
            if differs := [key for key, value in alarm.items() if before.get(key) != value]:
                why = ", ".join(differs) if before else alarm["AlarmDescription"]
                put = partial(cloudwatch.put_metric_alarm, **alarm)
                yield change("update" if before else "create", f"alarm {name}", why, put)
        if gone := sorted({self.site.name(what) for what in ALARMS} & set(there) - set(wanted)):
            remove = partial(cloudwatch.delete_alarms, AlarmNames=gone)
            yield change(
                "delete", f"alarms {', '.join(gone)}", "what they watch is not there", remove
            )

    def _rules(self) -> Iterator[Change]:
        events = self.clients.events
        for name, pattern in rules(self.site).items():
            thing = f"event rule {name}"
            there = read_aws(
                thing, partial(events.describe_rule, Name=name), "ResourceNotFoundException"
            )
            if (
                there is None
                or json.loads(there.get("EventPattern", "{}")) != pattern
                or there.get("State") != "ENABLED"
            ):
                more: Any = {"Tags": tag_list(self.site.tags())} if there is None else {}
                put = partial(
                    events.put_rule,
                    Name=name,
                    EventPattern=json.dumps(pattern),
                    State="ENABLED",
                    **more,
                )
                states = ", ".join(pattern["detail"]["state"])
                yield change("create" if there is None else "update", thing, states, put)
            if there is None or [each["Arn"] for each in self.targets(name)] != [self.topic]:
                aim = partial(
                    events.put_targets, Rule=name, Targets=[{"Id": TARGET, "Arn": self.topic}]
                )
                yield change("update", thing, f"tells {self.topic}", aim)

    def targets(self, rule: str) -> list[Any]:
        """What an event rule tells, as EventBridge gives it."""
        what, operation = f"targets of event rule {rule}", "list_targets_by_rule"
        return list_aws(what, self.clients.events, operation, "Targets", Rule=rule)

    def _dashboard(self, cluster: str | None) -> Iterator[Change]:
        cloudwatch, name = self.clients.cloudwatch, self.site.name("windows")
        thing, read = (
            f"CloudWatch dashboard {name}",
            partial(cloudwatch.get_dashboard, DashboardName=name),
        )
        found = read_aws(thing, read, "ResourceNotFound", "DashboardNotFoundError")
        body = {"widgets": list(widgets(self.site, alarms(self.site, self.topic, cluster)))}
        if found is None or json.loads(found["DashboardBody"]) != body:
            put = partial(
                cloudwatch.put_dashboard, DashboardName=name, DashboardBody=json.dumps(body)
            )
            yield change(
                "update" if found else "create", thing, f"{len(body['widgets'])} figures", put
            )
