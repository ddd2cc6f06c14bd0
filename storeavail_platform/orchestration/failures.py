"""How the platform's errors end a step: what may pass is tried again, anything else stops at once. Errors nobody foresaw are not retried."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import dagster as dg

from storeavail_platform.domain.errors import StoreAvailError

RETRIES = 2
RETRY_SECONDS = 5.0


@contextlib.contextmanager
def as_failures(*, retry: bool = True) -> Iterator[None]:
    """Turn the platform's errors into Dagster failures, and those that may pass into a request to retry the step.

    Args:
        retry: False where the work inside has retries of its own.
    """
    try:
        yield
    except StoreAvailError as error:
        failure = dg.Failure(description=str(error), metadata={"error": type(error).__name__}, allow_retries=error.may_pass)
        if retry and error.may_pass:
            raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=RETRY_SECONDS) from failure
        raise failure from error
