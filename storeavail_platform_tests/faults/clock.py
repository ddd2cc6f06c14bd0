"""The platform's clock, and Dagster's, set by a test: it ticks, and hours pass in a moment.

Not freezegun: its datetimes are of a class of their own, which orjson refuses to write.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from unittest import mock

from storeavail_platform.sources import elasticsearch, files, postgres

PACKAGE = "storeavail_platform."
LOADED = (elasticsearch, files, postgres)
"""The platform loads them at first use, and only what is loaded gets the clock."""


class Clock:
    """Stands in for `datetime` in modules of the platform: `now` is shifted, everything else is the real one."""

    def __init__(self) -> None:
        self.offset = timedelta()
        self._dagster: list[Any] = [
            mock.patch("dagster._time._mockable_get_current_datetime", self._utc),
            mock.patch("dagster._time._mockable_get_current_timestamp", self._timestamp),
        ]

    def _utc(self) -> datetime:
        return self.now(UTC)

    def _timestamp(self) -> float:
        return self.now(UTC).timestamp()

    def set(self, moment: datetime) -> None:
        """Make it this moment now."""
        self.offset = moment - datetime.now(UTC)

    def now(self, tz: tzinfo | None = None) -> datetime:
        return datetime.now(tz) + self.offset

    def install(self) -> None:
        """Put it into every module of the platform that is loaded. Whoever installs it in a test's process removes it."""
        self._replace(datetime, self)
        for patch in self._dagster:
            patch.start()

    def remove(self) -> None:
        for patch in self._dagster:
            patch.stop()
        self._replace(self, datetime)

    def _replace(self, old: Any, new: Any) -> None:
        for name, module in list(sys.modules.items()):
            if name.startswith(PACKAGE) and getattr(module, "datetime", None) is old:
                module.datetime = new  # type: ignore[attr-defined]  # the module's import

    def __call__(self, *arguments: Any, **named: Any) -> datetime:
        return datetime(*arguments, **named)

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, datetime)

    def __getattr__(self, name: str) -> Any:
        return getattr(datetime, name)
