"""What `storeavail check` finds out, in the words of the person who has to act."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from storeavail_platform.domain.clock import is_apart, offset_text

CLOCK = "clock"
"""What is tried where a source says what time it is."""
Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """A verdict on `what` was tried: `ok`, `warning` (works, and should be changed) or `error`
    (no window can be computed).
    """

    level: Level
    what: str
    message: str


def clock_finding(witness: str, offset: timedelta, *, apart: Level) -> Finding:
    """What a witness says of this machine's clock.

    Args:
        offset: by how much that is in advance of the witness.
        apart: the verdict where they are too far apart.
    """
    found = f"this machine's is {offset_text(offset)} that of {witness}"
    if not is_apart(offset):
        return Finding("ok", CLOCK, found)
    advice = "one of them is wrong; if it is this machine's, set it right (timedatectl)"
    return Finding(apart, CLOCK, f"{found}: {advice}")
