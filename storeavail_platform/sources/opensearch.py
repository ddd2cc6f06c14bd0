"""OpenSearch 2 and 3, by its own client; with `auth: aws` its requests are signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from opensearchpy import ConnectionError as NoConnection
from opensearchpy import (
    ConnectionTimeout,
    OpenSearch,
    SerializationError,
    SSLError,
    TransportError,
    Urllib3HttpConnection,
)
from opensearchpy.serializer import JSONSerializer

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
    SSLError: "tls",
    ConnectionTimeout: "timeout",
    NoConnection: "connection",
}


class LimitedConnection(Urllib3HttpConnection):
    def _create_urllib3_pool(self) -> None:
        super()._create_urllib3_pool()
        self.pool: Any = LimitedPool(self.pool)


class PagesAsBytes(JSONSerializer):
    def loads(self, s: Any) -> Any:
        if s.startswith(PAGE.decode()):
            return s.encode(errors="surrogatepass")
        try:
            return orjson.loads(s)
        except orjson.JSONDecodeError as error:
            raise SerializationError(str(s)[:100], error) from None


class OpenSearchClient(IndexClient):
    product = "OpenSearch"

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        ca_certificate: str | None,
        timeout: float,
        sign: Any = None,
    ) -> None:
        """
        Args:
            sign: gives a request the headers of its signature, or None.
        """
        self._client = OpenSearch(
            [url],
            connection_class=LimitedConnection,
            serializer=PagesAsBytes(),
            timeout=timeout,
            max_retries=1,
            headers=dict(headers),
            # without either these are its defaults
            ca_certs=ca_certificate,
            http_auth=sign,
        )

    @property
    def received(self) -> int:
        return int(self._client.transport.get_connection().pool.received)

    def answer(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Any:
        try:
            answer = self._client.transport.perform_request(
                method, path, params=params, body=body, timeout=timeout
            )
        except TransportError as error:
            raise _failure(error) from None
        except SerializationError as error:
            raise RequestFailed(str(error)) from None
        self.answered_at = date_of(self._client.transport.get_connection().pool.headers)
        return answer

    def close(self) -> None:
        self._client.close()

    def open_state(self, index: str) -> str:
        answer = self.request(
            "POST",
            f"/{in_path(index)}/_search/point_in_time",
            params={"keep_alive": KEEP_ALIVE, "allow_partial_pit_creation": "false", **WITH_CLOSED},
        )
        return str(answer["pit_id"])

    def close_state(self, point: PointInTime, timeout: float | None = None) -> None:
        path = "/_search/point_in_time"
        self.request("DELETE", path, body={"pit_id": [point.id]}, timeout=timeout)

    def cut(self, slices: int, settings: IndexSettings) -> tuple[int, Sequence[str]]:
        # `_shard_doc` is unknown to 2.x and loses documents in 3.x. `_doc` is told apart only
        # within one shard of one index: with at least as many slices as an index has shards, no
        # slice has two of them
        sort = ["_doc"] if settings.indices == 1 else ["_index", "_doc"]
        return max(slices, settings.shards), sort


def _failure(error: TransportError) -> RequestFailed:
    if isinstance(error.status_code, int):
        return RequestFailed(str(error.error), status=error.status_code, body=error.info)
    return RequestFailed(str(error.error), cause=cause_of(error, CAUSES))
