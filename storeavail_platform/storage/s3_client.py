"""boto3's client for S3: how patient it is, where the bucket is, what it signs with, and what its errors mean for the warehouse."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError

from storeavail_platform.aws.refusals import may_pass, told
from storeavail_platform.aws.sessions import CLIENT
from storeavail_platform.domain.errors import StorageRefused, StorageUnavailable, WarehouseError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

S3_CLIENT = CLIENT.merge(Config(read_timeout=15, retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=64))
"""S3 slows its callers down while a prefix grows: standard mode waits longer each time."""
AWS_S3 = re.compile(r"https://s3(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?")
BUCKET_REGION = "x-amz-bucket-region"


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
        if may_pass(error):
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
        StorageRefused: a right is missing.
        WarehouseError: it says no for another reason; the message tells the likely cause.
    """
    try:
        yield
    except ClientError as error:
        if may_pass(error):
            raise StorageUnavailable(f"{place}: S3 does not serve it now: {told(error)}") from error
        is_refused = error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        raise (StorageRefused if is_refused else WarehouseError)(f"{place}: {told(error)}{_s3_cause(error)}") from error
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
