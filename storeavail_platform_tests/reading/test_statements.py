"""One statement that only reads, in every form; and text is not compared with numbers in silence."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest

from storeavail_platform.domain.errors import QueryRefused
from storeavail_platform.reading.comparisons import refuse_numbers_for_text
from storeavail_platform.reading.statements import (
    asks_which_tables,
    described,
    may_compare,
    require_one_query,
)

SCHEMAS = {
    "facts": pa.schema(
        [
            ("store_id", pa.string()),
            ("minutes", pa.int64()),
            ("city", pa.string()),
            ("at", pa.timestamp("us", tz="UTC")),
        ]
    ),
    "contacts": pa.schema([("store_id", pa.string()), ("number", pa.int32())]),
}


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as made:
        yield made


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SELECT 1; -- done",
        "(SELECT 1)",
        "FROM facts",
        "TABLE facts",
        "VALUES (1, 2)",
        "WITH one AS (SELECT 1) SELECT * FROM one",
        "SELECT 1 UNION ALL SELECT 2",
        "PIVOT facts ON city USING SUM(minutes)",
        "PIVOT facts ON city USING SUM(minutes); -- wide",
        "FROM (PIVOT facts ON city USING SUM(minutes)) SELECT *",
        "WITH wide AS (PIVOT facts ON city USING SUM(minutes)) SELECT * FROM wide",
        "UNPIVOT facts ON minutes INTO NAME what VALUE much",
        "DESCRIBE facts",
        "SHOW TABLES",
        "SUMMARIZE facts",
        "/* why */ EXPLAIN -- how\n SELECT 1",
        "EXPLAIN ANALYZE SELECT 1",
        "EXPLAIN (FORMAT JSON) SELECT 1",
        "EXPLAIN (SELECT 1)",
        "EXPLAIN PIVOT facts ON city USING SUM(minutes)",
        'SELECT \'insert into\', "copy" -- delete from\n FROM (SELECT 1 AS "copy")',
    ],
)
def test_every_form_of_a_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Each is one statement that only reads."""
    require_one_query(connection, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "SELECT 1; SELECT 2",
        "INSERT INTO facts VALUES (1)",
        "PRAGMA show_tables",
        "CALL duckdb_settings()",
        "SET threads = 1",
        "CREATE TABLE wide AS PIVOT facts ON city USING SUM(minutes)",
        "COPY (PIVOT facts ON city USING SUM(minutes)) TO 'x'",
        "EXPLAIN CREATE TABLE x AS SELECT 1",
        "EXPLAIN (FORMAT JSON) CREATE TABLE x (a INT)",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO 'x'",
        "EXPLAIN SET threads = 1",
        "WITH x AS (COPY (SELECT 1) TO '.tmp/x.csv') SELECT * FROM x",
        "WITH x AS (INSERT INTO facts VALUES (1) RETURNING *) SELECT * FROM x",
        "EXPLAIN ANALYZE WITH x AS (/* so */ COPY facts TO 'x') SELECT * FROM x",
        "SELECT '\udcff'",
    ],
)
def test_anything_else(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """A statement that hides in PIVOT or EXPLAIN is found."""
    with pytest.raises(QueryRefused):
        require_one_query(connection, sql)


@pytest.mark.parametrize(
    ("sql", "advice"),
    [
        ("SELECT * FROM facts WHERE store_id = 7", "write store_id = '7', not 7"),
        ("FROM facts WHERE 7 = store_id", "store_id = '7'"),
        ("SELECT * FROM facts WHERE Store_Id <> -7", "store_id = '-7'"),
        ("SELECT * FROM facts WHERE store_id IN ('1', 8)", "store_id = '8'"),
        ("SELECT * FROM facts WHERE store_id BETWEEN 1 AND 3", "store_id = '1'"),
        ("SELECT * FROM facts WHERE store_id = (SELECT 7)", "store_id is text"),
        ("SELECT * FROM facts WHERE (store_id, minutes) = (7, 1)", "store_id = '7'"),
        ("SELECT NULLIF(store_id, 7) FROM facts", "store_id = '7'"),
        ("SELECT CASE store_id WHEN 7 THEN 1 END FROM facts", "store_id = '7'"),
        ("SELECT COUNT(*) FILTER (WHERE store_id = 7) FROM facts", "store_id = '7'"),
        ("SELECT MAX(store_id) AS newest FROM facts HAVING newest = 7", "is text"),
        ("WITH c AS (SELECT store_id AS id FROM facts) FROM c WHERE id = 7", "id = '7'"),
        ("FROM facts f JOIN contacts c ON f.store_id = c.number", "f.store_id = CAST(c.number AS"),
        ("FROM facts JOIN (SELECT 7 AS store_id) USING (store_id)", "store_id is text"),
        ("FROM facts NATURAL JOIN (SELECT 7 AS store_id)", "store_id is text"),
        ("FROM (PIVOT facts ON city USING SUM(minutes)) WHERE store_id = 7", "store_id = '7'"),
        ("EXPLAIN SELECT * FROM facts WHERE store_id = 7", "store_id = '7'"),
        ("DESCRIBE SELECT * FROM facts WHERE store_id = 7", "store_id = '7'"),
        # not SQL that sqlglot reads, and too deep for it
        ('SELECT * FROM facts WHERE "store_id" = 7 AND ]', "store_id = '7'"),
        (f"SELECT {'+'.join(['1'] * 20_000)} FROM facts WHERE store_id IN (7)", "store_id = '7'"),
    ],
)
def test_text_compared_with_a_number_is_told(sql: str, advice: str) -> None:
    """DuckDB would find '007' for 7 in silence; the message says what to write."""
    assert may_compare(sql)
    with pytest.raises(QueryRefused) as refused:
        refuse_numbers_for_text(sql, SCHEMAS)
    assert advice in str(refused.value)
    assert "'007' would be 7" in str(refused.value)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM facts WHERE store_id = '7' AND minutes = 7 AND minutes = '7'",
        "SELECT * FROM facts JOIN contacts USING (store_id)",
        "SELECT * FROM facts WHERE CAST(store_id AS BIGINT) = 7 OR store_id::INT = 7",
        "SELECT * FROM facts WHERE TRY_CAST(store_id AS BIGINT) = 7",
        "SELECT * FROM facts WHERE LENGTH(store_id) = 1 AND store_id LIKE '7%'",
        # text that the query makes itself
        "SELECT * FROM facts WHERE strftime(at, '%H') = 7",
        "SELECT * FROM facts WHERE at >= now() - INTERVAL 2 HOUR",
        "SELECT * FROM facts WHERE city->'$.size' = 7",
        "PIVOT facts ON city USING SUM(minutes)",
        "SHOW TABLES",
    ],
)
def test_other_comparisons_go_through(sql: str) -> None:
    """Text with text, numbers with numbers, and what the query casts itself."""
    refuse_numbers_for_text(sql, SCHEMAS)


@pytest.mark.parametrize(
    ("sql", "is_looked_into"),
    [
        ("SELECT status, COUNT(*) FROM facts GROUP BY status", False),
        (
            "SELECT COUNT(DISTINCT city) FROM facts WHERE country = 'BR' AND city <> 'it''s = 7';",
            False,
        ),
        ("SELECT 1 -- store_id = 7", False),
        ("SELECT * FROM facts WHERE store_id = '7' + 1", True),
        ("SELECT ' = ', store_id = 7, ' AND' FROM facts", True),
        (r"SELECT E'\'', store_id = 7, '' FROM facts", True),
        ("FROM facts WHERE store_id IS DISTINCT FROM 7", True),
    ],
)
def test_what_compares_with_text_alone_is_not_looked_into(sql: str, is_looked_into: bool) -> None:
    """Whatever may be a comparison with something else is."""
    assert may_compare(sql) == is_looked_into


@pytest.mark.parametrize(
    ("sql", "lists"),
    [
        ("SHOW TABLES", True),
        ("show all tables;", True),
        ("DESCRIBE", True),
        ("SELECT * FROM information_schema.tables", True),
        ("SELECT table_name FROM duckdb_views()", True),
        ("SELECT * FROM (SHOW TABLES)", True),
        ("DESCRIBE facts", False),
        ("SELECT * FROM facts ORDER BY minutes DESC", False),
    ],
)
def test_what_asks_for_every_table(sql: str, lists: bool) -> None:
    """Only such a statement makes all tables be opened."""
    assert asks_which_tables(sql) == lists


def test_what_is_described() -> None:
    """A bare DESCRIBE or SHOW has a name; a DESCRIBE of a statement has none."""
    assert described('desc "Facts" ; -- x') == "facts"
    assert described("SHOW TABLES") == "tables"
    assert described("DESCRIBE SELECT 1") is None
    assert described("SELECT 1") is None
