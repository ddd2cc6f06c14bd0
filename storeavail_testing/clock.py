"""A clock that a test sets: it ticks, and hours pass in a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SetClock:
    """A `Clock` of the platform, shifted against this machine's.

    Attributes:
        offset: by how much time has passed, for every server too.
        wrong: by how much it is wrong besides, as a machine's clock may be: positive where it is
            fast.
    """

    def __init__(self, offset: timedelta = timedelta(), *, wrong: timedelta = timedelta()) -> None:
        self.offset = offset
        self.wrong = wrong
        self._stands_at: datetime | None = None

    def __call__(self) -> datetime:
        return (self._stands_at or datetime.now(UTC) + self.offset) + self.wrong

    @property
    def moved(self) -> timedelta:
        """By how much time has passed for its witnesses too (`MovedClock`)."""
        return self.offset if self._stands_at is None else self._stands_at - datetime.now(UTC)

    def set(self, moment: datetime) -> None:
        """Make it this moment now; it goes on from there."""
        self._stands_at = None
        self.offset = moment - datetime.now(UTC)

    def stop(self, moment: datetime) -> None:
        """Make it this moment until it is set again."""
        self._stands_at = moment
