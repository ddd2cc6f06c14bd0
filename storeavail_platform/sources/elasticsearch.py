"""Elasticsearch: the online index out of one point in time, in slices, by doc values.

A partial answer would read as stores going offline, so a time-out or a failed shard anywhere is an
error, and nothing of the reading counts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from elastic_transport import TransportError
from elasticsearch import ApiError, BadRequestError, Elasticsearch, OrjsonSerializer

from storeavail_platform.config import Aws, ElasticsearchIndex, ElasticsearchServer
from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.errors import SourceRejected, StoreAvailError
from storeavail_platform.domain.finding import Finding
from storeavail_platform.domain.source import BATCH_ROWS, RAW_ONLINE_INDEX, Snapshot, Split
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.documents import documents_batch
from storeavail_platform.sources.elasticsearch_errors import (
    is_exposed,
    masked,
    refuse_partial,
    translated,
)

RELATION = "raw_online_index"
KEEP_ALIVE = "2m"
"""How long the point in time lives on between two pages."""
DATES = {"date", "date_nanos"}


class ElasticsearchSource:
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
        with self._client() as client:
            types = self._field_types(client)
            pit = self._point_in_time(client)
            read_at = self.clock()
            arguments = {
                "pit": pit,
                "slices": self.config.slices,
                "is_date": types.get(self.config.updated_at, {"unmapped"}) <= DATES,
                "has_time": self.config.updated_at in types,
            }
            try:
                yield Snapshot(
                    read_at,
                    tuple(
                        Split(RELATION, number, arguments) for number in range(self.config.slices)
                    ),
                )
            finally:
                # it would go away by itself; a server that is down must not hide the error that
                # brought us here
                with contextlib.suppress(TransportError, ApiError):
                    client.close_point_in_time(id=pit)

    def read(self, split: Split) -> Iterator[pa.RecordBatch]:
        config, arguments = self.config, split.arguments
        updated_at: list[Any] = [
            (
                {"field": config.updated_at, "format": "epoch_millis"}
                if arguments["is_date"]
                else config.updated_at
            )
        ]
        request: dict[str, Any] = {
            "size": BATCH_ROWS,
            "query": config.query or {"match_all": {}},
            "sort": ["_shard_doc"],
            "source": False,
            "stored_fields": "_none_",
            "docvalue_fields": [
                config.store_id,
                config.online,
                *(updated_at if arguments["has_time"] else []),
            ],
            "track_total_hits": False,
        }
        if arguments["slices"] > 1:
            request["slice"] = {"id": split.number, "max": arguments["slices"]}
        pit, after = arguments["pit"], None
        with self._client() as client:
            while True:
                if after is not None:
                    request["search_after"] = after
                answer = client.search(pit={"id": pit, "keep_alive": KEEP_ALIVE}, **request)
                refuse_partial(answer, config.index)
                hits = answer["hits"]["hits"]
                if not hits:
                    return
                pit, after = answer["pit_id"], hits[-1]["sort"]
                fields = [hit.get("fields", {}) for hit in hits]
                yield documents_batch(
                    [field.get(config.store_id) for field in fields],
                    [field.get(config.online) for field in fields],
                    [field.get(config.updated_at) for field in fields],
                )
                if len(hits) < BATCH_ROWS:
                    return

    def check(self) -> list[Finding]:
        what = f"online index {self.config.index}"
        try:
            with self.open(Window.containing(self.clock())) as snapshot:
                split = snapshot.splits[0]
                next(self.read(split), None)
            with self._client() as client:
                count = client.count(index=self.config.index, query=self.config.query)["count"]
            is_url_exposed = is_exposed(self._url())
        except StoreAvailError as error:
            return [Finding("error", what, str(error))]
        findings = [Finding("ok", what, f"answers; {count:,} documents are listed")]
        if not count:
            matching = " that matches online_index.query" if self.config.query else ""
            findings = [
                Finding(
                    "warning",
                    what,
                    f"answers, and lists no document{matching}: every store will be missing",
                )
            ]
        if not split.arguments["has_time"]:
            findings.append(
                Finding(
                    "warning",
                    what,
                    f"has no field {self.config.updated_at!r}: an indexer that stands still cannot"
                    " be noticed; set online_index.updated_at",
                )
            )
        if is_url_exposed:
            findings.append(
                Finding("warning", what, "the connection is not encrypted; use an https:// URL")
            )
        return findings

    def _url(self) -> str:
        return self.config.url.resolve(self.aws)

    def _client(self) -> contextlib.AbstractContextManager[Elasticsearch]:
        return connected(self.config, self.aws, self.config.request_timeout)

    def _point_in_time(self, client: Elasticsearch) -> str:
        """Open a point in time over every shard; one that is down is an error."""
        options: dict[str, Any] = {"index": self.config.index, "keep_alive": KEEP_ALIVE}
        try:
            answer = client.open_point_in_time(**options, allow_partial_search_results=False)
        except BadRequestError as error:
            if "unrecognized parameter" not in str(error.body):
                raise
            # servers before 8.16 do not know the choice: they never open a point in time over a
            # part of the shards
            answer = client.open_point_in_time(**options)
        return str(answer["id"])

    def _field_types(self, client: Elasticsearch) -> dict[str, set[str]]:
        """Types of the configured fields that the index has; an alias over several indices can give
        a field more than one.

        Raises:
            SourceRejected: it lacks the store id or the online flag, or a field cannot be read.
        """
        config = self.config
        found = client.field_caps(
            index=config.index, fields=[config.store_id, config.online, config.updated_at]
        )["fields"]
        for setting, name in (("store_id", config.store_id), ("online", config.online)):
            if name not in found:
                raise SourceRejected(
                    f"index {config.index!r} has no field {name!r}; set online_index.{setting} to"
                    " the field that holds it"
                )
        for name, kinds in found.items():
            for kind, abilities in kinds.items():
                if not abilities["aggregatable"]:
                    raise SourceRejected(
                        f"index {config.index!r}: field {name!r} is of type {kind}, which has no"
                        " doc values; use a field that has them, such as a keyword sub-field"
                        f" {name}.keyword"
                    )
        return {name: set(kinds) for name, kinds in found.items()}


@contextlib.contextmanager
def connected(
    config: ElasticsearchServer, aws: Aws | None, request_timeout: timedelta
) -> Iterator[Elasticsearch]:
    """A client that never looks for other nodes; its errors are the platform's.

    Raises:
        SourceUnavailable, SourceRejected: what the server answers, or its silence.
    """
    url = config.url.resolve(aws)
    options: dict[str, Any] = {}
    if config.api_key is not None:
        options["api_key"] = config.api_key.resolve(aws)
    if config.username is not None and config.password is not None:
        options["basic_auth"] = (config.username.resolve(aws), config.password.resolve(aws))
    if config.ca_certificate is not None:
        if not Path(config.ca_certificate).is_file():
            raise SourceRejected(
                f"there is no file {config.ca_certificate}; correct online_index.ca_certificate"
            )
        options["ca_certs"] = config.ca_certificate
    try:
        client = Elasticsearch(
            url,
            serializer=OrjsonSerializer(),
            request_timeout=request_timeout.total_seconds(),
            max_retries=1,
            sniff_on_start=False,
            sniff_on_node_failure=False,
            **options,
        )
    except ValueError as error:
        raise SourceRejected(
            f"online_index.url is not an address of Elasticsearch ({masked(str(error), url)});"
            " write https://host:9200"
        ) from None
    try:
        with client:
            yield client
    except (ApiError, TransportError) as error:
        raise translated(error, config, url, request_timeout) from None
