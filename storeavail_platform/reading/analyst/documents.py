"""Documents of an analyst's query in a country's index, within limits of rows and time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson
import pyarrow as pa
from elastic_transport import ConnectionTimeout, TransportError
from elasticsearch import ApiError

from storeavail_platform.config import Analyst
from storeavail_platform.domain.errors import ConfigError, QueryRefused, QueryStopped
from storeavail_platform.reading.limits import too_many_rows, too_slow
from storeavail_platform.sources.elasticsearch import connected
from storeavail_platform.sources.elasticsearch_errors import refuse_partial

PAGE_DOCUMENTS = 10_000
KEEP_ALIVE = "1m"
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
    stopped = too_slow(timeout)
    request: dict[str, Any] = {
        "query": dict(query or {"match_all": {}}),
        "sort": ["_shard_doc"],
        "size": min(PAGE_DOCUMENTS, max_rows + 1),
        "track_total_hits": False,
    }
    if fields is not None:
        if patterns := [name for name in fields if "*" in name]:
            raise QueryRefused(
                f"fields are names, not patterns: {', '.join(patterns)}; leave fields out to"
                " get all"
            )
        request["source_includes"] = list(fields)
    with connected(config, analyst.aws, timeout) as client, _timeouts_as(stopped):
        pit = client.open_point_in_time(index=config.index, keep_alive=KEEP_ALIVE)["id"]
        try:
            hits: list[Any] = []
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise stopped
                after = {"search_after": hits[-1]["sort"]} if hits else {}
                answer = client.options(request_timeout=left, max_retries=0).search(
                    pit={"id": pit, "keep_alive": KEEP_ALIVE},
                    timeout=f"{int(left * 1000)}ms",
                    **request,
                    **after,
                )
                if answer["timed_out"]:
                    raise stopped
                refuse_partial(answer, config.index)
                pit, hits = answer["pit_id"], answer["hits"]["hits"]
                found += [{"_id": hit["_id"], **hit.get("_source", {})} for hit in hits]
                if len(found) > max_rows:
                    raise too_many_rows(max_rows)
                if len(hits) < request["size"]:
                    break
        finally:
            # it goes away by itself
            with contextlib.suppress(TransportError, ApiError):
                client.options(request_timeout=CLOSE_SECONDS, max_retries=0).close_point_in_time(
                    id=pit
                )
    names = [
        "_id",
        *(
            fields
            if fields is not None
            else dict.fromkeys(name for row in found for name in row if name != "_id")
        ),
    ]
    return pa.table([_field([_at(row, name) for row in found]) for name in names], names=names)


def _at(document: Mapping[str, Any], field: str) -> Any:
    """A field of a document by its name, dots leading into objects; None where the document has
    none.
    """
    if field in document:
        return document[field]
    first, _, path = field.partition(".")
    inner = document.get(first)
    return _at(inner, path) if path and isinstance(inner, Mapping) else None


@contextlib.contextmanager
def _timeouts_as(stopped: QueryStopped) -> Iterator[None]:
    """A client's timeout as the error of the limit that it came to."""
    try:
        yield
    except ConnectionTimeout:
        raise stopped from None


def _field(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array(
            [None if value is None else orjson.dumps(value).decode() for value in values],
            pa.string(),
        )
