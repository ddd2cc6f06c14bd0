"""Stops the demo's PostgreSQL when the command that used it is over, however it ended: run as a
program beside each command, with a pipe that the command alone holds as its input.

    python stopping.py USERS STARTING USER PG_CTL DATA

A line in the pipe before its end says that the command ended by itself. Only Python's standard
library, so that it starts in milliseconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import sys
import time
from pathlib import Path

KILLED_SECONDS = 3.0
"""How long the system may take to free the lock of a killed command."""
PAUSE_SECONDS = 0.1


def main(users: str, starting: str, user: str, pg_ctl: str, data: str) -> None:
    """Wait for the end of the input; stop the server unless another command uses it."""
    ended_by_itself = bool(sys.stdin.buffer.read())
    deadline = time.monotonic() + (0.0 if ended_by_itself else KILLED_SECONDS)
    with Path(users).open("a") as shared, Path(starting).open("a") as one_at_a_time:
        while True:
            fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(shared, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _stop(user, pg_ctl, data)
                return
            fcntl.flock(one_at_a_time, fcntl.LOCK_UN)
            if time.monotonic() >= deadline:
                return
            time.sleep(PAUSE_SECONDS)


def _stop(user: str, pg_ctl: str, data: str) -> None:
    nowhere = subprocess.DEVNULL
    subprocess.run(
        [pg_ctl, "-D", data, "-w", "-t", "20", "-m", "fast", "stop"],
        user=user or None,
        cwd=data,
        stdin=nowhere,
        stdout=nowhere,
        stderr=nowhere,
        check=False,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
