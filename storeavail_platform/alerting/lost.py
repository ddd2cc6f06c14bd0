"""Windows of a country that were lost: recorded gaps of the last day, by their markers.

Each marker is read once: which were read is kept in the state of the alerts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime

GAP_LASTS = timedelta(days=1)
"""How long a lost window is told of: whoever comes in the morning knows of the night."""


@dataclass
class SeenWindows:
    """Complete windows of the last day, as far as their markers were read.

    Attributes:
        observed: keys of those that were observed.
        gaps: keys of those that were not, oldest first.
    """

    observed: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)


def look_for_gaps(
    runtime: Runtime, country: str, now: datetime, before: SeenWindows
) -> SeenWindows:
    """The complete windows of the day before `now` (UTC).

    A gap is looked at again each time: it may have been observed after all.

    Raises:
        WarehouseError: markers cannot be read.
    """
    known = set(before.observed)
    seen = SeenWindows()
    for key in runtime.markers.complete(country, after=Window.containing(now - GAP_LASTS).key):
        marker = None if key in known else runtime.markers.whole(country, Window.parse(key))
        if key in known or (marker is not None and marker.observed_at is not None):
            seen.observed.append(key)
        elif marker is not None:
            seen.gaps.append(key)
    return seen
