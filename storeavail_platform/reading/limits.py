"""The limits of one access: rows, time and memory, and what is said when one is reached. No query
here.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from storeavail_platform.domain.errors import QueryStopped

MEMORY = 2_000_000_000
"""Bytes that one access of an analyst works in, and that its result may have, unless it is given
more.
"""


@dataclass(frozen=True)
class Limits:
    """What one query may take; None is no limit.

    Attributes:
        max_rows: of the result.
        timeout: from planning to the last row.
        memory: bytes that the engine works in, beyond which it spills to a private folder, and
            bytes of the result.
    """

    max_rows: int | None = None
    timeout: timedelta | None = None
    memory: int | None = None


class Room:
    """Counts the bytes of a result as it comes."""

    def __init__(self, memory: int | None) -> None:
        self.memory = memory
        self.taken = 0

    def take(self, size: int) -> None:
        """Take room for so many bytes.

        Raises:
            QueryStopped: there is no more.
        """
        self.taken += size
        if self.memory is not None and self.taken > self.memory:
            raise too_large(self.memory)


@contextlib.contextmanager
def interrupting(interrupt: Callable[[], None], timeout: timedelta | None) -> Iterator[None]:
    """Call `interrupt`, from another thread, if the block takes longer than its time.

    It is not called after the block has ended. Without a timeout it is never called.
    """
    if timeout is None:
        yield
        return
    timer = threading.Timer(timeout.total_seconds(), interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def too_many_rows(max_rows: int) -> QueryStopped:
    return QueryStopped(
        f"there are more than {max_rows:,} rows, the limit: narrow it down, aggregate it, or raise"
        " the limit"
    )


def too_slow(timeout: timedelta, what: str = "the query") -> QueryStopped:
    return QueryStopped(f"{what} took longer than its limit of {timeout.total_seconds():g} s")


def too_large(memory: int) -> QueryStopped:
    """The error of a query, or a result, that needs more memory than it may take."""
    return QueryStopped(
        f"the query needs more memory than its limit of {memory / 1e6:,.0f} MB: narrow it down,"
        " aggregate it, or raise the limit"
    )
