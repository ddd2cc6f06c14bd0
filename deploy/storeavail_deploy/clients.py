"""AWS clients with the deployer's rights, made once, and their errors in words. What is asked of them is the other modules' affair."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from storeavail_deploy.release import deployer
from storeavail_deploy.settings import Site, deployable
from storeavail_platform.aws.sessions import CLIENT, session
from storeavail_platform.config import Platform
from storeavail_platform.domain.errors import ConfigError, DeploymentFailed
from storeavail_platform.orchestration.emr.clusters import SUBMIT

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_emr import EMRClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sts import STSClient

DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "Forbidden", "403")


@dataclass(frozen=True)
class Clients:
    """Clients of one session."""

    session: boto3.Session

    @cached_property
    def s3(self) -> S3Client:
        return self.session.client("s3", config=CLIENT)

    @cached_property
    def iam(self) -> IAMClient:
        return self.session.client("iam", config=CLIENT)

    @cached_property
    def emr(self) -> EMRClient:
        return self.session.client("emr", config=CLIENT)

    @cached_property
    def emr_once(self) -> EMRClient:
        """Sends each request once: a cluster whose start was asked for twice would be there twice."""
        return self.session.client("emr", config=CLIENT.merge(SUBMIT))

    @cached_property
    def ec2(self) -> EC2Client:
        return self.session.client("ec2", config=CLIENT)

    @cached_property
    def sns(self) -> SNSClient:
        return self.session.client("sns", config=CLIENT)

    @cached_property
    def cloudwatch(self) -> CloudWatchClient:
        return self.session.client("cloudwatch", config=CLIENT)

    @cached_property
    def events(self) -> EventBridgeClient:
        return self.session.client("events", config=CLIENT)

    @cached_property
    def sts(self) -> STSClient:
        return self.session.client("sts", config=CLIENT)


def open_site(platform: Platform, code: str, own: boto3.Session | None = None) -> tuple[Site, Clients]:
    """A country in its account, found by the credentials of its profile, and clients for it.

    Args:
        own: a session to use instead of the country's.

    Raises:
        ConfigError: the country has no `emr`, no region is known, names overlap, or the credentials are of another account.
        DeploymentFailed: AWS refuses, or does not answer.
    """
    country = platform.country(code)
    if code not in deployable(platform):
        raise ConfigError(f"countries.{code}.emr is missing: without a cluster there is nothing to deploy for {code}")
    clients = Clients(own or session(deployer(country.aws)))
    region = clients.session.region_name
    if not region:
        raise ConfigError(f"countries.{code}.aws.region is missing, and the profile has none: say where {code} is deployed")
    with aws_errors(f"whose credentials these are (for {code})"):
        identity = clients.sts.get_caller_identity()
    wanted = country.deploy.account
    if wanted is not None and identity["Account"] != wanted:
        raise ConfigError(
            f"the credentials for {code} are of account {identity['Account']} ({identity['Arn']}), and countries.{code}.deploy.account is "
            f"{wanted}: choose the right profile (countries.{code}.aws.profile), or correct the account"
        )
    return Site(platform, country, identity["Account"], region, identity["Arn"].split(":")[1]), clients


@contextlib.contextmanager
def aws_errors(what: str) -> Iterator[None]:
    """Raise what boto3 raises as an error of the deployment that says what was being done.

    Raises:
        DeploymentFailed: AWS refuses, throttles or does not answer; says what to do.
    """
    try:
        yield
    except ClientError as error:
        raise DeploymentFailed(f"{what}: {told(error)}{_advice(error)}") from error
    except (NoCredentialsError, NoRegionError) as error:
        raise DeploymentFailed(f"{what}: {error}: set the country's aws.profile and aws.region, or AWS_PROFILE") from error
    except BotoCoreError as error:
        raise DeploymentFailed(f"{what}: AWS does not answer: {error}; run the same command again") from error


def code_of(error: ClientError) -> str:
    """The error's code in AWS' words."""
    return str(error.response["Error"].get("Code", ""))


def told(error: ClientError) -> str:
    return f"{error.response['Error'].get('Message', '')} ({code_of(error)})"


def _advice(error: ClientError) -> str:
    code, status = code_of(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    if "Throttl" in code or code in ("TooManyRequests", "RequestLimitExceeded", "SlowDown") or status == 429:
        return "; AWS slows its callers down: run the same command again in a minute"
    if status >= 500:
        return "; AWS has a fault of its own: run the same command again"
    if code in DENIED or status == 403:
        return f'; these credentials may not call {error.operation_name}: use a profile that may (deploy/README.md, "Rights")'
    return ""
