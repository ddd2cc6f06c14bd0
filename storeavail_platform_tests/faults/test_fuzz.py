"""Dirty values in every source column: a window completes or fails with a clear error, and no good
store's row changes.

Values go through the real PostgreSQL and a recorded index into the landing, and from there through
every table's SQL and checks.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2.extras import execute_values

from storeavail_platform.config import load_text
from storeavail_platform.domain.errors import SourceRejected
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.causes import given_relations
from storeavail_platform.pipeline.compute import add_relations, compute
from storeavail_platform.pipeline.observe import Landed, Observing
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.pipeline.window import WindowRun, run_window
from storeavail_platform_tests.faults.dirty import (
    COLUMNS,
    GOOD_STORES,
    SCHEMAS,
    Case,
    clean_case,
    create_tables,
    dirty_case,
    good_rows,
)
from storeavail_testing.postgres import PostgresServer

WINDOW = Window.parse("2026-11-23T1300")
LONGEST_MESSAGE = 2_000
"""Characters of an error: it names a value's place and does not repeat ten megabytes of it."""
SHORT_SEEDS = range(30)
LONG_SEEDS = range(1_000)
BATCH = 100
"""Cases of one test of the long run: each test stays well below the time-out."""
PER_STORE = [
    table.name for table in TABLES if any(column.name == "store_id" for column in table.columns)
]
Rows = dict[str, list[str]]


@dataclass
class Company:
    """Databases of each kind, and an index, filled anew for each case."""

    folder: Path
    postgres: PostgresServer
    connections: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for schema in SCHEMAS:
            if schema == "bytes":
                self._create_without_encoding(f"fuzz_{schema}")
            else:
                self.postgres.create(f"fuzz_{schema}", create_tables(schema))
            connection = psycopg2.connect(
                self.postgres.dsn(f"fuzz_{schema}"), client_encoding="UTF8"
            )
            connection.autocommit = True
            self.connections[schema] = connection

    def _create_without_encoding(self, database: str) -> None:
        with self.postgres.connect("postgres") as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
                cursor.execute(
                    f"CREATE DATABASE {database} ENCODING 'SQL_ASCII' TEMPLATE template0"
                )
        self.postgres.execute(database, create_tables("bytes"))

    def close(self) -> None:
        for connection in self.connections.values():
            connection.close()

    def fill(self, case: Case) -> Runtime:
        """Put a case into the sources; gives a platform with nothing landed."""
        good = good_rows()
        with self.connections[case.schema].cursor() as cursor:
            cursor.execute(f"TRUNCATE {', '.join(COLUMNS)}")
            for table, rows in case.rows.items():
                kinds = SCHEMAS[case.schema]
                template = ", ".join(
                    f"CAST(%s AS {kinds.get(column, 'text')})" for column in COLUMNS[table]
                )
                execute_values(
                    cursor,
                    f"INSERT INTO {table} VALUES %s",
                    [*good[table], *rows],
                    template=f"({template})",
                )
            if case.schema == "bytes" and case.seed >= 0:
                cursor.execute(r"INSERT INTO stores (store_id, name) VALUES (100, E'\xe3\x28')")
        index = self.folder / "index"
        index.mkdir(exist_ok=True)
        (index / f"{WINDOW.key}.ndjson").write_bytes(case.lines)
        shutil.rmtree(self.folder / "warehouse", ignore_errors=True)
        dsn = self.postgres.dsn(f"fuzz_{case.schema}")
        country = (
            f'{{timezone: America/Sao_Paulo, postgres: {{dsn: "{dsn}"}}, online_index: {{path:'
            " ./index}}"
        )
        text = f"warehouse: ./warehouse\ncountries: {{BR: {country}}}"
        return build_runtime(load_text(text, base=self.folder, origin="fuzz"))

    def compute(self, case: Case) -> Rows:
        """Every row of a good store in each table.

        Raises:
            SourceRejected: a source cannot give a value of the case.
        """
        runtime = self.fill(case)
        run = WindowRun("BR", WINDOW, "fuzz")
        (found,) = run_window(runtime, run, observing=Observing(runtime.platform.observation_grace))
        assert isinstance(found, Landed)
        with runtime.engine.session() as session:
            add_relations(session, runtime.landing, runtime.markers, runtime.country("BR"), found)
            names = {table.name for table in TABLES}
            for computed in compute(
                session,
                TABLES,
                names,
                {"country": "BR", "window_start": WINDOW.start, "run_id": "fuzz"},
                lambda table: runtime.warehouse.location("BR", table.name, "data"),
                {"window_causes": lambda: given_relations(runtime, "BR", WINDOW)},
            ):
                # once landed, a window is never poisoned: bad rows are rows with a problem
                assert computed.error is None, f"seed {case.seed}: {computed.error}"
            good = f"store_id IN {tuple(map(str, GOOD_STORES))}"
            return {
                name: sorted(map(repr, session.rows(f"SELECT * FROM {name} WHERE {good}")))
                for name in PER_STORE
            }


@pytest.fixture(scope="module")
def company(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[Company]:
    made = Company(tmp_path_factory.mktemp("fuzz"), postgres_server)
    yield made
    made.close()


@pytest.fixture(scope="module")
def expected(company: Company) -> dict[str, Rows]:
    """The good stores' rows without any dirt, by database."""
    rows = {schema: company.compute(clean_case(schema)) for schema in SCHEMAS}
    assert all(len(table) >= 4 for found in rows.values() for table in found.values())
    return rows


def judge(company: Company, expected: dict[str, Rows], seed: int) -> bool:
    """Compute a case and judge it; whether it completed."""
    case = dirty_case(seed)
    refusal: SourceRejected | None = None
    rows: Rows = {}
    try:
        rows = company.compute(case)
    except SourceRejected as error:
        refusal = error
    if refusal is None:
        assert rows == expected[case.schema], f"seed {seed}: a good store's row changed"
    else:
        assert case.spoils, f"seed {seed}: {refusal}"
        assert 0 < len(str(refusal)) < LONGEST_MESSAGE, (
            f"seed {seed}: an error of {len(str(refusal))} characters"
        )
    return refusal is None


def test_dirty_values_change_no_good_store(company: Company, expected: dict[str, Rows]) -> None:
    """A few seeds of the long run: most windows complete, some are refused by a source with a
    clear error.
    """
    completed = [judge(company, expected, seed) for seed in SHORT_SEEDS]
    assert completed.count(True) > len(completed) / 2


@pytest.mark.long
@pytest.mark.parametrize("first", range(LONG_SEEDS[0], LONG_SEEDS[-1], BATCH))
def test_a_thousand_dirty_companies(
    company: Company, expected: dict[str, Rows], first: int, record_testsuite_property: Any
) -> None:
    """Every seed completes with the good stores' rows untouched, or fails with a clear error
    where a source itself refuses a value.
    """
    completed = [judge(company, expected, seed) for seed in range(first, first + BATCH)]
    record_testsuite_property(
        f"fuzz {first}", f"{completed.count(True)} completed, {completed.count(False)} refused"
    )
