"""`storeavail-deploy roles`: the roles of a country and those that all have in common, as the
configuration says. What they may is `policies.py` and `shared_policies.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import click

from storeavail_deploy.cli import Deployment
from storeavail_deploy.clients import Clients, aws_errors, change, list_aws, open_site, read_aws
from storeavail_deploy.deployer import deployer_policy
from storeavail_deploy.plan import Action, Change
from storeavail_deploy.policies import (
    EMR_SERVICE_POLICY,
    SCALING_POLICY,
    nodes_policy,
    operator_policy,
    runtime_policy,
    service_policy,
    worker_policy,
)
from storeavail_deploy.settings import ANALYTICS, COUNTRY_TAG, PREFIX_TAG, Site, tag_list, tags_of
from storeavail_deploy.shared_policies import (
    analyst_policy,
    analytics_nodes_policy,
    backup_policy,
    metastore_policy,
    pages_policy,
)
from storeavail_deploy.trust import trust_of, trust_of_nodes, trust_of_service
from storeavail_platform.domain.errors import ConfigError

POLICY = "storeavail"
"""The one inline policy of a role.

Any other is removed: it would give rights that nobody can read here.
"""
LONGEST_SESSION = 3600
POLICY_LIMIT = 10_240
"""Characters of a role's inline policies that IAM takes."""


commands = click.Group(
    help="Roles: a country's cluster, its nodes, run workers, operators; analysts."
)


@commands.command(epilog="Example:  storeavail-deploy --country BR roles apply")
@click.pass_obj
def apply(deployment: Deployment) -> None:
    """Make what is missing of the chosen countries' roles, and of the roles that they have in
    common.
    """
    deployment.carry_out(
        plan_roles([open_site(deployment.platform, code) for code in deployment.chosen])
    )


@commands.command(epilog="Example:  storeavail-deploy --all roles deployer > deployer.json")
@click.pass_obj
def deployer(deployment: Deployment) -> None:
    """Print the policy that whoever deploys the chosen countries of one account needs. Changes
    nothing: an administrator gives it to them.
    """
    sites = [open_site(deployment.platform, code)[0] for code in deployment.chosen]
    if len({(site.account, site.region) for site in sites}) > 1:
        raise ConfigError(
            "the chosen countries are in several accounts or regions, each of which has a policy of"
            " its own: choose those of one by --country"
        )
    click.echo(json.dumps(deployer_policy(sites), indent=2))


@dataclass(frozen=True)
class Role:
    """A role as it has to be.

    Attributes:
        owner: the country's code, or what all countries have in common.
        managed: ARNs of AWS' own policies.
        profile: whether instances take it, by an instance profile of the same name.
    """

    name: str
    owner: str
    description: str
    trust: dict[str, Any]
    policy: dict[str, Any] | None
    managed: tuple[str, ...] = ()
    profile: bool = False


def plan_roles(sites: Sequence[tuple[Site, Clients]]) -> list[Change]:
    """What is missing until the roles are as they should be.

    Raises:
        ConfigError: a role of that name is somebody else's; a policy is too long; a runtime role
            has another name.
        DeploymentFailed: AWS refuses, or does not answer.
    """
    changes: list[Change] = []
    firsts = {site.account: site for site, _ in reversed(sites)}
    for site, clients in sites:
        shared = shared_roles(site) if firsts[site.account] is site else ()
        for role in (*country_roles(site), *shared):
            changes += Plan(site, clients, role).changes()
    return changes


def country_roles(site: Site) -> Iterator[Role]:
    code = site.code
    yield _service_role(site, site.name("service"), site.name("nodes"), code)
    yield Role(
        site.name("nodes"),
        code,
        f"nodes of the cluster of {code}",
        trust_of_service(site, "ec2.amazonaws.com"),
        nodes_policy(site),
        profile=True,
    )
    if site.emr.execution_role is not None:
        wanted = site.role_arn(site.name("steps"))
        if site.emr.execution_role != wanted:
            raise ConfigError(
                f"countries.{code}.emr.execution_role: the role that `roles apply` makes for steps"
                f" is {wanted}"
            )
        yield Role(
            site.name("steps"), code, f"steps of {code}", trust_of_nodes(site), runtime_policy(site)
        )
    topic = site.arn("sns", site.name("alarms"))
    roles = site.deploy.roles
    yield Role(
        site.name("worker"),
        code,
        f"observes and runs {code}",
        trust_of(site, roles.workers),
        worker_policy(site, topic),
    )
    yield Role(
        site.name("operator"),
        code,
        f"looks after {code}",
        trust_of(site, roles.operators),
        operator_policy(site),
    )
    if site.deploy.cluster.scaling_policy is not None:
        yield Role(
            site.name("scaling"),
            code,
            f"custom automatic scaling of {code}",
            trust_of_service(
                site, "elasticmapreduce.amazonaws.com", "application-autoscaling.amazonaws.com"
            ),
            None,
            managed=(f"arn:{site.partition}:{SCALING_POLICY}",),
        )


def shared_roles(site: Site) -> Iterator[Role]:
    """The roles that all countries of an account have in common."""
    others = site.countries()
    nodes = site.shared_name(f"{ANALYTICS}-nodes")
    yield _service_role(site, site.shared_name(f"{ANALYTICS}-service"), nodes, ANALYTICS)
    yield Role(
        nodes,
        ANALYTICS,
        "nodes of the cluster for notebooks: reads every country",
        trust_of_service(site, "ec2.amazonaws.com"),
        analytics_nodes_policy(others),
        profile=True,
    )
    yield Role(
        site.shared_name("analyst"),
        ANALYTICS,
        "reads the tables of every country",
        trust_of(site, site.platform.deploy.roles.analysts),
        analyst_policy(others),
    )
    yield Role(
        site.shared_name("backup"),
        ANALYTICS,
        "copies the warehouse",
        trust_of(site, site.platform.deploy.roles.backups),
        backup_policy(site),
    )
    yield Role(
        site.shared_name("pages"),
        ANALYTICS,
        "shows the dashboard's pages",
        trust_of(site, site.platform.deploy.roles.pages),
        pages_policy(site),
    )
    if site.platform.catalog.type == "hive":
        yield Role(
            site.shared_name("metastore"),
            ANALYTICS,
            "the Hive Metastore: makes folders of tables",
            trust_of(site, site.platform.deploy.roles.metastore),
            metastore_policy(site),
        )


def _service_role(site: Site, name: str, nodes: str, owner: str) -> Role:
    source = site.arn("elasticmapreduce", "*")
    return Role(
        name,
        owner,
        f"EMR, for the cluster of {owner}",
        trust_of_service(site, "elasticmapreduce.amazonaws.com", source=source),
        service_policy(site, nodes),
        managed=(f"arn:{site.partition}:{EMR_SERVICE_POLICY}",),
    )


@dataclass(frozen=True)
class Plan:
    """What is missing of one role."""

    site: Site
    clients: Clients
    role: Role

    def changes(self) -> Iterator[Change]:
        role = self.role
        if (
            role.policy is not None
            and len(json.dumps(role.policy, separators=(",", ":"))) > POLICY_LIMIT
        ):
            raise ConfigError(
                f"role {role.name}: its policy is longer than IAM's {POLICY_LIMIT} characters:"
                " fewer countries in one account"
            )
        found = self.found()
        if found is None:
            yield self._change("create", role.description, self._create)
        else:
            yield from self._properties(found)
        yield from self._policies({} if found is None else self.inline())
        yield from self._managed(set() if found is None else self.attached())
        if role.profile:
            yield from self._profile()

    def _properties(self, found: Any) -> Iterator[Change]:
        iam, role, boundary = self.clients.iam, self.role, self.site.deploy.roles.boundary
        if found["AssumeRolePolicyDocument"] != role.trust:
            document = json.dumps(role.trust)
            update = partial(
                iam.update_assume_role_policy, RoleName=role.name, PolicyDocument=document
            )
            yield self._change("update", "who may assume it", update)
        if found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn") != boundary:
            limit = (
                partial(
                    iam.put_role_permissions_boundary,
                    RoleName=role.name,
                    PermissionsBoundary=boundary,
                )
                if boundary
                else partial(iam.delete_role_permissions_boundary, RoleName=role.name)
            )
            yield self._change("update", f"permissions boundary: {boundary or 'none'}", limit)
        if not self._tags.items() <= tags_of(found).items():
            yield self._change(
                "update",
                "tags",
                partial(iam.tag_role, RoleName=role.name, Tags=tag_list(self._tags)),
            )

    def _policies(self, inline: dict[str, Any]) -> Iterator[Change]:
        iam, name, policy = self.clients.iam, self.role.name, self.role.policy
        if policy is not None and inline.get(POLICY) != policy:
            put = partial(
                iam.put_role_policy,
                RoleName=name,
                PolicyName=POLICY,
                PolicyDocument=json.dumps(policy),
            )
            yield self._change(
                "update", f"what it may do{'' if POLICY in inline else ': the whole policy'}", put
            )
        for other in sorted(set(inline) - {POLICY}):
            remove = partial(iam.delete_role_policy, RoleName=name, PolicyName=other)
            yield self._change(
                "delete", f"policy {other}, which is not of the configuration", remove
            )

    def _managed(self, attached: set[str]) -> Iterator[Change]:
        iam, name, wanted = self.clients.iam, self.role.name, set(self.role.managed)
        for arn in sorted(wanted - attached):
            attach = partial(iam.attach_role_policy, RoleName=name, PolicyArn=arn)
            yield self._change("update", f"attach {arn}", attach)
        for arn in sorted(attached - wanted):
            detach = partial(iam.detach_role_policy, RoleName=name, PolicyArn=arn)
            yield self._change("delete", f"{arn}, which is not of the configuration", detach)

    def _profile(self) -> Iterator[Change]:
        iam, name = self.clients.iam, self.role.name
        inside = self.in_profile()
        if inside is None:
            make = partial(
                iam.create_instance_profile, InstanceProfileName=name, Tags=tag_list(self._tags)
            )
            yield self._change("create", "instance profile", make)
        if inside is None or name not in inside:
            add = partial(iam.add_role_to_instance_profile, InstanceProfileName=name, RoleName=name)
            yield self._change("update", "put it into its instance profile", add)

    @property
    def _tags(self) -> dict[str, str]:
        return self.site.tags(self.role.owner)

    def _change(self, action: Action, why: str, apply: Callable[[], object]) -> Change:
        return change(action, f"role {self.role.name}", why, apply)

    def _create(self) -> None:
        boundary: Any = (
            {"PermissionsBoundary": self.site.deploy.roles.boundary}
            if self.site.deploy.roles.boundary
            else {}
        )
        self.clients.iam.create_role(
            RoleName=self.role.name,
            AssumeRolePolicyDocument=json.dumps(self.role.trust),
            Description=self.role.description,
            MaxSessionDuration=LONGEST_SESSION,
            Tags=tag_list(self._tags),
            **boundary,
        )

    def found(self) -> Any:
        """The role as it is, or None.

        Raises:
            ConfigError: it is not this deployment's.
        """
        name = self.role.name
        read = partial(self.clients.iam.get_role, RoleName=name)
        found = read_aws(f"reading role {name}", read, "NoSuchEntity")
        mine = {key: self._tags[key] for key in (PREFIX_TAG, COUNTRY_TAG)}
        if found is not None and not mine.items() <= tags_of(found["Role"]).items():
            raise ConfigError(
                f"role {name} is there already and was not made by storeavail-deploy for"
                f" {self.role.owner} (it lacks the tags {mine}): choose another deploy.prefix, or"
                " remove the role"
            )
        return None if found is None else found["Role"]

    def inline(self) -> dict[str, Any]:
        iam, name = self.clients.iam, self.role.name
        what = f"reading the policies of role {name}"
        names = list_aws(what, iam, "list_role_policies", "PolicyNames", RoleName=name)
        with aws_errors(what):
            return {
                each: iam.get_role_policy(RoleName=name, PolicyName=each)["PolicyDocument"]
                for each in names
            }

    def in_profile(self) -> list[str] | None:
        """The roles in the instance profile of the role's name, or None where there is none."""
        name = self.role.name
        read = partial(self.clients.iam.get_instance_profile, InstanceProfileName=name)
        found = read_aws(f"reading instance profile {name}", read, "NoSuchEntity")
        if found is None:
            return None
        return [role["RoleName"] for role in found["InstanceProfile"]["Roles"]]

    def attached(self) -> set[str]:
        what, name = f"reading the policies of role {self.role.name}", self.role.name
        found = list_aws(
            what, self.clients.iam, "list_attached_role_policies", "AttachedPolicies", RoleName=name
        )
        return {each["PolicyArn"] for each in found}
