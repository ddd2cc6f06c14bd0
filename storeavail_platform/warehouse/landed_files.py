"""Writes what a source gives into Parquet files below a folder, split by split, with their hashes.

Which of them count is said by a manifest (`landing.py`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from storeavail_platform.domain.source import Counted, Source, Split
from storeavail_platform.storage.local import Storage
from storeavail_platform.storage.parquet import dictionary_columns
from storeavail_platform.warehouse.readings import LandedFile

READERS = 4
"""Splits of a source read at once by one process."""
Tally = Callable[[pa.RecordBatch], Mapping[str, int]]
"""Counts of a batch by name; landing adds them up."""

LandedSplit = tuple[LandedFile, Counter[str]]
"""The file of a split, and its counts."""
LandSplits = Callable[[Callable[[Split], LandedSplit], Sequence[Split]], Sequence[LandedSplit]]
"""Lands every split by a function that can be pickled, several at once, wherever it likes."""


def in_threads(
    land: Callable[[Split], LandedSplit], splits: Sequence[Split], *, readers: int = READERS
) -> Sequence[LandedSplit]:
    """`LandSplits` in threads of this process, so many at once."""
    with ThreadPoolExecutor(max_workers=readers, thread_name_prefix="read") as pool:
        return list(pool.map(land, splits))


def land_split(
    storage: Storage, source: Source, folder: str, tally: Tally | None, split: Split
) -> LandedSplit:
    """Land one split below a folder.

    Raises:
        SourceError: it could not be read.
    """
    path = f"{folder}/part-{split.relation}-{split.number}.parquet"
    reading = Counted(source.read(split))
    file, counts = land_batches(
        storage, split.relation, source.relations[split.relation], iter(reading), path, tally
    )
    counts.update(reading.counts)
    return file, counts


def land_batches(
    storage: Storage,
    relation: str,
    schema: pa.Schema,
    batches: Iterator[pa.RecordBatch],
    path: str,
    tally: Tally | None,
) -> LandedSplit:
    """Write batches of a relation into one file."""
    rows = 0
    counts: Counter[str] = Counter()
    with storage.open_output(path) as stream:
        hashing = _Hashing(stream)
        with pq.ParquetWriter(
            hashing,
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=dictionary_columns(schema),
        ) as writer:
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
                if tally is not None:
                    counts.update(tally(batch))
    return LandedFile(relation, path, rows, hashing.size, hashing.sha256.hexdigest()), counts


class _Hashing:
    """A binary stream that counts and hashes what passes through."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.sha256 = hashlib.sha256()
        self.size = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.size += len(data)
        return self.stream.write(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self.stream.flush()

    def close(self) -> None:
        self.closed = True

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False
