"""Text for people: what comes from outside made harmless, and moments in one form."""

from __future__ import annotations

import unicodedata
from datetime import datetime

LONGEST_FOREIGN_TEXT = 500
"""Characters kept of an error message or a name."""
LOOKALIKES = str.maketrans(
    {"@": "＠", "<": "‹", ">": "›", "[": "(", "]": ")", "`": "'", "*": "∗", "|": "¦"}
)
"""Characters that chat services take for mentions, links and markup."""


def neutralised(text: str) -> str:
    """Text from outside (names, error messages) as one short line that no channel takes for a
    mention, a link, markup or a control.
    """
    line = "".join(
        " " if unicodedata.category(sign)[0] in "CZ" else sign
        for sign in text.translate(LOOKALIKES)
    )
    line = " ".join(line.split()).replace("://", ": //")
    return line if len(line) <= LONGEST_FOREIGN_TEXT else line[: LONGEST_FOREIGN_TEXT - 1] + "…"


def moment(when: datetime) -> str:
    """A time as people read it, in UTC."""
    return f"{when:%Y-%m-%d %H:%M} UTC"
