"""The 15-minute UTC window, its keys, and its minute 7, in which it is observed. Pure: no clock, no
I/O, no Dagster.

A window is `[start, start + 15 min)`. Its key `2026-11-23T1015` has no colon because keys become
paths.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

WINDOW_MINUTES = 15
WINDOW_LENGTH = timedelta(minutes=WINDOW_MINUTES)
KEY_FORMAT = "%Y-%m-%dT%H%M"
_KEY = re.compile(r"\d{4}-\d\d-\d\dT\d\d(00|15|30|45)", re.ASCII)
OBSERVATION_MINUTE = 7
"""The minute of a window in which schedules fire: its middle. Stores open and close on quarter
hours, so a reading in the middle stands for the window with the least error, and the result is out
before the window ends.
"""
LOCAL_TIME_SQL = (
    "SUBSTRING(CAST(100 + CAST(FLOOR(local_minute / 60) AS INT) AS STRING), 2) || ':' ||"
    " SUBSTRING(CAST(100 + local_minute % 60 AS STRING), 2)"
)
"""`local_minute` as a wall clock shows it, like 09:45."""
EARLIEST_YEAR = 2012
"""Since 2012 every time zone changes its offset on a quarter hour of UTC, which the opening-hours
rule relies on. One exception is of no
consequence for shops: Antarctica/Casey changed its clocks a minute after midnight in 2020 to 2022.
"""


@dataclass(frozen=True, order=True)
class Window:
    """One quarter hour of UTC.

    Raises:
        ValueError: `start` is not an aware UTC datetime on a quarter hour, or lies before 2012.
    """

    start: datetime

    def __post_init__(self) -> None:
        start = self.start
        if start.tzinfo is None or start.utcoffset() != timedelta(0):
            raise ValueError(f"a window starts at a UTC time, not at {start!r}")
        if start.minute % WINDOW_MINUTES or start.second or start.microsecond:
            raise ValueError(f"a window starts on a quarter hour, not at {start:%H:%M:%S.%f}")
        if start.year < EARLIEST_YEAR:
            raise ValueError(
                f"windows before {EARLIEST_YEAR} are not supported (time zones changed off the"
                f" quarter hour then): {start}"
            )

    @classmethod
    def parse(cls, key: str) -> Window:
        """The window of a key like `2026-11-23T1015`.

        Raises:
            ValueError: not a key of this form, or not on a quarter hour.
        """
        try:
            start = datetime.strptime(key, KEY_FORMAT).replace(tzinfo=UTC)
        except ValueError:
            raise ValueError(
                f"{key!r} is not a window: write the UTC start like 2026-11-23T1015 (minutes 00,"
                " 15, 30 or 45)"
            ) from None
        if start.strftime(KEY_FORMAT) != key:
            raise ValueError(
                f"{key!r} is not a window: write the UTC start like {start.strftime(KEY_FORMAT)}"
            )
        return cls(start)

    @classmethod
    def containing(cls, moment: datetime) -> Window:
        """The window that an aware datetime falls into."""
        moment = moment.astimezone(UTC)
        return cls(
            moment.replace(
                minute=moment.minute - moment.minute % WINDOW_MINUTES, second=0, microsecond=0
            )
        )

    @property
    def key(self) -> str:
        return self.start.strftime(KEY_FORMAT)

    @property
    def end(self) -> datetime:
        return self.start + WINDOW_LENGTH

    def __str__(self) -> str:
        return self.key

    def next(self, count: int = 1) -> Window:
        """The window `count` windows later (earlier when negative)."""
        return Window(self.start + count * WINDOW_LENGTH)

    def middle(self) -> datetime:
        """When the schedule observes this window (UTC)."""
        return self.start + timedelta(minutes=OBSERVATION_MINUTE)

    def observed_minute(self, observed_at: datetime) -> int:
        """The minute of the window, 0..14, that a reading at `observed_at` stands for."""
        minutes = (observed_at - self.start) // timedelta(minutes=1)
        return min(WINDOW_MINUTES - 1, max(0, minutes))

    def deadline(self, grace: timedelta) -> datetime:
        """The last moment (UTC) at which the sources may be read for this window."""
        return self.end + grace


def is_key(text: str) -> bool:
    """Whether a text is a window's key; quicker than making the window of it."""
    if _KEY.fullmatch(text) is None:
        return False
    try:
        return datetime.fromisoformat(text).year >= EARLIEST_YEAR
    except ValueError:
        return False


def day_of(key: str) -> str:
    """The UTC date of a window's key, `2026-11-23`."""
    return key.partition("T")[0]


def partition_key(country: str, window: Window) -> str:
    """The Dagster partition key, `BR|2026-11-23T1015`."""
    return f"{country}|{window.key}"
