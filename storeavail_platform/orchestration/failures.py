"""How the platform's errors end a step: what may pass is tried again, anything else stops at once.

Errors that nobody foresaw are not retried.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TypeVar

import dagster as dg

from storeavail_platform.domain.errors import StoreAvailError, TablesFailed
from storeavail_platform.domain.masking import secrets_hidden

RETRIES = 2
RETRY_SECONDS = 5.0

T = TypeVar("T")


@contextlib.contextmanager
def as_failures(*, retry: bool = True) -> Iterator[None]:
    """Turn the platform's errors into Dagster failures, those that may pass into a retry request.

    Args:
        retry: False where the work inside has retries of its own.
    """
    try:
        with secrets_hidden():
            yield
    except StoreAvailError as error:
        raise_as_failure(error, retry=retry)


def raise_as_failure(error: StoreAvailError, *, retry: bool) -> None:
    """Raise an error as Dagster's, see `as_failures`."""
    tables = {"tables": list(error.tables)} if isinstance(error, TablesFailed) else {}
    failure = dg.Failure(
        description=str(error),
        metadata={"error": type(error).__name__, **tables},
        allow_retries=error.may_pass,
    )
    if retry and error.may_pass:
        raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=RETRY_SECONDS) from failure
    raise failure from error


def retried_until_first(events: Iterable[T]) -> Iterator[T]:
    """The same events; an error that may pass asks for a retry only while none of them has come.

    What comes later has been tried for long enough, and a step that is retried commits again.
    """
    has_begun = False
    try:
        with secrets_hidden():
            for event in events:
                has_begun = True
                yield event
    except StoreAvailError as error:
        raise_as_failure(error, retry=not has_begun)
