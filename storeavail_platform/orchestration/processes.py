"""Which process a run is, and whether it is gone: a tag of the run names host, boot, process id and
start time; and what a process that has runs finds in its environment.

Ids are used again, by the next boot or after some thousand processes; with its start time one names
a process for ever. Of a run on another host nothing is known here.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROCESS_TAG = "storeavail/process"
EVENT_BATCHES = {"DAGSTER_EVENT_BATCH_SIZE": "200"}
"""With it Dagster stores at once, not one by one, what it plans that a run will make."""
PROC = Path("/proc")
ENDED_STATES = {"Z", "X"}
"""A process that is dead, and only waits for its parent to ask how it ended."""


@dataclass(frozen=True)
class RunProcess:
    """The process of a run.

    Attributes:
        host: the machine's name.
        boot: of this boot of the machine; empty where the system does not tell.
        pid: None while the run is only on its way to a process.
        started: when the process started, in the system's own form.
    """

    host: str
    boot: str
    pid: int | None = None
    started: str = ""

    @classmethod
    def own(cls) -> RunProcess:
        """This process."""
        return cls.of_pid(os.getpid())

    @classmethod
    def of_pid(cls, pid: int) -> RunProcess:
        """A process of this machine."""
        return cls(socket.gethostname(), boot(), pid, start_of(pid) or "")

    @classmethod
    def to_come(cls) -> RunProcess:
        """One that is being started on this machine."""
        return cls(socket.gethostname(), boot())

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> RunProcess | None:
        """The process that a run's tags name, or None: none, or by a later release."""
        fields = tags.get(PROCESS_TAG, "").split(" ", 3)
        if len(fields) != 4 or not (fields[2] == "-" or fields[2].isdecimal()):
            return None
        host, of_boot, pid, started = (text.removeprefix("-") for text in fields)
        return cls(host, of_boot, int(pid) if pid else None, started)

    def __str__(self) -> str:
        return f"{self.host} {self.boot or '-'} {self.pid or '-'} {self.started or '-'}"

    @property
    def is_here(self) -> bool:
        """Whether it is one of this machine, so that something is known of it."""
        return self.host == socket.gethostname()

    @property
    def is_gone(self) -> bool:
        """Whether it is known to be gone."""
        if not self.is_here:
            return False
        if self.boot != boot():
            return True
        return self.pid is not None and start_of(self.pid) != self.started

    @property
    def tags(self) -> dict[str, str]:
        """The tag of its run."""
        return {PROCESS_TAG: str(self)}


def boot() -> str:
    """What tells this boot of the machine from every other; empty where the system does not
    tell.
    """
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def start_of(pid: int) -> str | None:
    """When a living process started, in the system's own form; None: there is none."""
    if not PROC.is_dir():
        command = ["ps", "-o", "lstart=", "-p", str(pid)]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        return said.strip() or None
    try:
        # the name before may hold spaces and brackets
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    state, started = fields[0], fields[19]
    return None if state in ENDED_STATES else started
