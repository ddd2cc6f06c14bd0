"""A country's process that kills itself at a point: `python -m
storeavail_platform_tests.end_to_end.killed POINT PATH REQUEST`.

POINT is `before` or `after`; PATH is part of a file's path. Just before, or just after, the
platform makes that file, the process gets SIGKILL,
as from the kernel: no handler runs, nothing is cleaned up.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import IO

from storeavail_platform.orchestration import execute
from storeavail_platform.storage.local import LocalStorage


def install(point: str, path: str) -> None:
    """Make the storage kill this process at the point."""
    create, replace, open_output = (
        LocalStorage.create,
        LocalStorage.replace,
        LocalStorage.open_output,
    )

    def die(when: str, relative: str) -> None:
        if when == point and path in relative:
            os.kill(os.getpid(), signal.SIGKILL)

    def killing_create(self: LocalStorage, relative: str, data: bytes) -> bool:
        die("before", relative)
        made = create(self, relative, data)
        die("after", relative)
        return made

    def killing_replace(self: LocalStorage, relative: str, data: bytes) -> None:
        die("before", relative)
        replace(self, relative, data)
        die("after", relative)

    @contextlib.contextmanager
    def killing_output(self: LocalStorage, relative: str) -> Iterator[IO[bytes]]:
        with open_output(self, relative) as stream:
            yield stream
            die("before", relative)
        die("after", relative)

    LocalStorage.create = killing_create  # type: ignore[method-assign]  # the point of this program
    LocalStorage.replace = killing_replace  # type: ignore[method-assign]
    LocalStorage.open_output = killing_output  # type: ignore[method-assign]


if __name__ == "__main__":
    install(sys.argv[1], sys.argv[2])
    execute.main(sys.argv[3])
