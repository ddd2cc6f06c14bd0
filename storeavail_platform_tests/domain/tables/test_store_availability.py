"""The fact table: every status and reason, and what happens to minutes, names and dates."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

import pytest

from storeavail_platform.domain.windows import Window
from storeavail_platform.warehouse.engine import Engine
from storeavail_platform_tests.domain.tables.harness import (
    Inputs,
    Row,
    computed,
    document,
    special,
    store,
    weekly,
)

TODAY = date(2026, 11, 23)
WINDOW = Window.parse("2026-11-23T1300")
"""Monday 10:00 in Sao Paulo, observed at 10:07."""
OPEN, LATE, EARLY, CLOSED = (480, 1320), (608, 1320), (480, 607), (660, 1320)
"""Open all window; from minute 8; until minute 7; not in the window."""


class Case(NamedTuple):
    """A store with its hours today and its documents, and what is expected of it.

    `minutes` are expected, available, missing, rogue, unknown.
    """

    store: Row | None
    hours: tuple[int | None, int | None] | None
    documents: list[str | None]
    status: str
    reason: str | None
    minutes: tuple[int, int, int, int, int]
    open_at_observation: bool | None
    is_online: bool | None


INACTIVE: Row = {"is_active": False}
NO_HOURS: Row = {"has_weekly_hours": False}
UNKNOWN_ZONE: Row = {"timezone": "Mars/Olympus"}
INVALID = (480, None)
CASES = {
    "online while open": Case({}, OPEN, ["true"], "available", None, (15, 15, 0, 0, 0), True, True),
    "the flag's case does not matter": Case(
        {}, OPEN, ["TRUE"], "available", None, (15, 15, 0, 0, 0), True, True
    ),
    "online, opens after the observation": Case(
        {}, LATE, ["true"], "available", None, (7, 7, 0, 0, 0), False, True
    ),
    "online, closed before the observation": Case(
        {}, EARLY, ["true"], "available", None, (7, 7, 0, 0, 0), False, True
    ),
    "offline while open": Case(
        {}, OPEN, ["false"], "missing", "offline", (15, 0, 15, 0, 0), True, False
    ),
    "not listed while open": Case({}, OPEN, [], "missing", "absent", (15, 0, 15, 0, 0), True, None),
    "offline, opens at the observed minute": Case(
        {}, (607, 1320), ["false"], "missing", "offline", (8, 0, 8, 0, 0), True, False
    ),
    "offline, closes after the observed minute": Case(
        {}, (480, 608), ["false"], "missing", "offline", (8, 0, 8, 0, 0), True, False
    ),
    "offline before it opens": Case(
        {}, LATE, ["false"], "unknown", "edge", (7, 0, 0, 0, 7), False, False
    ),
    "offline after it closed": Case(
        {}, EARLY, ["false"], "unknown", "edge", (7, 0, 0, 0, 7), False, False
    ),
    "not listed before it opens": Case(
        {}, LATE, [], "unknown", "edge", (7, 0, 0, 0, 7), False, None
    ),
    "online outside its hours": Case(
        {}, CLOSED, ["true"], "rogue", "outside_hours", (0, 0, 0, 15, 0), False, True
    ),
    "online without hours": Case(
        NO_HOURS, None, ["true"], "rogue", "no_hours", (0, 0, 0, 15, 0), False, True
    ),
    "online and inactive": Case(
        INACTIVE, OPEN, ["true"], "rogue", "inactive", (0, 0, 0, 15, 0), False, True
    ),
    "online, not in PostgreSQL": Case(
        None, None, ["true"], "rogue", "not_in_stores", (0, 0, 0, 15, 0), False, True
    ),
    "offline outside its hours": Case(
        {}, CLOSED, ["false"], "closed", "outside_hours", (0, 0, 0, 0, 0), False, False
    ),
    "not listed outside its hours": Case(
        {}, CLOSED, [], "closed", "outside_hours", (0, 0, 0, 0, 0), False, None
    ),
    "no row of hours today": Case(
        {}, None, ["false"], "closed", "outside_hours", (0, 0, 0, 0, 0), False, False
    ),
    "offline without hours": Case(
        NO_HOURS, None, ["false"], "closed", "no_hours", (0, 0, 0, 0, 0), False, False
    ),
    "offline and inactive": Case(
        INACTIVE, OPEN, ["false"], "closed", "inactive", (0, 0, 0, 0, 0), False, False
    ),
    "inactive without hours": Case(
        {**INACTIVE, **NO_HOURS}, None, [], "closed", "inactive", (0, 0, 0, 0, 0), False, None
    ),
    "inactive with invalid hours": Case(
        INACTIVE, INVALID, [], "closed", "inactive", (0, 0, 0, 0, 0), False, None
    ),
    "invalid store, online": Case(
        UNKNOWN_ZONE, OPEN, ["true"], "unknown", "invalid_store", (0, 0, 0, 0, 0), None, True
    ),
    "invalid store before inactive": Case(
        {**INACTIVE, **UNKNOWN_ZONE},
        None,
        [],
        "unknown",
        "invalid_store",
        (0, 0, 0, 0, 0),
        None,
        None,
    ),
    "invalid store before invalid document": Case(
        UNKNOWN_ZONE, OPEN, ["maybe"], "unknown", "invalid_store", (0, 0, 0, 0, 0), None, None
    ),
    "no flag": Case(
        {}, OPEN, [None], "unknown", "invalid_observation", (15, 0, 0, 0, 15), True, None
    ),
    "no usable flag": Case(
        {}, OPEN, ["maybe"], "unknown", "invalid_observation", (15, 0, 0, 0, 15), True, None
    ),
    "listed twice": Case(
        {}, OPEN, ["true", "true"], "unknown", "invalid_observation", (15, 0, 0, 0, 15), True, None
    ),
    "listed twice outside its hours": Case(
        {},
        CLOSED,
        ["true", "false"],
        "unknown",
        "invalid_observation",
        (0, 0, 0, 0, 0),
        False,
        None,
    ),
    "inactive without a usable flag": Case(
        INACTIVE, OPEN, ["maybe"], "unknown", "invalid_observation", (0, 0, 0, 0, 0), False, None
    ),
    "invalid document before invalid hours": Case(
        {}, INVALID, ["maybe"], "unknown", "invalid_observation", (0, 0, 0, 0, 0), None, None
    ),
    "invalid hours": Case(
        {}, INVALID, ["true"], "unknown", "invalid_hours", (0, 0, 0, 0, 0), None, True
    ),
}


def given_of(cases: dict[str, Case]) -> Inputs:
    """Each case as a store of its own, its name being the case's, its id the place among the
    cases.
    """
    inputs = Inputs(WINDOW)
    for number, (name, case) in enumerate(cases.items()):
        if case.store is not None:
            inputs.stores.append(store(number, **{"name": name, **case.store}))
        if case.hours is not None:
            inputs.hours.append(weekly(number, TODAY, *case.hours))
        inputs.documents += [document(number, online) for online in case.documents]
    return inputs


def facts(engine: Engine, inputs: Inputs) -> list[dict[str, Any]]:
    with computed(engine, inputs) as session:
        return session.rows("SELECT * FROM store_availability ORDER BY store_id")


MINUTES = (
    "expected_minutes",
    "available_minutes",
    "missing_minutes",
    "rogue_minutes",
    "unknown_minutes",
)


def test_every_status_and_reason(engine: Engine) -> None:
    """The first rule that applies gives status and reason; the expected minutes go whole where
    the status says.
    """
    names = list(CASES)
    found = {
        names[int(row["store_id"])]: (
            row["status"],
            row["reason"],
            tuple(row[column] for column in MINUTES),
            row["open_at_observation"],
            row["is_online"],
        )
        for row in facts(engine, given_of(CASES))
    }
    assert found == {name: case[3:] for name, case in CASES.items()}


def test_offline_or_broken_documents_of_strangers_add_no_row(engine: Engine) -> None:
    """Of the documents without a store only those that are surely online are rows."""
    documents = [
        document(1, "false"),
        document(2, "maybe"),
        document(3),
        document(3),
        document(""),
    ]
    inputs = Inputs(WINDOW, documents=documents)
    assert facts(engine, inputs) == []


@pytest.mark.parametrize(
    ("minute", "status"), [(0, "unknown"), (1, "missing"), (13, "missing"), (14, "unknown")]
)
def test_offline_counts_only_in_the_observed_minute(
    engine: Engine, minute: int, status: str
) -> None:
    """A store open in minutes 1 to 13 is missing if it is offline in one of them, and unknown
    if it is offline before or after.
    """
    inputs = Inputs(
        WINDOW, stores=[store(1)], hours=[weekly(1, TODAY, 601, 614)], observed_minute=minute
    )
    (row,) = facts(engine, inputs)
    assert (row["status"], row["expected_minutes"]) == (status, 13)


def test_a_gap_makes_every_store_unknown(engine: Engine) -> None:
    """Without an observation every store of PostgreSQL is unknown with its expected minutes,
    whatever else is wrong with it.
    """
    inputs = given_of(CASES)
    inputs.observed_minute = None
    inputs.documents = []
    rows = facts(engine, inputs)
    assert len(rows) == sum(case.store is not None for case in CASES.values())
    for row in rows:
        assert (row["status"], row["reason"]) == ("unknown", "not_observed")
        assert row["unknown_minutes"] == row["expected_minutes"]
        assert row["available_minutes"] == row["missing_minutes"] == row["rogue_minutes"] == 0
        assert row["is_online"] is row["open_at_observation"] is row["observed_at"] is None
    assert sum(row["expected_minutes"] for row in rows) == sum(
        case.minutes[0] for case in CASES.values()
    )


def test_copies_of_a_store_are_one_row(engine: Engine) -> None:
    """A duplicated store has one row; what its copies disagree about, a missing value included,
    is NULL, and so is its zone.
    """
    copies = [
        store(1, name="A", city="X", brand="B", timezone="Asia/Tokyo"),
        store(" 1 ", name="A", city="Y", brand=None, timezone="America/Manaus"),
    ]
    inputs = Inputs(WINDOW, stores=copies, hours=[weekly(1, TODAY, *OPEN)], documents=[document(1)])
    (row,) = facts(engine, inputs)
    assert (row["store_id"], row["status"], row["reason"]) == ("1", "unknown", "invalid_store")
    assert (row["name"], row["city"], row["brand"]) == ("A", None, None)
    assert (row["local_date"], row["local_minute"], row["expected_minutes"]) == (TODAY, 600, 0)


def test_stores_without_a_usable_zone_are_in_the_countrys(engine: Engine) -> None:
    """local_date and local_minute are the store's own, or the country's where its zone is
    blank, unknown, or it is not in PostgreSQL.
    """
    inputs = Inputs(
        Window.parse("2026-11-23T0200"),
        stores=[
            store(1, timezone="Asia/Tokyo"),
            store(2, timezone="  "),
            store(3, timezone="Mars/Olympus"),
        ],
        documents=[document(4)],
    )
    assert [(row["local_date"], row["local_minute"]) for row in facts(engine, inputs)] == [
        (TODAY, 660),
        *[(date(2026, 11, 22), 1380)] * 3,
    ]


def test_always_open_replaces_missing_weekly_hours_only(engine: Engine) -> None:
    """With `without_hours: always_open` a store without weekly hours is open round the clock,
    except on its special dates.
    """
    inputs = Inputs(
        WINDOW,
        always_open=True,
        stores=[
            store(1, **NO_HOURS),
            store(2),
            store(3, **NO_HOURS),
            store(4, is_active=False, **NO_HOURS),
        ],
        hours=[special(3, TODAY, None, None)],
    )
    found = [
        (row["status"], row["reason"], row["expected_minutes"]) for row in facts(engine, inputs)
    ]
    assert found == [
        ("missing", "absent", 15),
        ("closed", "outside_hours", 0),
        ("closed", "outside_hours", 0),
        ("closed", "inactive", 0),
    ]


def test_the_spill_of_yesterday_counts_for_a_store_without_hours_today(engine: Engine) -> None:
    """Special hours of yesterday reach into today although nothing rules today."""
    inputs = Inputs(
        Window.parse("2026-11-23T0400"),
        stores=[store(1, **NO_HOURS)],
        hours=[special(1, date(2026, 11, 22), 1320, 120)],
        documents=[document(1)],
    )
    (row,) = facts(engine, inputs)
    assert (row["status"], row["expected_minutes"]) == ("available", 15)
