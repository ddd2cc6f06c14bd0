"""The catalog held against pointers and markers: what is refused, and what is normal and goes
on.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from pyiceberg.table import Table as IcebergTable

from storeavail_platform.config import load_text
from storeavail_platform.domain.errors import CatalogLost, TableDamaged, WarehouseMoved
from storeavail_platform.domain.windows import Window
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform.warehouse.markers import Figures, Marker, Markers
from storeavail_platform.warehouse.pointers import Committed
from storeavail_platform.warehouse.truth import lost_windows
from storeavail_platform_tests.warehouse.test_catalog import (
    CONFIG,
    TABLE,
    WINDOW,
    stored,
    warehouse,
    written,
)
from storeavail_platform_tests.warehouse.test_hive import open_warehouse
from storeavail_testing.metastore import HiveMetastore

__all__ = ["warehouse"]
FIGURES = Figures(0, 0, 0, 0, 0, 0, 0, suspect=False)
WINDOWS = [WINDOW.next(number) for number in range(4)]


def opened(warehouse: Warehouse) -> Warehouse:
    """The same warehouse as another process finds it."""
    return Warehouse(warehouse.platform, warehouse.storage, patience=timedelta(seconds=1))


def commit(warehouse: Warehouse, window: Window, run: str = "a", *, rows: int = 1) -> Committed:
    files = written(warehouse, window, list(range(rows)), run) if rows else []
    return warehouse.commit("BR", TABLE, window, files, run)


def marked(warehouse: Warehouse, window: Window, state: Committed, run: str = "a") -> Marker:
    """A marker as the platform writes it after the commit of a window."""
    marker = Marker("BR", window.key, run, window.middle(), window.end, FIGURES, {"things": state})
    Markers(warehouse.storage).write(marker)
    return marker


def current(warehouse: Warehouse, marker: Marker) -> list[str]:
    return lost_windows(warehouse.storage, warehouse.load("BR", "things"), "things", [marker])


def catalog_file(warehouse: Warehouse) -> Path:
    return Path(warehouse.storage.path("catalog.db"))


def deleted(file: Path, older: bytes) -> None:
    file.unlink()


def emptied(file: Path, older: bytes) -> None:
    file.write_bytes(b"")


def truncated(file: Path, older: bytes) -> None:
    file.write_bytes(file.read_bytes()[:5000])


def overwritten(file: Path, older: bytes) -> None:
    file.write_bytes(b"x" * 5000)


def restored(file: Path, older: bytes) -> None:
    file.write_bytes(older)


@pytest.mark.parametrize("damage", [deleted, emptied, truncated, overwritten, restored])
def test_a_catalog_that_is_lost_or_older_is_refused(
    warehouse: Warehouse, damage: Callable[[Path, bytes], None]
) -> None:
    """Nothing is written over tables that exist: the error says what helps, the rows and the
    pointer stay as they were.
    """
    commit(warehouse, WINDOWS[0])
    older = catalog_file(warehouse).read_bytes()
    commit(warehouse, WINDOWS[1])
    rows, pointer = stored(warehouse), warehouse.pointer("BR", "things")
    damage(catalog_file(warehouse), older)
    for write in (
        lambda: commit(opened(warehouse), WINDOWS[2], "b"),
        lambda: opened(warehouse).ensure("BR", TABLE),
        lambda: opened(warehouse).change("BR", "things", lambda table: True),
        lambda: opened(warehouse).states("BR", "things"),
    ):
        with pytest.raises(CatalogLost, match="storeavail recover"):
            write()
    assert stored(warehouse) == rows
    assert warehouse.pointer("BR", "things") == pointer


def test_a_catalog_that_is_emptied_while_it_is_open_is_refused(warehouse: Warehouse) -> None:
    """A long-lived process is told at once too, not after trying for minutes as if it were down."""
    commit(warehouse, WINDOWS[0])
    catalog_file(warehouse).write_bytes(b"")
    with pytest.raises(CatalogLost, match=r"is damaged .*no such table"):
        commit(warehouse, WINDOWS[1])


def test_a_catalog_ahead_of_its_pointer_is_normal(warehouse: Warehouse) -> None:
    """A process killed between commit and pointer stops nothing; the next commit and upkeep
    move the pointer on.
    """
    folder = "tables/storeavail_br/things"
    old = commit(warehouse, WINDOWS[0])
    new = commit(warehouse, WINDOWS[1])
    warehouse.pointers.replace(folder, old)
    assert not warehouse.change("BR", "things", lambda table: False)
    assert warehouse.pointer("BR", "things") == new
    warehouse.pointers.replace(folder, old)
    commit(opened(warehouse), WINDOWS[2])
    assert len(stored(warehouse)) == 3


def test_a_table_that_never_had_a_commit_may_be_made_again(warehouse: Warehouse) -> None:
    """Killed before its first commit a table has no pointer: with the catalog gone it is simply
    made.
    """
    warehouse.ensure("BR", TABLE)
    catalog_file(warehouse).unlink()
    commit(opened(warehouse), WINDOWS[0])
    assert len(stored(warehouse)) == 1


def test_a_table_that_markers_name_is_not_made_anew(warehouse: Warehouse) -> None:
    """With catalog and pointers gone the markers still say that windows were committed; a table
    they do not name is new.
    """
    state = commit(warehouse, WINDOWS[0])
    marked(warehouse, WINDOWS[0], state)
    catalog_file(warehouse).unlink()
    shutil.rmtree(Path(warehouse.storage.path("tables")))
    with pytest.raises(
        CatalogLost, match=f"neither the catalog nor a pointer has it, and window {WINDOWS[0]}"
    ):
        commit(opened(warehouse), WINDOWS[1])
    opened(warehouse).ensure("BR", replace(TABLE, name="new_ones"))


def test_a_warehouse_at_another_path_is_refused(warehouse: Warehouse, tmp_path: Path) -> None:
    """Files name each other by whole paths: a copy elsewhere would write into the original.

    By a link it is the same place.
    """
    commit(warehouse, WINDOWS[0])
    shutil.copytree(tmp_path / "warehouse", tmp_path / "copy" / "warehouse")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "warehouse").symlink_to(tmp_path / "warehouse")
    linked, copied = (
        Warehouse(
            load_text(CONFIG, base=tmp_path / name, origin="x"),
            LocalStorage(tmp_path / name / "warehouse"),
        )
        for name in ("link", "copy")
    )
    with pytest.raises(WarehouseMoved, match=rf"not below this warehouse .*{tmp_path}/copy"):
        commit(copied, WINDOWS[1])
    commit(linked, WINDOWS[1])
    assert len(stored(warehouse)) == 2


def test_another_warehouses_table_is_refused(warehouse: Warehouse, tmp_path: Path) -> None:
    """Two warehouses with one catalog and a country of one code: the second does not write into
    the tables of the first.
    """
    commit(warehouse, WINDOWS[0])
    (tmp_path / "second" / "warehouse").mkdir(parents=True)
    second = Warehouse(
        load_text(CONFIG, base=tmp_path / "second", origin="x"),
        LocalStorage(tmp_path / "second" / "warehouse"),
        catalog=warehouse.catalog,
        patience=timedelta(seconds=1),
    )
    with pytest.raises(WarehouseMoved, match="another warehouse uses the same catalog"):
        commit(second, WINDOWS[1])
    assert len(stored(warehouse)) == 1


@pytest.mark.parametrize("data", [b"", b'{"snapshot_id": 1', b"[]", b'{"snapshot_id": 1}'])
def test_a_damaged_pointer_is_told(warehouse: Warehouse, data: bytes) -> None:
    """It is an error that names the file and what helps, for writers and readers."""
    commit(warehouse, WINDOWS[0])
    warehouse.storage.replace("tables/storeavail_br/things/current.json", data)
    with pytest.raises(
        TableDamaged, match=r"current\.json cannot be understood .*storeavail recover"
    ):
        stored(warehouse)
    with pytest.raises(TableDamaged, match=r"current\.json cannot be understood"):
        commit(warehouse, WINDOWS[1])


@pytest.mark.parametrize("share", [0.0, 0.5, None])
def test_damaged_metadata_is_told(warehouse: Warehouse, share: float | None) -> None:
    """Half a metadata file, an empty one or none: the table and the file are named, nothing is
    committed.
    """
    state = commit(warehouse, WINDOWS[0])
    metadata = Path(state.metadata_location.removeprefix("file://"))
    data = metadata.read_bytes()
    metadata.unlink()
    if share is not None:
        metadata.write_bytes(data[: int(len(data) * share)])
    for use in (lambda: stored(warehouse), lambda: commit(opened(warehouse), WINDOWS[1])):
        with pytest.raises(
            TableDamaged,
            match=(
                f"table things of BR: its metadata {state.metadata_location} is missing or damaged"
            ),
        ):
            use()


@pytest.mark.parametrize("place", ["manifest list", "manifest"])
def test_a_damaged_list_of_files_is_told(warehouse: Warehouse, place: str) -> None:
    """A commit and upkeep that need it name the table, in place of the reader's own complaint."""
    commit(warehouse, WINDOWS[0])
    table = warehouse.load("BR", "things")
    assert table is not None
    snapshot = table.current_snapshot()
    assert snapshot is not None
    address = (
        snapshot.manifest_list
        if place == "manifest list"
        else snapshot.manifests(table.io)[0].manifest_path
    )
    path = Path(address.removeprefix("file://"))
    path.write_bytes(path.read_bytes()[:200])

    def scan(current: IcebergTable) -> bool:
        return bool(list(current.scan().plan_files()))

    for use in (
        # a later window needs no list of files; the same one again does
        lambda: commit(opened(warehouse), WINDOWS[1 if place == "manifest list" else 0]),
        lambda: opened(warehouse).change("BR", "things", scan),
    ):
        with pytest.raises(
            TableDamaged, match="table things of BR: a list of its data files is damaged"
        ):
            use()


def test_what_a_marker_names_is_there(warehouse: Warehouse) -> None:
    """As one of the table's states, also when it is forgotten, compacted or the window had no
    rows: an expired state is no loss.
    """
    markers = [
        marked(warehouse, window, commit(warehouse, window, rows=number % 2))
        for number, window in enumerate(WINDOWS)
    ]
    markers.append(marked(warehouse, WINDOWS[0], commit(warehouse, WINDOWS[0], "again"), "again"))
    assert [current(warehouse, marker) for marker in markers] == [[]] * 5

    def forget(table: object) -> bool:
        from pyiceberg.table.update.snapshot import ExpireSnapshots

        from storeavail_platform.warehouse.transaction import RememberingTransaction

        with RememberingTransaction(table) as transaction:  # type: ignore[arg-type]
            ExpireSnapshots(transaction).by_ids([markers[1].tables["things"].snapshot_id]).commit()  # type: ignore[list-item]
        return True

    warehouse.change("BR", "things", forget)
    assert [current(warehouse, marker) for marker in markers] == [[]] * 5


def test_what_a_marker_names_and_the_table_lacks_is_lost(warehouse: Warehouse) -> None:
    """After a table went back its later windows are lost; their rows, committed again by the
    same run, are there again.
    """
    old = commit(warehouse, WINDOWS[0])
    kept = marked(warehouse, WINDOWS[0], old)
    gone = [marked(warehouse, window, commit(warehouse, window)) for window in WINDOWS[1:3]]
    warehouse.catalog.drop_table(("storeavail_br", "things"))
    warehouse.catalog.register_table(("storeavail_br", "things"), old.metadata_location)
    warehouse.pointers.replace("tables/storeavail_br/things", old)
    assert [current(warehouse, marker) for marker in (kept, *gone)] == [
        [],
        [WINDOWS[1].key],
        [WINDOWS[2].key],
    ]
    commit(warehouse, WINDOWS[1])
    commit(warehouse, WINDOWS[2], "another run")
    assert [current(warehouse, marker) for marker in gone] == [[], [WINDOWS[2].key]]


def test_the_metastore_is_held_against_the_pointers(
    metastore: HiveMetastore, tmp_path: Path
) -> None:
    """A metastore that was emptied, and one restored from before the last windows, are refused
    in words.
    """
    warehouse = open_warehouse(str(tmp_path / "warehouse"), metastore.uri, tmp_path)
    old = commit(warehouse, WINDOWS[0])
    commit(warehouse, WINDOWS[1])
    with metastore.client() as client:
        table = client.get_table("storeavail_br", "things")
        table.parameters["metadata_location"] = old.metadata_location
        client.alter_table("storeavail_br", "things", table)
    with pytest.raises(
        CatalogLost, match=rf"{metastore.uri} does not have the state .*older than the tables"
    ):
        commit(opened(warehouse), WINDOWS[2])
    Path(old.metadata_location.removeprefix("file://")).unlink()
    with pytest.raises(CatalogLost, match="names metadata that is missing or damaged"):
        commit(opened(warehouse), WINDOWS[2])
    metastore.forget("storeavail*")
    with pytest.raises(CatalogLost, match=r"does not have it, and its pointer names a state"):
        commit(opened(warehouse), WINDOWS[2])
    assert len(stored(warehouse)) == 2


def test_a_pointer_says_what_it_always_said(warehouse: Warehouse) -> None:
    """Its keys are those of every release before."""
    commit(warehouse, WINDOWS[0])
    data = warehouse.storage.read("tables/storeavail_br/things/current.json")
    assert data is not None
    assert set(orjson.loads(data)) == {"snapshot_id", "sequence_number", "metadata_location"}
