"""A country's own queries: the server judges them, and a mistake is told where it stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storeavail_platform.domain.errors import SourceRejected
from storeavail_platform_tests.sources.test_postgres import database, read, source

__all__ = ["database"]

COLUMNS = "'n' AS name, 'c' AS city, 'b' AS brand, NULL AS timezone, true AS is_active"


def stores(dsn: str, folder: Path, query: str | bytes) -> list[dict[str, Any]]:
    """The rows of a stores query from a file."""
    file = folder / "stores.sql"
    file.write_bytes(query if isinstance(query, bytes) else query.encode())
    return read(source(dsn, folder, stores_query="stores.sql"), "raw_stores")


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT i AS store_id, {COLUMNS}, true AS has_weekly_hours FROM ROWS FROM"
        " (generate_series(7, 7), generate_series(1, 1)) AS t(i, j)",
        f"SELECT 1_000_000 - 999_993 AS store_id, {COLUMNS}, now() AT LOCAL IS NOT NULL AS"
        " has_weekly_hours",
        f"SELECT 7 AS store_id, {COLUMNS}, JSON_EXISTS('{{\"a\": 1}}'::jsonb, '$.a') AS"
        " has_weekly_hours -- all of them; really",
        f"/* of; us */ VALUES_ AS (SELECT 1) SELECT 7 AS store_id, {COLUMNS}, true AS"
        " has_weekly_hours FROM VALUES_ ;\n-- end\n".replace("VALUES_ AS", "WITH v AS").replace(
            "VALUES_", "v"
        ),
        b"\xef\xbb\xbf"
        + f"SELECT 7 AS store_id, {COLUMNS},\r\n true AS has_weekly_hours;\r\n".encode(),
        f"TABLE (SELECT 7 AS store_id, {COLUMNS}, true AS has_weekly_hours)"[6:],
        f"SELECT 7 AS store_id, {COLUMNS}, ';' = $x$;$x$ AS has_weekly_hours",
        f"SELECT 7 AS store_id, {COLUMNS}, true AS has_weekly_hours, 1 AS x, 2 AS x",
    ],
)
def test_what_the_server_takes_is_taken(
    database: Callable[..., str], tmp_path: Path, query: str | bytes
) -> None:
    """Syntax of the server's own version, byte order mark, comments and semicolons anywhere; two
    columns of one name that nobody asked for.
    """
    (row,) = stores(database(), tmp_path, query)
    assert (row["source_id"], row["has_weekly_hours"]) == ("7", True)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT 1;\nSELECT 2", "line 2, column 1: a second statement starts"),
        ("DELETE FROM stores", "line 1, column 1: write exactly one SELECT"),
        (
            "-- é\nSELECT store_id,\n  nme AS name\nFROM stores",
            'line 3, column 3: column "nme" does not exist',
        ),
        ("SELECT 1\n  FORM stores x", "line 2, column 8: syntax error"),
        (
            f"SELECT 1 AS store_id, 2 AS store_id, {COLUMNS}, true AS has_weekly_hours",
            "gives store_id more than once",
        ),
        ("SELECT 1 AS id", "gives no column store_id, name, .*it gives id"),
        (
            f"SELECT 1 AS store_id, {COLUMNS}, now() AS has_weekly_hours",
            "has_weekly_hours is of type timestamptz; write an expression that is true or false",
        ),
        (
            f"SELECT 1 / store_id AS store_id, {COLUMNS}, true AS has_weekly_hours FROM"
            " (VALUES (0)) v(store_id)",
            "division by zero",
        ),
        (
            f"WITH gone AS (DELETE FROM stores RETURNING store_id) SELECT store_id, {COLUMNS},"
            " true AS has_weekly_hours FROM gone",
            "line 1, column 6: .*data-modifying",
        ),
    ],
)
def test_a_mistake_is_told_where_it_stands(
    database: Callable[..., str], tmp_path: Path, query: str, message: str
) -> None:
    """The file, and the line and column in it or the column of the result that it is about."""
    with pytest.raises(SourceRejected, match=message) as caught:
        stores(database(), tmp_path, query)
    assert f"{tmp_path}/stores.sql (postgres.stores_query)" in str(caught.value)


def test_further_columns_of_the_default_tables_do_no_harm(database: Callable[..., str]) -> None:
    """Whatever they are called: as those of the result, too."""
    dsn = database(
        "ALTER TABLE stores ADD has_weekly_hours text DEFAULT 'x', ADD kind text, ADD source_id"
        " text, ADD weekday int, ADD business_date int, ADD absent text, ADD window_minute text,"
        " ADD country text",
        "ALTER TABLE store_weekly_hours ADD timezone int, ADD is_invalid int, ADD kind int, ADD"
        " business_date text",
        "ALTER TABLE store_special_hours ADD is_closed text, ADD weekday text",
        "INSERT INTO stores (store_id, name) VALUES (1, 'a')",
        "INSERT INTO store_weekly_hours VALUES (1, 1, '08:00', '22:00')",
        "INSERT INTO store_special_hours VALUES (1, '2026-11-23', NULL, NULL)",
    )
    (row,) = read(source(dsn), "raw_stores")
    assert (row["source_id"], row["name"], row["has_weekly_hours"]) == ("1", "a", True)
    kinds = [(row["kind"], row["is_closed"]) for row in read(source(dsn), "raw_store_hours")]
    assert sorted(kinds) == [("special", True), ("weekly", False)]


def test_check_tells_what_a_window_costs_the_database(database: Callable[..., str]) -> None:
    """Rows, bytes and seconds of each query."""
    dsn = database("INSERT INTO stores SELECT i, 'Store' FROM generate_series(1, 1000) i")
    costs = [finding.message for finding in source(dsn).check()[2:]]
    assert costs[0].startswith("gives 1,000 rows (")
    assert 10_000 < int(costs[0].partition("(")[2].split()[0].replace(",", "")) < 40_000
    assert costs[1].startswith("gives 0 rows (0 bytes in 0")
