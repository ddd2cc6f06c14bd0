"""What AWS's refusals mean: whether they may pass, and in which words they are told."""

from __future__ import annotations

from botocore.exceptions import ClientError


def may_pass(error: ClientError) -> bool:
    """Whether trying again may help: AWS is down, or throttles."""
    status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return status >= 500 or status == 429 or code == "RequestTimeout" or "Throttl" in code


def told(error: ClientError) -> str:
    """AWS's own words, with its code."""
    return f"{error.response['Error'].get('Message', '')} ({error.response['Error']['Code']})"
