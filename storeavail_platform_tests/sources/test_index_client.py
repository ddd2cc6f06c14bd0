"""Pages of an index: what a server could do to them, said by one that is written here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from storeavail_platform.domain.errors import SourceUnavailable
from storeavail_platform.sources.index_client import PointInTime
from storeavail_platform.sources.opensearch import OpenSearchClient

POINT = PointInTime("state", "stores", 1, ("_doc",), 2)


class Scripted(OpenSearchClient):
    """Gives pages of two documents until `lost_after` were given, and says that there are five."""

    def __init__(self, lost_after: int) -> None:
        self.lost_after = lost_after
        self.asked: list[dict[str, Any]] = []

    def answer(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Any:
        assert body is not None
        self.asked.append(dict(body))
        first = body.get("search_after", [-1])[0] + 1
        hits = [{"sort": [i]} for i in range(first, min(first + 2, self.lost_after))]
        total = {"total": {"value": 5}} if body["track_total_hits"] else {}
        shards = {"failed": 0, "total": 1}
        return orjson.dumps(
            {
                "pit_id": f"state {first}",
                "timed_out": False,
                "_shards": shards,
                "hits": {**total, "hits": hits},
            }
        )


def test_pages_end_with_the_last_document() -> None:
    """The newest id of the state is used, what the server counts once ends the reading."""
    client = Scripted(lost_after=5)
    assert [len(page) for page in client.pages(POINT, 0, {})] == [2, 2, 1]
    assert [body["pit"]["id"] for body in client.asked] == ["state", "state 0", "state 2"]
    assert [body["track_total_hits"] for body in client.asked] == [True, False, False]


def test_documents_that_are_lost_on_the_way_are_noticed() -> None:
    """Fewer documents than the server counts would read as stores going offline."""
    with pytest.raises(SourceUnavailable, match="gave 3 of 5 documents; nothing of it was kept"):
        list(Scripted(lost_after=3).pages(POINT, 0, {}))
