"""`storeavail-deploy network`: prints what a country's network needs.

It changes nothing: networks belong to whoever runs the company's.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from storeavail_deploy.cli import Deployment
from storeavail_platform.config import Country, Platform
from storeavail_platform.config.deployment import Network, Peer
from storeavail_platform.domain.errors import ConfigError

ENDPOINTS = (
    "elasticmapreduce",
    "execute-api",
    "logs",
    "monitoring",
    "secretsmanager",
    "sns",
    "ssm",
    "ssmmessages",
    "sts",
)
"""Services that private subnets reach without a way to the internet; managed scaling speaks by API
Gateway (`execute-api`), a session on a node by `ssm` and `ssmmessages`.
"""


commands = click.Group(help="Network: what has to be there.")


@commands.command(epilog="Example:  storeavail-deploy --country BR network plan")
@click.pass_obj
def plan(deployment: Deployment) -> None:
    """Print peerings, routes, DNS, security groups and endpoints that the chosen countries need.

    Changes nothing.
    """
    for code in deployment.chosen:
        for line in needs(deployment.platform, deployment.platform.country(code)):
            click.echo(line)


def needs(platform: Platform, settings: Country) -> list[str]:
    """What a country's network has to have, a line each, in the order in which it is made.

    Raises:
        ConfigError: lists every setting that is missing to say so.
    """
    network, code = settings.deploy.network, settings.code
    path = f"countries.{code}.deploy.network"
    missing = [
        f"{path}.{name}: is required"
        for name in ("vpc", "cidr", "subnets")
        if not getattr(network, name)
    ]
    if missing:
        raise ConfigError(
            "\n  ".join([f"{platform.origin}: to say what the network of {code} needs", *missing])
        )
    nodes, region = (
        network.node_group or "the nodes' security group",
        settings.aws.region or "the region",
    )
    tables = ", ".join(network.route_tables) or f"the route tables of {', '.join(network.subnets)}"
    groups = (
        [
            "EMR makes its own security groups; their ids are needed below: start a cluster once,"
            " or give node_group and service_group"
        ]
        if network.service_group is None
        else [
            f"{network.service_group}: in 9443 from {nodes}, out 8443 to {nodes}",
            (
                f"{nodes}: in everything from itself, in 8443 from {network.service_group}, out"
                " everything"
            ),
        ]
    )
    return [
        f"{code}: VPC {network.vpc} ({network.cidr}), private subnets {', '.join(network.subnets)}",
        "  endpoints",
        (
            f"    gateway   com.amazonaws.{region}.s3 in {tables}; a policy on it has to leave"
            " nodes EMR's and Amazon Linux' packages too"
        ),
        *(
            f"    interface com.amazonaws.{region}.{service}, private DNS, letting in 443 from"
            f" {network.cidr}"
            for service in (*ENDPOINTS, *(["kms"] if settings.deploy.encryption.kms_key else []))
        ),
        "  clusters",
        (
            f"    subnets, {nodes} and EMR's service access group, and the VPC where EMR makes"
            " these groups, have the tag for-use-with-amazon-emr-managed-policies=true"
        ),
        *(f"    {line}" for line in groups),
        *(line for peer in network.peers for line in _peer_needs(network, peer, tables)),
        *_metastore_needs(platform, settings),
    ]


def _peer_needs(network: Network, peer: Peer, tables: str) -> Iterator[str]:
    yield f"  {peer.name} ({peer.cidr}, port {peer.port})"
    if peer.vpc is None:
        yield (
            f"    route     {peer.cidr}, in {tables}, and {network.cidr} on the way back (VPN or"
            " transit gateway)"
        )
    elif peer.vpc != network.vpc:
        yield (
            f"    peering   {network.vpc} with {peer.vpc}, accepted, DNS resolution allowed on both"
            " sides"
        )
        yield f"    route     {peer.cidr} to the peering, in {tables}"
        yield f"    route     {network.cidr} to the peering, in the route tables of {peer.name}"
    # a security group of another VPC can be named only where the peering is in one region: the
    # network's addresses always can
    yield (
        f"    group     {peer.security_group or f'the security group of {peer.name}'}: in"
        f" {peer.port} from {network.cidr}"
    )


def _metastore_needs(platform: Platform, settings: Country) -> Iterator[str]:
    if platform.catalog.type == "hive":
        uris, code = platform.catalog.uri.replace("thrift://", ""), settings.code
        if not settings.deploy.network.peers:
            entry = f"countries.{code}.deploy.network.peers"
            yield (
                f"  nothing is said of the metastore ({uris}) nor of the sources: give each as an"
                f" entry of {entry}"
            )
        yield (
            f"  then, from that network: storeavail-deploy --country {code} metastore check;"
            f" storeavail check --country {code}  # {uris}"
        )
