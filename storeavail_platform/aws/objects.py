"""Single objects of S3 by their address: a configuration, a code zip. What is done with a warehouse on S3 is `storage/s3.py`."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from storeavail_platform.aws.refusals import told
from storeavail_platform.aws.sessions import CLIENT, OWN_IDENTITY, Identity, session
from storeavail_platform.domain.addresses import split_s3


def read_object(url: str, aws: Identity = OWN_IDENTITY) -> bytes:
    """The bytes of `s3://bucket/key`.

    Raises:
        FileNotFoundError: no such bucket or key.
        PermissionError: it may not be read.
        OSError: any other reason.
    """
    bucket, key = split_s3(url)
    try:
        return session(aws).client("s3", config=CLIENT).get_object(Bucket=bucket, Key=key)["Body"].read()
    except (BotoCoreError, ClientError) as error:
        raise _os_error(url, error) from None


def _os_error(url: str, error: BotoCoreError | ClientError) -> OSError:
    if not isinstance(error, ClientError):
        return OSError(f"{url}: {error}")
    kind = {404: FileNotFoundError, 403: PermissionError}.get(error.response["ResponseMetadata"]["HTTPStatusCode"], OSError)
    return kind(f"{url}: {told(error)}")
