"""Roll-ups of committed facts: which dates a window changes, when a date is final, late
windows, and what a failed roll-up leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from storeavail_platform.config import load_text
from storeavail_platform.domain.errors import CatalogUnavailable
from storeavail_platform.domain.tables.daily import (
    DAILY_STORE_AVAILABILITY,
    ROLLED_UP,
    STORE_OUTAGES,
)
from storeavail_platform.domain.tables.declarations import STORES
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.local_dates import (
    changed_dates,
    note_window,
    roll_up,
    roll_up_noted,
)
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.reading.query import query
from storeavail_platform.reading.status import country_status
from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform_tests.domain.tables.facts import (
    COUNTRY,
    DAY,
    Row,
    commit_facts,
    commit_window,
    expected_days,
    expected_outages,
    fact,
    random_facts,
    windows,
)

DATE = date(2026, 11, 23)
CONFIG = """
warehouse: ./warehouse
countries:
  BR: {timezone: America/Sao_Paulo, postgres: {dsn: "env:DSN"}, online_index: {path: ./index.ndjson}}
"""


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    (tmp_path / "warehouse").mkdir()
    return build_runtime(load_text(CONFIG, base=tmp_path, origin="test.yaml"))


def commit_zones(runtime: Runtime, window: Window, zones: Sequence[str | None]) -> None:
    """Commit the stores of a window, one of each zone."""
    columns = {"store_id": [str(number) for number in range(len(zones))], "timezone": zones}
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    with runtime.engine.session() as session:
        session.add_table("given", pa.Table.from_pylist(rows, schema=STORES.computed_schema()))
        directory = runtime.warehouse.location(COUNTRY, STORES.name, "data", window.key)
        constants = {"country": COUNTRY, "window_start": window.start, "run_id": "stores"}
        files = session.write("given", STORES.stored_schema(), constants, (), directory)
    runtime.warehouse.commit(COUNTRY, STORES, window, files, "stores")


def rolled(runtime: Runtime, day: date) -> tuple[list[Row], list[Row]]:
    """A date's outages and days as analysts query them, without the platform's columns."""
    found = []
    for table, order in (
        (STORE_OUTAGES, "store_id, started_at"),
        (DAILY_STORE_AVAILABILITY, "store_id"),
    ):
        names = ", ".join(column.name for column in table.columns)
        found.append(
            query(
                runtime,
                f"SELECT {names} FROM {table.name} WHERE local_date = '{day}' ORDER BY {order}",
            ).to_pylist()
        )
    return found[0], found[1]


def assert_rolled(runtime: Runtime, rows: Sequence[Row], day: date) -> None:
    """Both tables of a date are what plain Python says of all facts."""
    outages, days = rolled(runtime, day)
    assert outages == expected_outages(rows, day)
    assert [row | {"is_provisional": None} for row in days] == [
        row
        | {
            name: pytest.approx(row[name])
            for name in ("availability", "coverage")
            if row[name] is not None
        }
        | {"is_provisional": None}
        for row in expected_days(rows, day, is_provisional=False)
    ]


def run_window(runtime: Runtime, window: Window, rows: Sequence[Row], run: str) -> None:
    """What a window's run does to the facts and the dates."""
    commit_window(runtime.engine, runtime.warehouse, window, rows, run)
    note_window(runtime, COUNTRY, window)
    list(roll_up_noted(runtime, COUNTRY, run))


def test_dates_follow_from_the_facts_whatever_the_order_of_windows(runtime: Runtime) -> None:
    """Windows in order, then late ones and reruns of dates that are over: each date is as if it
    were rolled up from all facts at last.
    """
    zones = ["America/Sao_Paulo", "America/Noronha", "America/Rio_Branco"]
    span = windows("2026-11-22T0000", 96 * 3)[::12]
    random = Random(5)
    rows = {window: list[Row]() for window in span}
    for row in random_facts(random, span, zones, stores=12):
        rows[Window(row["window_start"])].append(row)
    late = random.sample(span[:-6], 4)
    on_time = [window for window in span if window not in late]
    for window in on_time:
        run_window(runtime, window, rows[window], f"first-{window}")
    for window in late:
        run_window(runtime, window, rows[window], f"late-{window}")
    for window in random.sample(span, 3):
        rows[window] = [
            fact(row["store_id"], window, random.choice(["available", "missing"]))
            for row in rows[window]
        ]
        run_window(runtime, window, rows[window], f"again-{window}")
    facts = [row for found in rows.values() for row in found]
    dates = {row["local_date"] for row in facts}
    assert len(dates) == 4
    assert sum(len(rolled(runtime, day)[0]) for day in dates) > 10
    for day in dates:
        assert_rolled(runtime, facts, day)


def test_an_outage_of_yesterday_ends_when_the_store_is_back(runtime: Runtime) -> None:
    """Yesterday's row is told its end, though nothing of yesterday has changed; its day is not
    rolled up again.
    """
    evening, night, morning = (
        Window.parse(key) for key in ("2026-11-24T0200", "2026-11-24T0300", "2026-11-24T1200")
    )
    run_window(runtime, evening, [fact(1, evening, "missing")], "evening")
    run_window(runtime, night, [fact(1, night, "closed")], "night")
    assert rolled(runtime, DATE)[0][0]["ended_at"] is None
    run_window(runtime, morning, [fact(1, morning, "available")], "morning")
    assert rolled(runtime, DATE)[0][0]["ended_at"] == morning.start
    runs = query(runtime, f"SELECT (SELECT MAX(run_id) FROM store_outages), (SELECT MAX(run_id) FROM daily_store_availability "
                          f"WHERE local_date = '{DATE}')").to_pylist()  # fmt: skip
    assert list(runs[0].values()) == ["morning", "evening"]
    assert changed_dates(runtime, COUNTRY, morning) == ({DATE + DAY}, {})


def test_a_window_changes_the_dates_of_its_stores_and_of_its_country(runtime: Runtime) -> None:
    """Up to three local dates: each store's own, and the country's."""
    window = Window.parse("2026-11-23T1030")
    zones = {1: "Pacific/Midway", 2: "America/Sao_Paulo", 3: "Pacific/Kiritimati"}
    commit_facts(
        runtime.warehouse,
        [fact(store, window, "available", zone=zone) for store, zone in zones.items()],
    )
    assert changed_dates(runtime, COUNTRY, window) == ({DATE - DAY, DATE, DATE + DAY}, {})


@pytest.mark.parametrize(
    ("zones", "last", "is_provisional"),
    [
        ([None, "America/Sao_Paulo"], "2026-11-24T0230", True),
        ([None, "America/Sao_Paulo"], "2026-11-24T0245", False),
        ([None, "America/Noronha"], "2026-11-24T0145", True),
        ([None, "America/Noronha"], "2026-11-24T0245", False),
        ([None, "America/Rio_Branco"], "2026-11-24T0245", True),
        ([None, "America/Rio_Branco"], "2026-11-24T0445", False),
        (["", "Mars/Olympus"], "2026-11-24T0245", False),
    ],
)
def test_a_date_is_provisional_until_it_is_over_everywhere(
    zones: list[str | None], last: str, is_provisional: bool, runtime: Runtime
) -> None:
    """In the country's zone and in those of its stores, by the newest window there is."""
    first, newest = Window.parse("2026-11-23T1300"), Window.parse(last)
    for window in (first, newest):
        commit_zones(runtime, window, zones)
        commit_facts(runtime.warehouse, [fact(1, window, "available")])
    tables = {
        found.table.name: found.is_provisional for found in roll_up(runtime, COUNTRY, [DATE], "run")
    }
    assert tables == dict.fromkeys([table.name for table in ROLLED_UP], is_provisional)
    assert rolled(runtime, DATE)[1][0]["is_provisional"] is is_provisional


def test_a_date_without_facts_keeps_its_rows(runtime: Runtime) -> None:
    """Days outlive the facts that they were made of."""
    window = Window.parse("2026-11-23T1300")
    run_window(runtime, window, [fact(1, window, "available")], "run")
    commit_window(runtime.engine, runtime.warehouse, window, [], "empty")
    assert list(roll_up(runtime, COUNTRY, [DATE], "again")) == []
    assert len(rolled(runtime, DATE)[1]) == 1


def test_a_roll_up_that_failed_is_made_up_for(runtime: Runtime, tmp_path: Path) -> None:
    """The window's note stays, and shows in the status, until its dates are rolled up: the next
    window of another date does it.
    """
    first, second = Window.parse("2026-11-23T1300"), Window.parse("2026-11-24T1300")
    commit_facts(runtime.warehouse, [fact(1, first, "available")])
    note_window(runtime, COUNTRY, first)
    without_catalog = CONFIG + 'catalog: {type: hive, uri: "thrift://127.0.0.1:1"}\n'
    platform = load_text(without_catalog, base=tmp_path, origin="test.yaml")
    failing = replace(
        build_runtime(platform),
        warehouse=Warehouse(platform, runtime.storage, patience=timedelta(0)),
    )
    with pytest.raises(CatalogUnavailable):
        list(roll_up_noted(failing, COUNTRY, "failing"))
    assert country_status(runtime, COUNTRY, first.end).not_rolled_up == [first.key]
    run_window(runtime, second, [fact(1, second, "available")], "next")
    assert len(rolled(runtime, DATE)[1]) == len(rolled(runtime, DATE + DAY)[1]) == 1
    assert country_status(runtime, COUNTRY, second.end).not_rolled_up == []
