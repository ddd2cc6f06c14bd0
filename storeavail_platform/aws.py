"""Calls to AWS: sessions, secrets, S3 clients, alerts, metrics, and what their errors mean. The only importer of boto3 (`emr/` excepted).

What is done with files on S3 is `warehouse/s3.py`. boto3's own `AWS_ENDPOINT_URL` points all of it elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
    ReadOnlyCredentials,
)
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ProfileNotFound
from botocore.exceptions import ConnectionError as AwsConnectionError

from storeavail_platform.config.values import S3, Aws
from storeavail_platform.errors import ChannelFailed, ConfigError, SourceUnavailable, StorageUnavailable, WarehouseError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CLIENT = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3})
S3_CLIENT = CLIENT.merge(Config(read_timeout=15, retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=64))
"""S3 slows its callers down while a prefix grows: standard mode waits longer each time."""
ALERT_CLIENT = CLIENT.merge(Config(read_timeout=8, retries={"mode": "standard", "total_max_attempts": 2}))
"""A sensor tick has 60 seconds; what was not sent in one is sent in the next."""
SUBJECT_LIMIT = 100
"""SNS: ASCII, one line, at most this long."""
METRICS = "storeavail"
WINDOW_AGE = "WindowAge"
ROLE_SESSION_NAME = "storeavail"
AWS_S3 = re.compile(r"https://s3(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?")
BUCKET_REGION = "x-amz-bucket-region"


def session(aws: Aws) -> boto3.Session:
    """A session with the profile, region and role of a country. An assumed role renews itself before it expires.

    Raises:
        ConfigError: no such profile, or no credentials to assume the role with.
    """
    try:
        base = boto3.Session(profile_name=aws.profile, region_name=aws.region)
    except ProfileNotFound as error:
        raise ConfigError(f"aws.profile: {error}") from None
    if aws.assume_role is None:
        return base
    credentials = base.get_credentials()
    if credentials is None:
        raise ConfigError(f"aws.assume_role: no AWS credentials were found to assume {aws.assume_role} with")
    assumed = botocore.session.Session(profile=aws.profile)
    fetcher = AssumeRoleCredentialFetcher(
        base._session.create_client, credentials, aws.assume_role, extra_args={"RoleSessionName": ROLE_SESSION_NAME}
    )
    assumed.register_component("credential_provider", CredentialResolver([_AssumedRole(fetcher)]))
    return boto3.Session(botocore_session=assumed, region_name=base.region_name)


class _AssumedRole(CredentialProvider):
    METHOD = "assume-role"

    def __init__(self, fetcher: AssumeRoleCredentialFetcher) -> None:
        super().__init__()
        self._fetcher = fetcher

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(self._fetcher.fetch_credentials, self.METHOD)


def read_secret(aws: Aws, name: str, json_key: str | None = None) -> str:
    """A secret of AWS Secrets Manager, or one value of a secret that is a JSON object.

    Raises:
        ConfigError: it is not there, may not be read, or is not JSON with this key. Messages never hold its value.
        SourceUnavailable: Secrets Manager does not answer, or not now.
    """
    place = f"AWS secret {name}"
    try:
        answer = session(aws).client("secretsmanager", config=CLIENT).get_secret_value(SecretId=name)
    except ClientError as error:
        raise (SourceUnavailable if _may_pass(error) else ConfigError)(f"{place}: {_told(error)}") from None
    except (AwsConnectionError, HTTPClientError) as error:
        raise SourceUnavailable(f"{place}: Secrets Manager does not answer: {error}") from None
    except BotoCoreError as error:
        raise ConfigError(f"{place}: {error}") from None
    text: str = answer["SecretString"] if "SecretString" in answer else answer["SecretBinary"].decode()
    if json_key is None:
        return text
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    value = values.get(json_key) if isinstance(values, dict) else None
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ConfigError(f"{place}: it is not a JSON object with a text {json_key!r}; correct the part after # or the secret")
    return str(value)


def read_object(url: str, aws: Aws | None = None) -> bytes:
    """The bytes of `s3://bucket/key`.

    Raises:
        FileNotFoundError: no such bucket or key.
        PermissionError: it may not be read.
        OSError: any other reason.
    """
    bucket, key = _split(url)
    try:
        return session(aws or Aws()).client("s3", config=CLIENT).get_object(Bucket=bucket, Key=key)["Body"].read()
    except (BotoCoreError, ClientError) as error:
        raise _os_error(url, error) from None


def publish(aws: Aws, topic: str, subject: str, text: str) -> None:
    """Send a message to an SNS topic by its ARN.

    Raises:
        ChannelFailed: SNS does not answer, or refuses; the message tells why.
        ConfigError: see `session`.
    """
    line = " ".join(subject.encode("ascii", "replace").decode().split())[:SUBJECT_LIMIT]
    region = topic.split(":")[3]
    try:
        client = session(aws).client("sns", region_name=region, config=ALERT_CLIENT)
        client.publish(TopicArn=topic, Subject=line, Message=text)
    except ClientError as error:
        raise ChannelFailed(f"SNS topic {topic}: {_told(error)}; the role needs sns:Publish on it") from None
    except BotoCoreError as error:
        raise ChannelFailed(f"SNS topic {topic}: {error}") from None


def put_window_age(aws: Aws, country: str, seconds: float) -> None:
    """Put the age of a country's newest observation into CloudWatch: `storeavail/WindowAge`, seconds, dimension Country.

    Raises:
        ChannelFailed: CloudWatch does not answer, or refuses.
        ConfigError: see `session`.
    """
    try:
        session(aws).client("cloudwatch", config=ALERT_CLIENT).put_metric_data(
            Namespace=METRICS,
            MetricData=[
                {
                    "MetricName": WINDOW_AGE,
                    "Dimensions": [{"Name": "Country", "Value": country}],
                    "Value": seconds,
                    "Unit": "Seconds",
                }
            ],
        )
    except ClientError as error:
        raise ChannelFailed(
            f"CloudWatch metric {WINDOW_AGE} of {country}: {_told(error)}; the role needs cloudwatch:PutMetricData"
        ) from None
    except BotoCoreError as error:
        raise ChannelFailed(f"CloudWatch metric {WINDOW_AGE} of {country}: {error}") from None


def s3_client(session: boto3.Session) -> S3Client:
    """A client for S3; many threads may use it."""
    return session.client("s3", config=S3_CLIENT)


def s3_endpoint(client: S3Client) -> str | None:
    """The address of S3 that boto3 was told to use (`AWS_ENDPOINT_URL`, a profile), or None for AWS's own."""
    return None if AWS_S3.fullmatch(client.meta.endpoint_url) else client.meta.endpoint_url


def s3_region(client: S3Client, bucket: str) -> str:
    """The region that a bucket is in, which S3 tells also to those who may not use it; boto3's own where it does not."""
    try:
        headers = client.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]
    except ClientError as error:
        if _may_pass(error):
            raise
        headers = error.response["ResponseMetadata"]["HTTPHeaders"]
    return headers.get(BUCKET_REGION, client.meta.region_name)


def frozen_credentials(session: boto3.Session) -> ReadOnlyCredentials | None:
    """What the session signs with now, renewed first if it expires within minutes; None where there is nothing to sign with."""
    credentials = session.get_credentials()
    return None if credentials is None else credentials.get_frozen_credentials()


@contextlib.contextmanager
def s3_errors(place: str) -> Iterator[None]:
    """Raise what boto3 raises about `place` as errors of the warehouse.

    Raises:
        StorageUnavailable: S3 does not answer, or not now.
        WarehouseError: it says no; the message tells the likely cause.
    """
    try:
        yield
    except ClientError as error:
        if _may_pass(error):
            raise StorageUnavailable(f"{place}: S3 does not serve it now: {_told(error)}") from error
        raise WarehouseError(f"{place}: {_told(error)}{_s3_cause(error)}") from error
    except (AwsConnectionError, HTTPClientError) as error:
        raise StorageUnavailable(
            f"{place}: S3 does not answer: {error}; check the network, and AWS_ENDPOINT_URL if it is set"
        ) from error
    except BotoCoreError as error:
        raise WarehouseError(f"{place}: {error}") from error


def _s3_cause(error: ClientError) -> str:
    if error.response["Error"]["Code"] == "NoSuchBucket":
        return "; create the bucket, or correct `warehouse`"
    if error.response["ResponseMetadata"]["HTTPStatusCode"] == 403:
        return (
            "; the role needs s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload below this prefix and s3:ListBucket "
            "on the bucket, without which files that are not there are denied too"
        )
    return ""


def _may_pass(error: ClientError) -> bool:
    status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return status >= 500 or status == 429 or code == "RequestTimeout" or "Throttl" in code


def _split(url: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix(S3).partition("/")
    if not url.startswith(S3) or not bucket or not key:
        raise ValueError(f"{url!r} is not of the form s3://bucket/key")
    return bucket, key


def _told(error: ClientError) -> str:
    return f"{error.response['Error'].get('Message', '')} ({error.response['Error']['Code']})"


def _os_error(url: str, error: BotoCoreError | ClientError) -> OSError:
    if not isinstance(error, ClientError):
        return OSError(f"{url}: {error}")
    kind = {404: FileNotFoundError, 403: PermissionError}.get(error.response["ResponseMetadata"]["HTTPStatusCode"], OSError)
    return kind(f"{url}: {_told(error)}")
