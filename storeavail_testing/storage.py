"""A warehouse's folder in which something happens at a step: it fails, the process dies, or another
process does its part meanwhile.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, NoReturn

from storeavail_platform.storage.local import LocalStorage, Name

When = Literal["before", "after"]
WRITING = ("create", "replace", "open_output")
"""What makes a file."""


@dataclass(frozen=True)
class Step:
    """One operation of a storage, about to be done or just done.

    Attributes:
        operation: the storage's method; `open_output` is done when the file is whole, and about to
            be when all is written to it.
        path: below the root.
    """

    when: When
    operation: str
    path: str


class WatchedStorage(LocalStorage):
    """A folder that tells each step; from several threads where several use it."""

    def __init__(self, root: str | Path, watch: Callable[[Step], None]) -> None:
        super().__init__(root)
        self.watch = watch

    def read(self, relative: str) -> bytes | None:
        with self._steps("read", relative):
            return super().read(relative)

    def create(self, relative: str, data: bytes) -> bool:
        with self._steps("create", relative):
            return super().create(relative, data)

    def replace(self, relative: str, data: bytes) -> None:
        with self._steps("replace", relative):
            super().replace(relative, data)

    @contextlib.contextmanager
    def open_output(self, relative: str) -> Iterator[IO[bytes]]:
        with super().open_output(relative) as stream:
            yield stream
            self.watch(Step("before", "open_output", relative))
        self.watch(Step("after", "open_output", relative))

    def names(self, relative: str, *, after: str = "") -> list[Name]:
        with self._steps("names", relative):
            return super().names(relative, after=after)

    def delete(self, relative: str) -> None:
        with self._steps("delete", relative):
            super().delete(relative)

    def delete_tree(self, relative: str) -> None:
        with self._steps("delete_tree", relative):
            super().delete_tree(relative)

    @contextlib.contextmanager
    def _steps(self, operation: str, relative: str) -> Iterator[None]:
        self.watch(Step("before", operation, relative))
        yield
        self.watch(Step("after", operation, relative))


def at(
    when: When,
    operations: tuple[str, ...],
    path: str,
    do: Callable[[], object],
    *,
    time: int = 1,
) -> Callable[[Step], None]:
    """Do something at one step.

    Args:
        path: what the step's path contains.
        time: at which of such steps, counted from 1.
    """
    times = itertools.count(1)

    def watch(step: Step) -> None:
        is_it = step.when == when and step.operation in operations and path in step.path
        # next is atomic
        if is_it and next(times) == time:
            do()

    return watch


def refuse(error: BaseException) -> Callable[[], NoReturn]:
    """What raises an error at a step."""

    def fail() -> NoReturn:
        raise error

    return fail


def die() -> None:
    """SIGKILL to this process, as from the kernel: no handler runs, nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)
