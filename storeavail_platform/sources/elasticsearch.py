"""Elasticsearch 8 and 9, by its own client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from elastic_transport import ConnectionError as NoConnection
from elastic_transport import (
    ConnectionTimeout,
    HttpHeaders,
    NodeConfig,
    TlsError,
    TransportError,
    Urllib3HttpNode,
)
from elastic_transport.client_utils import DEFAULT
from elasticsearch import ApiError, Elasticsearch, OrjsonSerializer, UnsupportedProductError

from storeavail_platform.sources.index_client import (
    KEEP_ALIVE,
    WITH_CLOSED,
    IndexClient,
    IndexSettings,
    PointInTime,
    date_of,
    in_path,
)
from storeavail_platform.sources.index_errors import Cause, RequestFailed, cause_of
from storeavail_platform.sources.index_pages import PAGE
from storeavail_platform.sources.limited_pool import LimitedPool

CAUSES: Mapping[type[TransportError], Cause] = {
    TlsError: "tls",
    ConnectionTimeout: "timeout",
    NoConnection: "connection",
}


class LimitedNode(Urllib3HttpNode):
    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        self.pool: Any = LimitedPool(self.pool)


class PagesAsBytes(OrjsonSerializer):
    def loads(self, data: bytes) -> Any:
        return data if data.startswith(PAGE) else super().loads(data)


class ElasticsearchClient(IndexClient):
    product = "Elasticsearch"

    def __init__(
        self, url: str, *, headers: Mapping[str, str], ca_certificate: str | None, timeout: float
    ) -> None:
        """Raises:
        ValueError: the URL is none.
        """
        self._client = Elasticsearch(
            url,
            serializer=PagesAsBytes(),
            request_timeout=timeout,
            max_retries=1,
            node_class=LimitedNode,
            sniff_on_start=False,
            sniff_on_node_failure=False,
            headers=dict(headers),
            ca_certs=DEFAULT if ca_certificate is None else ca_certificate,
        )
        self._headers = {**headers, "accept": "application/json"}

    @property
    def received(self) -> int:
        nodes = self._client.transport.node_pool.all()
        return sum(node.pool.received for node in nodes if isinstance(node, LimitedNode))

    def answer(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Any:
        client = self._client
        if timeout is not None:
            client = client.options(request_timeout=timeout, max_retries=0)
        headers = {"accept": "application/json"}
        if body is not None:
            headers["content-type"] = "application/json"
        try:
            answer = client.perform_request(method, path, params=params, headers=headers, body=body)
        except UnsupportedProductError as error:
            raise RequestFailed(str(error), status=404) from None
        except ApiError as error:
            raise RequestFailed(
                str(error.message), status=error.status_code, body=error.body
            ) from None
        except TransportError as error:
            raise _unanswered(error) from None
        self.answered_at = date_of(answer.meta.headers)
        if not isinstance(answer.body, dict | bytes):
            raise RequestFailed("its answer is no object", status=404)
        return answer.body

    def ask(self, path: str) -> tuple[int, HttpHeaders, Any]:
        """Status, headers and JSON of whatever product answers.

        Raises:
            RequestFailed: nothing does.
        """
        try:
            meta, body = self._client.transport.perform_request("GET", path, headers=self._headers)
        except TransportError as error:
            raise _unanswered(error) from None
        return meta.status, meta.headers, body

    def close(self) -> None:
        self._client.close()

    def open_state(self, index: str) -> str:
        path, kept = f"/{in_path(index)}/_pit", {"keep_alive": KEEP_ALIVE, **WITH_CLOSED}
        try:
            answer = self.request(
                "POST", path, params={**kept, "allow_partial_search_results": "false"}
            )
        except RequestFailed as error:
            if "unrecognized parameter" not in error.reason:
                raise
            # servers before 8.16 do not know the choice: they never open a point in time over a
            # part of the shards
            answer = self.request("POST", path, params=kept)
        return str(answer["id"])

    def close_state(self, point: PointInTime, timeout: float | None = None) -> None:
        self.request("DELETE", "/_pit", body={"id": point.id}, timeout=timeout)

    def cut(self, slices: int, settings: IndexSettings) -> tuple[int, Sequence[str]]:
        return slices, ["_shard_doc"]


def _unanswered(error: TransportError) -> RequestFailed:
    return RequestFailed(str(error.message), cause=cause_of(error, CAUSES))
