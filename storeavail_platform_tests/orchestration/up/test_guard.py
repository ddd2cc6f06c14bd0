"""A process ends with the one that started it, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storeavail_platform.orchestration.up.guard import guarded
from storeavail_testing.waiting import wait_for

FAMILY = "sleep 300 & echo $! > {folder}/a; (sleep 300 & echo $! > {folder}/b); echo $$ > {folder}/c; {then}"
"""A process with a child and with an orphan; each writes its id."""
STARTER = """
import signal, sys
# as a shell would start it, whatever the tests' own process was started with
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
from storeavail_platform.orchestration.up.guard import guarded
with guarded(["sh", "-c", sys.argv[1]]) as process:
    process.wait()
"""
STARTER_SECONDS = 60.0
"""A signal without a handler ends a process at once; more is a fault."""


def ids(folder: Path) -> list[int] | None:
    """The ids of the family, when all of them are written."""
    files = [folder / name for name in "abc"]
    if not all(file.exists() and file.read_text().strip() for file in files):
        return None
    return [int(file.read_text()) for file in files]


def living(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_its_starter(tmp_path: Path, number: signal.Signals) -> None:
    """Neither children nor orphans, also where the starter is killed and can tell nobody."""
    script = FAMILY.format(folder=tmp_path, then="wait")
    starter = subprocess.Popen([sys.executable, "-c", STARTER, script])
    family = wait_for("the family", lambda: ids(tmp_path))
    os.kill(starter.pid, number)
    starter.wait(STARTER_SECONDS)
    wait_for("its end", lambda: not living(family))


def test_what_a_process_leaves_ends_with_it(tmp_path: Path) -> None:
    """A code server that crashes leaves no runs; its exit code is known."""
    script = FAMILY.format(folder=tmp_path, then="exit 3")
    with guarded(["sh", "-c", script]) as process:
        assert process.wait() == 3
    assert living(wait_for("the family", lambda: ids(tmp_path))) == []


def test_the_end_of_the_context_is_the_end_of_the_process(tmp_path: Path) -> None:
    """What it prints is read until then."""
    script = "echo hello; " + FAMILY.format(folder=tmp_path, then="wait")
    with guarded(["sh", "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"hello\n"
        family = wait_for("the family", lambda: ids(tmp_path))
    assert process.returncode == 128 + signal.SIGTERM
    assert living(family) == []
