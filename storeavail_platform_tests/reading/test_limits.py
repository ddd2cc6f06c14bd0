"""An access that takes too long is interrupted, and nothing that comes after it is."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from storeavail_platform.reading.limits import interrupting

LONG = timedelta(hours=1)
PATIENCE = 60.0
"""Seconds after which a test gives up; none waits for as long as that where the rule holds."""


def timers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def test_what_takes_too_long_is_interrupted() -> None:
    """From another thread, while the block still runs."""
    interrupted = threading.Event()
    callers: list[int] = []

    def interrupt() -> None:
        callers.append(threading.get_ident())
        interrupted.set()

    with interrupting(interrupt, timedelta(milliseconds=1)):
        assert interrupted.wait(PATIENCE)
    assert len(callers) == 1
    assert callers != [threading.get_ident()]


@pytest.mark.parametrize("timeout", [LONG, None])
def test_what_has_ended_is_not_interrupted(timeout: timedelta | None) -> None:
    """No timer is left when the block ends, by an error too: the connection may be another's by
    then.
    """
    calls: list[str] = []

    def fail() -> None:
        with interrupting(lambda: calls.append("late"), timeout):
            assert len(timers()) == (timeout is not None)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert timers() == []
    assert calls == []
