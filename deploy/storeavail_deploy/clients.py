"""AWS clients with the deployer's rights, made once, and their errors in words.

What is asked of them is the other modules' affair.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from storeavail_deploy.plan import Action, Change
from storeavail_deploy.release import deployer
from storeavail_deploy.settings import Site, deployable, emr_of
from storeavail_platform.aws.refusals import may_pass
from storeavail_platform.aws.sessions import CLIENT, session
from storeavail_platform.config import Platform
from storeavail_platform.domain.errors import ConfigError, DeploymentFailed
from storeavail_platform.orchestration.emr.clusters import SUBMIT

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_emr import EMRClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sts import STSClient

DENIED = (
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "AuthorizationError",
    "Forbidden",
    "403",
)
PARTITIONS = ("aws", "aws-us-gov")
"""Where AWS' services and endpoints have the names that are given here. In China they have others
(`ec2.amazonaws.com.cn`, `cn.com.amazonaws`).
"""
T = TypeVar("T")


class Clients:
    s3: cached_property[S3Client] = cached_property(lambda self: self.open("s3"))
    iam: cached_property[IAMClient] = cached_property(lambda self: self.open("iam"))
    emr: cached_property[EMRClient] = cached_property(lambda self: self.open("emr"))
    emr_once: cached_property[EMRClient] = cached_property(
        lambda self: self.open("emr", CLIENT.merge(SUBMIT))
    )
    """Sends each request once: a cluster whose start was asked for twice would be there twice."""
    sns: cached_property[SNSClient] = cached_property(lambda self: self.open("sns"))
    cloudwatch: cached_property[CloudWatchClient] = cached_property(
        lambda self: self.open("cloudwatch")
    )
    events: cached_property[EventBridgeClient] = cached_property(lambda self: self.open("events"))
    sts: cached_property[STSClient] = cached_property(lambda self: self.open("sts"))

    def __init__(self, session: boto3.Session) -> None:
        self.session = session

    def open(self, service: Any, config: Config = CLIENT) -> Any:
        return self.session.client(service, config=config)


def open_site(
    platform: Platform, code: str, own: boto3.Session | None = None
) -> tuple[Site, Clients]:
    """A country in its account, found by the credentials of its profile, and clients for it.

    Args:
        own: a session to use instead of the country's.

    Raises:
        ConfigError: the country has no `emr`, no region is known, names overlap, or the credentials
            are of another account or of a part of AWS that nothing here is made for.
        DeploymentFailed: AWS refuses, or does not answer.
    """
    settings = platform.country(code)
    emr_of(settings)
    deployable(platform)
    clients = Clients(own or session(deployer(settings.aws)))
    region = clients.session.region_name
    if not region:
        raise ConfigError(
            f"countries.{code}.aws.region is missing, and the profile has none: say where {code} is"
            " deployed"
        )
    with aws_errors(f"whose credentials these are (for {code})"):
        identity = clients.sts.get_caller_identity()
    partition = identity["Arn"].split(":")[1]
    if partition not in PARTITIONS:
        raise ConfigError(
            f"countries.{code}.aws.region: {region} is in AWS' partition {partition}, whose"
            " services have other names than storeavail-deploy gives them: it works in"
            f" {' and '.join(PARTITIONS)} alone. Make buckets, roles and clusters otherwise there;"
            " windows need nothing of it"
        )
    wanted = settings.deploy.account
    if wanted is not None and identity["Account"] != wanted:
        raise ConfigError(
            f"the credentials for {code} are of account {identity['Account']} ({identity['Arn']}),"
            f" and countries.{code}.deploy.account is {wanted}: choose the right profile"
            f" (countries.{code}.aws.profile), or correct the account"
        )
    return (
        Site(platform, settings, identity["Account"], region, partition),
        clients,
    )


def change(action: Action, thing: str, why: str, apply: Callable[[], object]) -> Change:
    """A change that AWS makes; where it fails, the error says what was being done."""

    def make() -> None:
        with aws_errors(f"{thing}: {why}"):
            apply()

    return Change(action, thing, why, make)


def read_aws(what: str, read: Callable[[], T], *missing: str) -> T | None:
    """What AWS tells, or None where it answers with one of the error codes `missing`.

    Raises:
        DeploymentFailed: see `aws_errors`.
    """
    with aws_errors(what):
        try:
            return read()
        except ClientError as error:
            if error.response["Error"]["Code"] in missing:
                return None
            raise


def list_aws(what: str, client: Any, operation: str, key: str, **parameters: Any) -> list[Any]:
    """The entries below `key` on all pages of an operation's answer.

    Raises:
        DeploymentFailed: see `aws_errors`.
    """
    with aws_errors(what):
        return [
            each
            for page in client.get_paginator(operation).paginate(**parameters)
            for each in page[key]
        ]


@contextlib.contextmanager
def aws_errors(what: str) -> Iterator[None]:
    """Raise what boto3 raises as an error of the deployment that says what was being done.

    Raises:
        DeploymentFailed: AWS refuses, throttles or does not answer; says what to do.
    """
    try:
        yield
    except ClientError as error:
        raise DeploymentFailed(f"{what}: {error}{_advice(error)}") from error
    except (NoCredentialsError, NoRegionError) as error:
        raise DeploymentFailed(
            f"{what}: {error}: set the country's aws.profile and aws.region, or AWS_PROFILE"
        ) from error
    except BotoCoreError as error:
        raise DeploymentFailed(
            f"{what}: AWS does not answer: {error}; run the same command again"
        ) from error


def _advice(error: ClientError) -> str:
    if may_pass(error):
        why = "AWS slows its callers down, or has a fault of its own"
        return f"; {why}: run the same command again in a minute"
    if (
        error.response["Error"]["Code"] in DENIED
        or error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    ):
        return (
            f"; these credentials may not call {error.operation_name}: use a profile that may"
            ' (deploy/README.md, "Rights")'
        )
    return ""
