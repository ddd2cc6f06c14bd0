"""Bad rows: each kind is kept with its problem and changes no good store."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import pytest

from storeavail_platform.domain.windows import Window
from storeavail_platform.warehouse.engine import Engine
from storeavail_platform_tests.domain.tables.harness import (
    Inputs,
    Row,
    computed,
    document,
    ids,
    special,
    store,
    weekly,
)

TODAY = date(2026, 11, 23)
WINDOW = Window.parse("2026-11-23T1300")
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"


def rows(engine: Engine, inputs: Inputs, table: str) -> list[dict[str, Any]]:
    with computed(engine, inputs) as session:
        return session.rows(f"SELECT * FROM {table}")


IDS: dict[str | None, str | None] = {
    "0": "0",
    "7": "7",
    "007": "007",
    "-7": "-7",
    "99999999999999999999": "99999999999999999999",
    " 8\t": "8",
    "1.0": "1.0",
    "1_000": "1_000",
    "kiosk-7": "kiosk-7",
    "Kiosk-7": "Kiosk-7",
    "550E8400-E29B-41D4-A716-446655440000": "550e8400-e29b-41d4-a716-446655440000",
    "\N{ARABIC-INDIC DIGIT ONE}": "\N{ARABIC-INDIC DIGIT ONE}",
    "x" * 200: "x" * 200,
    "x" * 201: None,
    "a\x00b": None,
    "a\nb": None,
    "": None,
    " \t": None,
    None: None,
}


@pytest.mark.parametrize("table", ["stores", "online_index"])
def test_a_store_id_is_text_and_what_was_read_is_kept_where_it_differs(
    engine: Engine, table: str
) -> None:
    """What is no id is kept as read with the problem `not a store id`."""
    inputs = Inputs(
        WINDOW, stores=[store(text) for text in IDS], documents=[document(text) for text in IDS]
    )
    found = Counter(
        (row["store_id"], row["source_id"], row["problem"]) for row in rows(engine, inputs, table)
    )
    assert found == Counter(
        (
            store_id,
            None if text == store_id else text,
            None if store_id is not None else "not a store id",
        )
        for text, store_id in IDS.items()
    )


@pytest.mark.parametrize("table", ["stores", "online_index", "store_hours"])
def test_a_landing_of_the_first_layout_has_whole_numbers_for_ids(
    engine: Engine, table: str
) -> None:
    """It has no column store_id; digits alone are a store's id there."""
    read = ("7", "007", "kiosk-7", "-7", "", " 8", None)
    inputs = Inputs(
        WINDOW,
        stores=[store(text) | {"store_id": None} for text in read],
        documents=[document(text) | {"store_id": None} for text in read],
        hours=[
            weekly(1, TODAY, 480, 1320) | {"store_id": None, "source_id": text} for text in read
        ],
    )
    found = {row["store_id"] for row in rows(engine, inputs, table)}
    assert found == {"7", "007", None}


def test_problems_of_stores(engine: Engine) -> None:
    """The first problem that applies is named, on every copy of a duplicate; blanks around a
    zone are no problem, other letters are.
    """
    inputs = Inputs(
        WINDOW,
        stores=[
            store(1, timezone=" America/Manaus "),
            store(2, timezone=""),
            store(3, timezone="Mars/Olympus"),
            store(4, timezone="america/manaus"),
            store(5, timezone=f"America/Manaus{NO_BREAK_SPACE}"),
            store(6),
            store(" 6", timezone="Mars/Olympus"),
            store(None, timezone="Mars/Olympus"),
            store(7, is_active=None, has_weekly_hours=None),
        ],
    )
    found = {
        row["source_id"] or row["store_id"]: (row["timezone"], row["problem"])
        for row in rows(engine, inputs, "stores")
    }
    assert found == {
        "1": ("America/Manaus", None),
        "2": (None, None),
        "3": ("Mars/Olympus", "unknown timezone"),
        "4": ("america/manaus", "unknown timezone"),
        "5": (f"America/Manaus{NO_BREAK_SPACE}", "unknown timezone"),
        "6": (None, "duplicate store_id"),
        " 6": ("Mars/Olympus", "duplicate store_id"),
        None: ("Mars/Olympus", "not a store id"),
        "7": (None, None),
    }
    (seven,) = [row for row in rows(engine, inputs, "stores") if row["store_id"] == "7"]
    assert (seven["is_active"], seven["has_weekly_hours"]) == (True, False)


def test_problems_of_documents(engine: Engine) -> None:
    """A flag that is neither true nor false is no flag; a document with an unreadable
    updated_at still says whether it is online.
    """
    inputs = Inputs(
        WINDOW,
        stores=[store(5)],
        hours=[weekly(5, TODAY, 480, 1320)],
        documents=[
            document(1, "True"),
            document(2, "1"),
            document(3, None),
            document(4, "true"),
            document(" 4", "maybe"),
            document(5, "true", updated_at_text="yesterday"),
            document(
                6,
                "false",
                updated_at=datetime(2026, 11, 23, 13, tzinfo=UTC),
                updated_at_text="2026-11-23T13:00:00Z",
            ),
        ],
    )
    with computed(engine, inputs) as session:
        found = {
            row["source_id"] or row["store_id"]: (row["is_online"], row["problem"])
            for row in session.rows("SELECT * FROM online_index ORDER BY store_id")
        }
        fact = session.rows("SELECT status FROM store_availability WHERE store_id = '5'")
    assert found == {
        "1": (True, None),
        "2": (None, "no usable online flag"),
        "3": (None, "no usable online flag"),
        "4": (True, "duplicate store_id"),
        " 4": (None, "duplicate store_id"),
        "5": (True, "invalid updated_at"),
        "6": (False, None),
    }
    assert fact == [{"status": "available"}]


HOURS: dict[str, tuple[list[Row], str | None]] = {
    "weekly": ([weekly(1, TODAY, 480, 1440)], None),
    "closed all day": ([special(1, TODAY, None, None)], None),
    "closed all day, not marked": ([{**special(1, TODAY, None, None), "is_closed": None}], None),
    "two special intervals": ([special(1, TODAY, 480, 600), special(1, TODAY, 660, 1320)], None),
    "weekday 0": ([weekly(1, None, 480, 1320, weekday=0)], "invalid weekday"),
    "weekday 8": ([weekly(1, None, 480, 1320, weekday=8)], "invalid weekday"),
    "no weekday": ([weekly(1, None, 480, 1320, weekday=None)], "invalid weekday"),
    "no known kind": ([{**weekly(1, TODAY, 480, 1320), "kind": "wekly"}], "invalid weekday"),
    "no kind": ([{**weekly(1, TODAY, 480, 1320), "kind": None}], "invalid weekday"),
    "no opening": ([weekly(1, TODAY, None, 1320)], "invalid hours"),
    "no closing": ([special(1, TODAY, 480, None)], "invalid hours"),
    "weekly without both": ([weekly(1, TODAY, None, None)], "invalid hours"),
    "after 24:00": ([weekly(1, TODAY, 480, 1441)], "invalid hours"),
    "far beyond any day": ([weekly(1, TODAY, 480, 2**31 - 1)], "invalid hours"),
    "closed, and marked as open": (
        [{**special(1, TODAY, 480, 1320), "is_closed": True}],
        "invalid hours",
    ),
    "closed beside intervals": (
        [special(1, TODAY, 480, 600), special(1, TODAY, None, None)],
        "invalid hours",
    ),
    "special without a date": (
        [{**special(1, TODAY, 480, 1320), "business_date": None}],
        "invalid hours",
    ),
    "no store": ([{**weekly(1, TODAY, 480, 1320), **ids(None)}], "not a store id"),
}


@pytest.mark.parametrize("name", HOURS)
def test_problems_of_hours(engine: Engine, name: str) -> None:
    """Every row is kept; those that contradict each other have the problem all together."""
    hours, problem = HOURS[name]
    found = rows(engine, Inputs(WINDOW, stores=[store(1)], hours=hours), "store_hours")
    assert [row["problem"] for row in found] == [problem] * len(hours)


def test_equal_rows_of_hours_are_one(engine: Engine) -> None:
    """A row that PostgreSQL holds twice says nothing new; keys stay unique."""
    inputs = Inputs(
        WINDOW,
        stores=[store(1)],
        hours=[weekly(1, TODAY, 480, 1320), weekly(" 1", TODAY, 480, 1320)],
    )
    assert len(rows(engine, inputs, "store_hours")) == 1


def test_dirty_rows_change_no_good_store(engine: Engine) -> None:
    """With every kind of dirty row beside them, good stores have exactly the rows that they
    have without.
    """
    good = Inputs(
        WINDOW,
        stores=[
            store(number, timezone=zone)
            for number, zone in enumerate([None, "America/Manaus", "Asia/Tokyo"] * 20, start=100)
        ],
        hours=[weekly(number, TODAY, 480, 1320) for number in range(100, 150)],
        documents=[
            document(number, "true" if number % 3 else "false")
            for number in range(100, 160)
            if number % 7
        ],
    )
    dirty = Inputs(
        WINDOW,
        stores=[
            *good.stores,
            *[store(text) for text in IDS],
            store(1, timezone="Mars/Olympus"),
            store(2),
            store(2),
            *[store(10 + number) for number in range(len(HOURS))],
        ],
        hours=[
            *good.hours,
            *[
                {**row, **ids(row["source_id"] and str(10 + number))}
                for number, (hours, _) in enumerate(HOURS.values())
                for row in hours
            ],
        ],
        documents=[
            *good.documents,
            *[document(text) for text in IDS],
            document(3, "maybe"),
            document(4),
            document(4),
            document(5, updated_at_text="?"),
        ],
    )
    facts = []
    for inputs in (good, dirty):
        with computed(engine, inputs) as session:
            facts.append(
                session.rows(
                    "SELECT * FROM store_availability WHERE LENGTH(store_id) = 3 AND store_id BETWEEN"
                    " '100' AND '159' ORDER BY store_id"
                )
            )
    assert len(facts[0]) == 60
    assert facts[0] == facts[1]
