"""A company whose analysts have a database user of their own, with facts of two windows."""

from __future__ import annotations

from pathlib import Path

import pytest

from storeavail_platform import analyst
from storeavail_platform.config import CONFIG_VARIABLE
from storeavail_platform.domain.windows import Window
from storeavail_platform.reading.analyst.audit import USER_VARIABLE
from storeavail_platform_tests.domain.tables.facts import commit_facts, fact
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.postgres import PostgresServer

WINDOWS = [Window.parse("2026-11-23T1300"), Window.parse("2026-11-23T1315")]
PASSWORD = "analysts' own"
STORE_ROWS = """
INSERT INTO stores SELECT i, 'Store ' || i, NULL, 'City', 'Brand', NULL, true FROM generate_series(1, 50) i;
INSERT INTO store_weekly_hours VALUES (1, 1, '08:00', '24:00');
CREATE TABLE customers (name text);
GRANT SELECT ON stores, store_weekly_hours TO ana;
"""
"""What analysts may read, and a table that they may not."""
ROLE = (
    "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ana') THEN CREATE ROLE ana"
    " LOGIN PASSWORD 'analysts'' own'; END IF; END $$"
)


@pytest.fixture
def world(
    tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> World:
    """Three stores in two windows of BR, committed; the notebooks' module finds the
    configuration in the environment.
    """
    postgres_server.execute("postgres", ROLE)
    made = World(tmp_path, postgres_server)
    made.add_country(
        "BR",
        "America/Sao_Paulo",
        "{path: ./index/BR}",
        rows=STORE_ROWS,
        more=", analyst: {postgres: {dsn: env:BR_ANALYST_DSN}}",
    )
    database = made.environment["BR_DSN"].split("dbname=")[1].split()[0]
    escaped = PASSWORD.replace("'", "\\'")
    made.environment["BR_ANALYST_DSN"] = (
        f"host=127.0.0.1 port={postgres_server.port} dbname={database} user=ana"
        f" password='{escaped}'"
    )
    for name, value in {
        **made.environment,
        CONFIG_VARIABLE: str(made.config),
        USER_VARIABLE: "ana",
    }.items():
        monkeypatch.setenv(name, value)
    rows = [
        fact(store, window, "missing" if store == 1 else "available")
        for window in WINDOWS
        for store in (1, 2, 3)
    ]
    commit_facts(made.runtime().warehouse, rows)
    analyst.connect()
    return made
