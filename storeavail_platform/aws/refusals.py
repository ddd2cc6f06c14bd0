"""What AWS's refusals mean: whether they may pass."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError


def may_pass(error: ClientError | BotoCoreError) -> bool:
    """Whether trying again may help: AWS is down, does not answer, or throttles."""
    if not isinstance(error, ClientError):
        return isinstance(error, AwsConnectionError | HTTPClientError)
    status, code = (
        error.response["ResponseMetadata"]["HTTPStatusCode"],
        error.response["Error"]["Code"],
    )
    return status >= 500 or status == 429 or code == "RequestTimeout" or "Throttl" in code
