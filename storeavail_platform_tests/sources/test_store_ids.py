"""What a store's id is: the one function, against plain Python, and both worlds by it."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storeavail_platform.config import Postgres
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.documents import documents_batch
from storeavail_platform.sources.postgres import PostgresSource
from storeavail_platform.sources.store_ids import store_ids
from storeavail_testing.postgres import PostgresServer

UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.I)
TEXTS = st.one_of(
    st.none(),
    st.text(max_size=12),
    st.text("0123456789", max_size=25),
    st.text(" \t\n\u00a0\u2003x7", max_size=6),
    st.uuids().map(str),
    st.uuids().map(lambda each: f" {str(each).upper()}\n"),
    st.integers(-(2**70), 2**70).map(str),
    st.integers(198, 202).map(lambda size: "é" * size),
)


def by_the_rule(text: str | None) -> str | None:
    """In plain Python, a character at a time."""
    if text is None:
        return None
    trimmed = text.strip()
    if not 1 <= len(trimmed) <= 200:
        return None
    if any(unicodedata.category(character) == "Cc" for character in trimmed):
        return None
    return trimmed.lower() if UUID.fullmatch(trimmed) else trimmed


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, max_size=20))
def test_an_id_is_what_the_rule_says(texts: list[str | None]) -> None:
    """Trimmed, 1 to 200 characters without control characters, UUIDs in small letters; everything
    else as it is.
    """
    found = store_ids(pa.array(texts, pa.string())).to_pylist()
    assert found == [by_the_rule(text) for text in texts]


DOCUMENTS: list[tuple[Any, str | None]] = [
    (7, "7"),
    (-7, "-7"),
    (2**64, str(2**64)),
    ("007", "007"),
    (" 7 ", "7"),
    (["7"], "7"),
    ([7, 8], None),
    ([], None),
    (None, None),
    (True, None),
    (7.0, "7"),
    (1.5, None),
    (float(2**53), None),
    (float(2**53 - 1), str(2**53 - 1)),
    (float("nan"), None),
    (float("inf"), None),
    ({"id": 7}, None),
    ("\ud800", None),
    ("550E8400-E29B-41D4-A716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
]


def test_a_documents_value_is_an_id_or_none() -> None:
    """Whole numbers by their digits; several values, flags, fractions and numbers that a float does
    not hold exactly are none, and what was read is kept.
    """
    values = [value for value, _ in DOCUMENTS]
    nothing = [None] * len(values)
    batch = documents_batch(values, nothing, nothing)
    assert batch.column("store_id").to_pylist() == [expected for _, expected in DOCUMENTS]
    read = batch.column("source_id").to_pylist()
    assert [text is None for text in read] == [value in (None, []) for value in values]


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("bigint", ["-9223372036854775808", "7"], ["-9223372036854775808", "7"]),
        ("numeric(30)", ["123456789012345678901234567890"], ["123456789012345678901234567890"]),
        (
            "uuid",
            ["550E8400-E29B-41D4-A716-446655440000"],
            ["550e8400-e29b-41d4-a716-446655440000"],
        ),
        ("text", ["007", "7", "A1", "a1", " 8\t", "  "], ["007", "7", "A1", "a1", "8", None]),
        ("char(6)", ["7"], ["7"]),
    ],
)
def test_ids_of_postgres_are_the_same_text(
    postgres_server: PostgresServer, kind: str, values: list[str], expected: list[str | None]
) -> None:
    """Of whatever type its column is, in stores and in hours."""
    database = f"ids_{re.sub('[^a-z]', '', kind)}"
    dsn = postgres_server.create(database)
    for table in ("stores", "store_weekly_hours", "store_special_hours"):
        postgres_server.execute(
            database, f"ALTER TABLE {table} ALTER store_id TYPE {kind} USING store_id::text::{kind}"
        )
    rows = [(value,) for value in values]
    postgres_server.execute(database, f"INSERT INTO stores(store_id) VALUES (%s::{kind})", rows)
    postgres_server.execute(
        database, f"INSERT INTO store_weekly_hours VALUES (%s::{kind}, 1, '00:00', '24:00')", rows
    )
    source = PostgresSource(Postgres.model_validate({"dsn": dsn}), "UTC")
    with source.open(Window.parse("2026-11-23T1300")) as snapshot:
        for split in snapshot.splits:
            found = pa.Table.from_batches(source.read(split), source.relations[split.relation])
            assert sorted(found["store_id"].to_pylist(), key=str) == sorted(expected, key=str)


def test_case_and_leading_zeros_tell_stores_apart() -> None:
    """`007` is not `7`, `A1` is not `a1`; capital letters make no other UUID."""
    texts = ["007", "7", "A1", "a1", "550E8400-E29B-41D4-A716-446655440000"]
    assert len(set(store_ids(pa.array(texts)).to_pylist()) | {texts[-1].lower()}) == 5
