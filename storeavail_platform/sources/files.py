"""The online index as files: a live file, read like an index, or a recorded index with a file for
every window.

A recording says itself when it was made (column `observed_at`, one value a file), else it counts as
made in the window's middle.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from storeavail_platform.config import FileIndex
from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.errors import SourceRejected
from storeavail_platform.domain.finding import Finding
from storeavail_platform.domain.source import BATCH_ROWS, RAW_ONLINE_INDEX, Snapshot, Split
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.documents import as_time, documents_batch

RELATION = "raw_online_index"
SUFFIXES = (".ndjson", ".jsonl", ".parquet")


class FileSource:
    """`Source` over a file or a folder of recordings."""

    name = "online_index"
    relations: Mapping[str, pa.Schema] = {RELATION: RAW_ONLINE_INDEX}

    def __init__(self, config: FileIndex, *, clock: Clock = utc_now) -> None:
        self.config = config
        self.clock = clock
        self.path = Path(config.path)

    @property
    def is_recorded(self) -> bool:
        return self.path.is_dir()

    @contextlib.contextmanager
    def open(self, window: Window) -> Iterator[Snapshot]:
        path = self.file_of(window)
        read_at = self.recorded_at(path, window) if self.is_recorded else self.clock()
        yield Snapshot(read_at, (Split(RELATION, 0, {"path": str(path)}),))

    def read(self, split: Split) -> Iterator[pa.RecordBatch]:
        for documents in batches(Path(split.arguments["path"])):
            yield documents_batch(
                [document.get(self.config.store_id) for document in documents],
                [document.get(self.config.online) for document in documents],
                [document.get(self.config.updated_at) for document in documents],
            )

    def check(self) -> list[Finding]:
        what = f"online index {self.path}"
        if self.is_recorded:
            recordings = sum(1 for path in self.path.iterdir() if path.suffix in SUFFIXES)
            if not recordings:
                return [
                    Finding(
                        "error",
                        what,
                        "the folder holds no recording; name them like 2026-11-23T1015.ndjson",
                    )
                ]
            return [Finding("ok", what, f"a recorded index with {recordings} windows")]
        try:
            first = next(batches(self.file_of(None)), [])
        except SourceRejected as error:
            return [Finding("error", what, str(error))]
        if not first:
            return [
                Finding("warning", what, "the file holds no document: every store will be missing")
            ]
        missing = [
            field
            for field in (self.config.store_id, self.config.online)
            if not any(field in document for document in first)
        ]
        if missing:
            return [
                Finding(
                    "error",
                    what,
                    f"no document has the field {' or '.join(missing)}; set online_index.store_id"
                    " and .online",
                )
            ]
        return [Finding("ok", what, "can be read")]

    def file_of(self, window: Window | None) -> Path:
        """The file to read.

        Raises:
            SourceRejected: there is no such file, or it is of no kind that can be read.
        """
        if self.is_recorded and window is not None:
            for suffix in SUFFIXES:
                path = self.path / f"{window.key}{suffix}"
                if path.is_file():
                    return path
            raise SourceRejected(
                f"the recorded index {self.path} has no file for window {window} (looked for"
                f" {window.key} with {', '.join(SUFFIXES)}); record that window, or run one that is"
                " recorded"
            )
        if not self.path.is_file():
            raise SourceRejected(
                f"there is no file {self.path}; correct online_index.path, or create the file"
            )
        if self.path.suffix not in SUFFIXES:
            raise SourceRejected(f"{self.path}: its kind is none of {', '.join(SUFFIXES)}")
        return self.path

    def recorded_at(self, path: Path, window: Window) -> datetime:
        """When a recording was made.

        Raises:
            SourceRejected: its `observed_at` is not one time in the whole file.
        """
        found: dict[str, Any] = {}
        for documents in batches(path):
            found.update(
                (repr(value), value)
                for value in (document.get("observed_at") for document in documents)
            )
        if found.keys() <= {"None"}:
            return window.middle()
        moment = as_time(next(iter(found.values()))) if len(found) == 1 else None
        if moment is None:
            shown = ", ".join(sorted(found)[:3])
            raise SourceRejected(
                f"{path}: observed_at has to be one time, the same in every row; found {shown}"
            )
        return moment


def batches(path: Path) -> Iterator[list[dict[str, Any]]]:
    """The documents of a file, a batch at a time.

    Raises:
        SourceRejected: names the file, and the line that is not a JSON object.
    """
    if path.suffix == ".parquet":
        try:
            for batch in pq.ParquetFile(path).iter_batches(BATCH_ROWS):
                yield batch.to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise SourceRejected(f"{path} is not a readable Parquet file: {error}") from error
        return
    documents = _lines(path)
    while batch := list(itertools.islice(documents, BATCH_ROWS)):
        yield batch


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.open("rb")
    except OSError as error:
        raise SourceRejected(
            f"{path} cannot be read: {error.strerror}; check that it is there, and this user's"
            " rights"
        ) from error
    with lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                document = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise SourceRejected(
                    f"{path}, line {number}: is not JSON ({error}); write one document a line"
                ) from error
            if not isinstance(document, dict):
                raise SourceRejected(
                    f"{path}, line {number}: is not a JSON object; write one document a line"
                )
            yield document
