"""An AWS of moto's in the test's own process, a company on it, and what was asked of it: every
call, and which of them changed something.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import botocore.loaders
import pytest
from moto import mock_aws
from storeavail_deploy.clients import Clients, open_site
from storeavail_deploy.environment import CLUSTER_PYTHON
from storeavail_deploy.plan import Change, carry_out
from storeavail_deploy.settings import Site

from storeavail_platform.config import Platform, load_text

ACCOUNT = "123456789012"
"""moto's."""
REGION = "sa-east-1"
MODELS = botocore.loaders.create_loader()
"""AWS' descriptions of its services, read once for all tests: every session reads them again,
which takes longer than a test.
"""
READING = ("Get", "List", "Describe", "Head")
DEPLOY = (
    "{tags: {team: data}, network: {vpc: vpc-0a1b2c3d, cidr: 10.20.0.0/16, subnets:"
    " [subnet-0a1b2c3d, subnet-0a1b2c3e]}, alarms: {emails: [oncall@example.com]}}"
)


def configuration(
    countries: Sequence[str] = ("BR", "AR"),
    *,
    deploy: str = DEPLOY,
    own: str = "",
    bucket: str = "company",
    login: str = "api_key: 'aws:{code}/index#key'",
) -> Platform:
    """A company's configuration, every country with a cluster; `own` is more of each country's,
    `login` how its index is read.
    """
    text = configuration_text(countries, deploy=deploy, own=own, bucket=bucket, login=login)
    return load_text(text, base="/", origin="company.yaml")


def configuration_text(
    countries: Sequence[str] = ("BR", "AR"),
    *,
    deploy: str = DEPLOY,
    own: str = "",
    bucket: str = "company",
    login: str = "api_key: 'aws:{code}/index#key'",
) -> str:
    """The same as the company writes it."""
    text = "\n".join(
        f"  {code}: {{timezone: UTC, aws: {{region: {REGION}}}, postgres: {{dsn:"
        f" 'aws:{code.lower()}/dsn'}}, online_index: {{url: 'aws:{code.lower()}/index#url', index:"
        f" stores, {login.format(code=code.lower())}}}, emr: {{cluster: {{name:"
        f" storeavail-{code.lower()}}}, staging: s3://{bucket}/{code.lower()}/staging, code:"
        f" s3://{bucket}/app/code.zip, spark: {{spark.pyspark.python: {CLUSTER_PYTHON}}}}}{own}}}"
        for code in countries
    )
    return (
        f"warehouse: s3://{bucket}/warehouse\ncatalog: {{type: hive, uri:"
        " 'thrift://metastore.internal:9083'}\nengine: spark\nexecution: emr\ndeploy:"
        f" {deploy}\ncountries:\n{text}\n"
    )


@dataclass
class Account:
    """One account, reached through one session.

    Attributes:
        calls: (operation, parameters) of every request that was sent, `bodies` aside.
    """

    session: boto3.Session
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def record(self, params: dict[str, Any], model: Any, **others: Any) -> None:
        self.calls.append((model.name, dict(params)))

    @property
    def changing(self) -> list[str]:
        """Names of the calls that were not mere questions."""
        return [name for name, _ in self.calls if not name.startswith(READING)]

    def sent(self, operation: str) -> list[dict[str, Any]]:
        """The parameters of every call of an operation."""
        return [params for name, params in self.calls if name == operation]

    def site(self, platform: Platform, code: str = "BR") -> tuple[Site, Clients]:
        return open_site(platform, code, self.session)

    def sites(self, platform: Platform) -> list[tuple[Site, Clients]]:
        return [self.site(platform, code) for code in platform.countries]


@contextmanager
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An empty account in which every request is recorded."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("botocore.session.create_loader", lambda path=None: MODELS)
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        session = boto3.Session(region_name=REGION)
        made = Account(session)
        session.events.register("provide-client-params.*", made.record)
        yield made


def done(changes: Sequence[Change], *, dry_run: bool = False) -> tuple[int, str]:
    """Carry a plan out: the exit code, and what was told."""
    said: list[str] = []
    code = carry_out(changes, dry_run=dry_run, tell=said.append)
    return code, "\n".join(said)
