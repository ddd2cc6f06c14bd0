"""The release before this one, as its commit has it: what it wrote is read here, and what is
written here it reads.

`BEFORE` is the one place that names it; a new release moves it to the one that it replaces.
"""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from storeavail_testing.processes import CACHE, REPOSITORY

BEFORE = "408acfd64df69ceb8449f41692295b36a17ab73b"
"""The commit of 0.1.0."""
BEFORE_CLI = "storeavail_platform.cli"
BEFORE_EXECUTE = "storeavail_platform.automation.execute"
NOW_CLI = "storeavail_platform.commands.cli"
NOW_EXECUTE = "storeavail_platform.orchestration.execute"
PACKAGE = "storeavail_platform"
LONGEST_COMMAND_SECONDS = 1200


class HistoryMissing(Exception):
    """The commit of the release before is not there: a shallow clone, or no clone at all."""


@dataclass(frozen=True)
class Release:
    """A release's code, run by this environment's Python.

    Attributes:
        cli, execute: modules of the command, and of a country's process.
        path: where its package lies; None for the code that is tested.
    """

    cli: str
    execute: str
    path: Path | None = None

    def python(
        self, *arguments: str, cwd: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run its Python with arguments, and fail with all that it said where it fails."""
        path = {} if self.path is None else {"PYTHONPATH": str(self.path)}
        done = subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, **environment, **path},
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=LONGEST_COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, (
            f"{done.returncode} of {self} {arguments}\n{done.stdout}\n{done.stderr}"
        )
        return done


NOW = Release(NOW_CLI, NOW_EXECUTE)


def before() -> Release:
    """The release before, its package unpacked in the cache folder.

    Raises:
        HistoryMissing: git, or the commit, is not there.
    """
    return Release(BEFORE_CLI, BEFORE_EXECUTE, _unpacked(BEFORE))


def _unpacked(commit: str) -> Path:
    target = CACHE / "releases" / commit
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            scratch = target.with_suffix(f".{os.getpid()}")
            with tarfile.open(fileobj=io.BytesIO(_archive(commit))) as files:
                files.extractall(scratch, filter="data")
            scratch.replace(target)
    return target


def _archive(commit: str) -> bytes:
    """The package as a tar file."""
    if shutil.which("git") is None:
        raise HistoryMissing("git is not installed")
    command = ["git", "-C", str(REPOSITORY), "archive", commit, PACKAGE]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        output_text = done.stderr.decode(errors="replace").strip()
        raise HistoryMissing(f"a whole clone has {commit}, this checkout has not ({output_text})")
    return done.stdout
