"""What a country's end takes away on AWS, and what it leaves. No command line (`country.py`).

In the order in which nothing needs what is gone already: clusters, what watches them, roles. The
country's entry of the configuration, which says what there is to remove, goes last: what failed
half way is completed by the same command again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from storeavail_deploy.admission import OneCluster
from storeavail_deploy.alarms import Alarms
from storeavail_deploy.clients import Clients, change, list_aws, read_aws
from storeavail_deploy.cluster import to_end
from storeavail_deploy.flow import Flow
from storeavail_deploy.kept import Kept
from storeavail_deploy.plan import Change
from storeavail_deploy.release import Application
from storeavail_deploy.roles import Plan, Role
from storeavail_deploy.settings import Site
from storeavail_deploy.trust import trust_of_service
from storeavail_deploy.watched import ALARMS, rules

ROLES = ("worker", "operator", "steps", "nodes", "service", "scaling")
"""Every name that a country's role may have, whatever the configuration asks for today."""


@dataclass(frozen=True)
class Removal:
    """A country's end in its account.

    Attributes:
        tell: gets progress, a line at a time.
    """

    site: Site
    clients: Clients
    tell: Callable[[str], None] = lambda text: None

    def plan(self) -> list[Change]:
        """What is there of the country and goes.

        Raises:
            ConfigError: a cluster or a role of its name is somebody else's.
            DeploymentFailed: AWS refuses, or does not answer.
        """
        return [*self._clusters(), *self._watching(), *self._security(), *self._roles()]

    def stays(self) -> list[str]:
        """What is not touched, a line each."""
        site, emr = self.site, self.site.emr
        secrets = sorted({*site.secrets(), *site.analysts_secrets()})
        return [
            (
                f"data: tables, readings, markers, pages, alerts and silences of {site.code} in"
                f" {site.warehouse.url}; `storeavail remove-country {site.code}` removes them"
            ),
            f"staging and logs, which their buckets remove in time: {emr.staging}, {site.logs.url}",
            f"published releases: {site.application.url}",
            f"secrets: {', '.join(secrets) or 'none'}",
            "databases: the country's own and its reader in it; Dagster's, with runs and events",
            "network: what `network plan` says of it; buckets; the cluster for notebooks",
        ]

    def _clusters(self) -> Iterator[Change]:
        clusters = to_end(self.site, self.clients)
        yield from clusters.plan_terminate()
        name = clusters.flow.name
        # EMR ends instances with the country's role: it is there until they are gone
        ending = list_aws(
            f"list of the clusters named {name}",
            self.clients.emr,
            "list_clusters",
            "Clusters",
            ClusterStates=["TERMINATING"],
        )
        found = [each.id for each in clusters.found()]
        found += [each["Id"] for each in ending if each["Name"] == name]
        for cluster in found:
            one = OneCluster(clusters.flow, self.clients, cluster, self.tell)
            why = "wait until its instances are gone"
            yield Change("delete", f"cluster {name} {cluster}", why, one.wait_ended)

    def _watching(self) -> Iterator[Change]:
        """Alarms, event rules, dashboard, and the topic with its subscriptions."""
        site, clients = self.site, self.clients
        cloudwatch, events = clients.cloudwatch, clients.events
        found = list_aws(
            f"alarms of {site.code}",
            cloudwatch,
            "describe_alarms",
            "MetricAlarms",
            AlarmNamePrefix=site.name(""),
        )
        names = sorted({each["AlarmName"] for each in found} & set(map(site.name, ALARMS)))
        if names:
            remove = partial(cloudwatch.delete_alarms, AlarmNames=names)
            yield change("delete", "alarms", ", ".join(names), remove)
        for name in rules(site):
            read = partial(events.describe_rule, Name=name)
            if read_aws(f"event rule {name}", read, "ResourceNotFoundException") is not None:
                drop = partial(self._drop_rule, name)
                yield change("delete", f"event rule {name}", "with its target", drop)
        name = site.name("windows")
        look = partial(cloudwatch.get_dashboard, DashboardName=name)
        thing = f"CloudWatch dashboard {name}"
        if read_aws(thing, look, "ResourceNotFound", "DashboardNotFoundError") is not None:
            erase = partial(cloudwatch.delete_dashboards, DashboardNames=[name])
            yield change("delete", thing, "its figures", erase)
        alarms = Alarms(site, clients)
        if alarms.attributes() is not None:
            close = partial(clients.sns.delete_topic, TopicArn=alarms.topic)
            yield change("delete", f"topic {alarms.topic}", "with its subscriptions", close)

    def _drop_rule(self, name: str) -> None:
        events, targets = self.clients.events, Alarms(self.site, self.clients).targets(name)
        if targets:
            events.remove_targets(Rule=name, Ids=[each["Id"] for each in targets])
        events.delete_rule(Name=name)

    def _security(self) -> Iterator[Change]:
        """The security configurations of today's cluster and of those that releases hold."""
        emr, application = self.clients.emr, Application.of(self.site.settings)
        kept = Kept(application, self.site.code)
        held = map(kept.request, application.history().commits)
        names = {str(each.request["SecurityConfiguration"]) for each in held if each is not None}
        for name in sorted({*names, Flow(self.site, {}).security_name}):
            read = partial(emr.describe_security_configuration, Name=name)
            thing = f"security configuration {name}"
            if read_aws(thing, read, "InvalidRequestException") is not None:
                remove = partial(emr.delete_security_configuration, Name=name)
                yield change("delete", thing, "no cluster has it any more", remove)

    def _roles(self) -> Iterator[Change]:
        nobody = trust_of_service(self.site, "ec2.amazonaws.com")
        for what in ROLES:
            role = Role(self.site.name(what), self.site.code, "", nobody, None)
            plan = Plan(self.site, self.clients, role)
            if plan.found() is not None:
                why = "with its policies" + (" and instance profile" if what == "nodes" else "")
                yield change("delete", f"role {role.name}", why, partial(self._drop_role, plan))

    def _drop_role(self, plan: Plan) -> None:
        """The role last: while it is there the rest is looked for."""
        iam, name = self.clients.iam, plan.role.name
        for policy in plan.inline():
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        for arn in plan.attached():
            iam.detach_role_policy(RoleName=name, PolicyArn=arn)
        inside = plan.in_profile()
        for role in inside or ():
            iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role)
        if inside is not None:
            iam.delete_instance_profile(InstanceProfileName=name)
        iam.delete_role(RoleName=name)
