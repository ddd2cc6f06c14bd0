"""Shapes of documents: what a flag means, where values are, and random shapes against an oracle."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storeavail_platform.config import DocumentFields, ElasticsearchIndex, FileIndex, OnlineFlag
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.files import FileSource
from storeavail_platform.sources.index_shapes import flag_reader, value_at
from storeavail_platform.sources.index_source import IndexSource
from storeavail_testing.index_server import IndexServer

WINDOW = Window.parse("2026-11-23T1300")
VALUES: list[tuple[Any, str | None]] = [
    (True, "true"),
    ("TRUE", "true"),
    (" yes ", "true"),
    ("On", "true"),
    ("1", "true"),
    (1.0, "true"),
    (False, "false"),
    ("No", "false"),
    ("off", "false"),
    (0, "false"),
    ("open", "open"),
    (2, "2"),
    (None, None),
]
MEANINGS = dict(VALUES)


def test_words_of_a_flag() -> None:
    """Without lists true, 1, yes and on in any case, as text, number or truth; anything else is
    kept, as what it was.
    """
    read = flag_reader(OnlineFlag())
    assert [(word, read(word)) for word, _ in VALUES] == VALUES
    assert read([True]) == "true"
    assert read([True, False]) == "true,false"


def test_words_of_a_company() -> None:
    """Only the lists count then: true is no flag, and does not read as one later."""
    flag = OnlineFlag.model_validate(
        {"field": "s", "online": ["active", 2], "offline": ["INACTIVE", False]}
    )
    read = flag_reader(flag)
    assert [read(value) for value in ("Active", 2, "2.0", "inactive", "no", "off")] == [
        *("true", "true", "2.0", "false", "false", "false"),
    ]
    assert [read(value) for value in (True, "TRUE", "paused")] == ["'true'", "'TRUE'", "paused"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"online": {"field": "s", "online": ["a"]}}, "give both lists"),
        ({"online": {"online": ["a"], "offline": ["A"]}}, "in both lists: a"),
        ({"nested": "stores", "store_id": "id"}, r"whole name, stores\.id"),
    ],
)
def test_configurations_that_cannot_be(wrong: dict[str, Any], message: str) -> None:
    """A word in no or both lists, and an entry's field by half its name, are mistakes."""
    with pytest.raises(ValueError, match=message):
        DocumentFields.model_validate(wrong)


def test_values_by_their_names() -> None:
    """Dots lead into objects or stand in names, deepest value first found; lists give all."""
    document = {"a": {"b.c": 1, "b": {"d": 2}}, "a.x": 3, "l": [{"v": 4}, {"v": 5}, {}]}
    names = ("a.b.c", "a.b.d", "a.x", "l.v", "a.b.nothing", "l.w", "a.x.y")
    assert [value_at(document, name) for name in names] == [1, 2, 3, [4, 5], None, None, None]


TEXTS = st.one_of(
    st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=12),
    st.uuids().map(str),
)
FLAGS = [*(value for value, _ in VALUES if value is not None), "maybe"]
PATHS = st.sampled_from(["id", "store.id", "a.b.c"])


Shaped = tuple[dict[str, Any], list[dict[str, Any]], list[tuple[Any, Any]]]


@st.composite
def shapes(draw: st.DrawFn, numbers: st.SearchStrategy[int], flags: Sequence[Any]) -> Shaped:
    """Settings, documents, and the stores in them with id and flag."""
    store_id, is_nested = draw(PATHS), draw(st.booleans())
    stores = draw(st.lists(st.tuples(numbers | TEXTS, st.sampled_from(flags)), max_size=30))
    is_flat = draw(st.booleans())
    entries = [
        {**placed(store_id, value, is_flat), "state": {"on": flag}} for value, flag in stores
    ]
    if not is_nested:
        return {"store_id": store_id, "online": "state.on"}, entries, stores
    size = draw(st.integers(1, 5))
    groups = [entries[start : start + size] for start in range(0, len(entries), size)]
    fields = {"store_id": f"many.s.{store_id}", "online": "many.s.state.on", "nested": "many.s"}
    return fields, [{"many": {"s": group}} for group in groups], stores


def placed(path: str, value: Any, is_flat: bool) -> dict[str, Any]:
    first, _, inner = path.partition(".")
    if is_flat or not inner:
        return {path: value}
    return {first: placed(inner, value, is_flat)}


@given(shapes(st.integers(-(2**70), 2**70), FLAGS), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_shapes(shape: Shaped, is_dump: bool) -> None:
    """Whatever the shape, each store comes once, in order, with the text of its id as it was
    written and what its flag says.
    """
    fields, documents, stores = shape
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.ndjson"
        path.write_text("".join(f"{line(document, is_dump)}\n" for document in documents))
        source = FileSource(FileIndex.model_validate({"path": str(path), **fields}))
        with source.open(WINDOW) as snapshot:
            rows = [row for batch in source.read(snapshot.splits[0]) for row in batch.to_pylist()]
    found = [(row["source_id"], row["online"]) for row in rows]
    assert found == [(str(value), MEANINGS.get(flag, flag)) for value, flag in stores]


def line(document: dict[str, Any], is_dump: bool) -> str:

    return json.dumps({"_id": "x", "_source": document} if is_dump else document)


def mapped(document: dict[str, Any]) -> dict[str, Any]:
    """A mapping with every field of a document as a keyword, lists as nested documents."""
    properties: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, dict):
            properties[name] = mapped(value)
        elif isinstance(value, list):
            properties[name] = {"type": "nested", **mapped(value[0])}
        else:
            properties[name] = {"type": "keyword"}
    return {"properties": properties}


@given(shapes(st.integers(-(2**63), 2**64 - 1), ("On", "No", "1", True, False, "maybe")))
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_shapes_on_a_server(index_server: IndexServer, shape: Shaped) -> None:
    """The same of a server: every store once, whatever the shape."""
    fields, documents, stores = shape
    if not stores:
        return
    index_server.fill("shapes", documents, shards=2, mappings=mapped(documents[0]))
    config = {"url": index_server.url, "index": "shapes", **fields}
    source = IndexSource(ElasticsearchIndex.model_validate(config))
    with source.open(WINDOW) as snapshot:
        rows = [
            (row["source_id"], row["online"])
            for split in snapshot.splits
            for batch in source.read(split)
            for row in batch.to_pylist()
        ]
    assert sorted(rows) == sorted((str(value), MEANINGS.get(flag, flag)) for value, flag in stores)
