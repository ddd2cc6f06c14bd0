"""A company with two windows run in this process: one that completes, and one in which some
tables fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import pytest

from storeavail_platform.config import CONFIG_VARIABLE, Platform, load_platform
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.table import Check, Column, Table
from storeavail_platform.domain.windows import Window, partition_key
from storeavail_platform.orchestration.build import build_definitions
from storeavail_platform.orchestration.jobs import WINDOW_JOB
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.postgres import PostgresServer

COUNTRY = "BR"
WINDOW = Window.parse("2026-11-23T1300")
"""Monday 10:00 in Sao Paulo: completes."""
FAILING_WINDOW = WINDOW.next()
STORE_ROWS = """
INSERT INTO stores SELECT i, 'Store ' || i, NULL, 'City', 'Brand ' || i % 2, NULL, true FROM generate_series(1, 6) i;
INSERT INTO stores VALUES (7, 'Mars', NULL, 'City', NULL, 'Mars/Olympus', true);
INSERT INTO store_weekly_hours SELECT i, 1, '08:00', '22:00' FROM generate_series(1, 7) i;
"""
ONLINE = {WINDOW: range(1, 6), FAILING_WINDOW: range(1, 3)}
"""Stores of the two windows that are online."""
ODD_IDS = {WINDOW: (), FAILING_WINDOW: ("x9", "7", "7")}
"""Further documents: an id that is no number, and the invalid store twice.

The platform's own tables take them, some of the tests' tables fail.
"""

BRAND_COUNTS = Table(
    name="brand_counts",
    description="Stores by brand.",
    columns=(
        Column("brand", "text", "Brand; NULL is a group."),
        Column("available", "bigint", "Stores available.", nullable=False),
    ),
    key=("brand",),
    inputs=("store_availability",),
    checks=(
        Check(
            "complete",
            "Some brand is there.",
            "SELECT COUNT(*) > 0 AS passed, COUNT(*) AS brands FROM brand_counts",
        ),
    ),
    sql_text="""SELECT brand, CAST(SUM(CASE WHEN status = 'available' THEN 1 ELSE 0 END) AS BIGINT) AS available
    FROM store_availability GROUP BY brand""",
)
"""All that it takes to add a table."""
NUMBERS = Table(
    name="numbers",
    description="Stops at the first document whose id is no number.",
    columns=(Column("number", "bigint", "The id."),),
    key=("number",),
    inputs=("online_index",),
    sql_text="SELECT CAST(store_id AS BIGINT) AS number FROM online_index",
)
AFTER_NUMBERS = Table(
    name="after_numbers",
    description="Reads a table that can fail.",
    columns=(Column("number", "bigint", "The id."),),
    key=("number",),
    inputs=("numbers",),
    sql_text="SELECT number FROM numbers",
)
UNIQUE_IDS = Table(
    name="unique_ids",
    description="Breaks its key where two documents have an id.",
    columns=(Column("store_id", "text", "The id."),),
    key=("store_id",),
    inputs=("online_index",),
    sql_text="SELECT store_id FROM online_index",
)
CAN_FAIL = (NUMBERS, AFTER_NUMBERS, UNIQUE_IDS)
ALL_TABLES = (*TABLES, *CAN_FAIL, BRAND_COUNTS)


@dataclass(frozen=True)
class Materialised:
    """The company after both runs, and what Dagster recorded of them."""

    world: World
    platform: Platform
    instance: dg.DagsterInstance
    definitions: dg.Definitions
    completed: dg.ExecuteInProcessResult
    failed: dg.ExecuteInProcessResult

    @property
    def runtime(self) -> Runtime:
        return self.world.runtime()


@pytest.fixture(scope="module")
def materialised(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Materialised]:
    world = World(tmp_path_factory.mktemp("assets"), postgres_server)
    for window, stores in ONLINE.items():
        online_index = world.record(
            COUNTRY,
            window,
            [{"store_id": store, "online": True} for store in (*stores, *ODD_IDS[window])],
        )
    world.add_country(COUNTRY, "America/Sao_Paulo", online_index, rows=STORE_ROWS)
    home = world.folder / "dagster"
    home.mkdir()
    with (
        pytest.MonkeyPatch.context() as patch,
        dg.DagsterInstance.local_temp(str(home)) as instance,
    ):
        for name, value in {**world.environment, CONFIG_VARIABLE: str(world.config)}.items():
            patch.setenv(name, value)
        platform = load_platform()
        definitions = build_definitions(platform, tables=ALL_TABLES)
        completed, failed = (
            run(definitions, instance, window) for window in (WINDOW, FAILING_WINDOW)
        )
        yield Materialised(world, platform, instance, definitions, completed, failed)


def run(
    definitions: dg.Definitions, instance: dg.DagsterInstance, window: Window
) -> dg.ExecuteInProcessResult:
    """Run the window's job in this process."""
    job = definitions.resolve_job_def(WINDOW_JOB)
    return job.execute_in_process(
        partition_key=partition_key(COUNTRY, window), instance=instance, raise_on_error=False
    )
