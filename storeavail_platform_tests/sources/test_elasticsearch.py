"""Elasticsearch: the whole index from one point in time, and every refusal in words.

A half answer is never taken.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storeavail_platform.config import ElasticsearchIndex
from storeavail_platform.domain.errors import SourceRejected, SourceUnavailable
from storeavail_platform.domain.source import Split
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.elasticsearch import ElasticsearchSource
from storeavail_platform.sources.elasticsearch_errors import refuse_partial
from storeavail_testing.elasticsearch import ElasticsearchServer
from storeavail_testing.processes import free_port

WINDOW = Window.parse("2026-11-23T1300")
DOCUMENTS = 25_000
UPDATED = datetime(2026, 11, 23, 13, 1, tzinfo=UTC)
MAPPINGS = {
    "properties": {
        "store_id": {"type": "keyword"},
        "online": {"type": "boolean"},
        "updated_at": {"type": "date"},
        "country": {"type": "keyword"},
    }
}


def source(
    server: ElasticsearchServer, index: str = "stores_br", **settings: Any
) -> ElasticsearchSource:
    return ElasticsearchSource(
        ElasticsearchIndex.model_validate({"url": server.url, "index": index, **settings})
    )


def read(elasticsearch: ElasticsearchSource) -> list[dict[str, Any]]:
    with elasticsearch.open(WINDOW) as snapshot:
        return [
            row
            for split in snapshot.splits
            for batch in elasticsearch.read(split)
            for row in batch.to_pylist()
        ]


@pytest.fixture(scope="module")
def server(elasticsearch_server: ElasticsearchServer) -> ElasticsearchServer:
    """25,000 documents with text ids on three shards behind the alias stores_br."""
    documents = (
        {
            "store_id": str(i),
            "online": i % 3 > 0,
            "updated_at": UPDATED.isoformat(),
            "country": "BR" if i % 5 else "AR",
        }
        for i in range(DOCUMENTS)
    )
    elasticsearch_server.fill("stores_br_1", documents, shards=3, mappings=MAPPINGS)
    with elasticsearch_server.client() as client:
        client.indices.put_alias(index="stores_br_1", name="stores_br")
    return elasticsearch_server


@pytest.mark.parametrize("slices", [1, 2, 5])
def test_every_document_is_read_once(server: ElasticsearchServer, slices: int) -> None:
    """Slices and pages together give every document exactly once, with id, flag and time."""
    rows = read(source(server, slices=slices))
    assert sorted(int(row["source_id"]) for row in rows) == list(range(DOCUMENTS))
    assert sum(row["online"] == "true" for row in rows) == sum(i % 3 > 0 for i in range(DOCUMENTS))
    assert {row["updated_at"] for row in rows} == {UPDATED}


def test_the_query_is_pushed_down(server: ElasticsearchServer) -> None:
    """Only documents that match the country's query are read."""
    rows = read(source(server, query={"term": {"country": "AR"}}))
    assert len(rows) == DOCUMENTS // 5


def test_the_point_in_time_does_not_move(server: ElasticsearchServer) -> None:
    """Documents changed after the index was opened, and an alias swapped meanwhile, are not
    seen.
    """
    server.fill(
        "moving_1",
        [{"store_id": "1", "online": True}, {"store_id": "2", "online": True}],
        mappings=MAPPINGS,
    )
    server.fill("moving_2", [{"store_id": "9", "online": False}], mappings=MAPPINGS)
    elasticsearch = source(server, "moving", slices=1)
    with server.client() as client:
        client.indices.put_alias(index="moving_1", name="moving")
        with elasticsearch.open(WINDOW) as snapshot:
            client.indices.update_aliases(
                actions=[
                    {"remove": {"index": "moving_1", "alias": "moving"}},
                    {"add": {"index": "moving_2", "alias": "moving"}},
                ]
            )
            (hit,) = client.search(index="moving_1", query={"term": {"store_id": "2"}})["hits"][
                "hits"
            ]
            client.delete(index="moving_1", id=hit["_id"], refresh=True)
            rows = [
                row for batch in elasticsearch.read(snapshot.splits[0]) for row in batch.to_pylist()
            ]
    assert sorted(row["source_id"] for row in rows) == ["1", "2"]


def test_values_of_any_kind_become_text(server: ElasticsearchServer) -> None:
    """Numbers, several values and absent values are kept as text, judged later."""
    mappings = {
        "properties": {
            "store_id": {"type": "double"},
            "online": {"type": "keyword"},
            "updated_at": {"type": "keyword"},
        }
    }
    documents: list[dict[str, Any]] = [
        {"store_id": 7, "online": "TRUE", "updated_at": "2026-11-23T10:00:00-03:00"},
        {"store_id": [8, 9], "online": ["a", "b"], "updated_at": "soon"},
        {"store_id": 1.5},
        {},
    ]
    server.fill("odd", documents, mappings=mappings)
    rows = sorted(read(source(server, "odd")), key=lambda row: str(row["source_id"]))
    assert [(row["source_id"], row["online"], row["updated_at_text"]) for row in rows] == [
        ("1.5", None, None),
        ("7", "TRUE", "2026-11-23T10:00:00-03:00"),
        ("8,9", "a,b", "soon"),
        (None, None, None),
    ]
    assert [row["updated_at"] for row in rows] == [
        None,
        datetime(2026, 11, 23, 13, tzinfo=UTC),
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("index", "settings", "message"),
    [
        ("nothing", {}, "there is no index 'nothing'; correct online_index.index"),
        ("stores_br", {"store_id": "shop"}, "has no field 'shop'; set online_index.store_id"),
        ("stores_br", {"online": "visible"}, "has no field 'visible'; set online_index.online"),
        ("stores_br", {"query": {"no_such_query": {}}}, "check online_index.query"),
    ],
)
def test_what_is_missing_is_named(
    server: ElasticsearchServer, index: str, settings: dict[str, Any], message: str
) -> None:
    """A missing index or field, and a bad query, stop at once with what to change."""
    with pytest.raises(SourceRejected, match=message):
        read(source(server, index, **settings))


def test_a_field_without_doc_values_is_refused(server: ElasticsearchServer) -> None:
    """A text field cannot be read; the message names the keyword sub-field to use."""
    server.fill(
        "texts",
        [{"store_id": "1", "online": True}],
        mappings={"properties": {"store_id": {"type": "text"}}},
    )
    with pytest.raises(SourceRejected, match=r"'store_id' is of type text.*store_id\.keyword"):
        read(source(server, "texts"))


def test_a_server_that_is_down_may_pass(server: ElasticsearchServer) -> None:
    """No connection names host and port, and is worth another try."""
    port = free_port()
    settings = {
        "url": f"http://127.0.0.1:{port}",
        "index": "stores_br",
        "request_timeout": timedelta(seconds=2),
    }
    elasticsearch = ElasticsearchSource(ElasticsearchIndex.model_validate(settings))
    with pytest.raises(SourceUnavailable, match=f"127.0.0.1:{port}: no connection"):
        read(elasticsearch)


def test_a_point_in_time_that_is_gone_may_pass(server: ElasticsearchServer) -> None:
    """A reading whose point in time was lost is an error, not an empty index."""
    elasticsearch = source(server)
    with elasticsearch.open(WINDOW) as snapshot:
        with server.client() as client:
            client.close_point_in_time(id=snapshot.splits[0].arguments["pit"])
        with pytest.raises(SourceUnavailable, match="point in time"):
            list(elasticsearch.read(snapshot.splits[0]))


@pytest.mark.parametrize(
    "answer",
    [
        {"timed_out": True, "_shards": {"failed": 0, "total": 2}},
        {"timed_out": False, "_shards": {"failed": 1, "total": 2}},
    ],
)
def test_half_an_answer_is_refused(answer: dict[str, Any]) -> None:
    """A time-out or a failed shard would read as stores going offline."""
    with pytest.raises(SourceUnavailable, match="half an answer"):
        refuse_partial(answer, "stores_br")


def test_a_split_holds_no_secret(server: ElasticsearchServer) -> None:
    """Splits travel to other machines: they hold the point in time, never an address or
    credentials.
    """
    with source(server).open(WINDOW) as snapshot:
        split: Split = snapshot.splits[0]
    assert set(split.arguments) == {"pit", "slices", "is_date", "has_time"}


def test_check_finds_what_is_there_and_what_is_wrong(server: ElasticsearchServer) -> None:
    """`check` counts documents, warns where an indexer that stands still would go unnoticed,
    and gives errors in words.
    """
    assert [finding.level for finding in source(server).check()] == ["ok"]
    assert [finding.level for finding in source(server, updated_at="changed").check()] == [
        "ok",
        "warning",
    ]
    (finding,) = source(server, "nothing").check()
    assert (finding.level, "there is no index" in finding.message) == ("error", True)
