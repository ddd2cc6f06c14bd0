"""When a window is suspect by what both sides say, each figure worked out here from the raw rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from random import Random
from typing import Any

import pytest

from storeavail_platform.domain.tables.relations import BASELINE
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
BEFORE = datetime(2026, 11, 23, 12, 45, tzinfo=UTC)
COUNT = 10


def usual() -> Inputs:
    """Ten stores that should be open all window, and are online."""
    return Inputs(
        WINDOW,
        stores=[store(number) for number in range(COUNT)],
        hours=[weekly(number, TODAY, 480, 1320) for number in range(COUNT)],
        documents=[document(number) for number in range(COUNT)],
        baseline=baseline(),
    )


def baseline(**figures: Any) -> Row:
    """The usual window, as the one before."""
    usual_figures = {
        "listed": COUNT,
        "missing_share": 0.0,
        "active_stores": COUNT,
        "weekly_hours_share": 1.0,
        "rogue_share": 0.0,
        "no_hours_share": 0.0,
        "coverage_without_edge": 1.0,
    }
    return {"window_start": BEFORE, **usual_figures, **figures}


def quality(engine: Engine, inputs: Inputs) -> dict[str, Any]:
    with computed(engine, inputs) as session:
        (row,) = session.rows("SELECT * FROM window_quality")
    return row


def test_what_an_api_says_makes_a_window_suspect_only_of_enough(engine: Engine) -> None:
    """Half of at least five missing stores that it answered about; stores that are not missing are
    not judged by it.
    """
    for asked, contradicted, suspect in ((4, 4, False), (5, 3, True), (8, 4, True), (8, 3, False)):
        inputs = usual()
        inputs.baseline = None
        for row in inputs.documents[:asked]:
            row["online"] = "false"
        inputs.answers = [
            {"store_id": str(number), "answered": True, "is_online": number < contradicted}
            for number in range(COUNT)
        ]
        row = quality(engine, inputs)
        assert (row["suspect"], row["suspect_reason"]) == (
            suspect,
            "half of the missing contradicted" if suspect else None,
        )
        assert (row["stores_asked"], row["stores_contradicted"]) == (asked, contradicted)


def bad_zones(inputs: Inputs, count: int) -> None:
    for row in inputs.stores[:count]:
        row["timezone"] = "Mars/Olympus"


def bad_flags(inputs: Inputs, count: int) -> None:
    for row in inputs.documents[:count]:
        row["online"] = "maybe"


def bad_hours(inputs: Inputs, count: int) -> None:
    for row in inputs.hours[:count]:
        row["closes_minute"] = None


def hours_of_no_store(inputs: Inputs, count: int) -> None:
    inputs.hours += [weekly(" ", TODAY, 480, None) for _ in range(count)]


def without_hours(inputs: Inputs, count: int) -> None:
    for row in inputs.stores[:count]:
        row["has_weekly_hours"] = False
    del inputs.hours[:count]


def without_stores(inputs: Inputs, count: int) -> None:
    del inputs.stores[:count]


def inactive(inputs: Inputs, count: int) -> None:
    for row in inputs.stores[:count]:
        row["is_active"] = False


def more_stores(inputs: Inputs, count: int) -> None:
    inputs.stores += [store(number) for number in range(COUNT, COUNT + count)]
    inputs.hours += [weekly(number, TODAY, 480, 1320) for number in range(COUNT, COUNT + count)]


def more_documents(inputs: Inputs, count: int) -> None:
    inputs.documents += [document(number, "false") for number in range(COUNT, COUNT + count)]


def closed(inputs: Inputs, count: int) -> None:
    for row in inputs.hours[:count]:
        row["opens_minute"], row["closes_minute"] = 1200, 1320


def twice(inputs: Inputs, count: int) -> None:
    inputs.documents += [document(number) for number in range(count)]


Change = Callable[[Inputs, int], None]
CASES: list[tuple[Change, int, list[str]]] = [
    # of what is usable, half is enough; with a baseline, a fifth is noticed
    (bad_zones, 2, []),
    (bad_zones, 5, ["active stores dropped"]),
    (bad_zones, 6, ["few usable stores", "active stores dropped"]),
    (bad_flags, 2, []),
    (bad_flags, 3, ["coverage dropped"]),
    (bad_flags, 5, ["coverage dropped"]),
    (bad_flags, 6, ["few usable documents", "coverage dropped"]),
    (bad_hours, 5, []),
    (bad_hours, 6, ["few usable hours"]),
    (hours_of_no_store, 10, []),
    (hours_of_no_store, 11, ["few usable hours"]),
    # two indices behind one alias
    (twice, 2, []),
    (twice, 10, ["few usable documents", "listed stores doubled", "coverage dropped"]),
    # stores gone from PostgreSQL, and still online
    (without_stores, 2, []),
    (without_stores, 3, ["active stores dropped", "rogue share rose"]),
    (without_stores, 5, ["active stores dropped", "rogue share rose"]),
    (inactive, 2, []),
    (inactive, 3, ["active stores dropped", "rogue share rose"]),
    (more_stores, 2, []),
    (more_stores, 9, ["missing share rose"]),
    (more_stores, 10, ["active stores doubled", "missing share rose"]),
    (more_documents, 9, []),
    (more_documents, 10, ["listed stores doubled"]),
    # the query of the hours gives nothing of them
    (without_hours, 2, []),
    (
        without_hours,
        3,
        ["share with weekly hours dropped", "rogue share rose", "share without hours rose"],
    ),
    (
        without_hours,
        10,
        [
            "few usable hours",
            "share with weekly hours dropped",
            "rogue share rose",
            "share without hours rose",
        ],
    ),
    # hours of another time of day
    (closed, 2, []),
    (closed, 10, ["rogue share rose"]),
]


@pytest.mark.parametrize(
    ("change", "count", "reasons"), CASES, ids=[f"{case[0].__name__}-{case[1]}" for case in CASES]
)
def test_both_sides_are_looked_at(
    change: Change, count: int, reasons: list[str], engine: Engine
) -> None:
    """Of ten usual stores so many are changed: suspect, with these words and no others."""
    inputs = usual()
    change(inputs, count)
    row = quality(engine, inputs)
    assert row["suspect_reason"] == ("; ".join(reasons) or None)
    assert row["suspect"] is bool(reasons)


@pytest.mark.parametrize(
    ("change", "count", "reason"),
    [
        (bad_zones, 6, "few usable stores"),
        (bad_flags, 6, "few usable documents"),
        (twice, 10, "few usable documents"),
        (bad_hours, 6, "few usable hours"),
        (without_hours, 10, "few usable hours"),
        (without_hours, 9, None),
        (without_stores, 5, None),
        (more_documents, 10, None),
    ],
)
def test_a_first_window_is_judged_by_the_shares_alone(
    change: Change, count: int, reason: str | None, engine: Engine
) -> None:
    """Without a window to compare with nothing has fallen or risen; what is mostly unusable is
    suspect all the same.
    """
    inputs = usual()
    inputs.baseline = None
    change(inputs, count)
    assert quality(engine, inputs)["suspect_reason"] == reason


def test_a_baseline_of_an_earlier_release_compares_what_it_has(engine: Engine) -> None:
    """Its marker says how many documents and what share was missing, and nothing else."""
    inputs = usual()
    without_stores(inputs, 5)
    inputs.baseline = {"window_start": BEFORE, "listed": COUNT, "missing_share": 0.0}
    row = quality(engine, inputs)
    assert (row["suspect"], row["baseline_window"]) == (False, BEFORE)


def test_where_stores_without_hours_are_always_open_none_need_them(engine: Engine) -> None:
    """`without_hours: always_open`: a country without a row of hours is as it should be."""
    inputs = usual()
    inputs.always_open = True
    without_hours(inputs, COUNT)
    inputs.baseline = None
    row = quality(engine, inputs)
    assert (row["suspect"], row["usable_hours_share"]) == (False, None)


def test_the_edge_is_no_loss_of_coverage(engine: Engine) -> None:
    """Stores that close before the observation and are offline are unknown because nothing can
    be known: coverage falls, the reading is as good as ever.
    """
    inputs = usual()
    for number in range(5):
        inputs.hours[number]["closes_minute"] = 605
        inputs.documents[number]["online"] = "false"
    row = quality(engine, inputs)
    assert (row["coverage_without_edge"], row["suspect"]) == (1.0, False)


def test_evening_is_not_suspect(engine: Engine) -> None:
    """When stores close there are fewer rows of store_hours, and they go offline: nothing looks
    wrong.
    """
    inputs = usual()
    inputs.window = Window.parse("2026-11-24T0115")
    inputs.hours = []
    for row in inputs.documents:
        row["online"] = "false"
    row = quality(engine, inputs)
    assert (row["suspect_reason"], row["usable_hours_share"]) == (None, 1.0)


def wanted(inputs: Inputs) -> dict[str, Any]:
    """The figures of a window by counting raw rows; stores are open all window or not at all."""
    good, bad_store = set[str](), set[str]()
    for row in inputs.stores:
        is_bad = row["timezone"] is not None
        (bad_store if is_bad else good).add(row["store_id"])
    active = {row["store_id"] for row in inputs.stores if row["is_active"]} & good
    weekly_stores = {row["store_id"] for row in inputs.stores if row["has_weekly_hours"]} & active
    bad = {row["store_id"] for row in inputs.hours if row["closes_minute"] is None}
    hours = weekly_stores | ({row["store_id"] for row in inputs.hours} & active)
    of_no_store = sum(row["store_id"] is None for row in inputs.hours)
    flags = {row["store_id"]: row["online"] for row in inputs.documents}
    online = {name for name, flag in flags.items() if flag == "true"}
    unusable = {name for name, flag in flags.items() if flag == "maybe"}
    everyone = good | bad_store | (online - good - bad_store)
    opened = {row["store_id"] for row in inputs.hours if row["opens_minute"] == 480} - bad
    expected = opened & active
    rogue = (online & everyone) - expected - bad_store - (bad & active)
    none = {
        name
        for name in good - unusable
        if name in active and name not in weekly_stores and name not in hours
    }
    return {
        "usable_stores_share": len(good) / len(inputs.stores),
        "usable_hours_share": len(hours - bad) / (len(hours) + of_no_store),
        "usable_documents_share": 1 - len(unusable) / len(flags),
        "active_stores": len(active),
        "weekly_hours_share": len(weekly_stores) / len(active),
        "rogue_share": len(rogue) / len(everyone),
        "no_hours_share": len(none) / len(everyone),
        "coverage_without_edge": 1 - len(expected & unusable) / len(expected),
    }


@pytest.mark.parametrize("seed", range(8))
def test_random_readings_give_what_counting_gives(seed: int, engine: Engine) -> None:
    """Every figure of random stores, hours and documents."""
    random = Random(seed)
    inputs = usual()
    inputs.stores = [
        store(
            number,
            is_active=random.random() < 0.8,
            has_weekly_hours=random.random() < 0.7,
            timezone=random.choice([None, None, None, "Mars/Olympus"]),
        )
        for number in range(40)
    ]
    inputs.hours = [
        weekly(
            row["store_id"],
            TODAY,
            random.choice([480, 480, 1200]),
            random.choice([1320, 1320, 1320, None]),
        )
        for row in inputs.stores
        if row["has_weekly_hours"]
    ]
    inputs.hours += [weekly(" ", TODAY, 480, None) for _ in range(random.randrange(3))]
    inputs.documents = [
        document(number, random.choice(["true", "true", "false", "maybe"]))
        for number in random.sample(range(60), 45)
    ]
    row = quality(engine, inputs)
    assert {name: row[name] for name in wanted(inputs)} == pytest.approx(wanted(inputs))


def test_the_baseline_holds_every_figure_that_is_compared() -> None:
    """What `usual` says of the window before is the whole relation."""
    assert set(baseline()) == set(BASELINE.names)


def test_hours_of_a_date_are_hours_too(engine: Engine) -> None:
    """A store with special hours alone has hours, and they are usable."""
    inputs = usual()
    without_hours(inputs, COUNT)
    inputs.baseline = None
    inputs.hours = [special(number, TODAY, 480, 1320) for number in range(COUNT)]
    row = quality(engine, inputs)
    assert (row["suspect"], row["usable_hours_share"], row["weekly_hours_share"]) == (False, 1, 0)
