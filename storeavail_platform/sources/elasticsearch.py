"""Elasticsearch: the online index out of one point in time, in slices, by doc values.

A partial answer would read as stores going offline, so a time-out or a failed shard anywhere is an error, and nothing of the reading counts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
from elastic_transport import ConnectionError as EsConnectionError
from elastic_transport import ConnectionTimeout, TlsError, TransportError
from elasticsearch import (
    ApiError,
    AuthenticationException,
    AuthorizationException,
    Elasticsearch,
    NotFoundError,
    OrjsonSerializer,
)

from storeavail_platform.config import Aws, ElasticsearchIndex
from storeavail_platform.errors import SourceError, SourceRejected, SourceUnavailable
from storeavail_platform.sources.documents import documents_batch
from storeavail_platform.sources.finding import Finding
from storeavail_platform.sources.source import BATCH_ROWS, RAW_ONLINE_INDEX, Snapshot, Split
from storeavail_platform.windows import Window

RELATION = "raw_online_index"
KEEP_ALIVE = "2m"
"""How long the point in time lives on between two pages."""
DATES = {"date", "date_nanos"}
WITHOUT_DOC_VALUES = {"text", "match_only_text", "annotated_text", "object", "nested", "flattened", "binary"}
PASSING_STATUS = {408, 429, 500, 502, 503, 504}


class ElasticsearchSource:
    """`Source` of `raw_online_index`."""

    name = "online_index"
    relations: Mapping[str, pa.Schema] = {RELATION: RAW_ONLINE_INDEX}
    is_recorded = False

    def __init__(self, config: ElasticsearchIndex, aws: Aws | None = None) -> None:
        self.config = config
        self.aws = aws

    @contextlib.contextmanager
    def open(self, window: Window) -> Iterator[Snapshot]:
        with self._client() as client:
            types = self._field_types(client)
            pit = client.open_point_in_time(index=self.config.index, keep_alive=KEEP_ALIVE, allow_partial_search_results=False)[
                "id"
            ]
            read_at = datetime.now(UTC)
            arguments = {
                "pit": pit,
                "slices": self.config.slices,
                "is_date": types.get(self.config.updated_at) in DATES,
                "has_time": self.config.updated_at in types,
            }
            try:
                yield Snapshot(read_at, tuple(Split(RELATION, number, arguments) for number in range(self.config.slices)))
            finally:
                # it would go away by itself; a server that is down must not hide the error that brought us here
                with contextlib.suppress(TransportError, ApiError):
                    client.close_point_in_time(id=pit)

    def read(self, split: Split) -> Iterator[pa.RecordBatch]:
        config, arguments = self.config, split.arguments
        updated_at: list[Any] = [
            {"field": config.updated_at, "format": "epoch_millis"} if arguments["is_date"] else config.updated_at
        ]
        request: dict[str, Any] = {
            "size": BATCH_ROWS,
            "query": config.query or {"match_all": {}},
            "sort": ["_shard_doc"],
            "source": False,
            "stored_fields": "_none_",
            "docvalue_fields": [config.store_id, config.online, *(updated_at if arguments["has_time"] else [])],
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
                self._refuse_partial(answer)
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
            with self._client() as client:
                types = self._field_types(client)
                count = client.count(index=self.config.index, query=self.config.query)["count"]
                url = urlsplit(self._url())
                findings = [
                    Finding(
                        "ok" if count else "warning",
                        what,
                        f"answers; {count:,} documents are listed" + ("" if count else ": every store will be missing"),
                    )
                ]
                if self.config.updated_at not in types:
                    findings.append(
                        Finding(
                            "warning",
                            what,
                            f"has no field {self.config.updated_at!r}: an indexer that stands still cannot be noticed; set online_index.updated_at",
                        )
                    )
                if url.scheme == "http" and url.hostname not in ("localhost", "127.0.0.1", "::1"):
                    findings.append(Finding("warning", what, "the connection is not encrypted; use an https:// URL"))
                return findings
        except SourceError as error:
            return [Finding("error", what, str(error))]

    def _url(self) -> str:
        return self.config.url.resolve(self.aws)

    @contextlib.contextmanager
    def _client(self) -> Iterator[Elasticsearch]:
        """A client that never looks for other nodes; its errors are the platform's."""
        config, url = self.config, self._url()
        options: dict[str, Any] = {}
        if config.api_key is not None:
            options["api_key"] = config.api_key.resolve(self.aws)
        if config.username is not None and config.password is not None:
            user = config.username if isinstance(config.username, str) else config.username.resolve(self.aws)
            options["basic_auth"] = (user, config.password.resolve(self.aws))
        if config.ca_certificate is not None:
            options["ca_certs"] = config.ca_certificate
        try:
            client = Elasticsearch(
                url,
                serializer=OrjsonSerializer(),
                request_timeout=config.request_timeout.total_seconds(),
                max_retries=1,
                sniff_on_start=False,
                sniff_on_node_failure=False,
                **options,
            )
        except ValueError as error:
            raise SourceRejected(
                f"online_index.url is not an address of Elasticsearch ({_masked(str(error), url)}); write https://host:9200"
            ) from None
        try:
            with client:
                yield client
        except (ApiError, TransportError) as error:
            raise self._translated(error, url) from None

    def _field_types(self, client: Elasticsearch) -> dict[str, str]:
        """Types of the configured fields that the index has.

        Raises:
            SourceRejected: it lacks the store id or the online flag, or a field cannot be read.
        """
        config = self.config
        wanted = [config.store_id, config.online, config.updated_at]
        found = client.field_caps(index=config.index, fields=wanted)["fields"]
        types = {name: next(iter(kinds)) for name, kinds in found.items()}
        for name in (config.store_id, config.online):
            if name not in types:
                raise SourceRejected(
                    f"index {config.index!r} has no field {name!r}; set online_index.{'store_id' if name == config.store_id else 'online'} "
                    "to the field that holds it"
                )
        for name, kind in types.items():
            if kind in WITHOUT_DOC_VALUES:
                raise SourceRejected(
                    f"index {config.index!r}: field {name!r} is of type {kind}, which has no doc values; "
                    f"use a keyword sub-field such as {name}.keyword"
                )
        return types

    def _refuse_partial(self, answer: Any) -> None:
        failed = answer["_shards"]["failed"]
        if answer["timed_out"] or failed:
            what = "timed out" if answer["timed_out"] else f"{failed} shards failed"
            raise SourceUnavailable(f"index {self.config.index!r} gave half an answer ({what}); nothing of it was kept")

    def _translated(self, error: ApiError | TransportError, url: str) -> SourceError:
        parts = urlsplit(url)
        where = f"Elasticsearch {parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        index = f"index {self.config.index!r}"
        if isinstance(error, NotFoundError):
            if error.error != "index_not_found_exception":
                return SourceUnavailable(
                    f"{where}: the point in time of {index} is gone (a node restarted, or the reading took too long)"
                )
            return SourceRejected(f"{where}: there is no {index}; correct online_index.index, or create it")
        if isinstance(error, AuthenticationException):
            return SourceRejected(
                f"{where}: it does not know these credentials; correct online_index.api_key, or username and password"
            )
        if isinstance(error, AuthorizationException):
            return SourceRejected(f"{where}: these credentials may not read {index}; grant them read and view_index_metadata")
        if isinstance(error, ApiError):
            reason = _masked(str(error.message), url)
            if error.status_code in PASSING_STATUS:
                return SourceUnavailable(f"{where}: {index} cannot be read now ({error.status_code}, {reason})")
            return SourceRejected(
                f"{where}: it refuses to read {index} ({error.status_code}, {reason}); check online_index.query and its fields"
            )
        if isinstance(error, TlsError):
            return SourceRejected(
                f"{where}: its certificate is not trusted; set online_index.ca_certificate, or correct the server's certificate"
            )
        if isinstance(error, ConnectionTimeout):
            return SourceUnavailable(
                f"{where}: no answer within {self.config.request_timeout.total_seconds():.0f} s; "
                "check the server, the route to it, and online_index.request_timeout"
            )
        if isinstance(error, EsConnectionError):
            return SourceUnavailable(f"{where}: no connection; check host and port in online_index.url, and that the server runs")
        return SourceUnavailable(f"{where}: {_masked(str(error), url)}")


def _masked(text: str, url: str) -> str:
    """A message without the URL, which may hold a password."""
    return text.replace(url, "the URL")
