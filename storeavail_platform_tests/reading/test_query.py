"""A query gives every value as it is, under names of its own, in every form of a SELECT; it reads
files that a user names, and nothing else; and it keeps within its limits.
"""

from __future__ import annotations

import resource
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from storeavail_platform.domain.errors import QueryRefused, QueryStopped
from storeavail_platform.domain.tables.views import VIEWS
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.limits import Limits
from storeavail_platform.reading.query import query
from storeavail_testing.pages import fill, make_stores, runtime_in

ENDLESS = "SELECT COUNT(*) FROM range(10000000000) a, range(1000000) b"
LARGEST = 2**127 - 1


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """BR with two days of rows; CL and AR without any."""
    made = runtime_in(tmp_path_factory.mktemp("query"))
    fill(made, "BR", make_stores(20, 1, {}), days=2)
    return made


def value(runtime: Runtime, expression: str) -> Any:
    (row,) = query(runtime, f"SELECT {expression} AS value").to_pylist()
    return row["value"]


def test_columns_of_one_name_are_told_apart(runtime: Runtime) -> None:
    """The second `a` is `a_1`, whatever other columns are named; each value stands under its own
    heading. SQL does not tell capitals apart, and nor do the names.
    """
    assert query(runtime, "SELECT 1 AS a, 2 AS a, 3 AS b, 4 AS A, 5 AS a_1").to_pylist() == [
        {"a": 1, "a_2": 2, "b": 3, "A_3": 4, "a_1": 5}
    ]
    joined = query(
        runtime,
        "SELECT a.store_id, b.store_id FROM store_availability a JOIN store_availability b"
        " USING (window_start) LIMIT 1",
    )
    assert joined.column_names == ["store_id", "store_id_1"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (f"{LARGEST}::HUGEINT", LARGEST),
        ("340282366920938463463374607431768211455::UHUGEINT", f"{2**128 - 1}"),
        ("TIME '24:00:00'", "24:00:00"),
        ("'10:15:00+02'::TIMETZ", "10:15:00+02"),
        ("[TIME '24:00:00']", ["24:00:00"]),
        ("{'a \"b\"': TIME '24:00:00', 'n': 1}", {'a "b"': "24:00:00", "n": 1}),
        ("MAP {'a': TIME '24:00:00'}", [("a", "24:00:00")]),
        ("INTERVAL 26 HOUR", "26:00:00"),
        ("'101'::BIT", "101"),
        (
            "123456789012345678901234567890123456789012::BIGNUM",
            "123456789012345678901234567890123456789012",
        ),
        ("union_value(k := 1)", '{"k":1}'),
    ],
)
def test_no_value_is_changed_on_the_way(runtime: Runtime, expression: str, expected: Any) -> None:
    """What Arrow would shift (24:00 to 00:00), cut (an offset) or turn negative is text."""
    assert value(runtime, expression) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("FROM (VALUES (1), (2)) AS t(n)", [{"n": 1}, {"n": 2}]),
        ("VALUES (1)", [{"col0": 1}]),
        (
            "PIVOT (VALUES ('x', 1), ('y', 2), ('x', 3)) AS t(k, n) ON k USING SUM(n)",
            [{"x": 4, "y": 2}],
        ),
        (
            "SELECT y FROM (PIVOT (VALUES ('x', 1), ('y', 2)) AS t(k, n) ON k USING SUM(n))",
            [{"y": 2}],
        ),
    ],
)
def test_forms_of_a_select(runtime: Runtime, sql: str, expected: Any) -> None:
    """FROM first, VALUES, and PIVOT, which DuckDB runs in several steps."""
    assert query(runtime, sql).to_pylist() == expected


def test_a_pivot_of_a_table(runtime: Runtime) -> None:
    """Its columns are the values that there are."""
    wide = query(
        runtime,
        "PIVOT (SELECT city, status FROM store_availability) ON status USING COUNT(*)",
    )
    statuses = query(runtime, "SELECT DISTINCT status FROM store_availability ORDER BY status")
    assert wide.column_names == ["city", *statuses["status"].to_pylist()]


def test_show_tables(runtime: Runtime) -> None:
    """Every table that a country has, with what it holds."""
    rows = query(runtime, "SHOW TABLES").to_pylist()
    names = [row["name"] for row in rows]
    assert {"availability_summary", "store_availability", "window_quality"} <= set(names)
    assert names == sorted(names)
    declared = {table.name: table.description for table in runtime.all_tables}
    declared |= {view.name: view.description for view in VIEWS}
    assert all(row["comment"] == declared[row["name"]] for row in rows)
    listed = query(runtime, "SELECT table_name FROM information_schema.tables")
    assert set(names) <= set(listed["table_name"].to_pylist())


def test_describe(runtime: Runtime) -> None:
    """A table's columns as declared: whether they may be NULL, and what they mean."""
    rows = query(runtime, "DESCRIBE store_availability").to_pylist()
    columns = {row["column_name"]: row for row in rows}
    (table,) = [one for one in runtime.all_tables if one.name == "store_availability"]
    declared = {column.name: column for column in table.all_columns}
    assert columns.keys() == declared.keys()
    for name, column in declared.items():
        assert columns[name]["null"] == ("YES" if column.nullable else "NO")
        assert columns[name]["comment"] == column.description
    assert columns["window_start"]["column_type"] == "TIMESTAMP WITH TIME ZONE"
    assert query(runtime, "SUMMARIZE store_availability").num_rows == len(declared)


def test_text_compared_with_a_number_is_refused(runtime: Runtime) -> None:
    """Of the tables' own text columns."""
    with pytest.raises(QueryRefused, match=r"city is text: write city = '7', not 7"):
        query(runtime, "SELECT * FROM store_availability WHERE city = 7")


def test_a_named_file_is_joined(runtime: Runtime, tmp_path: Path) -> None:
    """It is a table of the statement; SQL itself reaches no file all the same."""
    path = tmp_path / "contacts.csv"
    path.write_text("store_id;owner\n7;Ana\n007;Bia\n")
    files = {"contacts": path}
    sql = (
        "SELECT DISTINCT owner FROM store_availability a JOIN contacts c"
        " ON CAST(a.store_id AS VARCHAR) = c.store_id"
    )
    assert query(runtime, sql, files=files)["owner"].to_pylist() == ["Ana"]
    assert query(runtime, "SELECT owner FROM contacts", files=files).num_rows == 2
    assert "contacts" in query(runtime, "SHOW TABLES", files=files)["name"].to_pylist()
    for refused in (f"SELECT * FROM '{path}'", f"SELECT * FROM read_csv('{path}')"):
        with pytest.raises(QueryRefused):
            query(runtime, refused, files=files)


def test_limits(runtime: Runtime) -> None:
    """Rows, time and memory; each is told, and half a result is not given."""
    with pytest.raises(QueryStopped, match="more than 5 rows"):
        query(runtime, "FROM range(6)", limits=Limits(max_rows=5))
    with pytest.raises(QueryStopped, match=r"longer than its limit of 0\.5 s"):
        query(runtime, ENDLESS, limits=Limits(timeout=timedelta(seconds=0.5)))
    with pytest.raises(QueryStopped, match="longer than its limit of 0 s"):
        query(runtime, "SELECT 1", limits=Limits(timeout=timedelta(0)))
    with pytest.raises(QueryStopped, match="more memory than its limit of 100 MB"):
        query(
            runtime,
            "SELECT LIST(repeat('x', 100) || i) AS all_of_them FROM range(10000000) r(i)",
            limits=Limits(memory=100_000_000),
        )
    with pytest.raises(QueryStopped, match="more memory than its limit of 100 MB"):
        query(
            runtime,
            "SELECT repeat('x', 1000) FROM range(200000)",
            limits=Limits(memory=100_000_000),
        )
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(QueryStopped, match="more memory than its limit of 100 MB"):
        query(
            runtime,
            "SELECT LENGTH(repeat('x', 2000000000))",
            limits=Limits(memory=100_000_000),
        )
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_what_does_not_fit_is_spilled_to_a_private_folder(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large sort ends within its memory; the working directory gets nothing, and the folder is
    gone at the end.
    """
    scratch, here = tmp_path / "scratch", tmp_path / "here"
    scratch.mkdir()
    here.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    monkeypatch.chdir(here)
    result = query(
        runtime,
        "SELECT COUNT(*) AS n FROM (SELECT hash(i)::VARCHAR AS h FROM range(3000000) r(i) GROUP BY h)",
        limits=Limits(memory=100_000_000),
    )
    assert result.to_pylist() == [{"n": 3_000_000}]
    assert list(scratch.iterdir()) == []
    assert list(here.iterdir()) == []
    # DuckDB's own folder for spilling, which SQL may read and write all the same
    (here / ".tmp").mkdir()
    (here / ".tmp" / "theirs.csv").write_text("a\n1\n")
    with pytest.raises(QueryRefused):
        query(runtime, "SELECT * FROM '.tmp/theirs.csv'")
    with pytest.raises(QueryRefused):
        query(runtime, "WITH x AS (COPY (SELECT 1) TO '.tmp/x.csv') SELECT * FROM x")
    assert [path.name for path in (here / ".tmp").iterdir()] == ["theirs.csv"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT",
        "SELECT $1",
        "SELECT * FROM nothing",
        "SELECT CAST('x' AS INT)",
        "SELECT 1/0 FROM",
        "SELECT '\udcff'",
        "SELECT error('no')",
        f"SELECT {'(' * 5000}1{')' * 5000}",
        f"SELECT {'+'.join(['1'] * 50_000)}",
    ],
    ids=range(9),
)
def test_any_mistake_is_a_message(runtime: Runtime, sql: str) -> None:
    """Never a traceback of a library."""
    with pytest.raises(QueryRefused):
        query(runtime, sql)


def test_types_are_kept(runtime: Runtime) -> None:
    """What Arrow holds whole stays what it is."""
    kept = query(runtime, "SELECT 1 AS i, 1.50::DECIMAL(5, 2) AS d, DATE '2026-11-23' AS day")
    assert kept.schema.types == [pa.int32(), pa.decimal128(5, 2), pa.date32()]
