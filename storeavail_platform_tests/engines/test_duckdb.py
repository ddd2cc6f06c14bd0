"""The DuckDB engine: files in, typed relations, sorted files out."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storeavail_platform.domain.errors import TableError
from storeavail_platform.engines.duckdb import BATCH_ROWS, DuckDBEngine
from storeavail_platform.storage.local import LocalStorage

MOMENT = datetime(2026, 11, 23, 13, 7, 0, 123456, tzinfo=UTC)
SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("big", pa.int64()),
        ("small", pa.int32()),
        ("share", pa.float64()),
        ("flag", pa.bool_()),
        ("day", pa.date32()),
        ("moment", pa.timestamp("us", tz="UTC")),
    ]
)
ROW = {
    "text": "é",
    "big": 2**62,
    "small": -1,
    "share": 0.1,
    "flag": True,
    "day": date(2026, 11, 23),
    "moment": MOMENT,
}
NULLS = dict.fromkeys(SCHEMA.names)


@pytest.fixture
def engine(tmp_path: Path) -> DuckDBEngine:
    return DuckDBEngine(LocalStorage(tmp_path))


@pytest.fixture
def table() -> pa.Table:
    return pa.Table.from_pylist([ROW, NULLS], schema=SCHEMA)


@pytest.mark.parametrize("folder", ["plain", "with space", "pattern[ab]", "star*", "it's"])
def test_landed_files_keep_types_and_values(
    engine: DuckDBEngine, table: pa.Table, tmp_path: Path, folder: str
) -> None:
    """Every declared type arrives from Parquet as it is, NULLs included, whatever the folder's
    name; several files are one relation.
    """
    (tmp_path / folder).mkdir()
    (tmp_path / "patterna").mkdir()
    pq.write_table(table, tmp_path / "patterna" / "part-0.parquet")
    paths = [str(tmp_path / folder / f"part-{number}.parquet") for number in range(2)]
    for path in paths:
        pq.write_table(table, path)
    with engine.session() as session:
        session.add_files("landed", SCHEMA, paths)
        session.create("copied", "SELECT * FROM landed")
        assert session.schema("landed") == session.schema("copied") == SCHEMA
        assert session.rows("SELECT * FROM copied ORDER BY big NULLS LAST") == [
            ROW,
            ROW,
            NULLS,
            NULLS,
        ]


@pytest.mark.parametrize("folder", ["plain", "pattern[ab]"])
@pytest.mark.parametrize("order", [["whole", "narrow"], ["narrow", "whole"], ["narrow"]])
def test_a_column_that_a_file_lacks_is_null(
    engine: DuckDBEngine, table: pa.Table, tmp_path: Path, folder: str, order: list[str]
) -> None:
    """Files of another release may lack columns, all of them or some, and have others: types
    and values are the schema's.
    """
    (tmp_path / folder).mkdir()
    lacking = ["text", "moment", "big"]
    of_later = pa.array(["x", "y"])
    files = {"whole": table, "narrow": table.drop(lacking).append_column("of_later", of_later)}
    paths = [str(tmp_path / folder / f"{name}.parquet") for name in order]
    for name, path in zip(order, paths, strict=True):
        pq.write_table(files[name], path)
    narrow = [ROW | dict.fromkeys(lacking), NULLS]
    expected = [row for name in order for row in ([ROW, NULLS] if name == "whole" else narrow)]
    with engine.session() as session:
        session.add_files("landed", SCHEMA, paths)
        session.create("copied", "SELECT * FROM landed")
        assert session.schema("landed") == session.schema("copied") == SCHEMA
        found = session.rows("SELECT * FROM copied")
    assert sorted(found, key=nones) == sorted(expected, key=nones)


def nones(row: dict[str, object]) -> int:
    """How many columns of a row are NULL: what tells the rows of these tests apart."""
    return list(row.values()).count(None)


def test_no_files_are_an_empty_relation(engine: DuckDBEngine) -> None:
    """A source that gave nothing still has its columns."""
    with engine.session() as session:
        session.add_files("landed", SCHEMA, [])
        assert session.schema("landed") == SCHEMA
        assert session.rows("SELECT * FROM landed") == []


def test_types_are_told_exactly(engine: DuckDBEngine) -> None:
    """A sum that was not cast, or a count of bits, is not taken for the declared type."""
    with engine.session() as session:
        session.create(
            "loose",
            "SELECT SUM(n) AS total, BIT_COUNT(7) AS bits, 1.5 AS share FROM (SELECT 1 AS n) x",
        )
        types = session.schema("loose").types
    assert pa.int64() not in types
    assert pa.int32() not in types
    assert pa.float64() not in types


def test_files_are_sorted_typed_and_carry_the_constants(
    engine: DuckDBEngine, table: pa.Table, tmp_path: Path
) -> None:
    """Columns in the schema's order, constants among them, NULLs last, timestamps in UTC
    microseconds; the file says what it holds.
    """
    schema = pa.schema(
        [("country", pa.string()), ("window_start", pa.timestamp("us", tz="UTC")), *SCHEMA]
    )
    with engine.session() as session:
        session.add_table(
            "given",
            pa.concat_tables(
                [table, table.slice(0, 1).set_column(1, "big", pa.array([1], pa.int64()))]
            ),
        )
        constants = {"window_start": MOMENT, "country": "BR"}
        (file,) = session.write("given", schema, constants, ["big"], "data/a folder")
    written = pq.read_table(file.path)
    assert written.schema.remove_metadata() == schema
    assert [row["big"] for row in written.to_pylist()] == [1, 2**62, None]
    assert written.to_pylist()[1] == {"country": "BR", "window_start": MOMENT, **ROW}
    assert (file.rows, file.size) == (3, Path(file.path).stat().st_size)
    assert Path(file.path).is_relative_to(tmp_path / "data" / "a folder")
    assert pq.read_metadata(file.path).row_group(0).column(0).compression == "ZSTD"


def test_an_empty_table_is_written_with_its_schema(engine: DuckDBEngine, table: pa.Table) -> None:
    """A file without rows still has the columns; without an order the rows stay as they are."""
    with engine.session() as session:
        session.add_table("given", table.slice(0, 0))
        (file,) = session.write("given", SCHEMA, {}, [], "empty")
    assert file.rows == 0
    assert pq.read_schema(file.path) == SCHEMA


def test_many_rows_are_written_a_row_group_at_a_time(engine: DuckDBEngine) -> None:
    """A table larger than a batch is streamed, still in order."""
    count = 2 * BATCH_ROWS + 1
    with engine.session() as session:
        session.create("many", f"SELECT {count} - i AS big FROM range({count}) AS r(i)")
        (file,) = session.write("many", pa.schema([("big", pa.int64())]), {}, ["big"], "many")
    assert file.rows == count
    assert pq.ParquetFile(file.path).num_row_groups > 1
    assert pq.read_table(file.path)["big"].to_pylist() == list(range(1, count + 1))


def test_a_failing_select_names_the_table(engine: DuckDBEngine) -> None:
    """DuckDB's error becomes the platform's, and the session goes on."""
    with engine.session() as session:
        with pytest.raises(TableError, match=r"broken: DuckDB could not compute it: .*nowhere"):
            session.create("broken", "SELECT * FROM nowhere")
        assert session.rows("SELECT 1 AS one") == [{"one": 1}]


def test_a_damaged_file_names_the_relation(engine: DuckDBEngine, tmp_path: Path) -> None:
    """What is not Parquet is an error of the relation, not of the process."""
    (tmp_path / "part-0.parquet").write_bytes(b"PAR1 no")
    with (
        engine.session() as session,
        pytest.raises(TableError, match="landed: DuckDB could not compute it"),
    ):
        session.add_files("landed", SCHEMA, [str(tmp_path / "part-0.parquet")])


def test_sql_sees_no_python_variables_and_lives_in_utc(
    engine: DuckDBEngine, table: pa.Table
) -> None:
    """Relations are what was added, and nothing else; times do not depend on the machine's zone."""
    local_rows = table
    with engine.session() as session:
        with pytest.raises(TableError, match="local_rows"):
            session.rows("SELECT * FROM local_rows")
        assert session.rows("SELECT current_setting('TimeZone') AS zone") == [{"zone": "UTC"}]
    assert local_rows.num_rows == 2


def test_sessions_share_nothing(engine: DuckDBEngine, table: pa.Table) -> None:
    """Two windows at once do not see each other's relations."""
    with engine.session() as one, engine.session() as other:
        one.add_table("given", table)
        with pytest.raises(TableError):
            other.rows("SELECT * FROM given")
