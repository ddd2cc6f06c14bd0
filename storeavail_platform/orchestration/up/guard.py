"""A process that ends with the one that started it, and everything that it starts with it.

Between the two stands this file, run as a program: it holds the reading end of a pipe whose other
end its starter alone has. The system closes that however the starter ends, SIGKILL included. Then,
or when it is told to end, the guard interrupts the whole group, and kills after a while what is
left. It ends when nothing of the group runs, with the exit code of the process.

Only Python's standard library, so that it starts in milliseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pkgutil
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

PATIENCE_SECONDS = 20.0
"""How long what is interrupted may take to end by itself: a run tells Dagster that it was."""
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LOOK_SECONDS = 0.05
SET_PDEATHSIG, SET_CHILD_SUBREAPER = 1, 36
"""Of Linux' prctl."""


@contextlib.contextmanager
def guarded(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """A running process in a session of its own. At the end of the context, or when this process
    is gone, it is ended with all that it has started; `returncode` is there then.

    Yields:
        The guard's process; its exit code is that of the command, or 128 + the signal's number.
    """
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", *_program(), str(reading), *command],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(reading, *pass_fds),
            start_new_session=True,
        )
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    try:
        yield process
    finally:
        os.close(writing)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _program() -> list[str]:
    """This file as a program, also out of a zip."""
    if Path(__file__).exists():
        return [__file__]
    source = pkgutil.get_data(__package__, Path(__file__).name)
    assert source is not None, "what is running has a source"
    return ["-c", source.decode()]


def main(arguments: Sequence[str]) -> int:
    """Run a command until it ends, or the pipe does.

    Args:
        arguments: the pipe's file descriptor, and the command.
    """
    pipe, command = int(arguments[0]), arguments[1:]
    os.set_inheritable(pipe, False)
    _prctl(SET_CHILD_SUBREAPER, 1)
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking)
    for number in (*ENDING, signal.SIGCHLD):
        signal.signal(number, _noted)
    passed = [fd for fd in _open_fds() if fd > 2 and fd not in (pipe, woken, waking)]
    child = subprocess.Popen(command, pass_fds=passed, preexec_fn=_die_with_guard)
    while _is_any_left(child) and child.returncode is None:
        ready, _, _ = select.select([pipe, woken], [], [])
        if pipe in ready or any(number in ENDING for number in os.read(woken, 64)):
            break
    _end_group(child)
    code: int = child.returncode
    return code if code >= 0 else 128 - code


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """Interrupt what runs in this group, wait, kill what is left: this process then, too."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    if _is_any_left(child):
        os.killpg(0, signal.SIGTERM)
    while _is_any_left(child):
        if time.monotonic() > deadline:
            os.killpg(0, signal.SIGKILL)
        time.sleep(LOOK_SECONDS)


def _is_any_left(child: subprocess.Popen[bytes]) -> bool:
    """Whether a process runs that the command has started: orphans are this one's children."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        if pid == child.pid:
            child.returncode = os.waitstatus_to_exitcode(status)


def _noted(number: int, frame: object) -> None:
    """Wake `select`; nothing else."""


def _die_with_guard() -> None:
    _prctl(SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    """Linux' own; elsewhere what a killed guard or a daemonised process leaves stays."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _open_fds() -> list[int]:
    return [int(entry.name) for entry in Path("/dev/fd").iterdir()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
