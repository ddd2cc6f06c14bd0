"""The online index as files: a live file, read like an index, or a recorded index with a file for
every window.

A recording says itself when it was made (column `observed_at`, one value a file), else it counts as
made in the window's middle.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from storeavail_platform.config import FileIndex
from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.errors import SourceRejected
from storeavail_platform.domain.finding import Finding
from storeavail_platform.domain.source import RAW_ONLINE_INDEX, Snapshot, Split
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.documents import as_time
from storeavail_platform.sources.file_documents import (
    SUFFIXES,
    WRAPPED,
    Document,
    batches,
    own_id,
    refuse_inexact,
    unwrapped,
)
from storeavail_platform.sources.index_shapes import DOCUMENT_ID, Shape, value_at

RELATION = "raw_online_index"
OBSERVED_AT = "observed_at"


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
        path, shape = Path(split.arguments["path"]), Shape(self.config)
        refuse_inexact(path, self.config.store_id)
        for documents in batches(path, self._names()):
            yield from shape.batches((own_id(line), unwrapped(line)) for line in documents)

    def _names(self) -> list[str]:
        """The fields that are read, also in the lines of a dump."""
        config = self.config
        names = [config.store_id, config.online.field, config.updated_at, OBSERVED_AT]
        return [*names, *([config.nested] if config.nested else []), DOCUMENT_ID, WRAPPED]

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
            path = self.file_of(None)
            refuse_inexact(path, self.config.store_id)
            first = next(batches(path, self._names()), [])
        except SourceRejected as error:
            return [Finding("error", what, str(error))]
        if not first:
            return [
                Finding("warning", what, "the file holds no document: every store will be missing")
            ]
        missing = [
            field
            for field in (self.config.store_id, self.config.online.field)
            if not any(_has(document, field) for document in first)
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
        found: dict[datetime | str, str] = {}
        for documents in batches(path, [OBSERVED_AT, WRAPPED]):
            for document in documents:
                value = _recorded(document)
                # one moment may be written with several offsets
                found.setdefault(as_time(value) or repr(value), repr(value))
        if found.keys() <= {"None"}:
            return window.middle()
        moment = next(iter(found)) if len(found) == 1 else None
        if not isinstance(moment, datetime):
            shown = ", ".join(sorted(found.values())[:3])
            raise SourceRejected(
                f"{path}: observed_at has to be one time, the same in every row; found {shown}"
            )
        return moment


def _has(document: Document, field: str) -> bool:
    in_line = field == DOCUMENT_ID and own_id(document) is not None
    return in_line or value_at(unwrapped(document), field) is not None


def _recorded(document: Document) -> Any:
    value = document.get(OBSERVED_AT)
    return value_at(unwrapped(document), OBSERVED_AT) if value is None else value
