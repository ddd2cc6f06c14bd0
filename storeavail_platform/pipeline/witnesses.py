"""This machine's clock held against those of its sources: by a wrong one nobody knows which window
is read, or over.

PostgreSQL is the witness. The `Date` of the online index's answers, which may be that of a proxy
before it, is the second: it counts where PostgreSQL does not answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from storeavail_platform.domain.clock import MOST_APART, Clock, is_apart, offset_text
from storeavail_platform.domain.errors import ClockWrong, SourceError
from storeavail_platform.domain.log import Log
from storeavail_platform.domain.windows import Window

DATE = "the Date of the online index's answers"


@dataclass
class Witnesses:
    """What a window's sources say of the clock by which they are read.

    Attributes:
        index: by how much the clock is in advance of the index's, once that was asked; None: its
            answers do not say.
    """

    country: str
    window: Window
    clock: Clock
    log: Log
    index: timedelta | None = field(default=None, init=False)

    def hear_index(
        self, offset: timedelta | None, ask_postgres: Callable[[], timedelta | None]
    ) -> None:
        """Take in what the index says; where it is apart PostgreSQL is asked at once.

        Raises:
            ClockWrong: PostgreSQL says so too, or does not answer.
        """
        self.index = offset
        if offset is None or not is_apart(offset):
            return
        try:
            postgres = ask_postgres()
        except SourceError:
            postgres = None
        if postgres is None:
            raise ClockWrong(
                f"this machine's clock says {self._now()} and is {offset_text(offset)} {DATE};"
                f" PostgreSQL does not answer. {self._advice()}",
                offset,
            )
        self.hear_postgres(postgres)
        self.log.warning(
            "this machine's clock is %s %s, and PostgreSQL agrees with this machine: the clock of"
            " the index's server, or of a proxy before it, is wrong",
            *(offset_text(offset), DATE),
        )

    def hear_postgres(self, offset: timedelta | None) -> None:
        """Take in what PostgreSQL says.

        Raises:
            ClockWrong: it is apart.
        """
        if offset is None or not is_apart(offset):
            return
        raise ClockWrong(
            f"this machine's clock says {self._now()} and is {offset_text(offset)} PostgreSQL's"
            f"{self._second(offset)}. {self._advice()}",
            offset,
        )

    def _second(self, postgres: timedelta) -> str:
        if self.index is None:
            return ""
        if abs(postgres - self.index) <= MOST_APART:
            return f"; {DATE} agrees with PostgreSQL"
        if not is_apart(self.index):
            return (
                f"; {DATE} agrees with this machine: it may be PostgreSQL's server whose clock is"
                " wrong"
            )
        return f", and {offset_text(self.index)} {DATE}: no two of them agree"

    def _now(self) -> str:
        moment: datetime = self.clock()
        return f"{moment:%Y-%m-%d %H:%M:%S} UTC"

    def _advice(self) -> str:
        return (
            f"Window {self.window} of {self.country} was not observed, and no gap was recorded: by"
            " such a clock nobody knows which window it is. Set the clock right (timedatectl), then"
            f" `storeavail run --country {self.country}`; see The machine's clock is wrong in"
            " docs/operations.md"
        )
