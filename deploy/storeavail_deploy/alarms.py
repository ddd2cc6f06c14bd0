"""`storeavail-deploy alarms`: who is told by mail when a country falls behind, its cluster is unwell, or the metastore's database is.

A topic with its subscriptions, CloudWatch alarms, rules for what EMR announces, a dashboard. The platform's own alerts (freshness and
availability, with causes) are Dagster's: these here also come when Dagster itself is down.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import click

from storeavail_deploy.cli import Deployment
from storeavail_deploy.clients import Clients, aws_errors, open_site
from storeavail_deploy.plan import Change
from storeavail_deploy.settings import Site
from storeavail_deploy.watched import ALARMS, alarms, rules, widgets
from storeavail_platform.orchestration.emr.clusters import LIVE

TARGET = "mail"
PENDING = "PendingConfirmation"


@click.group()
def commands() -> None:
    """Alarms: mails when a country falls behind or its cluster is unwell."""


@commands.command(epilog="Example:  storeavail-deploy --country BR alarms apply")
@click.pass_obj
def apply(deployment: Deployment) -> None:
    """Make what is missing of the chosen countries' topics, alarms, event rules and dashboards."""
    changes: list[Change] = []
    for site, clients in (open_site(deployment.platform, code) for code in deployment.chosen):
        changes += Alarms(site, clients).plan()
    deployment.carry_out(changes)


def follow_cluster(site: Site, clients: Clients) -> list[Change]:
    """What has a country's alarms watch the cluster that is there when it is carried out; nothing where it has no alarms yet."""
    found = Alarms(site, clients)
    if not found.has_topic():
        return []

    def follow() -> None:
        for change in found.plan():
            change.apply()

    return [Change("update", f"alarms of {site.code}", "watch the new cluster", follow)]


@dataclass(frozen=True)
class Alarms:
    """A country's."""

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

    def has_topic(self) -> bool:
        return self._topic_attributes() is not None

    def _change(self, action: Any, thing: str, why: str, apply: Callable[[], object]) -> Change:
        def said() -> None:
            with aws_errors(f"{thing}: {why}"):
                apply()

        return Change(action, thing, why, said)

    def _cluster(self) -> str | None:
        """The id of the country's newest live cluster."""
        name = self.site.emr.cluster.name
        found = []
        with aws_errors(f"list of the clusters of {self.site.code}"):
            for page in self.clients.emr.get_paginator("list_clusters").paginate(ClusterStates=[*LIVE]):
                found += [each for each in page["Clusters"] if each["Name"] == name]
        newest = max(found, key=lambda each: each["Status"]["Timeline"]["CreationDateTime"], default=None)
        return self.site.emr.cluster.id if newest is None else newest["Id"]

    def _topic_attributes(self) -> dict[str, str] | None:
        sns = self.clients.sns
        with aws_errors(f"topic {self.topic}"):
            try:
                return sns.get_topic_attributes(TopicArn=self.topic)["Attributes"]
            except sns.exceptions.NotFoundException:
                return None

    def _topic(self) -> Iterator[Change]:
        sns, name = self.clients.sns, self.site.name("alarms")
        found = self._topic_attributes()
        if found is None:
            tags: Any = [{"Key": key, "Value": value} for key, value in self.site.tags().items()]
            yield self._change("create", f"topic {name}", self.topic, lambda: sns.create_topic(Name=name, Tags=tags))
        policy = self._topic_policy()
        if json.loads((found or {}).get("Policy") or "{}") != policy:
            yield self._change(
                "update",
                f"topic {name}",
                "CloudWatch and EventBridge of this account may publish",
                lambda: sns.set_topic_attributes(TopicArn=self.topic, AttributeName="Policy", AttributeValue=json.dumps(policy)),
            )
        there = set(self._subscribed()) if found is not None else set()
        for email in self.site.deploy.alarms.emails:
            if email not in there:
                subscribe = partial(sns.subscribe, TopicArn=self.topic, Protocol="email", Endpoint=email)
                yield self._change("create", f"subscription {email}", "a mail asks for confirmation", subscribe)
        yield from self._unsubscribed()

    def _subscribed(self) -> Iterator[str]:
        for each in self._subscriptions():
            yield each["Endpoint"]

    def _unsubscribed(self) -> Iterator[Change]:
        if self._topic_attributes() is None:
            return
        for each in self._subscriptions():
            arn, email = each["SubscriptionArn"], each["Endpoint"]
            if email not in self.site.deploy.alarms.emails and arn != PENDING:
                remove = partial(self.clients.sns.unsubscribe, SubscriptionArn=arn)
                yield self._change("delete", f"subscription {email}", "is not of the configuration", remove)

    def _subscriptions(self) -> list[Any]:
        with aws_errors(f"subscriptions of {self.topic}"):
            pages = self.clients.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=self.topic)
            return [each for page in pages for each in page["Subscriptions"] if each["Protocol"] == "email"]

    def _topic_policy(self) -> dict[str, Any]:
        allowed = {
            "Sid": "AlarmsAndEvents",
            "Effect": "Allow",
            "Principal": {"Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com"]},
            "Action": "sns:Publish",
            "Resource": self.topic,
            "Condition": {"StringEquals": {"aws:SourceAccount": self.site.account}},
        }
        return {"Version": "2012-10-17", "Statement": [allowed]}

    def _alarms(self, cluster: str | None) -> Iterator[Change]:
        cloudwatch = self.clients.cloudwatch
        with aws_errors(f"alarms of {self.site.code}"):
            pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=self.site.name(""))
            there: dict[str, Any] = {each["AlarmName"]: each for page in pages for each in page["MetricAlarms"]}
        wanted = {each["AlarmName"]: each for each in alarms(self.site, self.topic, cluster)}
        for name, alarm in wanted.items():
            differs = [key for key, value in alarm.items() if there.get(name, {}).get(key) != value]
            if differs:

                def put(alarm: dict[str, Any] = alarm) -> None:
                    cloudwatch.put_metric_alarm(**alarm)

                yield self._change(
                    "update" if name in there else "create",
                    f"alarm {name}",
                    ", ".join(differs) if name in there else alarm["AlarmDescription"],
                    put,
                )
        gone = sorted({self.site.name(what) for what in ALARMS} & set(there) - set(wanted))
        if gone:
            yield self._change(
                "delete",
                f"alarms {', '.join(gone)}",
                "what they watch is not there",
                lambda: cloudwatch.delete_alarms(AlarmNames=gone),
            )

    def _rules(self) -> Iterator[Change]:
        events = self.clients.events
        tags: Any = [{"Key": key, "Value": value} for key, value in self.site.tags().items()]
        target: Any = [{"Id": TARGET, "Arn": self.topic}]
        for name, pattern in rules(self.site).items():
            there = self._rule(name)

            def put(name: str = name, pattern: dict[str, Any] = pattern, is_new: bool = there is None) -> None:
                more: Any = {"Tags": tags} if is_new else {}
                events.put_rule(Name=name, EventPattern=json.dumps(pattern), State="ENABLED", **more)

            def aim(name: str = name) -> None:
                events.put_targets(Rule=name, Targets=target)

            if there is None or json.loads(there.get("EventPattern", "{}")) != pattern or there.get("State") != "ENABLED":
                yield self._change(
                    "create" if there is None else "update", f"event rule {name}", ", ".join(pattern["detail"]["state"]), put
                )
            if there is None or self._targets(name) != [self.topic]:
                yield self._change("update", f"event rule {name}", f"tells {self.topic}", aim)

    def _rule(self, name: str) -> Any:
        events = self.clients.events
        with aws_errors(f"event rule {name}"):
            try:
                return events.describe_rule(Name=name)
            except events.exceptions.ResourceNotFoundException:
                return None

    def _targets(self, name: str) -> list[str]:
        with aws_errors(f"targets of event rule {name}"):
            return [target["Arn"] for target in self.clients.events.list_targets_by_rule(Rule=name)["Targets"]]

    def _dashboard(self, cluster: str | None) -> Iterator[Change]:
        cloudwatch, name = self.clients.cloudwatch, self.site.name("windows")
        with aws_errors(f"CloudWatch dashboard {name}"):
            try:
                found = json.loads(cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"])
            except (cloudwatch.exceptions.DashboardNotFoundError, cloudwatch.exceptions.ResourceNotFound):
                found = None
        body = {"widgets": list(widgets(self.site, alarms(self.site, self.topic, cluster)))}
        if found != body:
            yield self._change(
                "update" if found else "create",
                f"CloudWatch dashboard {name}",
                f"{len(body['widgets'])} figures",
                lambda: cloudwatch.put_dashboard(DashboardName=name, DashboardBody=json.dumps(body)),
            )
