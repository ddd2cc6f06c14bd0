"""Rows by hand on both engines: the table and the test of docs/adding-an-asset.md, as they
stand there.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from storeavail_platform.domain.tables.table import Check, Column, Table
from storeavail_platform.pipeline.testing import run_table
from storeavail_platform.warehouse.engine import Engine
from storeavail_platform_tests.test_docs import page


def block(place: str) -> str:
    (found,) = re.findall(
        rf"^```\w+ {re.escape(place)}\n(.*?)^```",
        page("adding-an-asset.md"),
        re.MULTILINE | re.DOTALL,
    )
    return str(found)


def test_the_pages_table_gives_the_pages_rows(each_engine: Engine) -> None:
    """DuckDB and Spark answer alike."""
    names: dict[str, Any] = {
        "Table": Table,
        "Column": Column,
        "Check": Check,
        "run_table": run_table,
        "Engine": Engine,
    }
    exec(block("storeavail_platform/domain/tables/declarations.py"), names)
    sql = block("storeavail_platform/domain/tables/sql/city_hours.sql")
    names["CITY_HOURS"] = replace(names["CITY_HOURS"], sql_text=sql)
    test = block("storeavail_platform_tests/domain/tables/test_city_hours.py")
    exec(test[test.index("def test_") :], names)
    names["test_minutes_are_added_up_by_city"](each_engine)
