"""The default hours query gives what the plain words of the rule give, row for row."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pytest

from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.postgres_queries import (
    columns_statement,
    local_windows_sql,
    query_of,
)
from storeavail_platform_tests.sources.test_postgres import source
from storeavail_testing.postgres import PostgresServer

ZONES = [None, " ", "America/Manaus", " America/Manaus", "Asia/Tokyo", "Nowhere/Else", "UTC"]
PLAIN = """
WITH placed AS (
  SELECT s.store_id, w.business_date, w.weekday, w.window_minute
  FROM stores s
  JOIN local_windows w ON LOWER(w.timezone) = LOWER(COALESCE(BTRIM(s.timezone, E' \t\r\n\f\v'), ''))
),
weekly AS (
  SELECT
    store_id, weekday,
    CEIL(EXTRACT(EPOCH FROM opens_at) / 60)::int AS opens_minute,
    CEIL(EXTRACT(EPOCH FROM closes_at) / 60)::int AS closes_minute,
    store_id IS NULL OR weekday IS NULL OR weekday NOT BETWEEN 1 AND 7 OR opens_at IS NULL
      OR closes_at IS NULL AS is_invalid
  FROM store_weekly_hours
),
special AS (
  SELECT
    store_id, business_date,
    CEIL(EXTRACT(EPOCH FROM opens_at) / 60)::int AS opens_minute,
    CEIL(EXTRACT(EPOCH FROM closes_at) / 60)::int AS closes_minute,
    opens_at IS NULL AND closes_at IS NULL AS is_closed,
    store_id IS NULL
      OR business_date IS NULL
      OR (opens_at IS NULL) <> (closes_at IS NULL)
      OR BOOL_OR(opens_at IS NULL AND closes_at IS NULL) OVER same_date
        AND NOT BOOL_AND(opens_at IS NULL AND closes_at IS NULL) OVER same_date AS is_invalid
  FROM store_special_hours
  WINDOW same_date AS (PARTITION BY store_id, business_date)
)
SELECT h.store_id, 'weekly' AS kind, h.weekday, p.business_date, h.opens_minute, h.closes_minute,
  FALSE AS is_closed
FROM weekly h
LEFT JOIN placed p ON p.store_id = h.store_id AND p.weekday = h.weekday
WHERE h.is_invalid
  OR h.opens_minute - p.window_minute < 15
  AND h.closes_minute + CASE WHEN h.closes_minute <= h.opens_minute THEN 1440 ELSE 0 END
    - p.window_minute > 0
UNION ALL
SELECT h.store_id, 'special', NULL, h.business_date, h.opens_minute, h.closes_minute, h.is_closed
FROM special h
WHERE h.is_invalid
  OR EXISTS (SELECT 1 FROM placed p WHERE p.store_id = h.store_id AND p.business_date = h.business_date)
"""
"""The same rows said as plainly as SQL can, in time that grows with stores times special hours."""


def text(dice: random.Random) -> str | None:
    """A time of day, to the second; now and then none, or 24:00."""
    if dice.random() < 0.06:
        return dice.choice([None, "24:00"])
    seconds = dice.choice([dice.randrange(1440) * 60, dice.randrange(86_400)])
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


@pytest.mark.parametrize("ids", ["bigint", "text"])
@pytest.mark.parametrize("key", ["2026-11-23T1300", "2026-11-23T0315", "2026-12-31T2345"])
def test_the_hours_query_gives_the_rows_of_the_plain_one(
    postgres_server: PostgresServer, ids: str, key: str
) -> None:
    """For random hours with everything that is wrong in them: stores that are there twice or not at
    all, ids, weekdays, dates and ends that are NULL, contradictions.
    """
    window, dice = Window.parse(key), random.Random(f"{ids} {key}")
    today = date.fromisoformat(key[:10])

    def store() -> Any:
        return (
            dice.choice([*range(150)] * 3 + [None])
            if ids == "bigint"
            else f"s{dice.randrange(150)}"
        )

    stores = [(store(), dice.choice(ZONES)) for _ in range(160)]
    weekdays = [*range(1, 8)] * 9 + [0, 8, None]
    weekly = [(store(), dice.choice(weekdays), text(dice), text(dice)) for _ in range(2_000)]
    special = []
    for _ in range(400):
        ends = (text(dice), text(dice)) if dice.random() < 0.6 else (None, None)
        day = today + timedelta(days=dice.randint(-3, 2)) if dice.random() < 0.97 else None
        special.append((store(), day, *ends))
    database = f"plain_{ids}_{key.replace('-', '').lower()}"
    schema = f"""
      CREATE TABLE stores (store_id {ids}, timezone text);
      CREATE TABLE store_weekly_hours (store_id {ids}, weekday smallint, opens_at time, closes_at time);
      CREATE TABLE store_special_hours
        (store_id {ids}, business_date date, opens_at time, closes_at time);
    """
    dsn = postgres_server.create(database, schema)
    for table, rows in (
        ("stores", stores),
        ("store_weekly_hours", weekly),
        ("store_special_hours", special),
    ):
        places = ", ".join("%s" for _ in rows[0])
        postgres_server.execute(database, f"INSERT INTO {table} VALUES ({places})", rows)

    query = query_of("raw_store_hours", source(dsn).config)
    with postgres_server.connect(database) as connection, connection.cursor() as cursor:
        windows = local_windows_sql(cursor, window, "America/Santiago")
        found = []
        for sql in (query.sql, PLAIN):
            statement = columns_statement(query, windows).text.replace(query.sql, sql)
            cursor.execute(statement.removesuffix("LIMIT 0"))
            found.append(sorted(cursor.fetchall(), key=repr))
    assert found[0] == found[1]
    kinds = {(row[1], row[3] is None, row[6]) for row in found[0]}
    assert len(kinds) >= 5
    assert 200 < len(found[0]) < len(weekly) + len(special)


@pytest.mark.parametrize("relation", ["raw_stores", "raw_store_hours"])
def test_the_work_grows_as_the_rows_do(postgres_server: PostgresServer, relation: str) -> None:
    """Rows that the plan's steps touch, at two sizes, with so little memory that the server plans
    as it does for a million stores. The plain words of the rule show what is caught.
    """
    default = query_of(relation, source(postgres_server.dsn()).config).sql
    small, large = (touched(postgres_server, relation, default, n) for n in (SMALL, 4 * SMALL))
    assert SMALL < small < large < 4.4 * small
    if relation == "raw_store_hours":
        small, large = (touched(postgres_server, relation, PLAIN, n) for n in (SMALL, 4 * SMALL))
        assert large > 10 * small


def touched(server: PostgresServer, relation: str, sql: str, stores: int) -> int:
    """Rows that the steps of a query's plan gave or threw away, for a company of so many stores, of
    which one in twenty has special hours. No table has an index.
    """
    database = f"growing_{stores}"
    dsn = server.create(database, COMPANY.format(stores=stores))
    server.execute(database, "ANALYZE")
    query = query_of(relation, source(dsn).config)
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SET work_mem = '64kB'; SET max_parallel_workers_per_gather = 0")
        windows = local_windows_sql(cursor, Window.parse("2026-11-23T1300"), "America/Santiago")
        statement = columns_statement(query, windows).text.removesuffix("LIMIT 0")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.replace(query.sql, sql)}")
        (plan,) = cursor.fetchone()[0]
    return sum(
        int(step["Actual Loops"] * step.get(name, 0))
        for step in steps(plan["Plan"])
        for name in ROWS
    )


SMALL = 2_000
ROWS = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Join Filter")
COMPANY = """
CREATE TABLE stores (
  store_id text, name text, address text, city text, brand text, timezone text, is_active boolean);
CREATE TABLE store_weekly_hours (store_id text, weekday smallint, opens_at time, closes_at time);
CREATE TABLE store_special_hours (store_id text, business_date date, opens_at time, closes_at time);
INSERT INTO stores (store_id) SELECT 'store ' || i FROM generate_series(1, {stores}) i;
INSERT INTO store_weekly_hours
  SELECT 'store ' || i, d, '08:00', '22:00'
  FROM generate_series(1, {stores}) i, generate_series(1, 7) d;
INSERT INTO store_special_hours
  SELECT 'store ' || i * 20, '2026-11-23', '9:00', '12:00'
  FROM generate_series(1, {stores} / 20) i;
"""


def steps(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """A plan's steps, all of them."""
    return [plan, *(step for each in plan.get("Plans", ()) for step in steps(each))]
