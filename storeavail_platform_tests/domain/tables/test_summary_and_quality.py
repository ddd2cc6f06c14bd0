"""Sums by city and brand, and how far a window can be trusted."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from storeavail_platform.domain.tables.declarations import TABLES
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
BASELINE_WINDOW = datetime(2026, 11, 23, 12, 45, tzinfo=UTC)


def open_stores(online: int, offline: int, absent: int = 0, **columns: Any) -> Inputs:
    """Stores that should be open all window, as many online, offline and not listed."""
    count = online + offline + absent
    return Inputs(
        WINDOW,
        stores=[store(number, **columns) for number in range(count)],
        hours=[weekly(number, TODAY, 480, 1320) for number in range(count)],
        documents=[
            document(number, "true" if number < online else "false")
            for number in range(online + offline)
        ],
    )


def test_missing_names_are_groups_and_minutes_add_up(engine: Engine) -> None:
    """A row for each city and brand, NULL being one; shares are of the sums."""
    inputs = open_stores(3, 1)
    inputs.stores[0] |= {"city": None}
    inputs.stores[1] |= {"city": None}
    inputs.documents.append(document(99))
    with computed(engine, inputs) as session:
        rows = session.rows(
            "SELECT * FROM availability_summary ORDER BY city NULLS FIRST, brand NULLS FIRST"
        )
    assert [(row["city"], row["brand"]) for row in rows] == [
        (None, None),
        (None, "Brand"),
        ("City", "Brand"),
    ]
    stranger, unnamed, city = rows
    assert (
        stranger["stores_rogue"],
        stranger["rogue_minutes"],
        stranger["availability"],
        stranger["coverage"],
    ) == (
        1,
        15,
        None,
        None,
    )
    assert (unnamed["stores_available"], unnamed["expected_minutes"], unnamed["availability"]) == (
        2,
        30,
        1.0,
    )
    assert (
        city["stores_available"],
        city["stores_missing"],
        city["availability"],
        city["coverage"],
    ) == (1, 1, 0.5, 1.0)


def test_unknown_is_not_down(engine: Engine) -> None:
    """All unknown: no availability, coverage 0. Part unknown: availability of the rest."""
    unknown = open_stores(1, 1)
    unknown.documents = [document(0, "maybe"), document(1, "maybe")]
    partly = open_stores(1, 1)
    partly.documents = [document(0), document(1, "maybe")]
    for inputs, availability, coverage in ((unknown, None, 0.0), (partly, 1.0, 0.5)):
        with computed(engine, inputs) as session:
            (row,) = session.rows("SELECT * FROM availability_summary")
        assert (row["availability"], row["coverage"]) == (availability, coverage)


def quality(engine: Engine, inputs: Inputs) -> dict[str, Any]:
    with computed(engine, inputs) as session:
        (row,) = session.rows("SELECT * FROM window_quality")
    return row


def baseline(listed: int, missing_share: float | None) -> Row:
    return {"window_start": BASELINE_WINDOW, "listed": listed, "missing_share": missing_share}


@pytest.mark.parametrize(
    ("online", "offline", "absent", "before", "reason"),
    [
        (8, 2, 0, baseline(10, 0.2), None),
        (8, 0, 0, baseline(10, 0.0), None),  # a fifth fewer is not many
        (7, 0, 0, baseline(10, 0.0), "listed stores dropped"),
        (6, 4, 0, baseline(10, 0.2), None),  # nor is a fifth more missing
        (5, 5, 0, baseline(10, 0.25), "missing share rose"),
        (4, 0, 6, baseline(10, 0.0), "listed stores dropped; missing share rose"),
        (0, 0, 10, baseline(10, None), "listed stores dropped"),
        (0, 10, 0, baseline(0, None), None),
        (0, 10, 0, None, None),
    ],
)
def test_a_reading_that_looks_wrong_is_suspect(
    engine: Engine, online: int, offline: int, absent: int, before: Row | None, reason: str | None
) -> None:
    """Many documents fewer, or many more missing, than in the last good window; nothing to
    compare with is no suspicion.
    """
    inputs = open_stores(online, offline, absent)
    inputs.baseline = before
    row = quality(engine, inputs)
    assert (row["suspect"], row["suspect_reason"]) == (reason is not None, reason)
    assert row["baseline_window"] == (None if before is None else BASELINE_WINDOW)


@pytest.mark.parametrize(
    ("newest", "suspect"), [(datetime(2026, 11, 23, 12, tzinfo=UTC), False), (datetime(2026, 11, 23, 11, tzinfo=UTC), True), (None, False)]
)  # fmt: skip
def test_an_index_that_nobody_updates_is_suspect(
    engine: Engine, newest: datetime | None, suspect: bool
) -> None:
    """The newest updated_at decides, with or without a baseline; an index without updated_at is
    not judged.
    """
    inputs = open_stores(3, 0)
    inputs.documents[0] |= {"updated_at": newest}
    inputs.stale_before = datetime(2026, 11, 23, 12, tzinfo=UTC)
    row = quality(engine, inputs)
    assert (row["suspect"], row["suspect_reason"]) == (
        suspect,
        "index is stale" if suspect else None,
    )
    assert row["newest_updated_at"] == newest


def test_a_gap_is_not_suspect(engine: Engine) -> None:
    """Where nothing was observed nothing looks wrong, and nothing was compared."""
    inputs = open_stores(0, 0, 5)
    inputs.observed_minute = None
    inputs.baseline = baseline(10, 0.0)
    row = quality(engine, inputs)
    assert (
        row["suspect"],
        row["suspect_reason"],
        row["baseline_window"],
        row["missing_share"],
    ) == (False, None, None, None)


def test_problems_are_counted(engine: Engine) -> None:
    """Rows, and rows with a problem, of each source table."""
    inputs = open_stores(2, 0)
    inputs.stores += [store(""), store(1)]
    inputs.hours.append(special(0, TODAY, 480, None))
    inputs.documents += [document(""), document(0, "false"), document(7, "maybe")]
    row = quality(engine, inputs)
    counts = (
        "stores",
        "stores_with_problem",
        "hours_with_problem",
        "documents_with_problem",
        "listed",
    )
    assert [row[name] for name in counts] == [4, 3, 1, 4, 5]


def test_an_empty_country_gives_tables_without_rows(engine: Engine) -> None:
    """No store and no document is not an error; the quality row is there, and that no store is down
    for a reason of its own, for each kind; nothing is divided by nothing.
    """
    with computed(engine, Inputs(WINDOW)) as session:
        counts = {
            table.name: session.rows(f"SELECT COUNT(*) AS n FROM {table.name}")[0]["n"]
            for table in TABLES
        }
    assert counts == {**dict.fromkeys(counts, 0), "window_quality": 1, "window_causes": 3}


def test_declared_checks_pass_on_good_rows_and_fail_on_bad(engine: Engine) -> None:
    """Every declared check gives one row with `passed`: true for good input; the quality checks
    of dirty tables say false.
    """
    good, bad = open_stores(3, 1), open_stores(3, 1)
    bad.stores.append(store(""))
    bad.hours.append(special(0, TODAY, 480, None))
    bad.documents.append(document(""))
    bad.baseline = baseline(100, 0.0)
    failed = []
    for inputs in (good, bad):
        with computed(engine, inputs) as session:
            outcomes = {
                (t.name, check.name): session.rows(check.sql)[0]["passed"]
                for t in TABLES
                for check in t.checks
            }
        failed.append({table for (table, _), passed in outcomes.items() if not passed})
    assert failed == [set(), {"stores", "store_hours", "online_index", "window_quality"}]


def test_complete_checks_notice_lost_rows(engine: Engine) -> None:
    """Every `complete` check says false of its table without rows."""
    with computed(engine, open_stores(3, 1)) as session:
        for table in TABLES:
            for check in [check for check in table.checks if check.name == "complete"]:
                session.create(f"empty_{table.name}", f"SELECT * FROM {table.name} WHERE FALSE")
                (row,) = session.rows(check.sql.replace(table.name, f"empty_{table.name}"))
                assert row["passed"] is False, table.name
