"""What reading a document of the index costs this process: the bytes alone, as columns, and one by
one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from storeavail_platform.config import ElasticsearchIndex, Platform
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.index_client import IndexClient, PointInTime
from storeavail_platform.sources.index_pages import Page
from storeavail_platform.sources.index_shapes import Shape
from storeavail_platform.sources.index_source import IndexSource

WINDOW = Window.parse("2026-11-23T1300")


def measure(dump: str, country: str) -> dict[str, float]:
    """CPU microseconds a document, by how it is read; the rows are held against each other."""
    config = Platform.restore(dump).country(country).online_index
    assert isinstance(config, ElasticsearchIndex)
    source, shape = IndexSource(config), Shape(config)

    def columns(page: Page) -> pa.RecordBatch:
        found = page.columns(shape.names)
        assert found is not None
        return shape.columns_batch(*found)

    def loop(page: Page) -> pa.RecordBatch:
        return shape.batch([shape.values(hit) for hit in page.hits])

    for _ in range(2):
        # the first time warms up
        begin = time.process_time()
        pages = list(answers(source))
        bare = time.process_time() - begin
        tables = {each: _read(pages, each) for each in (columns, loop)}
    (first, fast), (second, slow) = tables[columns], tables[loop]
    assert first.equals(second)
    seconds = {"bytes alone": bare, "as columns": bare + fast, "one by one": bare + slow}
    return {how: spent / first.num_rows * 1e6 for how, spent in seconds.items()}


def _read(answers: list[bytes], how: Callable[[Page], pa.RecordBatch]) -> tuple[pa.Table, float]:
    begin = time.process_time()
    rows = pa.Table.from_batches([how(Page(answer)) for answer in answers])
    return rows, time.process_time() - begin


def answers(source: IndexSource) -> Iterator[bytes]:
    """Every page of the index, as bytes."""
    with source.open(WINDOW) as snapshot:
        arguments = snapshot.splits[0].arguments
        point = PointInTime(**arguments["point"])
        with source.client(arguments["product"]) as client:
            for number in range(point.slices):
                yield from _slice(client, point, number, arguments["wanted"])


def _slice(
    client: IndexClient, point: PointInTime, number: int, wanted: dict[str, Any]
) -> Iterator[bytes]:
    body: dict[str, Any] = {
        **wanted,
        "pit": {"id": point.id, "keep_alive": "2m"},
        "sort": list(point.sort),
        "size": point.page,
    }
    if point.slices > 1:
        body["slice"] = {"id": number, "max": point.slices}
    while not (page := Page(answer := client.answer("POST", "/_search", body=body))).is_empty:
        yield answer
        body["search_after"] = page.last_order
