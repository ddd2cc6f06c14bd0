"""Which alerts are true of the room on this machine's disks. Pure: what is left, what was left
before and the moment in, alerts out; who looks and who is told is `disk_watch.py`.

Growth is what a disk had more a day ago, whatever took it: windows, Dagster's storage, logs, or
something that is not the platform's. A day holds a night's upkeep, which gives room back.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from storeavail_platform.alerting.alerts import Alert, Cause
from storeavail_platform.alerting.failed_runs import PLATFORM
from storeavail_platform.domain.alert_kinds import Kind
from storeavail_platform.storage.room import Disk, size_text

WARNED_BEFORE = timedelta(days=2)
OVER_AFTER = timedelta(days=3)
"""A warning ends when there is room for so long, and not as soon as it would not begin."""
GROWTH_OF = timedelta(days=1)
LEAST_SEEN = timedelta(hours=3)
"""Growth of a shorter time says nothing: a large file is written, and removed again."""
ROOM_AGAIN = 2
"""A disk is full until it has room for so many windows."""
NOTED_EVERY = timedelta(minutes=30)


@dataclass(frozen=True)
class Left:
    """Bytes that were left on a disk at a moment (UTC)."""

    moment: datetime
    free: int


def noted(before: Sequence[Left], disk: Disk, now: datetime) -> list[Left]:
    """What was left of a disk in the last day and is now, a note every half an hour."""
    kept = [left for left in before if now - GROWTH_OF <= left.moment <= now]
    if not kept or now - kept[-1].moment >= NOTED_EVERY:
        kept.append(Left(now, disk.free))
    return kept


def lasts(before: Sequence[Left], disk: Disk, now: datetime) -> timedelta | None:
    """How long the room lasts if it goes on as in the last day; None: it does not shrink, or too
    little of it was seen.
    """
    first = next((left for left in before if now - left.moment <= GROWTH_OF), None)
    if first is None or now - first.moment < LEAST_SEEN or disk.free >= first.free:
        return None
    return (now - first.moment) * (disk.free / (first.free - disk.free))


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
        full = _alert(Kind.DISK_FULL, Cause.DISK_FULL, disk, "", now)
        if disk.free < (ROOM_AGAIN * need if full.key in before else need):
            what = (
                f"{disk} has {size_text(disk.free)} left, and the next windows need"
                f" {size_text(need)}: what cannot be written cannot be observed, computed or shown"
            )
            yield replace(full, what=what)
            continue
        low = _alert(Kind.DISK_LOW, Cause.DISK_FILLING, disk, "", now)
        time = lasts(left, disk, now)
        if time is not None and time < (OVER_AFTER if low.key in before else WARNED_BEFORE):
            hours = max(1, round(time / timedelta(hours=1)))
            what = (
                f"{disk} is full in about {hours} hours if it goes on so: {size_text(disk.free)}"
                f" left, {size_text(left[0].free - disk.free)} less than at"
                f" {left[0].moment:%Y-%m-%d %H:%M} UTC"
            )
            yield replace(low, what=what)


def _alert(kind: Kind, cause: Cause, disk: Disk, what: str, now: datetime) -> Alert:
    return Alert(kind, PLATFORM, what, now, cause, scope=f"disk {disk.folder}")
