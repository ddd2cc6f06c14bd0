"""One `storeavail up` a warehouse: a file at its root names the process that has it.

    up.json    {"process": "host boot pid start", "seen": "2026-11-23T10:15:00+00:00"}

Two would run every window twice. On one machine the process itself says whether it is alive, so
that after a crash or a reboot the next one begins at once; of another machine only how long ago it
was last seen.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from storeavail_platform.domain.clock import Clock
from storeavail_platform.domain.errors import WarehouseHeld
from storeavail_platform.orchestration.processes import PROCESS_TAG, RunProcess
from storeavail_platform.storage.json_files import read_json
from storeavail_platform.storage.local import Storage

HOLDER_FILE = "up.json"
FRESH = timedelta(minutes=3)
"""Of another machine: seen within it, it is taken for alive."""


@dataclass(frozen=True)
class Holder:
    """Who has a warehouse.

    Attributes:
        process: as `RunProcess` writes it.
        seen: when it last said so (UTC).
    """

    process: str
    seen: datetime

    def is_alive(self, now: datetime) -> bool:
        process = RunProcess.of({PROCESS_TAG: self.process})
        if process is None:
            return False
        return not process.is_gone if process.is_here else now - self.seen < FRESH


CONTENT = TypeAdapter(Holder)


class Hold:
    """A warehouse, held by this process."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self.storage = storage
        self.clock = clock
        self.process = str(RunProcess.own())

    def take(self) -> None:
        """Have it, or say who has.

        Raises:
            WarehouseHeld: a living process has it.
        """
        self._refuse_other()
        self.storage.delete(HOLDER_FILE)
        # of two that begin at once one makes the file, and the other is refused by it
        if not self.storage.create(HOLDER_FILE, self._content()):
            self._refuse_other()

    def renew(self) -> None:
        """Say that this process is alive.

        Raises:
            WarehouseHeld: another one has it, because this one was not seen for long.
        """
        self._refuse_other()
        self.storage.replace(HOLDER_FILE, self._content())

    def leave(self) -> None:
        holder = self._holder()
        if holder is not None and holder.process == self.process:
            self.storage.delete(HOLDER_FILE)

    def _holder(self) -> Holder | None:
        return read_json(
            self.storage,
            HOLDER_FILE,
            CONTENT,
            "the file that says who has this warehouse",
            "delete it",
        )

    def _content(self) -> bytes:
        return CONTENT.dump_json(Holder(self.process, self.clock()))

    def _refuse_other(self) -> None:
        holder = self._holder()
        if holder is None or holder.process == self.process or not holder.is_alive(self.clock()):
            return
        process = RunProcess.of({PROCESS_TAG: holder.process})
        assert process is not None
        raise WarehouseHeld(
            f"`storeavail up` runs already for {self.storage.path()}: process {process.pid} on"
            f" {process.host}, seen at {holder.seen:%Y-%m-%d %H:%M:%S} UTC. End that one first; if"
            f" that machine is gone for good, wait {FRESH.seconds // 60} minutes"
        )


@contextlib.contextmanager
def held(storage: Storage, clock: Clock) -> Iterator[Hold]:
    """The warehouse is this process' within the context.

    Raises:
        WarehouseHeld: a living process has it.
    """
    hold = Hold(storage, clock)
    hold.take()
    try:
        yield hold
    finally:
        hold.leave()
