"""What `storeavail check` finds out, in the words of the person who has to act."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """A verdict on `what` was tried: `ok`, `warning` (works, and should be changed) or `error`
    (no window can be computed).
    """

    level: Literal["ok", "warning", "error"]
    what: str
    message: str
