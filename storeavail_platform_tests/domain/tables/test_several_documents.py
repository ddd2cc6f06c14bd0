"""Several documents of one store: a problem, or one row by the rule that the country chose; and
moments that cannot be.
"""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from storeavail_platform.domain.tables.declarations import ONLINE_INDEX
from storeavail_platform.domain.windows import Window
from storeavail_platform.warehouse.engine import Engine
from storeavail_platform_tests.domain.tables.harness import Inputs, Row, computed, document, store

WINDOW = Window.parse("2026-11-23T1300")
OBSERVED = WINDOW.middle()
FLAGS = ("true", "false", None, "maybe")
MEANING = {"true": True, "false": False}


def moments(count: int, chance: random.Random) -> list[datetime | None]:
    """Few different ones, so that some are equal; some in the future, some absent."""
    known = [OBSERVED - timedelta(minutes=chance.randint(0, 3)) for _ in range(count)]
    odd = (None, OBSERVED + timedelta(days=365 * 70), OBSERVED + timedelta(minutes=5))
    return [chance.choice(odd) if chance.random() < 0.3 else moment for moment in known]


def documents(seed: int, stores: int) -> list[Row]:
    chance = random.Random(seed)
    rows = []
    for number in range(stores):
        count = chance.choice((1, 1, 2, 3, 4))
        for moment in moments(count, chance):
            text = None if moment is None else moment.isoformat()
            flag = chance.choice(FLAGS)
            rows.append(document(number, flag, updated_at=moment, updated_at_text=text))
    chance.shuffle(rows)
    return rows


def known(row: Row) -> datetime | None:
    """What a document's time counts: nothing where it is later than the clocks may differ."""
    moment: datetime | None = row["updated_at"]
    return moment if moment is None or moment <= OBSERVED + timedelta(minutes=5) else None


def expected(copies: list[Row], several: str) -> tuple[bool | None, datetime | None, bool]:
    """By the rule's words: flag, time, and whether the copies are a problem."""
    times = [moment for row in copies if (moment := known(row)) is not None]
    newest = max(times, default=None)
    if several == "newest":
        copies = [row for row in copies if known(row) == newest]
    flags = {MEANING.get(row["online"]) for row in copies}
    if several == "any_online" and True in flags:
        return True, newest, False
    if None in flags:
        return None, newest, several == "newest" and {True, False} <= flags
    if len(flags) == 2:
        return None, newest, True
    return flags.pop(), newest, False


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("several", ["any_online", "newest"])
def test_a_store_is_one_row(each_engine: Engine, several: str, seed: int, tmp_path: Path) -> None:
    """The same as a plain oracle says, for 400 stores with up to four documents each."""
    landed = documents(seed, 400)
    copies = defaultdict[str, list[Row]](list)
    for row in landed:
        copies[row["source_id"]].append(row)
    inputs = Inputs(WINDOW, documents=landed, several=several)
    with computed(each_engine, inputs, (ONLINE_INDEX,), folder=tmp_path) as session:
        found = {
            str(row["source_id"] or row["store_id"]): (
                row["is_online"],
                row["updated_at"],
                row["problem"] == "duplicate store_id",
            )
            for row in session.rows("SELECT * FROM online_index")
        }
        (count,) = session.rows("SELECT COUNT(*) AS n FROM online_index")
    assert found == {store_id: expected(rows, several) for store_id, rows in copies.items()}
    assert count["n"] == len(copies)


def test_several_are_a_problem_unless_a_rule_is_chosen(engine: Engine) -> None:
    """Every copy stays, and says so."""
    landed = [document(1, "true"), document(1, "true"), document(2, "true")]
    with computed(engine, Inputs(WINDOW, documents=landed)) as session:
        rows = session.rows("SELECT problem FROM online_index ORDER BY store_id")
    assert [row["problem"] for row in rows] == ["duplicate store_id"] * 2 + [None]


def test_a_time_in_the_future_counts_for_nothing(engine: Engine) -> None:
    """One document of the year 2099 does not hide that the indexer stands still; its flag counts,
    and five minutes between two clocks are none of it.
    """
    old, later = OBSERVED - timedelta(hours=3), OBSERVED + timedelta(minutes=5)
    landed = [
        document(1, "true", updated_at=datetime(2099, 1, 1, tzinfo=UTC), updated_at_text="2099"),
        document(2, "true", updated_at=old, updated_at_text="old"),
    ]
    stale_before = OBSERVED - timedelta(hours=1)
    inputs = Inputs(WINDOW, stores=[store(1)], documents=landed, stale_before=stale_before)
    with computed(engine, inputs) as session:
        rows = session.rows("SELECT * FROM online_index ORDER BY store_id")
        (quality,) = session.rows("SELECT * FROM window_quality")
    judged: list[tuple[Any, ...]] = [
        (row["is_online"], row["updated_at"], row["problem"]) for row in rows
    ]
    assert judged == [(True, None, "updated_at in the future"), (True, old, None)]
    assert (quality["newest_updated_at"], quality["suspect_reason"]) == (old, "index is stale")
    fresh = [document(1, "true", updated_at=later, updated_at_text="now")]
    with computed(engine, Inputs(WINDOW, documents=fresh)) as session:
        (row,) = session.rows("SELECT updated_at, problem FROM online_index")
    assert row == {"updated_at": later, "problem": None}
