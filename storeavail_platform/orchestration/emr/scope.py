"""What a launched step may speak for: a cluster's events count for its own country and window only.

These are the tables of its partition, the local dates that the window, or one whose dates still
waited when the step was submitted, can have changed, and its country's page.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from dagster import DagsterEvent
from dagster._core.events import DagsterEventType

from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.daily import DAILY_TABLES
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.describe import DASHBOARD, OBSERVATION
from storeavail_platform.pipeline.date_facts import DAY, LOOK_BACK

OWN_ASSETS = {OBSERVATION, *(table.name for table in (*TABLES, *DAILY_TABLES))}
DAILY_ASSETS = {table.name for table in DAILY_TABLES}
REACH = LOOK_BACK + 2 * DAY
"""How far from a window's UTC date a local date can be whose outages it changes."""


@dataclass(frozen=True)
class Scope:
    """What the step of a partition may speak for.

    Attributes:
        partition: key of the step's own partition, `BR|2026-11-23T1015` or `BR|2026-11-23`.
        windows: those whose local dates it may roll up.
    """

    partition: str
    windows: tuple[Window, ...] = ()

    @classmethod
    def of(cls, partition: str, noted: Iterable[str] = ()) -> Scope:
        """The scope of a step.

        Args:
            noted: keys of the country's windows whose dates wait to be rolled up.
        """
        own = partition.partition("|")[2]
        windows = [Window.parse(key) for key in (own, *noted) if "T" in key]
        return cls(partition, tuple(windows))

    def holds(self, event: DagsterEvent) -> bool:
        """Whether the step may say this."""
        asset, partition = _asset_and_partition(event)
        if asset is None:
            return True
        country = self.partition.partition("|")[0]
        if asset == DASHBOARD:
            return partition == country
        # a check of the step's own partition does not name it
        is_check = event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION
        if partition == self.partition or (partition is None and is_check):
            return asset in OWN_ASSETS
        named, _, day = str(partition).partition("|")
        return asset in DAILY_ASSETS and named == country and self._reaches(day)

    def _reaches(self, day: str) -> bool:
        try:
            of = date.fromisoformat(day)
        except ValueError:
            return False
        return any(abs(of - window.start.date()) <= REACH for window in self.windows)


def _asset_and_partition(event: DagsterEvent) -> tuple[str | None, str | None]:
    """The asset that an event is about, and which partition of it; None for none."""
    if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
        checked = event.asset_check_evaluation_data
        return checked.asset_key.to_user_string(), checked.partition
    key = event.asset_key
    return None if key is None else key.to_user_string(), event.partition
