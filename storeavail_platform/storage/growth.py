"""How a disk fills up, by what was left of it in the last day.

Growth is what a disk had more a day ago, whatever took it: windows, Dagster's storage, logs, or
something that is not the platform's. A day holds a night's upkeep, which gives room back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from storeavail_platform.storage.room import Disk

GROWTH_OF = timedelta(days=1)
LEAST_SEEN = timedelta(hours=3)
"""Growth of a shorter time says nothing: a large file is written, and removed again."""
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
