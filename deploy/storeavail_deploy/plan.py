"""A plan: the changes between what is wanted and what was found.

It is printed first; a dry run stops there. What a change is, its module says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from storeavail_platform.domain.errors import StoreAvailError

Action = Literal["create", "update", "replace", "delete"]
NOTHING_TO_DO = "nothing to do: everything is as it should be"
PENDING = 3
"""Exit code of a dry run that has something to do."""


@dataclass(frozen=True)
class Change:
    """One change.

    Attributes:
        action: what happens to the thing.
        thing: its name or address.
        why: what differs, or what comes in its place.
        apply: makes the change.
    """

    action: Action
    thing: str
    why: str
    apply: Callable[[], object]

    def __str__(self) -> str:
        return f"{self.action:<8}{self.thing}: {self.why}"


def carry_out(
    changes: Sequence[Change],
    *,
    dry_run: bool,
    tell: Callable[[str], None],
    ask: Callable[[], object] = lambda: None,
) -> int:
    """Print a plan and, unless it is a dry run, carry it out in its order. Gives the exit code.

    Args:
        ask: is called between the two; what it raises ends it before anything is changed.

    Raises:
        StoreAvailError: a change failed. What was done before it stays, and is said; the next run
            does the rest.
    """
    if not changes:
        tell(NOTHING_TO_DO)
        return 0
    for change in changes:
        tell(f"plan    {change}")
    if dry_run:
        tell(f"{len(changes)} to do; nothing was changed (--dry-run)")
        return PENDING
    ask()
    for done, change in enumerate(changes):
        try:
            change.apply()
        except StoreAvailError:
            tell(
                f"failed  {change}\n{done} of {len(changes)} done, the rest was not tried; run the"
                " same command again to complete it"
            )
            raise
        # the plan has told it whole
        tell(f"done    {str(change).splitlines()[0]}")
    return 0
