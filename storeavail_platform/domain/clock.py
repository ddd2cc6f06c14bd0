"""The time of day.

Functions that need it get it, so that whoever calls them says what time it is.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives an aware UTC time."""


def utc_now() -> datetime:
    return datetime.now(UTC)
