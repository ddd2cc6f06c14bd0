"""The second opinion: an HTTP API's word on the stores that are about to be missing, as a source of
its own with its own reading in the landing.

Its splits are partitions of the stores, each with one client, made and closed where the partition
is read. An API that does not answer is no error: its stores are not answered about.
"""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from storeavail_platform.config import Aws, Confirm
from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.errors import StoreAvailError
from storeavail_platform.domain.finding import Finding, Level
from storeavail_platform.domain.masking import masked
from storeavail_platform.domain.source import (
    BATCH_ROWS,
    RAW_CONFIRMATION,
    Snapshot,
    Split,
    Take,
)
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.limits import shortened

RELATION = "raw_confirmation"
CONFIRMATION_API = "confirmation API"
"""What findings call it."""
Store = tuple[str, str]
"""A store's id, and that id as PostgreSQL has it."""


class ConfirmationSource:
    """`Source` of `raw_confirmation`, of some stores until a moment."""

    name = "confirmation"
    relations: Mapping[str, pa.Schema] = {RELATION: RAW_CONFIRMATION}
    is_recorded = False

    def __init__(
        self,
        config: Confirm,
        aws: Aws | None,
        stores: Sequence[Store],
        until: datetime,
        *,
        clock: Clock = utc_now,
    ) -> None:
        """
        Args:
            until: when nobody is waited for any more (UTC).
        """
        self.config, self.aws = config, aws
        self.stores, self.until = stores, until
        self.clock = clock

    @contextlib.contextmanager
    def open(self, window: Window) -> Iterator[Snapshot]:
        """Who is asked about, in an order that says nothing of them: where the time does not
        suffice for all, those that it did for stand for the others.
        """
        config, now = self.config, self.clock()
        seconds = max(0.0, min(config.budget, self.until - now).total_seconds())
        # nobody can be asked about more in that time
        most = math.ceil(config.rate * seconds)
        chosen = random.Random(window.key).sample(sorted(self.stores), len(self.stores))[:most]
        count = max(1, min(config.partitions, config.concurrency, len(chosen)))
        parts = {
            number: {
                "stores": [list(store) for store in chosen[number::count]],
                "concurrency": config.concurrency // count + (number < config.concurrency % count),
                "rate": config.rate / count,
            }
            for number in range(count)
        }
        yield Snapshot(now, tuple(Split(RELATION, number, part) for number, part in parts.items()))

    def read(self, split: Split) -> Generator[pa.RecordBatch, None, Mapping[str, int]]:
        """A row a store; returns `confirmation_clients` and `confirmation_requests`."""
        part = split.arguments
        stores = [(store_id, source_id) for store_id, source_id in part["stores"]]
        rows, counts = self._asked(stores, part)
        for start in range(0, len(rows), BATCH_ROWS):
            yield pa.RecordBatch.from_pylist(
                rows[start : start + BATCH_ROWS], schema=RAW_CONFIRMATION
            )
        return counts

    def _asked(
        self, stores: Sequence[Store], part: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], dict[str, int]]:
        try:
            # most countries ask nobody, and the client takes long to import
            from storeavail_platform.sources.confirmation_client import Part, ask

            # by its own clock, where it is on another machine that began later
            left = max(0.0, min(self.config.budget, self.until - self.clock()).total_seconds())
            limits = Part(stores, part["concurrency"], part["rate"], left)
            asked = ask(self.config, self.aws, limits, self.clock)
        except (StoreAvailError, ModuleNotFoundError) as error:
            problem = masked(shortened(str(error)))
            rows = [
                {"store_id": store_id, "answered": False, "problem": problem}
                for store_id, _ in stores
            ]
            return rows, {"confirmation_clients": 0, "confirmation_requests": 0}
        counts = {"confirmation_clients": 1, "confirmation_requests": asked.requests}
        return [vars(answer) for answer in asked.answers], counts

    def check(self, take: Take | None = None, window: Window | None = None) -> list[Finding]:
        """What the API says of the stores, each of which is asked about once or more."""
        window = window or Window.containing(self.clock())
        with self.open(window) as snapshot:
            rows = [
                row
                for split in snapshot.splits
                for batch in self.read(split)
                for row in batch.to_pylist()
            ]
        answered = [row for row in rows if row["answered"]]
        problems = dict.fromkeys(str(row["problem"]) for row in rows if not row["answered"])
        found = f"answers about {len(answered)} of {len(rows)} stores"
        if answered:
            slowest = max(row["latency"] for row in answered)
            online = sum(row["is_online"] for row in answered)
            found += f" within {slowest:.2f} s: {online} online"
        if problems:
            found += f"; {'; '.join(problems)}"
        level: Level = "ok" if len(answered) == len(rows) else "warning"
        findings = [Finding(level, CONFIRMATION_API, found)]
        if self.config.is_exposed:
            findings.append(
                Finding(
                    "warning",
                    CONFIRMATION_API,
                    "the connection is not encrypted; use an https:// URL",
                )
            )
        return findings
