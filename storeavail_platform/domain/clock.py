"""The time of day, and whether another machine's clock bears it out.

Functions that need the time get it, so that whoever calls them says what time it is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable

MOST_APART = timedelta(minutes=2)
"""How far this machine's clock and that of a witness may be apart. Beyond it a reading could belong
to another window than the clock says."""


class Clock(Protocol):
    """Gives an aware UTC time."""

    def __call__(self) -> datetime: ...


@runtime_checkable
class MovedClock(Clock, Protocol):
    """A clock that lets hours pass in a moment: a simulation's, a test's.

    Attributes:
        moved: by how much it has moved the time of everything, its witnesses' too.
    """

    @property
    def moved(self) -> timedelta: ...


def utc_now() -> datetime:
    return datetime.now(UTC)


def offset_from(witness: datetime, clock: Clock) -> timedelta:
    """By how much a clock is in advance of a witness' time (UTC), read at the same moment; negative
    where it is behind.
    """
    moved = clock.moved if isinstance(clock, MovedClock) else timedelta()
    return clock() - moved - witness


def is_apart(offset: timedelta | None) -> bool:
    """Whether so much is too much; None, without a witness: nobody knows, and it is not."""
    return offset is not None and abs(offset) > MOST_APART


def offset_text(offset: timedelta) -> str:
    """An offset for people: `1 h 00 min 07 s ahead of`, `4 min 10 s behind`, `within 1 s of`."""
    seconds = round(abs(offset).total_seconds())
    if seconds <= 1:
        return "within 1 s of"
    hours, minutes = divmod(seconds // 60, 60)
    parts = [f"{hours} h", f"{minutes:02d} min"] if hours else [f"{minutes} min"] * bool(minutes)
    return " ".join([*parts, f"{seconds % 60:02d} s"]) + (
        " ahead of" if offset > timedelta() else " behind"
    )
