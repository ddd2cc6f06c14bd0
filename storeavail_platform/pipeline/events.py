"""What a run tells as it goes on. `orchestration/translate.py` tells Dagster; a benchmark takes
times.

`Landed` (`observe.py`) comes first, then for each table `Computed` (`compute.py`), `Checked` for
each of its checks and `TableCommitted`; then `Marked`; then `RolledUp` for the local dates, and
what functions after the commit tell (a page that was written). `Postponed` may stand for these:
the window is complete by then, and nothing can fail it any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.compute import CheckOutcome, Computed
from storeavail_platform.warehouse.catalog import Committed
from storeavail_platform.warehouse.markers import Marker


@dataclass(frozen=True)
class Checked:
    """A check's verdict on the rows of a window or a local date."""

    country: str
    partition: Window | date
    outcome: CheckOutcome


@dataclass(frozen=True)
class TableCommitted:
    """Rows of a table were committed for a window, or for a local date."""

    country: str
    partition: Window | date
    computed: Computed
    state: Committed
    commit_seconds: float

    @property
    def table(self) -> Table:
        return self.computed.table


@dataclass(frozen=True)
class RolledUp(TableCommitted):
    """Rows of a local date were committed. Provisional: it is not over yet in some zone."""

    is_provisional: bool

    @property
    def local_date(self) -> date:
        assert not isinstance(self.partition, Window)
        return self.partition


@dataclass(frozen=True)
class Marked:
    """A window's marker was written: it is complete."""

    marker: Marker


@dataclass(frozen=True)
class Postponed:
    """Something after the commit failed, and is made up for later."""

    country: str
    what: str
    error: Exception

    def __str__(self) -> str:
        return (
            f"{self.error}. The window is complete; {self.what} with the next window of"
            f" {self.country}"
        )
