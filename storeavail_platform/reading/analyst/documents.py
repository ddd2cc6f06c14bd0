"""Documents of an analyst's query in a country's index, within limits of rows and time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pyarrow as pa

from storeavail_platform.config import Analyst
from storeavail_platform.domain.errors import (
    ConfigError,
    QueryRefused,
    QueryStopped,
    SourceUnavailable,
)
from storeavail_platform.reading.limits import MEMORY, Room, too_many_rows, too_slow
from storeavail_platform.sources.index_connection import connected
from storeavail_platform.sources.index_errors import RequestFailed
from storeavail_platform.sources.index_shapes import value_at

PAGE_DOCUMENTS = 10_000
CLOSE_SECONDS = 2.0


def documents(
    analyst: Analyst,
    country: str,
    query: Mapping[str, Any] | None,
    fields: Sequence[str] | None,
    max_rows: int,
    timeout: timedelta,
) -> pa.Table:
    """The documents, a column a field; raises as `Raw.elasticsearch`."""
    config = analyst.online_index
    if config is None:
        raise ConfigError(
            f"countries.{country}.analyst.online_index is not configured; docs/analysts.md says how"
        )
    deadline = time.monotonic() + timeout.total_seconds()
    found: list[dict[str, Any]] = []
    stopped, room = too_slow(timeout), Room(MEMORY)
    wanted: dict[str, Any] = {"query": dict(query or {"match_all": {}})}
    if fields is not None:
        if patterns := [name for name in fields if "*" in name]:
            raise QueryRefused(
                f"fields are names, not patterns: {', '.join(patterns)}; leave fields out to"
                " get all"
            )
        wanted["_source"] = list(fields)

    def left() -> float:
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise stopped
        return seconds

    with _late_as(stopped, deadline), connected(config, analyst.aws, timeout) as client:
        point = client.point_in_time(config.index, 1, client.settings(config.index))
        sized = replace(point, page=min(PAGE_DOCUMENTS, max_rows + 1, point.page))
        try:
            for number in range(point.slices):
                for page in client.pages(sized, number, wanted, left):
                    found += [{"_id": hit["_id"], **hit.get("_source", {})} for hit in page.hits]
                    room.take(len(orjson.dumps(page.hits)))
                    if len(found) > max_rows:
                        raise too_many_rows(max_rows)
        finally:
            # it goes away by itself
            with contextlib.suppress(RequestFailed):
                client.close_state(point, CLOSE_SECONDS)
    names = [
        "_id",
        *(
            fields
            if fields is not None
            else dict.fromkeys(name for row in found for name in row if name != "_id")
        ),
    ]
    return pa.table([_field([value_at(row, name) for row in found]) for name in names], names=names)


@contextlib.contextmanager
def _late_as(stopped: QueryStopped, deadline: float) -> Iterator[None]:
    """A server that does not answer in time as the error of the limit that it came to."""
    try:
        yield
    except SourceUnavailable:
        if time.monotonic() < deadline:
            raise
        raise stopped from None


def _field(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array(
            [None if value is None else orjson.dumps(value).decode() for value in values],
            pa.string(),
        )
