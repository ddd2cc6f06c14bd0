"""Filling the demo's databases, once: one a country, each with two roles that can only read it.

The rows come from `rows.py`.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection

from storeavail_platform.demo.countries import DemoCountry
from storeavail_platform.demo.rows import special_rows, store_rows, weekly_rows
from storeavail_platform.demo.stores import demo_stores

SPECIAL_BEFORE = timedelta(days=31)
SPECIAL_AFTER = timedelta(days=366)
"""Days before and after today for which special hours are known."""
SCHEMA = """
CREATE TABLE stores (
  store_id {ids}, name text, address text, city text, brand text, timezone text, is_active boolean
);
CREATE TABLE store_weekly_hours (store_id {ids}, weekday smallint, opens_at time, closes_at time);
CREATE TABLE store_special_hours (
  store_id {ids}, business_date date, opens_at time, closes_at time
);
COMMENT ON TABLE stores IS 'No primary key: like in the systems it imitates, some rows are wrong.';
COMMENT ON COLUMN store_weekly_hours.weekday IS 'ISO: 1 = Monday';
COMMENT ON TABLE store_special_hours IS
  'Replaces the weekly hours of a business date; both times NULL: closed all day';
"""


def fill_country(server_dsn: str, database_dsn: str, demo: DemoCountry, today: date) -> None:
    """Make and fill a country's database unless that is done. In one transaction: it is filled
    whole or not at all.

    Args:
        server_dsn, database_dsn: the superuser's connection strings of the server and of the
            country's database.
        today: what the known special hours lie around.
    """
    with contextlib.closing(psycopg2.connect(server_dsn)) as server:
        server.autocommit = True
        _create_database(server, demo)
    with contextlib.closing(psycopg2.connect(database_dsn)) as database, database:
        if _scalar(database, "SELECT to_regclass('stores')") is None:
            stores = demo_stores(demo.code)
            with database.cursor() as cursor:
                cursor.execute(SCHEMA.format(ids=demo.id_type))
            _copy(database, "stores", store_rows(stores))
            _copy(database, "store_weekly_hours", weekly_rows(demo, stores))
            _copy(
                database,
                "store_special_hours",
                special_rows(stores, today - SPECIAL_BEFORE, today + SPECIAL_AFTER),
            )
        with database.cursor() as cursor:
            for role in (demo.role, demo.analyst_role):
                cursor.execute(
                    sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(
                        sql.Identifier(role)
                    )
                )


def _create_database(server: connection, demo: DemoCountry) -> None:
    database = sql.Identifier(demo.database)
    with server.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (demo.database,))
        if cursor.fetchone() is None:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(database))
        cursor.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(database))
        for name in (demo.role, demo.analyst_role):
            role = sql.Identifier(name)
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
            cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, role))


def _scalar(database: connection, query: str) -> object:
    with database.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
    return None if row is None else row[0]


def _copy(database: connection, table: str, rows: Iterable[tuple[object, ...]]) -> None:
    with database.cursor() as cursor:
        cursor.copy_expert(
            sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table)),
            io.StringIO("".join(_lines(rows))),
        )


def _lines(rows: Iterable[tuple[object, ...]]) -> Iterator[str]:
    r"""Rows in the text format of COPY: tabs between values, `\N` for NULL.

    No simulated value needs escaping.
    """
    for row in rows:
        yield "\t".join("\\N" if value is None else str(value) for value in row) + "\n"
