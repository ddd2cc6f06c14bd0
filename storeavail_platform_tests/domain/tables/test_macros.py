"""Macros in the SQL of tables: what they stand for, on both engines, and that they cost no line."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files

import pytest

from storeavail_platform.domain.availability import availability, coverage
from storeavail_platform.domain.errors import TableDeclarationError
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.checking import check_tables
from storeavail_platform.domain.tables.daily import DAILY_TABLES
from storeavail_platform.domain.tables.declarations import AVAILABILITY_SUMMARY
from storeavail_platform.domain.tables.lineage import column_lineage
from storeavail_platform.domain.tables.macros import MACROS, expanded
from storeavail_platform.domain.tables.portable import check_portable
from storeavail_platform.domain.tables.table import Column, Table
from storeavail_platform.engines.typecheck import check_types
from storeavail_platform.pipeline.testing import run_table
from storeavail_platform.warehouse.engine import Engine
from storeavail_platform_tests.domain.test_availability import CASES

SHARES = Table(
    name="shares",
    description="The shares of each group.",
    columns=(
        Column("city", "text", "City."),
        Column("availability", "double", "Availability."),
        Column("coverage", "double", "Coverage."),
    ),
    key=("city",),
    inputs=("availability_summary",),
    sql_text=(
        "SELECT\n  city,\n  $availability AS availability,\n  $coverage AS coverage\nFROM"
        " availability_summary"
    ),
)


def test_both_engines_give_what_python_gives(each_engine: Engine) -> None:
    """To the last bit, where the divisor is 0 too."""
    rows = [
        {"city": case, "available_minutes": a, "expected_minutes": e, "unknown_minutes": u}
        for case, (a, e, u) in CASES.items()
    ]
    assert run_table(each_engine, SHARES, {"availability_summary": rows}) == [
        {
            "city": case,
            "availability": availability(available=a, expected=e, unknown=u),
            "coverage": coverage(expected=e, unknown=u),
        }
        for case, (a, e, u) in sorted(CASES.items())
    ]


def test_a_macro_is_one_value_whatever_stands_beside_it(each_engine: Engine) -> None:
    """It stands in parentheses: less one, or a hundred times it, is what it says."""
    table = replace(
        SHARES, sql_text=SHARES.sql.replace(" AS coverage", " * CAST(100 AS DOUBLE) AS coverage")
    )
    minutes = {"available_minutes": 0, "expected_minutes": 20, "unknown_minutes": 5}
    given_rows = {"availability_summary": [{"city": "Recife", **minutes}]}
    assert run_table(each_engine, table, given_rows)[0]["coverage"] == 75.0


def test_the_shipped_sql_says_each_formula_once() -> None:
    """The files write the macros; what is run has the expressions in their place."""
    folder = files("storeavail_platform.domain.tables") / "sql"
    written = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
    using = {
        "$availability": {
            "availability_now.sql",
            "availability_summary.sql",
            "daily_store_availability.sql",
        },
        "$coverage": {
            "availability_now.sql",
            "availability_summary.sql",
            "daily_store_availability.sql",
            "window_quality.sql",
        },
        "$store_id": {"stores.sql", "store_hours.sql", "online_index.sql"},
        "$local_time": {"availability_now.sql", "stores_now.sql"},
    }
    by_sql = [table for table in (*TABLES, *DAILY_TABLES) if table.function is None]
    for macro, expression in MACROS.items():
        assert {name for name, sql in written.items() if macro in sql} == using[macro]
        assert [name for name, sql in written.items() if expression in sql] == []
        for table in by_sql:
            assert (expression in table.sql) == (f"{table.name}.sql" in using[macro])
    assert all("$" not in table.sql for table in by_sql)
    for formula_of_its_own in ("unknown_minutes AS DOUBLE", "source_id AS BIGINT"):
        assert [name for name, sql in written.items() if formula_of_its_own in sql] == []


def test_lineage_goes_through_a_macro() -> None:
    """A share comes from the three columns that it is made of."""
    minutes = ("available_minutes", "expected_minutes", "unknown_minutes")
    origins = column_lineage(AVAILABILITY_SUMMARY, TABLES)
    assert origins["availability"] == [("store_availability", name) for name in minutes]
    assert origins["coverage"] == [("store_availability", name) for name in minutes[1:]]


def test_a_macro_adds_no_line() -> None:
    """What comes after it stays on the file's line, for every check that names one."""
    assert expanded(SHARES.sql_text or "").count("\n") == (SHARES.sql_text or "").count("\n")
    wrong = "SELECT city, $availability AS availability,\n  $coverage AS coverage\n"
    traps = {
        f"{wrong}  , NOW() AS a\nFROM availability_summary": "shares.sql:3: NOW",
        f"{wrong}FROM summary": "shares.sql:3: reads summary without declaring it",
        f"{wrong}FROM availability_summary\nWHERE town = 'x'": "shares.sql:4: Column",
    }
    for sql, message in traps.items():
        with pytest.raises(TableDeclarationError) as caught:
            check_tables((*TABLES, replace(SHARES, sql_text=sql)))
        assert message in str(caught.value)


def test_a_macro_needs_its_columns() -> None:
    """Over a relation without them the error names the file, the line and the column."""
    table = replace(
        SHARES,
        inputs=("stores",),
        sql_text="SELECT city,\n  $availability AS availability\nFROM stores",
    )
    with pytest.raises(TableDeclarationError, match=r"shares\.sql:2: .*available_minutes"):
        check_tables((*TABLES, replace(table, columns=SHARES.columns[:2])))


def test_a_wrong_type_is_told_at_the_macros_line() -> None:
    """The type check on DuckDB reads the expanded text too."""
    columns = (*SHARES.columns[:2], Column("coverage", "bigint", "Coverage."))
    with pytest.raises(TableDeclarationError, match=r"shares\.sql:4: column coverage is double"):
        check_types((*TABLES, replace(SHARES, columns=columns)))


@pytest.mark.parametrize(
    "name", ["$avail", "$AVAILABILITY", "$availability2", "${availability}", "$1", "$"]
)
def test_an_unknown_macro_is_refused(name: str) -> None:
    """With file, line and what there is; nothing is left for an engine to make something of."""
    with pytest.raises(TableDeclarationError) as caught:
        check_portable(expanded(f"SELECT a,\n  {name} AS b\nFROM t"), "new_table")
    message = str(caught.value)
    assert message.startswith("tables/sql/new_table.sql:2: $")
    assert message.endswith(f"stands for nothing here; a table's SQL may write {', '.join(MACROS)}")


def test_money_in_a_text_stays() -> None:
    """A dollar sign in a text literal or a comment is nobody's macro."""
    sql = "SELECT 'R$' || price AS a, 'US$5' AS b FROM t -- $cost"
    assert expanded(sql) == sql
    check_portable(sql, "new_table")
