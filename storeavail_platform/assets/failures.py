"""How the platform's errors become Dagster failures: what may pass is retried, anything else stops at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import dagster as dg

from storeavail_platform.errors import StoreAvailError

RETRY_POLICY = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


def failure(error: StoreAvailError) -> dg.Failure:
    """The Dagster failure of an error; retries are allowed if the error may pass."""
    return dg.Failure(
        description=str(error), metadata={"error": type(error).__name__}, allow_retries=error.may_pass
    )


@contextlib.contextmanager
def as_failures() -> Iterator[None]:
    """Turn the platform's errors into Dagster failures."""
    try:
        yield
    except StoreAvailError as error:
        raise failure(error) from error
