"""Raw Elasticsearch for analysts, on a real server: documents by a query, limits, refusals, and
everything noted.

The test server has no users (its security module is not in it): that a user without the right is
refused is the real server's affair.
"""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from storeavail_platform import analyst
from storeavail_platform.domain.errors import (
    QueryRefused,
    QueryStopped,
    SourceRejected,
    SourceUnavailable,
)
from storeavail_platform.reading.analyst.documents import PAGE_DOCUMENTS
from storeavail_platform_tests.end_to_end.world import World
from storeavail_platform_tests.reading.analyst.test_tables import noted
from storeavail_testing.elasticsearch import ElasticsearchServer
from storeavail_testing.proxy import Fault, proxied

DOCUMENTS = [
    {
        "store_id": str(number),
        "online": number % 2 == 0,
        "city": {"name": "Recife"},
        "odd": number if number % 3 else "text",
    }
    for number in range(25)
]


@pytest.fixture
def index(
    world: World, elasticsearch_server: ElasticsearchServer, monkeypatch: pytest.MonkeyPatch
) -> World:
    """BR's documents in an index that its analysts may read."""
    elasticsearch_server.fill(
        "analysts", DOCUMENTS, shards=2, mappings={"properties": {"odd": {"type": "keyword"}}}
    )
    monkeypatch.setenv("BR_ANALYST_ES", elasticsearch_server.url)
    text = world.config.read_text()
    world.config.write_text(
        text.replace(
            "analyst: {", "analyst: {online_index: {url: env:BR_ANALYST_ES, index: analysts}, "
        )
    )
    analyst.connect()
    return world


def test_more_documents_than_a_page_has(
    index: World, elasticsearch_server: ElasticsearchServer
) -> None:
    """Each of them once."""
    count = PAGE_DOCUMENTS + len(DOCUMENTS)
    documents = [{"store_id": str(number)} for number in range(count)]
    elasticsearch_server.fill("analysts", documents, shards=2)
    found = analyst.raw.elasticsearch("BR", fields=["store_id"])
    assert sorted(map(int, found["store_id"].to_pylist())) == list(range(count))


def test_documents(index: World) -> None:
    """All of them, a query's, some fields; a field with values of several types is JSON text."""
    everything = analyst.raw.elasticsearch("BR").to_pylist()
    assert sorted(int(row["store_id"]) for row in everything) == list(range(25))
    assert everything[0]["city"] == {"name": "Recife"}
    assert {row["odd"] for row in everything} >= {'"text"', "1"}
    online = analyst.raw.elasticsearch(
        "BR", {"term": {"online": True}}, fields=["store_id", "city.name", "nothing"]
    )
    assert online.schema.names == ["_id", "store_id", "city.name", "nothing"]
    assert {(row["city.name"], row["nothing"]) for row in online.to_pylist()} == {("Recife", None)}
    assert online.num_rows == 13
    with pytest.raises(QueryRefused, match=r"names, not patterns: city\.\*"):
        analyst.raw.elasticsearch("BR", fields=["city.*"])
    assert analyst.raw.elasticsearch("BR", {"term": {"store_id": "none"}}).num_rows == 0
    assert [(entry.kind, entry.rows) for entry in noted(index)] == [
        ("elasticsearch", 25),
        ("elasticsearch", 13),
        ("elasticsearch", None),
        ("elasticsearch", 0),
    ]


def test_limits(
    index: World, elasticsearch_server: ElasticsearchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of rows and time; what is stopped is noted, with the query."""
    with pytest.raises(QueryStopped, match="more than 20 rows"):
        analyst.raw.elasticsearch("BR", max_rows=20)
    with proxied(elasticsearch_server.port) as proxy:
        proxy.fault = Fault(hold=threading.Event())
        monkeypatch.setenv("BR_ANALYST_ES", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(QueryStopped, match=r"longer than its limit of 0\.5 s"):
            analyst.raw.elasticsearch("BR", timeout=timedelta(seconds=0.5))
    assert [entry.rows for entry in noted(index)] == [None, None]


def test_refusals(index: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong query and a server that is not there, in the server's words; noted."""
    with pytest.raises(SourceRejected, match="refuses to read index 'analysts'"):
        analyst.raw.elasticsearch("BR", {"nonsense": {}})
    monkeypatch.setenv("BR_ANALYST_ES", "http://127.0.0.1:1")
    with pytest.raises(SourceUnavailable, match="no connection"):
        analyst.raw.elasticsearch("BR")
    assert [entry.error is None for entry in noted(index)] == [False, False]
