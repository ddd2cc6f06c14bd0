"""The online index on a server: one point in time, read in slices, by doc values.

Where doc values do not reach (nested documents, or an index that gives fewer fields by them), what
was indexed (`_source`) is read instead.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import pyarrow as pa

from storeavail_platform.config import Aws, ElasticsearchIndex
from storeavail_platform.domain.clock import Clock, offset_from, utc_now
from storeavail_platform.domain.errors import SourceRejected, StoreAvailError
from storeavail_platform.domain.finding import Finding, clock_finding
from storeavail_platform.domain.source import (
    RAW_ONLINE_INDEX,
    Snapshot,
    Split,
    Take,
    count_rows,
)
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.index_client import IndexClient, PointInTime
from storeavail_platform.sources.index_connection import connected, url_of
from storeavail_platform.sources.index_errors import RequestFailed, is_exposed
from storeavail_platform.sources.index_pages import Page
from storeavail_platform.sources.index_shapes import DOCUMENT_ID, Shape, listed, refuse_fields

RELATION = "raw_online_index"
DATES = {"date", "date_nanos"}
EVERY_DOCUMENT: Mapping[str, Any] = {"match_all": {}}


class IndexSource:
    """`Source` of `raw_online_index`."""

    name = "online_index"
    relations: Mapping[str, pa.Schema] = {RELATION: RAW_ONLINE_INDEX}
    is_recorded = False

    def __init__(
        self, config: ElasticsearchIndex, aws: Aws | None = None, *, clock: Clock = utc_now
    ) -> None:
        self.config = config
        self.aws = aws
        self.clock = clock

    @contextlib.contextmanager
    def open(self, window: Window) -> Iterator[Snapshot]:
        config = self.config
        with self.client() as client:
            settings = client.settings(config.index)
            offset = (
                None if client.answered_at is None else offset_from(client.answered_at, self.clock)
            )
            point = client.point_in_time(config.index, config.slices, settings)
            read_at = self.clock()
            try:
                arguments = self._arguments(client, point, settings.value_fields)
                # a part of the server's is read whole by one reader
                readers = min(config.slices, point.slices)
                yield Snapshot(
                    read_at,
                    tuple(
                        Split(RELATION, number, {**arguments, "readers": readers})
                        for number in range(readers)
                    ),
                    offset,
                )
            finally:
                # it would go away by itself; a server that is down must not hide the error that
                # brought us here
                with contextlib.suppress(RequestFailed):
                    client.close_state(point)

    def read(self, split: Split) -> Generator[pa.RecordBatch, None, Mapping[str, int]]:
        """The rows of a split; returns what they cost the server: `index_documents`,
        `index_bytes`, and `index_milliseconds` from asking to answers, readers added up.
        """
        arguments, shape = split.arguments, Shape(self.config)
        point = PointInTime(**arguments["point"])
        documents, seconds = 0, 0.0
        with self.client(arguments["product"]) as client:
            for part in range(split.number, point.slices, arguments["readers"]):
                asked = time.perf_counter()
                for page in client.pages(point, part, arguments["wanted"]):
                    seconds += time.perf_counter() - asked
                    yield from self._batches(page, shape, by_values=arguments["by_values"])
                    documents += len(page)
                    asked = time.perf_counter()
                # the last answer may have been empty
                seconds += time.perf_counter() - asked
            size = client.received
        return {
            "index_documents": documents,
            "index_bytes": size,
            "index_milliseconds": round(seconds * 1000),
        }

    def _batches(self, page: Page, shape: Shape, *, by_values: bool) -> Iterator[pa.RecordBatch]:
        if not by_values:
            yield from shape.batches(_sources(page.hits, self.config.index))
        elif (columns := page.columns(shape.names)) is not None:
            yield shape.columns_batch(*columns)
        else:
            yield shape.batch([shape.values(hit) for hit in page.hits])

    def check(self, take: Take | None = None, window: Window | None = None) -> list[Finding]:
        config, what = self.config, f"online index {self.config.index}"
        window = window or Window.containing(self.clock())
        try:
            with self.open(window) as snapshot:
                taken = (take or count_rows)(self, window, snapshot)
            is_url_exposed = is_exposed(self._url())
        except StoreAvailError as error:
            return [Finding("error", what, str(error))]
        findings = [Finding("ok", what, f"answers, and gives {listed(config, taken)}")]
        if not taken.rows[RELATION]:
            matching = " that matches online_index.query" if config.query else ""
            findings = [
                Finding(
                    "error",
                    what,
                    f"answers, and lists no document{matching}: it says nothing of any store",
                )
            ]
        if snapshot.clock_offset is not None:
            answers = f"the answers of {what}"
            findings.append(clock_finding(answers, snapshot.clock_offset, apart="warning"))
        if is_url_exposed:
            findings.append(
                Finding("warning", what, "the connection is not encrypted; use an https:// URL")
            )
        return findings

    def _url(self) -> str:
        return url_of(self.config, self.aws)

    def client(self, product: str | None = None) -> contextlib.AbstractContextManager[IndexClient]:
        return connected(self.config, self.aws, self.config.request_timeout, product)

    def _arguments(
        self, client: IndexClient, point: PointInTime, value_fields: int
    ) -> dict[str, Any]:
        """What readers need to know of the index.

        Raises:
            SourceRejected: it lacks the store id or the online flag, or a field cannot be read.
            SourceUnavailable: it has no fields yet.
        """
        config = self.config
        names = dict.fromkeys((config.store_id, config.online.field, config.updated_at))
        names.pop(DOCUMENT_ID, None)
        asked = [*names, *([config.nested] if config.nested else [])]
        types = client.field_types(config.index, asked)
        by_values = config.nested is None and len(names) <= value_fields
        refuse_fields(config, types, config.index, by_values)
        is_date = types.get(config.updated_at, {"unmapped": True}).keys() <= DATES
        wanted: dict[str, Any] = {"query": config.query or EVERY_DOCUMENT}
        if by_values:
            dates = {config.updated_at: {"field": config.updated_at, "format": "epoch_millis"}}
            wanted |= {
                "_source": False,
                "docvalue_fields": [
                    dates.get(name, name) if is_date else name for name in names if name in types
                ],
            }
            # without stored fields a hit has no `_id` either
            if config.store_id != DOCUMENT_ID:
                wanted["stored_fields"] = "_none_"
        else:
            wanted["_source"] = list(names)
        return {
            "product": client.product,
            "point": dataclasses.asdict(point),
            "by_values": by_values,
            "wanted": wanted,
        }


def _sources(hits: list[dict[str, Any]], index: str) -> Iterator[tuple[str, Any]]:
    for hit in hits:
        if "_source" not in hit:
            raise SourceRejected(
                f"index {index!r} does not keep what was indexed (_source is disabled), which is"
                " read here for online_index.nested, or because index.max_docvalue_fields_search"
                " is too low; keep it, or raise that setting"
            )
        yield hit["_id"], hit["_source"]
