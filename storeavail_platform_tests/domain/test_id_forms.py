"""Ids that two sides write differently: what would make them one is found, with the expression that
PostgreSQL would have to give.
"""

from __future__ import annotations

import uuid

import duckdb
import pyarrow as pa
import pytest

from storeavail_platform.domain.id_forms import likeness

UUIDS = [str(uuid.UUID(int=7**number * 10**20 % 2**128)) for number in range(30, 60)]
NUMBERS = [str(number) for number in range(1, 300)]


@pytest.mark.parametrize(
    ("stores", "documents", "how", "sql"),
    [
        (["abc", "DEF"], ["ABC", "DEF"], "in one case", "UPPER({0}::text)"),
        (["ABC", "DEF"], ["abc", "def"], "in one case", "LOWER({0}::text)"),
        (["Abc"], ["aBC"], "in one case", None),
        (
            NUMBERS,
            [number.zfill(6) for number in NUMBERS],
            "without leading zeros",
            "LPAD({0}::text, 6, '0')",
        ),
        (["007", "08"], ["7", "8"], "without leading zeros", "LTRIM({0}::text, '0')"),
        (UUIDS, [each.replace("-", "") for each in UUIDS], "without hyphens",
         "REPLACE({0}::text, '-', '')"),
        ([each.replace("-", "") for each in UUIDS], UUIDS, "without hyphens",
         "({0}::text)::uuid::text"),
        (UUIDS, [each.replace("-", "").upper() for each in UUIDS],
         "without hyphens and in one case", "UPPER(REPLACE({0}::text, '-', ''))"),
        (NUMBERS, [f"store_{number}" for number in NUMBERS],
         "without the prefix 'store_' of the index", "'store_' || {0}::text"),
        ([f"BR-{number}" for number in NUMBERS], NUMBERS,
         "without the prefix 'BR-' of PostgreSQL", "SUBSTRING({0}::text FROM 4)"),
        (UUIDS, [f"BR-{each}" for each in UUIDS],
         "without the prefix 'BR-' of the index", "'BR-' || {0}::text"),
        (NUMBERS, [f"55-{number.zfill(4)}" for number in NUMBERS],
         "without the prefix '55-' of the index and without leading zeros",
         "'55-' || LPAD({0}::text, 4, '0')"),
        ([f"s{number}" for number in NUMBERS], [f"urn:shop:{number}" for number in NUMBERS],
         "without the prefix 's' of PostgreSQL and without the prefix 'urn:shop:' of the index",
         "'urn:shop:' || SUBSTRING({0}::text FROM 2)"),
    ],
)  # fmt: skip
def test_what_would_match(
    stores: list[str], documents: list[str], how: str, sql: str | None
) -> None:
    """Each way alone and with a prefix; the expression makes a store's id its document's."""
    found = likeness(pa.array(stores), pa.array(documents))
    assert found is not None
    assert (found.how, found.sql) == (how, sql)
    assert found.matches == found.tried == len(documents)
    if sql is not None:
        expression = sql.format("'" + found.store_id + "'")
        with duckdb.connect(":memory:") as connection:
            made = connection.execute(f"SELECT {expression}").fetchall()
        assert made == [(found.document_id,)]


def test_nothing_alike_is_nothing() -> None:
    """Ids of another kind, and those that are only alike as numbers are."""
    assert likeness(pa.array(NUMBERS), pa.array(UUIDS)) is None
    assert likeness(pa.array(["12", "13"]), pa.array(["212", "213"])) is None


def test_the_simplest_way_that_matches_most() -> None:
    """Ids that are one in one case need no prefix cut; what matches more wins."""
    found = likeness(pa.array(["br-1", "br-2", "9"]), pa.array(["BR-1", "BR-2", "x9"]))
    assert found is not None
    assert (found.how, found.matches, found.tried) == ("in one case", 2, 3)
