"""What a source is: one consistent snapshot, cut into splits that can be read side by side, even on
other machines.

Also the raw relations, the shape in which readings are landed: as close to the source as typed
columns allow, so that a bad value arrives as a row with a problem and not as a failed read. Judging
values is the tables' work (`tables/sql`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

import pyarrow as pa

from storeavail_platform.domain.finding import Finding
from storeavail_platform.domain.windows import Window

BATCH_ROWS = 10_000
"""Rows a record batch holds at most: what one page of the index holds."""

# the store's id (`sources/store_ids.py`), NULL where what was read is none; and what was read
_IDS = [pa.field("store_id", pa.string()), pa.field("source_id", pa.string())]
RAW_STORES = pa.schema(
    [
        *_IDS,
        pa.field("name", pa.string()),
        pa.field("address", pa.string()),
        pa.field("city", pa.string()),
        pa.field("brand", pa.string()),
        pa.field("timezone", pa.string()),  # as read; blank or NULL means the country's
        pa.field("is_active", pa.bool_()),
        pa.field("has_weekly_hours", pa.bool_()),
        pa.field("unreadable", pa.string()),  # values that are not what their column holds, as read
    ]
)
RAW_STORE_HOURS = pa.schema(
    [
        *_IDS,
        pa.field("kind", pa.string()),  # weekly | special
        pa.field("weekday", pa.int32()),  # weekly rows, as read: ISO, 1 = Monday
        pa.field(
            "business_date", pa.date32()
        ),  # NULL where the row belongs to neither of the store's two business dates
        pa.field("opens_minute", pa.int32()),  # minutes after midnight, rounded up; 24:00 is 1440
        pa.field("closes_minute", pa.int32()),
        pa.field("is_closed", pa.bool_()),  # a special row with both ends NULL
        pa.field("unreadable", pa.string()),
    ]
)
RAW_ONLINE_INDEX = pa.schema(
    [
        *_IDS,  # several values in one document are no id: joined by a comma
        pa.field(
            "online", pa.string()
        ),  # as read: true, false, or anything else; NULL where absent
        pa.field("updated_at", pa.timestamp("us", tz="UTC")),  # NULL where absent or unreadable
        pa.field("updated_at_text", pa.string()),  # as read
    ]
)

RAW_CONFIRMATION = pa.schema(
    [
        pa.field("store_id", pa.string()),
        pa.field("asked_at", pa.timestamp("us", tz="UTC")),  # the last time; NULL: not asked
        pa.field("answered", pa.bool_()),  # whether it said that the store is online or is not
        pa.field("is_online", pa.bool_()),  # NULL where it did not
        pa.field("status_code", pa.int32()),  # of its last answer; NULL where there was none
        pa.field("latency", pa.float64()),  # seconds of the last request
        pa.field("problem", pa.string()),  # why it is no answer
    ]
)


@dataclass(frozen=True)
class Split:
    """A part of a snapshot that one reader reads. Plain data: it travels to other processes and
    machines.

    Attributes:
        relation: which raw relation its rows belong to (`raw_stores`, `raw_store_hours`,
            `raw_online_index`, `raw_confirmation`).
        number: its place among the splits of the relation, from 0.
        arguments: what `Source.read` needs to find the snapshot and the part again. Never a secret.
    """

    relation: str
    number: int
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """One consistent state of a source.

    Attributes:
        read_at: when the state was fixed (UTC).
        splits: together they hold every row exactly once.
        clock_offset: by how much the clock of `read_at` is in advance of the source's own; None
            where the source does not say what time it is.
    """

    read_at: datetime
    splits: tuple[Split, ...]
    clock_offset: timedelta | None = None


class Counted:
    """The batches of `Source.read`; `counts` has what it returned once they are all taken."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self.batches = batches
        self.counts: Mapping[str, int] = {}

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        # an iterator that is no generator returns None
        batches = cast("Generator[pa.RecordBatch, None, Mapping[str, int] | None]", self.batches)
        self.counts = (yield from batches) or {}


@dataclass(frozen=True)
class Taken:
    """What a whole snapshot gave: rows by relation, and the counts of all splits by name."""

    rows: Mapping[str, int]
    counts: Mapping[str, int]


Take = Callable[["Source", Window, Snapshot], Taken]
"""Reads every split of a snapshot that a source has opened for a window."""


def count_rows(source: Source, window: Window, snapshot: Snapshot) -> Taken:
    """`Take` that keeps nothing."""
    rows, counts = Counter[str](), Counter[str]()
    for split in snapshot.splits:
        reading = Counted(source.read(split))
        rows[split.relation] += sum(batch.num_rows for batch in reading)
        counts.update(reading.counts)
    return Taken(rows, counts)


class Source(Protocol):
    """A source of raw rows. Picklable: it holds references to secrets, never secrets or
    connections.

    Errors of both methods: `SourceUnavailable` (may pass) and `SourceRejected` (someone has to
        change something).
    """

    @property
    def name(self) -> str:
        """`online_index`, `postgres` or `confirmation`: a folder of the landing."""

    @property
    def relations(self) -> Mapping[str, pa.Schema]:
        """The raw relations that it gives, by name."""

    @property
    def is_recorded(self) -> bool:
        """Whether past windows can be read: a recording says itself when it was made."""

    def open(self, window: Window) -> AbstractContextManager[Snapshot]:
        """Fix one consistent state; it can be read until the context ends."""

    def check(self, take: Take | None = None, window: Window | None = None) -> list[Finding]:
        """What works and what does not, for `storeavail check`. Never raises `SourceError`.

        Args:
            take: reads the one snapshot that is opened; by default its rows are counted.
            window: by default the one in progress; of a recording its last one, whatever is asked.
        """

    def read(self, split: Split) -> Iterator[pa.RecordBatch]:
        """The rows of a split, with the relation's schema.

        Makes its own client and closes it at the end. A generator may return counts by name, of
        what the reading cost for example: they are kept with the rows (`Counted`).
        """
