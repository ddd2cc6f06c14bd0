"""A seeded schedule of faults, and what each of them does to the servers.

Which windows run when, and what has to hold, is `test_storm.py`.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from storeavail_testing.proxy import Fault, Proxy

DELAY_SECONDS = 0.5
DISK, RUN = "disk", "run"
POSTGRES, ELASTICSEARCH, METASTORE = "postgres", "elasticsearch", "metastore"
KINDS: Sequence[tuple[str, str]] = (
    (POSTGRES, "killed"),
    (POSTGRES, "killed while it answers"),
    (POSTGRES, "cut"),
    (POSTGRES, "corrupted"),
    (POSTGRES, "delayed"),
    (ELASTICSEARCH, "killed"),
    (ELASTICSEARCH, "killed while it answers"),
    (ELASTICSEARCH, "cut"),
    (ELASTICSEARCH, "corrupted"),
    (ELASTICSEARCH, "delayed"),
    (METASTORE, "killed"),
    (METASTORE, "killed while it answers"),
    (METASTORE, "cut"),
    (METASTORE, "delayed"),
    (DISK, "full"),
    (RUN, "killed"),
    (RUN, "killed"),
    (RUN, "absent"),
)
KILL_POINTS = (
    ("before", "part-raw_online_index"),
    ("before", "online_index/manifest.json"),
    ("after", "online_index/manifest.json"),
    ("after", "part-raw_store_hours"),
    ("before", "stores/current.json"),
    ("after", "expected_schedules/data"),
    ("after", "store_availability/current.json"),
    ("before", "/due"),
    ("before", "windows/"),
    ("after", "windows/"),
)
"""Where a run dies: `killed.py` says what the two words mean."""


@dataclass(frozen=True)
class Trouble:
    """A fault of the schedule.

    Attributes:
        target, what: one of `KINDS`.
        country: whose connection or run it strikes; a server that is killed, and the disk, are
            everyone's.
        windows: how many windows it lasts; 0: over before the window that it strikes is.
        position: where in an answer (bytes) or in a run (of `KILL_POINTS`) it strikes.
    """

    target: str
    what: str
    country: str
    windows: int
    position: int

    def __str__(self) -> str:
        return f"{self.target} {self.what}"


def schedule(
    seed: int, windows: int, countries: Sequence[str], kinds: Sequence[tuple[str, str]] = KINDS
) -> list[list[Trouble]]:
    """The troubles that begin in each window.

    The first window is calm, and every kind comes before one comes again.
    """
    chance = random.Random(seed)
    bag: list[tuple[str, str]] = []
    begun: list[list[Trouble]] = [[] for _ in range(windows)]
    busy_until: dict[str, int] = {}
    for number in range(1, windows):
        for _ in range(chance.choice((1, 1, 2))):
            if not bag:
                bag = chance.sample(kinds, len(kinds))
            target, what = bag[-1]
            if busy_until.get(target, 0) >= number:
                continue
            bag.pop()
            lasts = 0 if target == RUN else chance.choice((0, 0, 1, 2))
            busy_until[target] = number + lasts
            begun[number].append(
                Trouble(target, what, chance.choice(countries), lasts, chance.randrange(10_000))
            )
    return begun


class Killable(Protocol):
    """A server of the tests' own."""

    def start(self) -> None: ...

    def kill(self) -> None: ...


@dataclass
class Servers:
    """What can be struck: servers, the proxies before them by country (the metastore's is
    everyone's), and the disk.
    """

    servers: Mapping[str, Killable]
    proxies: Mapping[tuple[str, str], Proxy]
    disk: Path | None

    def strike(self, trouble: Trouble) -> Callable[[], None]:
        """Begin a trouble; gives what ends it."""
        if trouble.target == DISK:
            return self._fill()
        if trouble.target == RUN:
            return lambda: None
        server = self.servers[trouble.target]
        if trouble.what == "killed":
            server.kill()
            return server.start
        proxy = self.proxies[trouble.target, trouble.country]
        killed = threading.Event()
        lock = threading.Lock()

        def kill() -> None:
            with lock:
                if not killed.is_set():
                    server.kill()
                    killed.set()

        released = threading.Event()
        timer = threading.Timer(DELAY_SECONDS, released.set)
        at = 1 + trouble.position % max(proxy.carried, 1)
        faults = {
            "killed while it answers": Fault(cut_after=at, then=kill),
            "cut": Fault(cut_after=at),
            "corrupted": Fault(corrupt_after=at - 1),
            "delayed": Fault(hold=released),
        }
        proxy.fault = faults[trouble.what]
        if trouble.what == "delayed":
            timer.start()

        def lift() -> None:
            proxy.fault = Fault()
            released.set()
            with lock:
                if killed.is_set():
                    server.start()

        return lift

    def _fill(self) -> Callable[[], None]:
        assert self.disk is not None
        filler = self.disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        return filler.unlink
