"""What SQL is admitted, and what is found out about it when tables are loaded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storeavail_platform.domain.errors import TableDeclarationError
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.checking import check_tables
from storeavail_platform.domain.tables.declarations import STORE_AVAILABILITY, STORES
from storeavail_platform.domain.tables.lineage import column_lineage, relations_read
from storeavail_platform.domain.tables.portable import check_portable
from storeavail_platform.domain.tables.table import Column, Table

COUNTS = Table(
    name="city_counts",
    description="Stores of each city.",
    columns=(Column("city", "text", "City."), Column("stores", "bigint", "Stores.")),
    key=("city",),
    inputs=("stores",),
    sql_text="SELECT city, COUNT(*) AS stores FROM stores GROUP BY city",
)

REFUSED = {
    "SELECT DAYOFWEEK(business_date) AS a FROM t": "join local_windows",
    "SELECT weekday(business_date) AS a FROM t": "join local_windows",
    "SELECT EXTRACT(DAY FROM business_date) AS a FROM t": "join local_windows",
    "SELECT observed_at AT TIME ZONE 'UTC' AS a FROM t": "join local_windows",
    "SELECT from_utc_timestamp(observed_at, 'UTC') AS a FROM t": "join local_windows",
    "SELECT epoch(observed_at) AS a FROM t": "from Python in a relation",
    "SELECT unix_timestamp(observed_at) AS a FROM t": "from Python in a relation",
    "SELECT date_format(observed_at, 'yyyy') AS a FROM t": "from Python in a relation",
    "SELECT strftime(observed_at, '%Y') AS a FROM t": "from Python in a relation",
    "SELECT datediff(a, b) AS a FROM t": "from Python in a relation",
    "SELECT d + INTERVAL 1 DAY AS a FROM t": "from Python in a relation",
    "SELECT TIMESTAMP '2026-11-23 10:00:00+01:00' AS a FROM t": "from Python in a relation",
    "SELECT current_date AS a FROM t": "give the value from Python",
    "SELECT now() AS a FROM t": "give the value from Python",
    "SELECT concat(a, b) AS a FROM t": "use ||",
    "SELECT nvl(a, b) AS a FROM t": "use COALESCE",
    "SELECT 1 << a AS a FROM t": "use POW",
    "SELECT shiftleft(1, a) AS a FROM t": "use POW",
    "SELECT a DIV 2 AS a FROM t": "FLOOR",
    "SELECT a // 2 AS a FROM t": "FLOOR",
    "SELECT a ^ 2 AS a FROM t": "use POW",
    "SELECT regexp_replace(a, 'x', 'y') AS a FROM t": "use TRANSLATE",
    "SELECT regexp_extract(a, 'x') AS a FROM t": "use TRANSLATE",
    "SELECT split(a, ',') AS a FROM t": "counts from 0",
    "SELECT a[1] AS a FROM t": "counts from 0",
    "SELECT explode(a) AS a FROM t": "given from Python",
    "SELECT unnest(a) AS a FROM t": "given from Python",
    "SELECT a FROM range(3) AS r(a)": "given from Python",
    "SELECT any_value(a) AS a FROM t": "use MIN or MAX",
    "SELECT array_agg(a) AS a FROM t": "use MIN or MAX",
    "SELECT first(a) AS a FROM t": "use MIN or MAX",
    "SELECT hash(a) AS a FROM t": "other values",
    "SELECT a FROM t QUALIFY ROW_NUMBER() OVER (ORDER BY a NULLS LAST) = 1": "not in Spark 3.5",
    "SELECT a FROM t LEFT ANTI JOIN u ON t.a = u.a": "write ANTI JOIN",
    "SELECT a FROM t LEFT SEMI JOIN u ON t.a = u.a": "SEMI JOIN",
    "SELECT CAST(a AS DECIMAL(10, 2)) AS a FROM t": "BIGINT or DOUBLE",
    "SELECT 0.5 * a AS a FROM t": "AS DOUBLE",
    'SELECT "a" FROM t': "without quotes",
    "SELECT `a` FROM t": "without quotes",
    "SELECT a::int AS a FROM t": "use CAST",
    "SELECT a <=> b AS a FROM t": "IS NOT DISTINCT FROM",
    "SELECT CAST(a AS TEXT) AS a FROM t": "use STRING",
    "SELECT CAST(a AS TIMESTAMP) AS a FROM t": "another type",
    "SELECT a FROM t ORDER BY a": "NULLS FIRST or NULLS LAST",
    "SELECT a FROM t ORDER BY a NULLS LAST, b": "NULLS FIRST or NULLS LAST",
    "SELECT ROW_NUMBER() OVER (ORDER BY a) AS a FROM t": "NULLS FIRST or NULLS LAST",
    "SELECT SUM(a) AS a FROM t": "CAST(SUM",
    "SELECT LENGTH(a) AS a FROM t": "LENGTH(a) has another type",
    "SELECT COALESCE(LENGTH(a), 0) AS a FROM t": "LENGTH(a) has another type",
    "SELECT BIT_COUNT(a) AS a FROM t": "CAST(... AS BIGINT)",
    "WITH r AS (SELECT RANK() OVER (ORDER BY a NULLS LAST) AS place FROM t) SELECT place FROM r": (
        "CAST(... AS BIGINT)"
    ),
    "SELECT COALESCE(SUM(a), 0) AS a FROM t": "CAST(SUM",
    "SELECT SUM(a) OVER (PARTITION BY b) AS a FROM t": "CAST(SUM",
    "SELECT FLOOR(a) AS a FROM t": "CAST(FLOOR",
    "SELECT a / b AS a FROM t": "NULLIF",
    "SELECT a / 0 AS a FROM t": "NULLIF",
    "SELECT a % b AS a FROM t": "NULLIF",
    "SELECT CAST(2.5 AS INT) AS a FROM t": "FLOOR",
    "SELECT CAST(a / 2 AS BIGINT) AS a FROM t": "FLOOR",
    "SELECT CAST(CAST(a AS DOUBLE) AS INT) AS a FROM t": "FLOOR",
    "SELECT SUBSTRING(a, 0, 2) AS a FROM t": "SUBSTRING(text, 1, n)",
    "SELECT SUBSTRING(a, b, 2) AS a FROM t": "SUBSTRING(text, 1, n)",
    "SELECT TRIM(a) AS a FROM t": "BOTH",
    "SELECT strptime(a, '%Y') AS a FROM t": "not known to answer alike",
    "SELECT LOG(a) AS a FROM t": "not known to answer alike",
    "SELECT a FROM t; SELECT b FROM t": "exactly one SELECT",
    "DROP TABLE t": "exactly one SELECT",
    "CREATE TABLE x AS SELECT a FROM t": "exactly one SELECT",
    "SELECT a FROM t WHERE": "both engines read",
    "SELECT 'a FROM t": "both engines read",
    "": "exactly one SELECT",
}


@pytest.mark.parametrize("sql", REFUSED)
def test_sql_that_the_engines_answer_differently_is_refused(sql: str) -> None:
    """Each trap is refused with the file, the line, and what to write instead."""
    with pytest.raises(TableDeclarationError) as caught:
        check_portable(f"-- a comment\n{sql}", "new_table")
    message = str(caught.value)
    assert message.startswith("tables/sql/new_table.sql")
    assert REFUSED[sql] in message
    if not any(tokens in message for tokens in ("exactly one SELECT", "both engines read")):
        assert message.startswith("tables/sql/new_table.sql:2: ")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM t -- don't concat(a) with `b`; \"c\" / 0\nWHERE b = 'it''s 1 << 2'",
        "SELECT a /* interval '1' day */ FROM t",
        "SELECT first_name, last_name, division, intervals, concatenated FROM t",
        (
            "SELECT a, CAST(ROW_NUMBER() OVER (PARTITION BY b ORDER BY c DESC NULLS LAST) AS"
            " BIGINT) AS n FROM t WHERE LENGTH(a) > 1 ORDER BY a NULLS FIRST"
        ),
        (
            "SELECT CAST(SUM(a) OVER (PARTITION BY b) AS BIGINT) AS a, CAST(FLOOR(CAST(b AS DOUBLE)"
            " / 15) AS BIGINT) AS b FROM t"
        ),
        (
            "SELECT a & 4 AS a, a % 15 AS b, a / NULLIF(b, 0) AS c, CAST(0.5 AS DOUBLE) * a AS d"
            " FROM t"
        ),
        (
            "SELECT t.a FROM t ANTI JOIN u ON t.a = u.a WHERE t.a IN (1, 2) AND EXISTS (SELECT u.a"
            " FROM u) OR NOT (t.a BETWEEN (1) AND (2))"
        ),
        "SELECT SUBSTRING(TRIM(BOTH ' ' FROM a), 1, 3) || 'x' AS a FROM t",
    ],
)
def test_portable_sql_is_admitted(sql: str) -> None:
    """Comments, text and longer names may hold refused words; the ways to write it that
    messages name are admitted.
    """
    check_portable(sql, "new_table")


def test_the_tables_pass() -> None:
    """What the package ships is portable and reads what it declares, its checks included; a
    table more is no exception.
    """
    check_tables((*TABLES, COUNTS))


def test_an_input_declared_later_is_refused() -> None:
    """The order of the tables is the order in which they are computed; a cycle has no order."""
    with pytest.raises(TableDeclarationError, match="reads stores, which is declared after it"):
        check_tables((COUNTS, *TABLES))


@pytest.mark.parametrize(
    "expression", ["business_date + 1", "business_date - business_date", "1 + d"]
)
def test_dates_are_not_computed_with(expression: str) -> None:
    """Known from the types of the inputs, also through common table expressions."""
    sql = (
        "WITH days AS (\n SELECT business_date, business_date AS d FROM local_windows\n)\nSELECT"
        f" {expression} AS day FROM days"
    )
    table = Table(
        "days", "?", (Column("day", "date", "?"),), ("day",), ("local_windows",), sql_text=sql
    )
    with pytest.raises(
        TableDeclarationError, match=r"tables/sql/days\.sql:4: .* computes with dates"
    ):
        check_tables((table,))


def test_relations_read_leave_out_common_table_expressions() -> None:
    """Only what comes from outside counts."""
    assert relations_read(STORES) == {"raw_stores", "local_windows"}


def test_column_lineage() -> None:
    """Each column's origins through every step of the SQL, for every table; constants have none."""
    origins = column_lineage(STORE_AVAILABILITY, TABLES)
    assert origins["name"] == [("stores", "name")]
    assert origins["observed_at"] == [("observation", "observed_at")]
    assert origins["local_date"] == [
        ("expected_schedules", "local_date"),
        ("local_windows", "business_date"),
    ]
    assert ("online_index", "is_online") in origins["status"]
    for table in TABLES:
        assert list(column_lineage(table, TABLES)) == [column.name for column in table.columns]
    assert (
        column_lineage(replace(COUNTS, sql_text="SELECT city, 1 AS stores FROM stores"), TABLES)[
            "stores"
        ]
        == []
    )
