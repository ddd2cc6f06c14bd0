"""A person's word on windows (`warehouse/trust.py`) and what follows from it: local dates are
rolled up anew, because a suspect window ends no outage.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.local_dates import note_window
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.warehouse.trust import Trust, Verdict, Verdicts, verdict_on


def judge(
    runtime: Runtime, country: str, first: Window, now: datetime, reason: str, *, is_trusted: bool
) -> tuple[Verdict, int]:
    """Trust or distrust the complete windows from one on: those that are there now, not those to
    come.

    Returns:
        The verdict, and how many windows it makes good or suspect that were not.

    Raises:
        ConfigError: no reason, or the window is later than the newest complete one.
    """
    keys = [
        key
        for key in runtime.markers.complete(country, after=first.next(-1).key)
        if key <= Window.containing(now).key
    ]
    if not keys:
        latest = next(runtime.markers.latest(country), None)
        newest = f"the newest complete one is {latest.window}" if latest else "none is"
        raise ConfigError(
            f"--from {first}: no window of {country} from it on is complete ({newest}); a verdict"
            " is about windows that are there"
        )
    trust = Trust(runtime.storage)
    before = trust.verdicts(country)
    verdict = verdict_on(first, Window.parse(keys[-1]), now, reason, is_trusted=is_trusted)
    trust.add(country, verdict)
    return verdict, _note_changed(runtime, country, keys, before, trust.verdicts(country))


def take_back(
    runtime: Runtime, country: str, first: Window, now: datetime, *, is_trusted: bool
) -> tuple[Verdict, int]:
    """End the last verdict of this kind that begins with a window.

    Returns:
        As `judge`.

    Raises:
        ConfigError: there is none; the message names those that there are.
    """
    trust = Trust(runtime.storage)
    before = trust.verdicts(country)
    verdict = trust.undo(country, first.key, now, is_trusted=is_trusted)
    if verdict is None:
        there = "; ".join(map(str, before.holding)) or "there is none"
        word = "trusted" if is_trusted else "distrusted"
        raise ConfigError(
            f"--from {first}: nothing of {country} was {word} from this window on ({there})"
        )
    complete = runtime.markers.complete(country, after=first.next(-1).key)
    keys = [key for key in complete if key <= verdict.last]
    return verdict, _note_changed(runtime, country, keys, before, trust.verdicts(country))


def _note_changed(
    runtime: Runtime, country: str, keys: Sequence[str], before: Verdicts, after: Verdicts
) -> int:
    changed = 0
    for key in keys:
        window = Window.parse(key)
        marker = runtime.markers.whole(country, window)
        if marker is None:
            continue
        if (before.suspicion_of(marker) is None) != (after.suspicion_of(marker) is None):
            note_window(runtime, country, window)
            changed += 1
    return changed
