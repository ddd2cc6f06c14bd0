"""The limits of one access: rows, time and memory, and what is said when one is reached. No query
here.
"""

from __future__ import annotations

import contextlib
import resource
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

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


class _Ceiling:
    """What this process may take at most while accesses go on; as before when the last is over."""

    STATUS = Path("/proc/self/status")
    BESIDE = 256_000_000
    """Bytes for what is no access's: libraries that are loaded late, stacks of threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.accesses = 0
        self.before = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    def begin(self, memory: int) -> None:
        with self.lock:
            self.accesses += 1
            if self.accesses == 1:
                self.before = resource.getrlimit(resource.RLIMIT_DATA)
                soft, hard = self.before
                ceiling = self._taken() + memory + self.BESIDE
                if soft == resource.RLIM_INFINITY or ceiling < soft:
                    resource.setrlimit(resource.RLIMIT_DATA, (ceiling, hard))

    def end(self) -> None:
        with self.lock:
            self.accesses -= 1
            if self.accesses == 0:
                resource.setrlimit(resource.RLIMIT_DATA, self.before)

    def _taken(self) -> int:
        """Bytes of this process' own data."""
        lines = self.STATUS.read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmData:"))


_ceiling = _Ceiling()


@contextlib.contextmanager
def memory_bounded(memory: int | None) -> Iterator[None]:
    """Have the system refuse what goes far beyond an access's limit: its engine and its result may
    take that much each. DuckDB does not count what a single value takes, such as `repeat('x', n)`.

    Only Linux does that; elsewhere the engine's own limit is all. Several accesses at once share
    the first one's.
    """
    if memory is None or not _Ceiling.STATUS.exists():
        yield
        return
    _ceiling.begin(2 * memory)
    try:
        yield
    finally:
        _ceiling.end()


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
