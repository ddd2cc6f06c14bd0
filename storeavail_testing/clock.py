"""A clock that a test sets: it ticks, and hours pass in a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SetClock:
    """A `Clock` of the platform, shifted against this machine's.

    Attributes:
        offset: by how much.
    """

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset
        self._stands_at: datetime | None = None

    def __call__(self) -> datetime:
        return self._stands_at or datetime.now(UTC) + self.offset

    def set(self, moment: datetime) -> None:
        """Make it this moment now; it goes on from there."""
        self._stands_at = None
        self.offset = moment - datetime.now(UTC)

    def stop(self, moment: datetime) -> None:
        """Make it this moment until it is set again."""
        self._stands_at = moment
