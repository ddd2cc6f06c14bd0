"""Pages as columns: whatever hits hold, the rows are those of reading them one by one."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storeavail_platform.config import DocumentFields, ElasticsearchIndex, OnlineFlag
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.index_client import PointInTime
from storeavail_platform.sources.index_errors import RequestFailed
from storeavail_platform.sources.index_pages import Page
from storeavail_platform.sources.index_shapes import Shape
from storeavail_platform.sources.index_source import IndexSource
from storeavail_testing.index_server import IndexServer

WINDOW = Window.parse("2026-11-23T1300")
MOMENT = "2026-11-23T13:01:00.123+00:00"
NAMES = ("store.id", "on", "at")
MIXING = ['},{"_', '"sort":[', '"hits":[', "]}}", '{"_id":"x"}', "\\"]
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.lists(st.sampled_from([*MIXING, "7", " ", "\n", "\u0000", "é", "😀"]), max_size=5).map(
        "".join
    ),
    st.sampled_from(["", "007", "7.0", "true", " yes ", "TRUE", "x" * 1_001, "é" * 1_200]),
    st.uuids().map(str),
)
NUMBERS = st.one_of(
    st.integers(-10, 10),
    st.integers(-(2**63), 2**64 - 1),
    st.sampled_from([2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, 2**63]),
)
MOMENTS = st.one_of(
    st.integers(0, 2**43),
    st.sampled_from([10**11 - 1, 10**11, 2**42 - 1, 2**42, 10**12, 9_999_999_999_999]),
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
ODD = st.one_of(st.none(), FLOATS, st.booleans(), NUMBERS, TEXTS)
IDS = {"text": TEXTS, "number": NUMBERS, "small": st.integers(-(2**63), 2**63 - 1)}
FLAGS = {
    "truth": st.booleans(),
    "word": st.sampled_from(["true", "False", " on", "paused", "é"]),
    "number": st.integers(0, 2),
}
TIMES = {
    "milliseconds": MOMENTS.map(str),
    "number": MOMENTS,
    "iso": st.datetimes().map(lambda moment: moment.isoformat()),
    "any": TEXTS,
}


@st.composite
def documents(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Hits of one page: of one type a field as an index has them, now and then with what is odd."""
    kinds = [draw(st.sampled_from([*each.values()])) for each in (IDS, FLAGS, TIMES)]
    is_odd = draw(st.integers(0, 3)) == 0
    found = []
    for number in range(draw(st.integers(1, 12))):
        fields: dict[str, Any] = {}
        for name, kind in zip(NAMES, kinds, strict=True):
            if draw(st.integers(0, 9)):
                fields[name] = [draw(kind)]
        if is_odd and draw(st.booleans()):
            odd = st.lists(st.one_of(ODD, st.just({"_a": 1}), st.just([1])), max_size=3)
            fields[draw(st.sampled_from(NAMES))] = draw(odd)
        own = {"_id": draw(TEXTS)} if draw(st.booleans()) else {}
        hit = {"_index": "stores", **own, "_score": None, "fields": fields, "sort": [number]}
        if not fields and draw(st.booleans()):
            del hit["fields"]
        found.append(hit)
    return found


def answered(hits: list[dict[str, Any]], *, is_escaped: bool = False) -> bytes:
    answer = {
        "pit_id": "state",
        "took": 1,
        "timed_out": False,
        "_shards": {"total": 1, "failed": 0, "failures": [{"reason": '"hits":["'}]},
        "hits": {"total": {"value": len(hits), "relation": "eq"}, "hits": hits},
    }
    return json.dumps(answer, ensure_ascii=is_escaped, separators=(",", ":")).encode()


def shape(store_id: str = NAMES[0]) -> Shape:
    flag = OnlineFlag(field=NAMES[1])
    return Shape(DocumentFields(store_id=store_id, online=flag, updated_at=NAMES[2]))


@given(documents(), st.booleans(), st.sampled_from([NAMES[0], "_id"]))
@settings(max_examples=200, deadline=None)
def test_columns_give_the_rows_of_the_loop(
    hits: list[dict[str, Any]], is_escaped: bool, store_id: str
) -> None:
    """Ids to the last digit, flags, moments and texts; what cannot be a column is left to the loop.
    How many there are, and where the next page starts, are the same too.
    """
    of = shape(store_id)
    page = Page(answered(hits, is_escaped=is_escaped))
    assert page.last_order == hits[-1]["sort"]
    assert (page.around["pit_id"], page.is_empty) == ("state", False)
    columns = page.columns(of.names)
    assert len(page) == len(hits)
    assert page.hits == hits
    if columns is not None:
        assert of.columns_batch(*columns).equals(of.batch([of.values(hit) for hit in hits]))


@pytest.mark.parametrize(
    ("store_id", "online", "updated_at"),
    [
        ("BR-7", True, "1764000000123"),
        (2**63 - 1, "yes", 1764000000),
        ("007", 1, "2026-11-23T10:00:00-03:00"),
        ('é },{"_', False, "soon"),
    ],
)
def test_what_an_index_usually_has_is_read_as_columns(
    store_id: Any, online: Any, updated_at: Any
) -> None:
    """Text, whole numbers, truth, and fields that some documents lack."""
    whole = {"store.id": [store_id], "on": [online], "at": [updated_at]}
    lists = [whole, {"store.id": [store_id]}, whole, {}]
    hits = [{"_index": "i", "_score": None, "fields": f, "sort": [n]} for n, f in enumerate(lists)]
    columns = Page(answered(hits)).columns(NAMES)
    assert columns is not None
    assert [column.to_pylist() for column in columns] == [
        [store_id, store_id, store_id, None],
        [online, None, online, None],
        [updated_at, None, updated_at, None],
    ]


@pytest.mark.parametrize(
    "unusual",
    [
        {"store.id": ["1", "2"]},
        {"store.id": []},
        {"store.id": [None]},
        {"store.id": [7.0]},
        {"store.id": [2**63]},
        {"store.id": "1"},
        {"store.id": [["1"]]},
        {"store.id": ["1"], "on": ["true"]},
        {"store.id": ["1"], "on": [1]},
        {"store.id": ["1"], "on": [{"_a": 1}, {"_b": 2}]},
    ],
)
def test_what_is_unusual_is_read_one_by_one(unusual: dict[str, Any]) -> None:
    """One such document is enough: the page is left to the loop, whole."""
    usual = {"store.id": ["1"], "on": [True]}
    hits = [{"_index": "i", "fields": each, "sort": [n]} for n, each in enumerate([usual, unusual])]
    page = Page(answered(hits))
    assert page.columns(NAMES) is None
    assert (page.hits, len(page), page.last_order) == (hits, 2, [1])


def test_an_answer_that_is_written_otherwise() -> None:
    """With blanks between, as a proxy may write it, or with something behind the hits: the same."""
    hits = [{"_index": "i", "fields": {"store.id": ["1"]}, "sort": [n]} for n in range(3)]
    answer = json.loads(answered(hits))
    behind = {**answer, "hits": {**answer["hits"], "more": []}}
    for other in (json.dumps(answer, indent=1), json.dumps(behind, separators=(",", ":"))):
        page = Page(other.encode())
        assert page.columns(NAMES) is None
        assert (page.hits, page.last_order, page.around["pit_id"]) == (hits, [2], "state")
    empty = Page(answered([]))
    assert (empty.is_empty, len(empty), empty.columns(NAMES)) == (True, 0, None)


@pytest.mark.parametrize("text", [b"\\ud800", b"\\udc00", b"\xff", b"\x01"])
def test_text_that_is_none_is_refused(text: bytes) -> None:
    """Half a surrogate pair, bytes that are not UTF-8, control characters: no row comes of it."""
    hits = [{"_index": "i", "fields": {"store.id": ["TEXT"]}, "sort": [0]}]
    page = Page(answered(hits).replace(b"TEXT", text))
    assert page.columns(NAMES) is None
    with pytest.raises(RequestFailed, match="no JSON"):
        _ = page.hits
    with pytest.raises(RequestFailed, match="no JSON"):
        Page(b'{"pit_id":"a')


@pytest.mark.parametrize("kind", ["keyword", "long"])
def test_a_servers_pages_are_columns(index_server: IndexServer, kind: str) -> None:
    """Whichever product: ids as text and as numbers, truth and dates come as columns, each document
    once.
    """
    properties = {
        "store_id": {"type": kind},
        "online": {"type": "boolean"},
        "updated_at": {"type": "date"},
    }
    stores = [{"store_id": n, "online": n % 2 > 0, "updated_at": MOMENT} for n in range(2_500)]
    bounds = {"max_result_window": 1_000}
    index_server.fill(
        "columns", stores, shards=2, mappings={"properties": properties}, settings=bounds
    )
    config = {"url": index_server.url, "index": "columns"}
    source = IndexSource(ElasticsearchIndex.model_validate(config))
    of = Shape(source.config)
    rows = []
    with source.open(WINDOW) as snapshot, source.client() as client:
        for split in snapshot.splits:
            arguments = split.arguments
            point = PointInTime(**arguments["point"])
            for number in range(split.number, point.slices, arguments["readers"]):
                for page in client.pages(point, number, arguments["wanted"]):
                    columns = page.columns(of.names)
                    assert columns is not None
                    rows += of.columns_batch(*columns).to_pylist()
    assert sorted(int(row["store_id"]) for row in rows) == list(range(2_500))
    assert all(row["online"] == ("false", "true")[int(row["store_id"]) % 2] for row in rows)
    assert {row["updated_at"] for row in rows} == {datetime.fromisoformat(MOMENT)}
