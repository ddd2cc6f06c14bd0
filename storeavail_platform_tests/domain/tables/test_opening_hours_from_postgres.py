"""The opening-hours rule from a real PostgreSQL: what its query leaves out changes no schedule."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from storeavail_platform.config import Postgres
from storeavail_platform.domain.hours import (
    ExpectedSchedule,
    SpecialHours,
    WeeklyHours,
    expected_schedule,
    local_start,
    zones,
)
from storeavail_platform.domain.windows import Window
from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.sources.postgres import PostgresSource
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform_tests.domain.tables.harness import Inputs, computed
from storeavail_platform_tests.domain.tables.test_opening_hours import SCHEDULE_TABLES
from storeavail_testing.postgres import PostgresServer

STORE_COUNT = 400
COUNTRY_ZONE = "America/Santiago"
WINDOWS = [
    "2026-11-23T1300",
    "2026-11-23T0315",
    "2026-09-06T0400",
    "2026-04-05T0245",
    "2018-11-04T0300",
    "2022-10-30T0700",
]
"""An ordinary day, its night, and nights in which clocks change."""


def clock(minute: int | None) -> str | None:
    return None if minute is None else f"{minute // 60:02}:{minute % 60:02}"


@pytest.mark.parametrize("key", WINDOWS)
def test_schedules_from_postgres_are_what_the_rule_says(
    postgres_server: PostgresServer, tmp_path: Path, key: str
) -> None:
    """For random stores, the rows that the default query sends give the schedules that all
    their hours give in plain Python.
    """
    window, dice, names = Window.parse(key), random.Random(key), sorted(zones())
    stores: list[tuple[int, str | None]] = []
    weekly: list[tuple[int, WeeklyHours]] = []
    special: list[tuple[int, SpecialHours]] = []
    for store_id in range(STORE_COUNT):
        zone = dice.choice([None, *dice.choices(names, k=3)])
        today, now = local_start(window, zone or COUNTRY_ZONE)
        stores.append((store_id, zone))

        def ends(now: int = now) -> tuple[int | None, int | None]:
            pair = [
                dice.choice([(now + dice.randint(-16, 31)) % 1440, dice.randint(0, 1440)])
                for _ in range(2)
            ]
            return (pair[0], pair[1]) if dice.random() < 0.97 else (pair[0], None)

        for _ in range(dice.choice([0, 7, 14])):
            weekday = dice.choice([*range(1, 8)] * 15 + [0, None])
            weekly.append((store_id, WeeklyHours(weekday, *ends())))
        for _ in range(dice.choice([0, 0, 1, 2])):
            date = today + timedelta(days=dice.randint(-2, 1))
            special.append(
                (store_id, SpecialHours(date, *(ends() if dice.random() < 0.7 else (None, None))))
            )

    database = f"rule_{key.replace('-', '').lower()}"
    dsn = postgres_server.create(database)
    fill: list[tuple[str, list[tuple[Any, ...]]]] = [
        ("INSERT INTO stores VALUES (%s, 'S', NULL, 'C', 'B', %s, true)", list(stores)),
        (
            "INSERT INTO store_weekly_hours VALUES (%s, %s, %s, %s)",
            [
                (i, row.weekday, clock(row.opens_minute), clock(row.closes_minute))
                for i, row in weekly
            ],
        ),
        (
            "INSERT INTO store_special_hours VALUES (%s, %s, %s, %s)",
            [
                (i, row.business_date, clock(row.opens_minute), clock(row.closes_minute))
                for i, row in special
            ],
        ),
    ]
    for statement, rows in fill:
        postgres_server.execute(database, statement, rows)

    source = PostgresSource(Postgres.model_validate({"dsn": dsn}), COUNTRY_ZONE)
    inputs = Inputs(window, COUNTRY_ZONE)
    with source.open(window) as snapshot:
        for split in snapshot.splits:
            read = pa.Table.from_batches(
                source.read(split), source.relations[split.relation]
            ).to_pylist()
            (inputs.stores if split.relation == "raw_stores" else inputs.hours).extend(read)
    with computed(DuckDBEngine(LocalStorage(tmp_path)), inputs, SCHEDULE_TABLES) as session:
        schedules = session.rows("SELECT * FROM expected_schedules")
    found = {row["store_id"]: row for row in schedules}

    for store_id, zone in stores:
        row = found[str(store_id)]
        expected = expected_schedule(
            window,
            zone or COUNTRY_ZONE,
            [hours for i, hours in weekly if i == store_id],
            [hours for i, hours in special if i == store_id],
        )
        assert (
            ExpectedSchedule(
                row["open_mask"], row["hours_kind"], row["local_date"], row["local_minute"]
            )
            == expected
        ), store_id
    masks = [row["open_mask"] for row in schedules]
    assert None in masks
    assert len(set(masks)) > 20
    assert len(inputs.hours) < len(weekly) + len(special)
