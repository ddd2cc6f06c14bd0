"""One look at this machine's disks, and who was told what of them. It needs no room: what is
remembered lies in a file of Dagster's home that holds its room from the beginning and is written in
place, and channels are called from here. So it works where Dagster's own storage is full, and with
it every sensor stands still.

Several processes may look: a lock on the file keeps them apart, and none tells what another told.
No Dagster; `orchestration/disk_watch.py` looks all the time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import TypeAdapter

from storeavail_platform.alerting.alerts import Alert
from storeavail_platform.alerting.channels import Channel
from storeavail_platform.alerting.failed_runs import PLATFORM
from storeavail_platform.alerting.notify import Audience, OpenAlert, State, over, tell
from storeavail_platform.domain.alert_kinds import Cause, Kind
from storeavail_platform.domain.errors import StoreAvailError
from storeavail_platform.domain.log import Log
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.room import LEAST_NEED, disks, need_of
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading import silences
from storeavail_platform.storage.growth import Left, lasts, noted
from storeavail_platform.storage.json_files import decode
from storeavail_platform.storage.room import Disk, size_text

WARNED_BEFORE = timedelta(days=2)
OVER_AFTER = timedelta(days=3)
"""A warning ends when there is room for so long, and not as soon as it would not begin."""
ROOM_AGAIN = 2
"""A disk is full until it has room for so many windows."""
FILE = "disks.json"
FILE_SIZE = 32 * 1024
"""Bytes that the file holds from the beginning: a day of notes on a few disks, and who was told."""


@dataclass
class Seen:
    """What is remembered of the disks.

    Attributes:
        alerts: which are true, and who was told.
        left: what was left in the last day, by the disk's folder.
    """

    alerts: State
    left: dict[str, list[Left]] = field(default_factory=dict)


SEEN = TypeAdapter(Seen)


class DiskWatch:
    """Looks at the disks that windows are written to.

    Args:
        home: Dagster's home, which holds the file; None: what is remembered is this process' own.
    """

    def __init__(self, runtime: Runtime, home: Path | None) -> None:
        self.runtime = runtime
        self.file = None if home is None else home / FILE
        self.seen: Seen | None = None

    def look(self, now: datetime, channels: Sequence[Channel], log: Log) -> list[str]:
        """Find out what is true of the disks at `now` (UTC), and tell the channels what is due.

        Returns:
            Keys of the alerts that are true.

        Raises:
            OSError: a disk cannot be asked.
        """
        found = disks(self.runtime.platform)
        with self._remembered(now, log) as seen:
            if seen is None:
                return []
            seen.left = {
                str(disk.folder): noted(seen.left.get(str(disk.folder), ()), disk, now)
                for disk in found
            }
            pairs = [(disk, seen.left[str(disk.folder)]) for disk in found]
            window = Window.containing(now)
            need = sum(self._need(code, window) for code in self.runtime.platform.served)
            alerts = list(room_alerts(pairs, need, now, seen.alerts.alerts))
            held = self._silences(now)
            ended = over(seen.alerts, alerts, held)
            audience = Audience(PLATFORM, self.runtime.platform, now, channels, held)
            outcomes = tell(seen.alerts, alerts, audience)
            for silence in ended:
                silences.end(self.runtime.storage, PLATFORM, silence, now)
            for error in (error for error in outcomes.values() if error is not None):
                log.error("an alert on disks was not delivered and is sent again: %s", error)
            return list(seen.alerts.alerts)

    def _silences(self, now: datetime) -> list[silences.Silence]:
        """What somebody looks after; nothing where the warehouse does not say."""
        try:
            return silences.current(self.runtime.storage, PLATFORM, now)
        except (StoreAvailError, OSError):
            return []

    def _need(self, country: str, window: Window) -> int:
        """Bytes that a window needs."""
        try:
            return need_of(self.runtime, country, window)
        except (StoreAvailError, OSError):
            # whoever needs the landing says what is wrong with it
            return LEAST_NEED

    @contextlib.contextmanager
    def _remembered(self, now: datetime, log: Log) -> Iterator[Seen | None]:
        """What is remembered, noted again afterwards; None where another process looks just now."""
        descriptor = self._open(log)
        if descriptor is None:
            self.seen = self.seen or Seen(State(now))
            yield self.seen
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            yield None
            return
        try:
            self.seen = _read(descriptor, log) or self.seen or Seen(State(now))
            yield self.seen
            _write(descriptor, self.seen, log)
        finally:
            os.close(descriptor)

    def _open(self, log: Log) -> int | None:
        if self.file is None:
            return None
        try:
            return os.open(self.file, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            log.info("%s cannot be used, and alerts on disks may come twice: %s", FILE, error)
            return None


def alerts_on_disks(home: Path) -> dict[str, OpenAlert]:
    """Those that are true, by key, as far as a home's file says."""
    with contextlib.suppress(OSError, StoreAvailError):
        return decode(
            SEEN, (home / FILE).read_bytes().strip(), FILE, "it is begun anew"
        ).alerts.alerts
    return {}


def _read(descriptor: int, log: Log) -> Seen | None:
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0).strip()
    if not data:
        return None
    try:
        return decode(SEEN, data, FILE, "it is begun anew")
    except StoreAvailError as error:
        log.warning("%s", error)
        return None


def _write(descriptor: int, seen: Seen, log: Log) -> None:
    """In place: what a file holds already needs no room."""
    data = SEEN.dump_json(seen)
    size = -(-len(data) // FILE_SIZE) * FILE_SIZE
    try:
        os.pwrite(descriptor, data.ljust(size), 0)
        os.ftruncate(descriptor, size)
    except OSError as error:
        # it never had room: this process remembers, and another one may tell it again
        log.info("%s cannot be written, and alerts on disks may come twice: %s", FILE, error)
        os.ftruncate(descriptor, 0)


def room_alerts(
    disks: Sequence[tuple[Disk, Sequence[Left]]],
    need: int,
    now: datetime,
    before: Container[str] = (),
) -> Iterator[Alert]:
    """At most one a disk: it has less left than the next windows need, or is full within two days.

    Args:
        disks: each with what was left of it.
        need: bytes that the next window of every country writes.
        before: keys of the alerts that were true last time.
    """
    for disk, left in disks:
        scope = f"disk {disk.folder}"
        full = Alert(Kind.DISK_FULL, PLATFORM, "", now, Cause.DISK_FULL, scope=scope)
        if disk.free < (ROOM_AGAIN * need if full.key in before else need):
            what = (
                f"{disk} has {size_text(disk.free)} left, and the next windows need"
                f" {size_text(need)}: what cannot be written cannot be observed, computed or shown"
            )
            yield replace(full, what=what)
            continue
        low = Alert(Kind.DISK_LOW, PLATFORM, "", now, Cause.DISK_FILLING, scope=scope)
        time = lasts(left, disk, now)
        if time is not None and time < (OVER_AFTER if low.key in before else WARNED_BEFORE):
            hours = max(1, round(time / timedelta(hours=1)))
            what = (
                f"{disk} is full in about {hours} hours if it goes on so: {size_text(disk.free)}"
                f" left, {size_text(left[0].free - disk.free)} less than at"
                f" {left[0].moment:%Y-%m-%d %H:%M} UTC"
            )
            yield replace(low, what=what)
