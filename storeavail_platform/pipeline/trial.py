"""One reading of a country's sources as a window makes it, and its tables, into a folder that is
gone afterwards: what `storeavail check` looks at.

Sources are read as for a window, by this machine, and judged by the tables' own SQL. The warehouse
is neither read nor written.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from storeavail_platform.domain.finding import Finding
from storeavail_platform.domain.source import Snapshot, Source, Taken
from storeavail_platform.domain.tables.declarations import WINDOW_QUALITY
from storeavail_platform.domain.windows import Window
from storeavail_platform.engines.duckdb import DuckDBEngine, DuckDBSession
from storeavail_platform.pipeline.compute import add_relations, closure, make
from storeavail_platform.pipeline.observe import (
    INDEX,
    NOT_OBSERVED,
    POSTGRES,
    Landed,
    Observation,
    Target,
    land_documents,
    land_stores,
)
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform.warehouse.landing import Landing
from storeavail_platform.warehouse.markers import Markers
from storeavail_platform.warehouse.readings import Reading


@dataclass(frozen=True)
class Trial:
    """A country's sources, read once.

    Attributes:
        findings: what the sources say.
        read: names of those that gave everything.
        session: knows the landed relations (`raw_...`), and every table that `window_quality` is
            made of, as a window computes them; of a source that gave nothing they have no rows.
    """

    findings: list[Finding]
    read: frozenset[str]
    session: DuckDBSession


@dataclass
class _Attempt:
    """What of a trial is landed so far."""

    runtime: Runtime
    target: Target
    landing: Landing
    readings: dict[str, Reading] = field(default_factory=dict)

    def take(self, source: Source, window: Window, snapshot: Snapshot) -> Taken:
        """Land a snapshot as a window does."""
        land: Callable[..., Reading] = land_documents if source.name == INDEX else land_stores
        self.target = replace(self.target, window=window)
        reading = land(self.landing, self.target, source, snapshot)
        self.readings[source.name] = reading
        rows = Counter[str]()
        for file in reading.files:
            rows[file.relation] += file.rows
        counts = {name: n for name, n in reading.details.items() if isinstance(n, int)}
        return Taken(rows, Counter(counts))

    def observation(self) -> Observation:
        """What was landed, and of the other source a reading without rows."""
        for name, details in ((INDEX, NOT_OBSERVED), (POSTGRES, {})):
            if name not in self.readings:
                self.readings[name] = self.landing.record(
                    self.target.country,
                    self.target.window,
                    name,
                    details,
                    read_at=self.runtime.clock(),
                )
        return Observation(self.readings[INDEX], self.readings[POSTGRES])


@contextlib.contextmanager
def trial(runtime: Runtime, country: str) -> Iterator[Trial]:
    """Read a country's sources and compute their tables; what is in the way of it is a finding.

    Raises:
        TableError: a table cannot be computed.
        OSError, DiskFull: there is no room for temporary files.
    """
    settings, window = runtime.country(country), Window.containing(runtime.clock())
    with tempfile.TemporaryDirectory(prefix="storeavail-", ignore_cleanup_errors=True) as folder:
        storage = LocalStorage(folder)
        target = Target(country, settings.timezone, window)
        attempt = _Attempt(runtime, target, Landing(storage, clock=runtime.clock))
        findings = runtime.index_source(country).check(attempt.take)
        # hours as they were in the last recorded window, where the index is a recording
        findings += runtime.stores_source(country).check(attempt.take, attempt.target.window)
        read = frozenset(attempt.readings)
        found = Landed(country, attempt.target.window, attempt.observation())
        with DuckDBEngine(storage).session() as session:
            add_relations(session, attempt.landing, Markers(storage), settings, found)
            for table in closure(runtime.tables, {WINDOW_QUALITY.name}):
                make(session, table)
            yield Trial(findings, read, session)
