"""The online index as files: a live file, read like an index, or a recorded index with a file for
every window.

A recording says itself when it was made (column `observed_at`, one value a file), else it counts as
made in the window's middle.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from storeavail_platform.config import FileIndex
from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.errors import SourceRejected, StoreAvailError
from storeavail_platform.domain.finding import Finding
from storeavail_platform.domain.source import (
    RAW_ONLINE_INDEX,
    Snapshot,
    Split,
    Take,
    count_rows,
)
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
from storeavail_platform.sources.index_shapes import DOCUMENT_ID, Shape, listed, value_at

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

    def read(self, split: Split) -> Generator[pa.RecordBatch, None, Mapping[str, int]]:
        """The rows of a split; returns what they cost, under the names that an index on a server
        has for it.
        """
        path, shape = Path(split.arguments["path"]), Shape(self.config)
        refuse_inexact(path, self.config.store_id)
        count, size, begun = 0, path.stat().st_size, time.perf_counter()
        for documents in batches(path, self._names()):
            count += len(documents)
            yield from shape.batches((own_id(line), unwrapped(line)) for line in documents)
        return {
            "index_documents": count,
            "index_bytes": size,
            "index_milliseconds": round((time.perf_counter() - begun) * 1000),
        }

    def _names(self) -> list[str]:
        """The fields that are read, also in the lines of a dump."""
        config = self.config
        names = [config.store_id, config.online.field, config.updated_at, OBSERVED_AT]
        return [*names, *([config.nested] if config.nested else []), DOCUMENT_ID, WRAPPED]

    def check(self, take: Take | None = None, window: Window | None = None) -> list[Finding]:
        what = f"online index {self.path}"
        window, of = window or Window.containing(self.clock()), "the file"
        if self.is_recorded:
            recorded = self.recordings()
            if not recorded:
                return [
                    Finding(
                        "error",
                        what,
                        "the folder holds no recording; name them like 2026-11-23T1015.ndjson",
                    )
                ]
            window = recorded[-1]
            of = f"a recorded index with {len(recorded)} windows; the last, {window},"
        try:
            with self.open(window) as snapshot:
                taken = (take or count_rows)(self, window, snapshot)
        except StoreAvailError as error:
            return [Finding("error", what, str(error))]
        if not taken.rows[RELATION]:
            return [Finding("error", what, f"{of} holds no document: it says nothing of any store")]
        return [Finding("ok", what, f"{of} gives {listed(self.config, taken)}")]

    def recordings(self) -> list[Window]:
        """The windows that are recorded, in order."""
        keys = {path.stem for path in self.path.iterdir() if path.suffix in SUFFIXES}
        return sorted((Window.parse(key) for key in keys if _is_key(key)), key=lambda w: w.start)

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


def _is_key(text: str) -> bool:
    try:
        Window.parse(text)
    except ValueError:
        return False
    return True


def _recorded(document: Document) -> Any:
    value = document.get(OBSERVED_AT)
    return value_at(unwrapped(document), OBSERVED_AT) if value is None else value
