"""What people said of windows: `storeavail trust` and `distrust`. Kept apart from the rows, so that
it survives whatever computes them again.

    trust/<country>.json    a list of Verdict

A suspect window that is trusted is good: the next ones are compared with it, and it ends outages.
One that is distrusted is suspect, whatever its figures say. The last verdict on a window counts.
"""

from __future__ import annotations

import getpass
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import TypeAdapter

from storeavail_platform.domain.errors import ConfigError, StorageRefused
from storeavail_platform.domain.text import moment, neutralised
from storeavail_platform.domain.windows import Window
from storeavail_platform.storage.json_files import SELDOM, read_json
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.markers import Marker

FOLDER = "trust"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """Windows that a person calls good, or suspect.

    Attributes:
        is_trusted: False: distrusted.
        first, last: keys of the windows, both included.
        made_at, undone_at: UTC.
    """

    is_trusted: bool
    first: str
    last: str
    reason: str
    who: str
    made_at: datetime
    undone_at: datetime | None = None

    @property
    def word(self) -> str:
        return "trusted" if self.is_trusted else "distrusted"

    def __str__(self) -> str:
        return (
            f"{self.first} to {self.last} {self.word} by {self.who} at {moment(self.made_at)}:"
            f" {self.reason}"
        )


FILE = TypeAdapter(list[Verdict], config=SELDOM)


@dataclass(frozen=True)
class Verdicts:
    """What holds of a country's windows, in the order in which it was said."""

    holding: Sequence[Verdict]

    def of(self, window: str) -> Verdict | None:
        """The last verdict on a window, by its key."""
        return next((v for v in reversed(self.holding) if v.first <= window <= v.last), None)

    def suspicion(self, window: str, judged: str | None) -> str | None:
        """Why a window is suspect; None where it is not.

        Args:
            judged: the reason for which it was found to be when it was computed, or None.
        """
        verdict = self.of(window)
        if verdict is None:
            return judged
        return None if verdict.is_trusted else f"distrusted by {verdict.who}: {verdict.reason}"

    def suspicion_of(self, marker: Marker) -> str | None:
        """Why a complete window is suspect; None where it is not."""
        figures = marker.figures
        judged = (figures.suspect_reason or "suspect") if figures.suspect else None
        return self.suspicion(marker.window, judged)

    def is_good(self, marker: Marker) -> bool:
        """Whether a window is evidence: observed, and not suspect."""
        return marker.observed_at is not None and self.suspicion_of(marker) is None

    def distrusted(self, windows: Sequence[str]) -> list[str]:
        """Those of these windows that a person distrusts."""
        return [key for key in windows if (v := self.of(key)) is not None and not v.is_trusted]


NO_VERDICTS = Verdicts(())


class Trust:
    """Reads and writes the verdicts of all countries."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def verdicts(self, country: str) -> Verdicts:
        """What holds of a country's windows; nothing where it may not be read (roles made before
        there were verdicts), with a warning.

        Raises:
            WarehouseError: the file cannot be understood.
        """
        try:
            found = self.read(country)
        except StorageRefused as error:
            logger.warning("what people said of windows of %s is left out: %s", country, error)
            return NO_VERDICTS
        return Verdicts([verdict for verdict in found if verdict.undone_at is None])

    def read(self, country: str) -> list[Verdict]:
        """Every verdict, those that were undone too."""
        advice = "remove it, and say `storeavail trust` or `distrust` anew"
        return read_json(self.storage, _path(country), FILE, "list of verdicts", advice) or []

    def add(self, country: str, verdict: Verdict) -> None:
        self._write(country, [*self.read(country), verdict])

    def undo(self, country: str, first: str, now: datetime, *, is_trusted: bool) -> Verdict | None:
        """End the last verdict of this kind that begins with a window; gives it, or None where
        there is none.
        """
        found = self.read(country)
        for number in reversed(range(len(found))):
            verdict = found[number]
            is_meant = verdict.first == first and verdict.is_trusted is is_trusted
            if is_meant and verdict.undone_at is None:
                found[number] = replace(verdict, undone_at=now)
                self._write(country, found)
                return verdict
        return None

    def _write(self, country: str, verdicts: list[Verdict]) -> None:
        self.storage.replace(_path(country), FILE.dump_json(verdicts, indent=2))


def verdict_on(
    first: Window, last: Window, now: datetime, reason: str, *, is_trusted: bool
) -> Verdict:
    """A verdict in the name of this machine's user.

    Raises:
        ConfigError: no reason was given.
    """
    if not neutralised(reason):
        raise ConfigError(
            '--reason: say why, for those who wonder, for example --reason "15,000 stores of a'
            ' company that was bought"'
        )
    who = neutralised(getpass.getuser())
    return Verdict(is_trusted, first.key, last.key, neutralised(reason), who, now)


def _path(country: str) -> str:
    return f"{FOLDER}/{country}.json"
