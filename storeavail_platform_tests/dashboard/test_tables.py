"""What a page reads: columns that are declared, with the types of their declarations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from storeavail_platform.dashboard.figures import Scope, summary
from storeavail_platform.dashboard.relations import RELATIONS, SHOWN_COLUMNS
from storeavail_platform.dashboard.stores import detail
from storeavail_platform.dashboard.tables import fetched, opened, schema_of
from storeavail_platform.domain.tables import TABLES as WINDOW_TABLES
from storeavail_platform.domain.tables.daily import DAILY_TABLES
from storeavail_platform.domain.tables.declarations import WINDOW_QUALITY
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform_tests.dashboard.conftest import Pages
from storeavail_testing.pages import LAST, runtime_in, write

DECLARED = {table.name: table for table in (*WINDOW_TABLES, *DAILY_TABLES)}


@pytest.mark.parametrize("table", SHOWN_COLUMNS)
def test_a_page_reads_declared_columns_alone(table: str) -> None:
    """Each name is a column of the table's declaration, once, with its type."""
    declared = DECLARED[table].stored_schema()
    assert set(SHOWN_COLUMNS[table]) <= set(declared.names)
    assert len(set(SHOWN_COLUMNS[table])) == len(SHOWN_COLUMNS[table])
    assert schema_of(table) == declared.empty_table().select(list(SHOWN_COLUMNS[table])).schema


def test_a_relation_is_the_same_of_rows_and_of_none(pages: Pages) -> None:
    """Of a table with rows and of one without it has the same columns and types, whether they are
    made or kept; its day is the first.
    """
    of_rows, of_kept, of_none = (
        relations(pages.runtime, country) for country in ("BR", "BR", "AR")
    )
    assert of_rows == of_kept == of_none
    assert {schema.names[0] for schema in of_rows.values()} == {"day"}


def relations(runtime: Runtime, country: str) -> dict[str, pa.Schema]:
    with opened(runtime, country, LAST) as connection:
        return {
            relation.name: fetched(connection, f"SELECT * FROM {relation.name} LIMIT 1").schema
            for relation in RELATIONS
        }


def test_a_column_that_is_not_committed_yet_is_null(tmp_path: Path) -> None:
    """A table from before a column was added does not cost its country the page."""
    runtime = runtime_in(tmp_path)
    columns = tuple(each for each in WINDOW_QUALITY.columns if each.name != "suspect_reason")
    older = replace(WINDOW_QUALITY, columns=columns)
    row = {"country": "AR", "window_start": LAST.start, "run_id": "older", "suspect": True}
    write(runtime, "AR", older, pa.Table.from_pylist([row], schema=older.stored_schema()))
    with opened(runtime, "AR", LAST) as connection:
        rows = fetched(connection, "SELECT suspect, suspect_reason FROM seen_windows").to_pylist()
    assert rows == [{"suspect": True, "suspect_reason": None}]


def test_a_page_of_nothing_has_figures(tmp_path: Path) -> None:
    """Nothing was ever committed: every figure is there, none is a number made up."""
    scope = Scope("AR", "America/Argentina/Buenos_Aires", LAST)
    with opened(runtime_in(tmp_path), "AR", LAST) as connection:
        figures, (document, arrays) = summary(connection, scope), detail(connection, scope)
    assert {(p["availability"], p["coverage"]) for p in figures["periods"].values()} == {
        (None, None)
    }
    assert document["ids"] == []
    assert len(arrays["run_count"]) == 0
