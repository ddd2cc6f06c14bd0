"""Commits: a window's rows are replaced whole, the schema only grows, and reading needs no
catalog.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.table import CommitTableResponse
from pyiceberg.types import IntegerType
from sqlalchemy.exc import OperationalError

from storeavail_platform.config import load_text
from storeavail_platform.domain.addresses import plain
from storeavail_platform.domain.errors import (
    CatalogUnavailable,
    SchemaChangeRefused,
    TableDamaged,
)
from storeavail_platform.domain.tables.table import Column, Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform.warehouse.engine import WrittenFile
from storeavail_platform.warehouse.remembered import RememberingSqlCatalog
from storeavail_testing.catalog import Commit, watched

WINDOW = Window.parse("2026-11-23T1015")
TABLE = Table(
    name="things",
    description="Things.",
    columns=(
        Column("store_id", "bigint", "The store.", nullable=False),
        Column("minutes", "int", "Minutes."),
    ),
    key=("store_id",),
    inputs=(),
    sql_text="SELECT 1",
)
CONFIG = """
warehouse: ./warehouse
countries:
  BR: {timezone: America/Sao_Paulo, postgres: {dsn: "postgresql://localhost/br"}, online_index: {path: ./index.ndjson}}
"""


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    (tmp_path / "warehouse").mkdir()
    platform = load_text(CONFIG, base=tmp_path, origin="test.yaml")
    return Warehouse(platform, LocalStorage(tmp_path / "warehouse"), patience=timedelta(seconds=1))


def written(
    warehouse: Warehouse, window: Window, stores: list[int], run: str, table: Table = TABLE
) -> list[WrittenFile]:
    """A Parquet file as an engine writes it."""
    columns = {
        "country": ["BR"] * len(stores),
        "window_start": [window.start] * len(stores),
        "run_id": [run] * len(stores),
        "store_id": stores,
        "minutes": [15] * len(stores),
    }
    rows = pa.table(
        {name: columns.get(name, [None] * len(stores)) for name in table.stored_schema().names},
        schema=table.stored_schema(),
    )
    path = warehouse.location("BR", table.name, "data", window.key, run, "part-0.parquet")
    with warehouse.storage.open_output(path) as stream:
        pq.write_table(rows, stream)
    return [WrittenFile(warehouse.storage.path(path), len(stores), 1)]


def stored(warehouse: Warehouse) -> list[tuple[str, int]]:
    """Run and store of every row, read by the pointer."""
    table = warehouse.load("BR", "things")
    assert table is not None
    return sorted((row["run_id"], row["store_id"]) for row in table.scan().to_arrow().to_pylist())


def runs(warehouse: Warehouse) -> list[str | None]:
    """The run of every state of the table, oldest first."""
    table = warehouse.load("BR", "things")
    assert table is not None
    return [
        snapshot.summary["dagster.run-id"]
        for snapshot in table.snapshots()
        if snapshot.summary is not None
    ]


def test_a_commit_names_its_run_and_window(warehouse: Warehouse) -> None:
    """Each commit carries `dagster.run-id` in its snapshot properties."""
    warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [1], "a"), "a")
    table = warehouse.load("BR", "things")
    assert table is not None
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary["dagster.run-id"] == "a"
    assert snapshot.summary["storeavail.window"] == WINDOW.key


def test_no_rows_is_a_commit_too(warehouse: Warehouse) -> None:
    """An empty result removes the window's earlier rows."""
    warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [1], "a"), "a")
    warehouse.commit("BR", TABLE, WINDOW, [], "b")
    assert stored(warehouse) == []


def test_the_schema_carries_descriptions_and_the_partition_spec(warehouse: Warehouse) -> None:
    """The catalog knows every column's meaning and the partitioning by day."""
    found = warehouse.ensure("BR", TABLE)
    assert {field.name: field.doc for field in found.schema().fields}["minutes"] == "Minutes."
    assert [str(field.transform) for field in found.spec().fields] == ["day"]
    assert found.properties["comment"] == "Things."


def test_nullable_columns_can_be_added_and_old_rows_stay_readable(warehouse: Warehouse) -> None:
    """A wider declaration widens the table; what was written before reads as NULL."""
    warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [1], "a"), "a")
    wider = replace(TABLE, columns=(*TABLE.columns, Column("note", "text", "A note.")))
    later = WINDOW.next()
    warehouse.commit("BR", wider, later, written(warehouse, later, [2], "b", wider), "b")
    table = warehouse.load("BR", "things")
    assert table is not None
    assert table.scan().to_arrow().column("note").to_pylist() == [None, None]


WIDER = replace(TABLE, columns=(*TABLE.columns, Column("note", "int", "A note.")))
"""The table as a later release declares it: with a column more."""


def notes(warehouse: Warehouse) -> dict[tuple[str, int], int | None]:
    """What the later release's column has, by run and store."""
    table = warehouse.load("BR", "things")
    assert table is not None
    rows = table.scan().to_arrow().to_pylist()
    return {(row["run_id"], row["store_id"]): row["note"] for row in rows}


def noted(warehouse: Warehouse, window: Window, stores: list[int], run: str) -> list[WrittenFile]:
    """A file of the later release, whose column has the store's number."""
    files = written(warehouse, window, stores, run, WIDER)
    filesystem, path = warehouse.storage.filesystem, files[0].path.removeprefix("s3://")
    rows = pq.read_table(path, filesystem=filesystem)
    column = rows.schema.get_field_index("note")
    rows = rows.set_column(column, rows.field(column), pa.array(stores, pa.int32()))
    pq.write_table(rows, path, filesystem=filesystem)
    return files


def test_a_window_in_a_file_of_several_leaves_the_others_their_values(warehouse: Warehouse) -> None:
    """A day that is one file is rewritten around the window, with the columns that this release
    does not know.
    """
    warehouse.commit("BR", WIDER, WINDOW, noted(warehouse, WINDOW, [1], "a"), "a")
    later = WINDOW.next()
    warehouse.commit("BR", WIDER, later, noted(warehouse, later, [2], "b"), "b")
    table = warehouse.catalog.load_table(("storeavail_br", "things"))
    table.overwrite(table.scan().to_arrow())
    warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [1], "c"), "c")
    assert notes(warehouse) == {("b", 2): 2, ("c", 1): None}


def test_a_changed_type_is_refused(warehouse: Warehouse) -> None:
    """Retyping a column is an error that names it, and the table stays as it was."""
    warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [1], "a"), "a")
    retyped = replace(TABLE, columns=(TABLE.columns[0], Column("minutes", "text", "Minutes.")))
    with pytest.raises(SchemaChangeRefused, match="minutes is int and would become string"):
        warehouse.ensure("BR", retyped)
    assert stored(warehouse) == [("a", 1)]


def test_a_required_column_that_is_not_declared_is_refused(warehouse: Warehouse) -> None:
    """Somebody else's column that may not be NULL cannot be left out of the rows."""
    found = warehouse.ensure("BR", TABLE)
    with found.update_schema(allow_incompatible_changes=True) as update:
        update.add_column("theirs", IntegerType(), required=True)
    with pytest.raises(SchemaChangeRefused, match="theirs is required and would have no value"):
        warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [1], "a"), "a")


def test_a_locked_catalog_is_unavailable_and_nothing_is_lost(warehouse: Warehouse) -> None:
    """While somebody holds the SQLite file, a commit says so as `CatalogUnavailable`, and
    readers go on by the pointer.
    """
    warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [1], "a"), "a")
    files = written(warehouse, WINDOW, [2], "b")
    properties = warehouse.catalog.properties
    at_once = {**properties, "uri": properties["uri"].partition("?")[0] + "?timeout=0"}
    warehouse = Warehouse(
        warehouse.platform,
        warehouse.storage,
        patience=warehouse.patience,
        catalog=RememberingSqlCatalog(warehouse.catalog.name, **at_once),
    )
    with sqlite3.connect(warehouse.storage.path("catalog.db"), isolation_level=None) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(CatalogUnavailable, match="Nothing is lost"):
            warehouse.commit("BR", TABLE, WINDOW, files, "b")
        assert stored(warehouse) == [("a", 1)]
        holder.execute("ROLLBACK")
    warehouse.commit("BR", TABLE, WINDOW, files, "b")
    assert stored(warehouse) == [("b", 2)]


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_commit_without_an_answer_is_made_once(warehouse: Warehouse, is_taken: bool) -> None:
    """The catalog goes away in a commit: whether it took it or not, trying again leaves the
    table committed once.
    """
    warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [1], "a"), "a")
    lost: list[bool] = []

    def lose_the_answer(commit: Commit) -> CommitTableResponse:
        if lost:
            return commit()
        lost.append(True)
        if is_taken:
            commit()
        raise OperationalError("UPDATE", {}, ConnectionResetError())

    files = written(warehouse, WINDOW.next(), [2], "b")
    watched(warehouse, lose_the_answer).commit("BR", TABLE, WINDOW.next(), files, "b")
    assert lost
    assert stored(warehouse) == [("a", 1), ("b", 2)]
    assert runs(warehouse) == ["a", "b"]


def test_the_pointer_never_moves_back(warehouse: Warehouse) -> None:
    """A pointer keeps naming the state with the highest sequence number."""
    old = warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [1], "a"), "a")
    new = warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [2], "b"), "b")
    warehouse.pointers.advance(warehouse.location("BR", "things"), old)
    assert warehouse.pointer("BR", "things") == new


def test_a_state_is_read_once(warehouse: Warehouse) -> None:
    """Whoever asks for a table again gets what was read, until a commit makes another state; that
    its metadata is not whole any more is noticed all the same.
    """
    warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [1], "a"), "a")
    first = warehouse.load("BR", "things")
    assert warehouse.load("BR", "things") is first
    warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [2], "b"), "b")
    second = warehouse.load("BR", "things")
    assert second is not None
    assert second is not first
    metadata = Path(plain(second.metadata_location))
    metadata.write_bytes(metadata.read_bytes()[:100])
    with pytest.raises(TableDamaged, match="missing or damaged"):
        warehouse.load("BR", "things")


def test_a_commit_copies_no_state(warehouse: Warehouse) -> None:
    """The states of before are in what it writes as they are, and a reader finds the same."""
    for number, run in enumerate(("a", "b")):
        window = WINDOW.next(number)
        warehouse.commit("BR", TABLE, window, written(warehouse, window, [1], run), run)
        if run == "a":
            first = warehouse.catalog.load_table(("storeavail_br", "things")).metadata
    second = warehouse.catalog.load_table(("storeavail_br", "things")).metadata
    assert second.snapshots[0] is first.snapshots[0]
    assert len(second.snapshots) == len(second.metadata_log) == 2
    found = warehouse.load("BR", "things")
    assert found is not None
    assert found.metadata == second
