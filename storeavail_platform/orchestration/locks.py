"""Whose turn a country is, among this machine's commands: a lock file a country, held for one
window at a time and freed by the kernel however its process ends.

A second one is for who comes next: a range of windows, which takes the lock again and again, would
otherwise leave a command that waits no moment to get it. Runs of schedules are not held off by it:
they have Dagster's queue, which a range gives way to (`give_way`).
"""

from __future__ import annotations

import contextlib
import fcntl
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from dagster import DagsterInstance

from storeavail_platform.domain.errors import WindowBusy
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.runs import HOLDING, UNFINISHED, named, of_country

LOOK_SECONDS = 0.5
UNTAKEN_SECONDS = 30.0
"""How long a run may wait in the queue with nothing before it; then nothing takes runs from the
queue (no daemon), and nobody waits for it."""


@contextlib.contextmanager
def country_lock(
    home: Path, instance: DagsterInstance, country: str, window: Window
) -> Iterator[None]:
    """Hold the country for one window; wait while another command runs another window of it.

    Raises:
        WindowBusy: another command is running this very window; names its run.
    """
    folder = home / "locks"
    folder.mkdir(exist_ok=True)
    with (folder / country).open("a+") as lock:
        with (folder / f"{country}.next").open("a") as turn:
            if not (_taken(turn) and _taken(lock)):
                lock.seek(0)
                held = lock.read().strip()
                if held == window.key:
                    refuse_running(instance, country, window)
                    raise WindowBusy(
                        f"window {window} of {country} is just being started by another storeavail"
                        " command; wait for it"
                    ) from None
                tell_waiting_for(instance, country, window, held)
                fcntl.flock(turn, fcntl.LOCK_EX)
                fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(window.key)
        lock.flush()
        yield


def _taken(lock: IO[str]) -> bool:
    """Whether a lock that nobody holds is ours now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def tell_waiting_for(instance: DagsterInstance, country: str, window: Window, held: str) -> None:
    """Say on the terminal behind which run a window waits.

    Args:
        held: key of the window that another command runs.
    """
    runs = instance.get_runs(of_country(country, UNFINISHED, Window.parse(held))) if held else []
    behind = named(runs[0]) if runs else f"another storeavail command (window {held or 'unknown'})"
    _tell(f"{country} {window}  waits behind {behind}")


def refuse_running(instance: DagsterInstance, country: str, window: Window) -> None:
    """Refuse a window that has an unfinished run.

    Raises:
        WindowBusy: names the run.
    """
    runs = instance.get_runs(of_country(country, UNFINISHED, window))
    if runs:
        raise WindowBusy(
            f"window {window} of {country} is already running as run {runs[0].run_id}"
            f" ({runs[0].status.value.lower()}); wait for it, or terminate it in the Dagster UI"
        )


def give_way(instance: DagsterInstance, country: str, window: Window) -> None:
    """Let all other runs of the country that there are go first, those that wait in the queue too:
    what can still be observed cannot be later. Says behind which it waits.
    """
    said, untaken_since = "", None
    while runs := instance.get_runs(of_country(country, UNFINISHED)):
        first = next((run for run in runs if run.status in HOLDING), None)
        if first is not None:
            untaken_since = None
        elif untaken_since is None:
            untaken_since = time.monotonic()
        elif time.monotonic() - untaken_since > UNTAKEN_SECONDS:
            return
        behind = named(first or runs[-1])
        if behind != said:
            _tell(f"{country} {window}  waits behind {behind}")
            said = behind
        time.sleep(LOOK_SECONDS)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
