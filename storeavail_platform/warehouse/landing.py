"""The landing: raw readings as immutable Parquet by path. It needs neither a catalog nor an engine,
so that nothing downstream can lose them.

    landing/<country>/<window>/<source>/<attempt>/part-*.parquet    an attempt's files
    landing/<country>/<window>/<source>/manifest.json               of the one attempt that counts
    landing/<country>/<window>/<source>/reread-<n>.json             of one that was made later

A manifest is created only if absent, after its files: whoever creates it first wins, and the loser
removes its own attempt and uses the winner's reading. What is not named by a manifest does not
exist. Where a source was read again the first manifest stays, and the reading again with the
highest number counts. Deadlines, retries and what is read again are not decided here
(`pipeline/observe.py`), and what is landed is looked at by `readings.py`.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import orjson
import pyarrow as pa

from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.log import Log
from storeavail_platform.domain.source import Snapshot, Source
from storeavail_platform.domain.windows import Window
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.landed_files import (
    LandSplits,
    Tally,
    in_threads,
    land_batches,
    land_split,
)
from storeavail_platform.warehouse.readings import (
    MANIFEST,
    Reading,
    Readings,
    folder_of,
    manifest_of,
)


class Landing(Readings):
    """Reads and writes the landing of all countries."""

    def __init__(self, storage: Storage, *, clock: Clock = utc_now) -> None:
        super().__init__(storage)
        self.clock = clock

    def land(
        self,
        country: str,
        window: Window,
        source: Source,
        snapshot: Snapshot,
        *,
        tables: Mapping[str, pa.Table] | None = None,
        details: Mapping[str, Any] | None = None,
        tally: Tally | None = None,
        accept: Callable[[Mapping[str, int]], None] | None = None,
        land_splits: LandSplits = in_threads,
        again: bool = False,
        log: Log | None = None,
    ) -> Reading:
        """Read every split of a snapshot into files and make them the window's reading.

        Args:
            tables: further small relations to land with the reading.
            details: what else the manifest says of the reading.
            tally: counts of a batch; their sums join the details.
            accept: is told the sums, and raises where such a reading is not to count.
            land_splits: where the splits are read.
            again: land it beside the reading that is there, to count in its place.

        Returns:
            The reading that counts: this one, or the one that was there first.

        Raises:
            SourceError: a split could not be read, or `accept` refused the reading. Nothing of
                the attempt is left.
        """
        attempt = uuid.uuid4().hex
        number = self._rereads(country, window.key, source.name) + 1 if again else 0
        folder = f"{folder_of(country, window.key, source.name)}/{attempt}"
        try:
            landed = list(
                land_splits(
                    partial(land_split, self.storage, source, folder, tally), snapshot.splits
                )
            )
            for name, table in (tables or {}).items():
                batches = iter(table.to_batches())
                landed.append(
                    land_batches(
                        self.storage, name, table.schema, batches, f"{folder}/{name}.parquet", None
                    )
                )
            sums: Counter[str] = Counter()
            for _, counts in landed:
                sums.update(counts)
            if accept is not None:
                accept(sums)
        except BaseException:
            self.storage.delete_tree(folder)
            raise
        reading = Reading(
            country=country,
            window=window.key,
            source=source.name,
            attempt=attempt,
            read_at=snapshot.read_at,
            landed_at=self.clock(),
            details={**(details or {}), **sums},
            files=tuple(file for file, _ in landed),
            reread=number,
        )
        return self._publish(reading, log)

    def record(
        self,
        country: str,
        window: Window,
        source: str,
        details: Mapping[str, Any],
        *,
        read_at: datetime,
    ) -> Reading:
        """Make a reading without rows, for what could not be read.

        The reading that counts is returned.
        """
        return self._publish(
            Reading(country, window.key, source, "none", read_at, self.clock(), dict(details), ()),
            None,
        )

    def remove(self, country: str, window: Window) -> None:
        """Remove a window's readings.

        Their manifests go first, so that half of a reading never counts.
        """
        folder = f"landing/{country}/{window.key}"
        for source in self.storage.names(folder):
            self.storage.delete(manifest_of(country, window.key, source))
        self.storage.delete_tree(folder)

    def withdraw(self, reading: Reading) -> None:
        """Remove a reading whose time turned out to be false; one that is in its place by now
        stays.
        """
        window = Window.parse(reading.window)
        found = self.find(reading.country, window, reading.source)
        if found is None or found.attempt != reading.attempt:
            return
        self.storage.delete(manifest_of(reading.country, reading.window, reading.source))
        self.storage.delete_tree(folder_of(reading.country, reading.window, reading.source))
        folder = f"landing/{reading.country}/{reading.window}"
        # a country's windows are counted from the first that has a folder
        if not self.storage.names(folder):
            self.storage.delete_tree(folder)

    def _publish(self, reading: Reading, log: Log | None) -> Reading:
        path = manifest_of(reading.country, reading.window, reading.source, reading.reread)
        if self.storage.create(path, _encode(reading)):
            return reading
        winner = self._read(reading.country, reading.window, reading.source, reading.reread)
        if log is not None:
            log.info(
                "%s of %s %s was landed by another run first; using that reading",
                reading.source,
                reading.country,
                reading.window,
            )
        self.storage.delete_tree(
            f"{folder_of(reading.country, reading.window, reading.source)}/{reading.attempt}"
        )
        return winner


def _encode(reading: Reading) -> bytes:
    # without the key a first reading can be read by 0.1.0, which knows of no second one
    unsaid = set() if reading.reread else {"reread"}
    fields = MANIFEST.dump_python(reading, by_alias=True, exclude=unsaid)
    return orjson.dumps(fields, option=orjson.OPT_INDENT_2)
