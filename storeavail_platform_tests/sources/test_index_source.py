"""An index on a server: the whole of it from one point in time, whatever shape its documents have,
and every refusal in words. On each product that is read.

A half answer is never taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storeavail_platform.config import ElasticsearchIndex
from storeavail_platform.domain.errors import SourceRejected, SourceUnavailable
from storeavail_platform.domain.source import Split
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources import index_client, limited_pool
from storeavail_platform.sources.index_errors import refuse_partial
from storeavail_platform.sources.index_shapes import refuse_fields
from storeavail_platform.sources.index_source import IndexSource
from storeavail_testing.index_server import IndexServer
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
    server: IndexServer, index: str | list[str] = "stores_br", **settings: Any
) -> IndexSource:
    return IndexSource(
        ElasticsearchIndex.model_validate({"url": server.url, "index": index, **settings})
    )


def read(index: IndexSource) -> list[dict[str, Any]]:
    with index.open(WINDOW) as snapshot:
        return [
            row
            for split in snapshot.splits
            for batch in index.read(split)
            for row in batch.to_pylist()
        ]


def ids(rows: Sequence[dict[str, Any]]) -> list[str]:
    return sorted(str(row["source_id"]) for row in rows)


@pytest.fixture(scope="module")
def server(index_server: IndexServer) -> IndexServer:
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
    index_server.fill("stores_br_1", documents, shards=3, mappings=MAPPINGS)
    alias(index_server, {"add": {"index": "stores_br_1", "alias": "stores_br"}})
    return index_server


def alias(server: IndexServer, *actions: dict[str, Any]) -> None:
    server.call("POST", "/_aliases", {"actions": list(actions)})


@pytest.fixture
def closed(server: IndexServer) -> Iterator[str]:
    """The name of a closed index, gone afterwards: patterns of other tests would find it."""
    server.fill("part_closed", [{"store_id": "3"}], mappings=MAPPINGS)
    server.call("POST", "/part_closed/_close")
    yield "part_closed"
    server.call("DELETE", "/part_closed")


@pytest.mark.parametrize("slices", [1, 2, 5])
def test_every_document_is_read_once(server: IndexServer, slices: int) -> None:
    """Slices and pages together give every document exactly once, with id, flag and time."""
    rows = read(source(server, slices=slices))
    assert sorted(int(row["source_id"]) for row in rows) == list(range(DOCUMENTS))
    assert sum(row["online"] == "true" for row in rows) == sum(i % 3 > 0 for i in range(DOCUMENTS))
    assert {row["updated_at"] for row in rows} == {UPDATED}


def test_several_indices(server: IndexServer) -> None:
    """A list and a pattern are read whole, whatever shards each index has, in small pages too."""
    for name, shards, first in (("many_1", 4, 0), ("many_2", 1, 6_000), ("many_3", 3, 9_000)):
        documents = [{"store_id": str(i), "online": True} for i in range(first, first + 3_000)]
        settings = {"max_result_window": 700 if shards == 1 else 10_000}
        server.fill(name, documents, shards=shards, mappings=MAPPINGS, settings=settings)
    assert len(set(ids(read(source(server, "many_*"))))) == 9_000
    assert len(set(ids(read(source(server, ["many_1", "many_2"], slices=3))))) == 6_000


def test_the_query_is_pushed_down(server: IndexServer) -> None:
    """Only documents that match the country's query are read; an empty one is none."""
    rows = read(source(server, query={"term": {"country": "AR"}}))
    assert len(rows) == DOCUMENTS // 5
    everything = source(server, query={})
    assert len(read(everything)) == DOCUMENTS
    assert [finding.level for finding in everything.check()] == ["ok"]


def test_the_point_in_time_does_not_move(server: IndexServer) -> None:
    """Documents changed after the index was opened, and an alias swapped meanwhile, are not
    seen.
    """
    first: list[dict[str, Any]] = [
        {"_id": "a", "store_id": "1", "online": True},
        {"_id": "b", "store_id": "2"},
    ]
    server.fill("moving_1", first, mappings=MAPPINGS)
    server.fill("moving_2", [{"store_id": "9", "online": False}], mappings=MAPPINGS)
    index = source(server, "moving", slices=1)
    alias(server, {"add": {"index": "moving_1", "alias": "moving"}})
    with index.open(WINDOW) as snapshot:
        alias(
            server,
            {"remove": {"index": "moving_1", "alias": "moving"}},
            {"add": {"index": "moving_2", "alias": "moving"}},
        )
        server.call("DELETE", "/moving_1/_doc/b?refresh=true")
        rows = [row for batch in index.read(snapshot.splits[0]) for row in batch.to_pylist()]
    assert ids(rows) == ["1", "2"]


def test_values_of_any_kind_become_text(server: IndexServer) -> None:
    """Numbers, several values and absent values are kept as text, judged later."""
    mappings = {
        "properties": {
            "store_id": {"type": "keyword"},
            "online": {"type": "keyword"},
            "updated_at": {"type": "keyword"},
        }
    }
    documents: list[dict[str, Any]] = [
        {"store_id": 7, "online": "TRUE", "updated_at": "2026-11-23T10:00:00-03:00"},
        {"store_id": [8, 9], "online": ["a", "b"], "updated_at": "soon"},
        {"store_id": "007"},
        {},
    ]
    server.fill("odd", documents, mappings=mappings)
    rows = sorted(read(source(server, "odd")), key=lambda row: str(row["source_id"]))
    assert [(row["source_id"], row["online"], row["updated_at_text"]) for row in rows] == [
        ("007", None, None),
        ("7", "true", "2026-11-23T10:00:00-03:00"),
        ("8,9", "a,b", "soon"),
        (None, None, None),
    ]
    assert [row["updated_at"] for row in rows] == [
        None,
        datetime(2026, 11, 23, 13, tzinfo=UTC),
        None,
        None,
    ]


@pytest.mark.parametrize("unit", [1, 1000])
def test_moments_as_numbers(server: IndexServer, unit: int) -> None:
    """Epoch seconds and milliseconds are told apart by their size, mapped as number or as date."""
    for kind in ("long", "date", "keyword"):
        mappings = {"properties": {**MAPPINGS["properties"], "updated_at": {"type": kind}}}
        moment = int(UPDATED.timestamp()) * unit
        server.fill("moments", [{"store_id": "1", "updated_at": moment}], mappings=mappings)
        assert [row["updated_at"] for row in read(source(server, "moments"))] == [UPDATED]


def test_ids_and_flags_in_objects(server: IndexServer) -> None:
    """Dots lead into objects: field capabilities name the parent objects too, and harm nothing."""
    properties = {
        "store": {"properties": {"id": {"type": "long"}, "state": {"type": "keyword"}}},
        "times": {"properties": {"changed": {"type": "date"}}},
    }
    documents: list[dict[str, Any]] = [
        {"store": {"id": 2**53 + 1, "state": "active"}, "times": {"changed": UPDATED.isoformat()}},
        {"store": {"id": -7, "state": "Closed"}},
    ]
    server.fill("objects", documents, mappings={"properties": properties})
    flag = {"field": "store.state", "online": ["ACTIVE"], "offline": ["closed"]}
    index = source(server, "objects", store_id="store.id", online=flag, updated_at="times.changed")
    rows = read(index)
    assert ids(rows) == ["-7", str(2**53 + 1)]
    assert {row["source_id"]: row["online"] for row in rows} == {
        "-7": "false",
        str(2**53 + 1): "true",
    }
    assert {row["updated_at"] for row in rows} == {UPDATED, None}


def test_the_id_of_the_document_itself(server: IndexServer) -> None:
    """Where the store's id is only in `_id`, hits keep it."""
    server.fill("own_ids", [{"_id": f"BR-{i:03}", "online": i > 1} for i in range(3)])
    rows = read(source(server, "own_ids", store_id="_id"))
    assert ids(rows) == ["BR-000", "BR-001", "BR-002"]
    assert sum(row["online"] == "true" for row in rows) == 1


@pytest.mark.parametrize("kind", ["nested", "object"])
def test_nested_documents(server: IndexServer, kind: str) -> None:
    """One document, many stores: a row an entry, with the document's own fields beside the
    entry's. A document without entries lists no store.
    """
    mappings = {
        "properties": {
            "stores": {"type": kind, "properties": {"id": {"type": "keyword"}}},
            "updated_at": {"type": "date"},
        }
    }
    documents = [
        {
            "updated_at": UPDATED.isoformat(),
            "stores": [{"id": f"{city}-{i}", "on": i % 2} for i in range(40)],
        }
        for city in range(30)
    ]
    server.fill("nested", [*documents, {"stores": []}, {}], shards=3, mappings=mappings)
    index = source(server, "nested", nested="stores", store_id="stores.id", online="stores.on")
    rows = read(index)
    assert ids(rows) == sorted(f"{city}-{i}" for city in range(30) for i in range(40))
    assert {row["updated_at"] for row in rows} == {UPDATED}
    assert {int(row["source_id"].split("-")[1]) % 2: row["online"] for row in rows} == {
        0: "false",
        1: "true",
    }
    assert [finding.level for finding in index.check()] == ["ok"]


def test_limits_of_the_index(server: IndexServer) -> None:
    """A page and the fields by doc values adapt to what the index allows."""
    settings = {"max_result_window": 300, "max_docvalue_fields_search": 1}
    documents = [
        {"store_id": str(i), "online": True, "updated_at": UPDATED.isoformat()} for i in range(1000)
    ]
    server.fill("narrow", documents, shards=2, mappings=MAPPINGS, settings=settings)
    rows = read(source(server, "narrow"))
    assert ids(rows) == sorted(map(str, range(1000)))
    assert {(row["online"], row["updated_at"]) for row in rows} == {("true", UPDATED)}


def test_an_answer_has_a_longest_length(
    server: IndexServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that is too long is asked for in smaller ones; a single document that is, is refused,
    and so is anything else of that length.
    """
    entries = [{"id": f"{i}"} for i in range(200)]
    server.fill("long", [{"stores": entries}] * 30)
    index = source(server, "long", nested="stores", store_id="stores.id", online="stores.id")
    monkeypatch.setattr(limited_pool, "LONGEST_ANSWER", 20_000)
    assert len(read(index)) == 30 * 200
    server.fill("longer", [{"stores": entries * 10}])
    fields = {"nested": "stores", "store_id": "stores.id", "online": "stores.id", "slices": 1}
    longer = source(server, "longer", **fields)
    with pytest.raises(SourceRejected, match="one document alone is an answer of more than 64 MB"):
        read(longer)
    assert "one document alone" in longer.check()[0].message
    monkeypatch.setattr(limited_pool, "LONGEST_ANSWER", 10)
    with pytest.raises(SourceRejected, match="answer"):
        read(index)


@pytest.mark.parametrize(
    ("index", "settings", "message"),
    [
        ("stores_br", {"store_id": "shop"}, "has no field 'shop'; set online_index.store_id"),
        ("stores_br", {"online": "visible"}, "has no field 'visible'; set online_index.online"),
        (
            "stores_br",
            {"nested": "s", "store_id": "s.id", "online": "online"},
            r"no field 's.id'; set online_index.store_id .* by its whole name, s.NAME",
        ),
        (
            "stores_br",
            {"several": "newest", "updated_at": "at"},
            "no field 'at'; set online_index.updated_at",
        ),
        ("stores_br", {"query": {"no_such_query": {}}}, "check online_index.query"),
    ],
)
def test_what_is_wrong_is_named(
    server: IndexServer, index: str, settings: dict[str, Any], message: str
) -> None:
    """A missing field and a bad query stop at once with what to change; `check` says the same."""
    wrong = source(server, index, **settings)
    with pytest.raises(SourceRejected, match=message) as refused:
        read(wrong)
    (finding,) = wrong.check()
    assert (finding.level, finding.message) == ("error", str(refused.value))


@pytest.mark.parametrize("index", ["nothing", "nothing_*", ["stores_br", "nothing"]])
def test_a_missing_index_may_come(server: IndexServer, index: str | list[str]) -> None:
    """An index that is not there, a pattern without any, is tried again by a run; `check` calls it
    an error at once.
    """
    missing = source(server, index)
    with pytest.raises(SourceUnavailable, match=r"there is no index .*correct online_index.index"):
        read(missing)
    (finding,) = missing.check()
    assert (finding.level, "there is no index" in finding.message) == ("error", True)


def test_an_index_without_fields_may_come(server: IndexServer) -> None:
    """An index that was just made has no mapping yet: tried again."""
    server.fill("fresh", [])
    with pytest.raises(SourceUnavailable, match="has no fields yet"):
        read(source(server, "fresh"))
    assert [finding.level for finding in source(server, "fresh").check()] == ["error"]


def test_a_red_index_may_pass(server: IndexServer) -> None:
    """An index whose shards are on no node is tried again; nothing of it is taken for empty."""
    body = {
        "settings": {"number_of_replicas": 0, "index.routing.allocation.require._name": "nobody"},
        "mappings": MAPPINGS,
    }
    server.call("PUT", "/red?wait_for_active_shards=0&timeout=1s", body)
    try:
        for index in ("red", ["stores_br", "red"]):
            with pytest.raises(SourceUnavailable, match=r"cannot be read now \(503, .*red"):
                read(source(server, index))
        assert [finding.level for finding in source(server, "red").check()] == ["error"]
    finally:
        server.call("DELETE", "/red")


def test_a_closed_index_is_refused(server: IndexServer, closed: str) -> None:
    """By its name, under a pattern and under an alias: its stores would be missing."""
    server.fill("part_open", [{"store_id": "1"}], mappings=MAPPINGS)
    for index in (closed, "part_*", [closed, "part_open"]):
        with pytest.raises(SourceRejected, match=r"is closed, or one of .* \(part_closed\)"):
            read(source(server, index))
        (finding,) = source(server, index).check()
        assert finding.level == "error"


def test_a_block_is_told(server: IndexServer) -> None:
    """A block is no lack of rights: the message names it."""
    server.fill("blocked", [{"store_id": "1"}], mappings=MAPPINGS)
    server.call("PUT", "/blocked/_settings", {"index.blocks.read": True})
    with pytest.raises(SourceRejected, match=r"is blocked .*FORBIDDEN/7/index read"):
        read(source(server, "blocked"))
    server.call("DELETE", "/blocked")


@pytest.mark.parametrize("kind", ["float", "half_float", "double"])
def test_an_id_that_is_not_exact_is_refused(server: IndexServer, kind: str) -> None:
    """A type that takes one store for another is no id; the message says the way out."""
    mappings = {"properties": {**MAPPINGS["properties"], "store_id": {"type": kind}}}
    server.fill("inexact", [{"store_id": 7}], mappings=mappings)
    with pytest.raises(SourceRejected, match=f"is of type {kind}.*keyword or long"):
        read(source(server, "inexact"))


def test_a_scaled_float_is_not_exact_either() -> None:
    """The type is of an optional module, which the plain servers lack."""
    fields = ElasticsearchIndex.model_validate({"url": "http://127.0.0.1:1", "index": "stores"})
    types = {"store_id": {"scaled_float": True}, "online": {"boolean": True}}
    with pytest.raises(SourceRejected, match="is of type scaled_float"):
        refuse_fields(fields, types, "stores", by_values=True)


def test_a_field_without_doc_values_is_refused(server: IndexServer) -> None:
    """A text field cannot be read; the message names the keyword sub-field to use."""
    server.fill(
        "texts",
        [{"store_id": "1", "online": True}],
        mappings={"properties": {"store_id": {"type": "text"}}},
    )
    with pytest.raises(SourceRejected, match=r"'store_id' is of type text.*store_id\.keyword"):
        read(source(server, "texts"))


def test_an_index_without_its_source_is_told(server: IndexServer) -> None:
    """Where what was indexed has to be read and is not kept, the message says so."""
    mappings = {"_source": {"enabled": False}}
    server.fill("sourceless", [{"s": [{"id": "1"}]}], mappings=mappings)
    with pytest.raises(SourceRejected, match="_source is disabled"):
        read(source(server, "sourceless", nested="s", store_id="s.id", online="s.id"))


def test_a_server_that_is_down_may_pass() -> None:
    """No connection names host and port, and is worth another try."""
    port = free_port()
    settings = {
        "url": f"http://127.0.0.1:{port}",
        "index": "stores_br",
        "request_timeout": timedelta(seconds=2),
    }
    with pytest.raises(SourceUnavailable, match=f"127.0.0.1:{port}: no connection"):
        read(IndexSource(ElasticsearchIndex.model_validate(settings)))


def test_a_point_in_time_that_is_gone_may_pass(server: IndexServer) -> None:
    """A reading whose point in time was lost is an error, not an empty index."""
    index = source(server)
    with index.open(WINDOW) as snapshot:
        arguments = snapshot.splits[0].arguments
        with index.client(arguments["product"]) as client:
            client.close_state(index_client.PointInTime(**arguments["point"]))
        with pytest.raises(SourceUnavailable, match="point in time"):
            list(index.read(snapshot.splits[0]))


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


def test_a_split_holds_no_secret(server: IndexServer) -> None:
    """Splits travel to other machines: they hold the point in time and what to ask, never an
    address or credentials.
    """
    with source(server).open(WINDOW) as snapshot:
        split: Split = snapshot.splits[0]
    assert set(split.arguments) == {*("product", "point", "readers", "by_values", "wanted")}
    assert server.url not in repr(split)


def test_check_finds_what_is_there_and_what_is_wrong(server: IndexServer) -> None:
    """`check` counts documents and what they cost; without any it is an error."""
    (finding,) = source(server).check()
    assert (finding.level, "25,000 documents (" in finding.message) == ("ok", True)
    size = int(finding.message.partition("(")[2].split()[0].replace(",", ""))
    assert 25_000 * 50 < size < 25_000 * 500
    (finding,) = source(server, query={"term": {"country": "XX"}}).check()
    assert (finding.level, "matches online_index.query" in finding.message) == ("error", True)
