"""Text for people: what comes from outside made harmless, and moments in one form."""

from __future__ import annotations

import unicodedata
from datetime import datetime

from storeavail_platform.domain.masking import masked

LONGEST_FOREIGN_TEXT = 500
"""Characters kept of an error message or a name."""
LONGEST_MESSAGE = 10_000
"""Characters of an error message as it is printed: beyond them its two ends are."""
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
        for sign in masked(text).translate(LOOKALIKES)
    )
    line = " ".join(line.split()).replace("://", ": //")
    return line if len(line) <= LONGEST_FOREIGN_TEXT else line[: LONGEST_FOREIGN_TEXT - 1] + "…"


def shown(text: str) -> str:
    """A message as it may be printed on a terminal: no secret, no control but line ends and tabs,
    and of a very long one both ends.
    """
    text = masked(text)
    if len(text) > LONGEST_MESSAGE:
        half = LONGEST_MESSAGE // 2
        left_out = len(text) - LONGEST_MESSAGE
        text = f"{text[:half]}\n... {left_out:,} characters are left out ...\n{text[-half:]}"
    return "".join(
        # as it is written in Python
        sign.encode("unicode_escape").decode("ascii") if _is_control(sign) else sign
        for sign in text
    )


def _is_control(sign: str) -> bool:
    return sign not in "\n\t" and unicodedata.category(sign) in ("Cc", "Cf", "Cs")


def moment(when: datetime) -> str:
    """A time as people read it, in UTC."""
    return f"{when:%Y-%m-%d %H:%M} UTC"
