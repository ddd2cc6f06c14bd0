"""Single objects of S3 by their address: a configuration, a code zip.

What is done with a warehouse on S3 is `storage/s3.py`.
"""

from __future__ import annotations

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from storeavail_platform.aws.sessions import CLIENT, Identity, session
from storeavail_platform.domain.addresses import split_s3


def read_object(url: str, aws: Identity | None = None) -> bytes:
    """The bytes of `s3://bucket/key`.

    Args:
        aws: whose rights to use; by default this process' own.

    Raises:
        FileNotFoundError: no such bucket or key.
        PermissionError: it may not be read.
        OSError: any other reason.
    """
    bucket, key = split_s3(url)
    own = boto3.Session() if aws is None else session(aws)
    try:
        return own.client("s3", config=CLIENT).get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        kind = {404: FileNotFoundError, 403: PermissionError}.get(status, OSError)
        raise kind(f"{url}: {error}") from None
    except BotoCoreError as error:
        raise OSError(f"{url}: {error}") from None
