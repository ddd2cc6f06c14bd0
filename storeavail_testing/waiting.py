"""Waiting for what another process or thread does: asked again and again, with an end.

A test calls `wait_for` in place of a sleep, and then asserts on what it found.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

SECONDS = 60.0
PAUSE_SECONDS = 0.1

Found = TypeVar("Found")


def wait_for(what: str, look: Callable[[], Found | None], seconds: float = SECONDS) -> Found:
    """What `look` finds, asked until it is something true.

    Args:
        what: named in the error, as in "the step's process is gone".
        look: what it raises ends the waiting.

    Raises:
        TimeoutError: it is not there after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() >= deadline:
            raise TimeoutError(
                f"waited {seconds:g} s in vain: {what}; the last look found {found!r}"
            )
        time.sleep(PAUSE_SECONDS)
    return found
