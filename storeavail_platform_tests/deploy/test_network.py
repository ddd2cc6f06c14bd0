"""What a country's network has to have, as it is told to whoever makes it."""

from __future__ import annotations

import re

import pytest
from storeavail_deploy.network import ENDPOINTS, needs

from storeavail_platform.domain.errors import ConfigError
from storeavail_platform_tests.deploy.aws import ACCOUNT, DEPLOY, REGION, configuration

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234"


def test_the_network_plan_names_every_part() -> None:
    """Peering, routes both ways, DNS, groups, endpoints; what is missing to say so is told at
    once.
    """
    peers = (
        "[{name: metastore, vpc: vpc-0b, cidr: 10.9.0.0/16, port: 9083, security_group: sg-0c},"
        " {name: stores-db, cidr: 172.16.0.0/16, port: 5432}]"
    )
    platform = configuration(
        ["BR"],
        deploy=DEPLOY.replace(
            "subnets:",
            f"route_tables: [rtb-0a], node_group: sg-0a, service_group: sg-0b, peers: {peers},"
            " subnets:",
        ),
    )
    text = "\n".join(needs(platform, platform.country("BR")))
    endpoints = set(re.findall(r"interface com\.amazonaws\.sa-east-1\.([a-z-]+),", text))
    assert endpoints == {*ENDPOINTS}
    # scaling, logs, a session on a node
    assert {"execute-api", "logs", "ssm", "ssmmessages", "sts"} < endpoints
    with_key = f"{DEPLOY[:-1]}, encryption: {{kms_key: '{KEY}'}}}}"
    keyed = needs(platform, configuration(["BR"], deploy=with_key).country("BR"))
    assert "    interface com.amazonaws.sa-east-1.kms," in "\n".join(keyed)
    for phrase in (
        "gateway   com.amazonaws.sa-east-1.s3 in rtb-0a",
        "interface com.amazonaws.sa-east-1.secretsmanager",
        "the VPC where EMR makes these groups, have the tag",
        "peering   vpc-0a1b2c3d with vpc-0b, accepted, DNS resolution allowed on both sides",
        "route     10.9.0.0/16 to the peering, in rtb-0a",
        "route     10.20.0.0/16 to the peering, in the route tables of metastore",
        "group     sg-0c: in 9083 from 10.20.0.0/16",
        "group     the security group of stores-db: in 5432 from 10.20.0.0/16",
        "sg-0b: in 9443 from sg-0a",
        "storeavail-deploy --country BR metastore check",
    ):
        assert phrase in text
    with pytest.raises(ConfigError) as refused:
        list(needs(platform, configuration(["BR"], deploy="{}").country("BR")))
    assert [line.strip() for line in str(refused.value).splitlines()[1:]] == [
        f"countries.BR.deploy.network.{name}: is required" for name in ("vpc", "cidr", "subnets")
    ]
