"""Putting tables and catalog right, on SQLite and on a real Hive Metastore: registered from
pointers, or back to the last whole state.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from storeavail_platform.config import load_text
from storeavail_platform.domain.errors import CatalogLost
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform.warehouse.damage import damaged_files, open_whole
from storeavail_platform.warehouse.pointers import POINTER, Committed
from storeavail_platform.warehouse.recovery import Repair, carry_out, give_up, repairs
from storeavail_platform.warehouse.truth import lost_windows
from storeavail_platform_tests.warehouse.test_catalog import CONFIG, TABLE, stored
from storeavail_platform_tests.warehouse.test_hive import open_warehouse
from storeavail_platform_tests.warehouse.test_truth import WINDOWS, commit, current, marked, opened
from storeavail_testing.metastore import HiveMetastore
from storeavail_testing.storage import WatchedStorage, When, at, refuse

SQL = "sql"
FOLDER = "tables/storeavail_br/things"


@pytest.fixture(params=[SQL, pytest.param("hive", marks=pytest.mark.metastore)])
def catalog(request: pytest.FixtureRequest) -> str:
    """The address of a metastore, or `sql`."""
    if request.param == SQL:
        return SQL
    metastore: HiveMetastore = request.getfixturevalue("metastore")
    return metastore.uri


@pytest.fixture
def warehouse(catalog: str, tmp_path: Path) -> Warehouse:
    if catalog != SQL:
        return open_warehouse(str(tmp_path / "warehouse"), catalog, tmp_path)
    (tmp_path / "warehouse").mkdir()
    return Warehouse(
        load_text(CONFIG, base=tmp_path, origin="test.yaml"), LocalStorage(tmp_path / "warehouse")
    )


def needed(warehouse: Warehouse) -> list[Repair]:
    return list(repairs(opened(warehouse), "BR", ["things"], is_catalog_damaged=False))


def recovered(warehouse: Warehouse) -> str:
    """Carry out what the table needs, and find that nothing is needed then; gives what was said
    of it.
    """
    (repair,) = needed(warehouse)
    carry_out(opened(warehouse), "BR", repair, TABLE)
    assert needed(warehouse) == []
    return repair.text


def registered_as(warehouse: Warehouse, state: Committed) -> None:
    """Have the catalog name another state of the table."""
    warehouse.catalog.drop_table(("storeavail_br", "things"))
    warehouse.catalog.register_table(("storeavail_br", "things"), state.metadata_location)


def test_a_lost_table_is_registered_from_its_pointer(warehouse: Warehouse) -> None:
    """No row is missing, and the next window is committed as if nothing had been."""
    commit(warehouse, WINDOWS[0])
    commit(warehouse, WINDOWS[1])
    warehouse.catalog.drop_table(("storeavail_br", "things"))
    warehouse.catalog.drop_namespace("storeavail_br")
    assert recovered(warehouse) == "the catalog lacks it; it is registered as its pointer names it"
    commit(opened(warehouse), WINDOWS[2])
    assert len(stored(warehouse)) == 3


def test_an_older_entry_is_dropped_without_its_files(warehouse: Warehouse) -> None:
    """Restored from yesterday, with its metadata there or gone: the pointer's state takes its
    place.
    """
    old = commit(warehouse, WINDOWS[0])
    commit(warehouse, WINDOWS[1])
    registered_as(warehouse, old)
    assert recovered(warehouse).startswith("the catalog is older")
    registered_as(warehouse, old)
    Path(old.metadata_location.removeprefix("file://")).unlink()
    assert recovered(warehouse).startswith("the catalog names metadata that is missing or damaged")
    assert len(stored(warehouse)) == 2
    assert opened(warehouse).open_table("BR", "things") is not None


def test_a_whole_table_needs_nothing(warehouse: Warehouse) -> None:
    """Neither one that was never committed to, nor one ahead of its pointer, nor one that is
    not there.
    """
    assert needed(warehouse) == []
    warehouse.ensure("BR", TABLE)
    assert needed(warehouse) == []
    old = commit(warehouse, WINDOWS[0])
    commit(warehouse, WINDOWS[1])
    warehouse.pointers.replace(FOLDER, old)
    assert needed(warehouse) == []


@pytest.mark.parametrize(
    "damage", ["metadata", "manifest list", "manifest", "pointer", "pointer gone"]
)
def test_a_damaged_state_goes_back_to_the_last_whole_one(warehouse: Warehouse, damage: str) -> None:
    """Whatever of the newest state is damaged: rows of before it are there, and the windows
    since then are named as lost.
    """
    markers = [marked(warehouse, window, commit(warehouse, window)) for window in WINDOWS[:3]]
    table = warehouse.load("BR", "things")
    assert table is not None
    snapshot = table.current_snapshot()
    assert snapshot is not None
    place = {
        "metadata": table.metadata_location,
        "manifest list": snapshot.manifest_list,
        "manifest": snapshot.manifests(table.io)[0].manifest_path,
    }.get(damage, warehouse.storage.path(FOLDER, "current.json"))
    path = Path(place.removeprefix("file://"))
    data = path.read_bytes()
    path.unlink()
    if damage != "pointer gone":
        path.write_bytes(data[: len(data) // 2])
    (repair,) = needed(warehouse)
    assert "it goes back to its last whole state, of " in repair.text
    carry_out(opened(warehouse), "BR", repair, TABLE)
    assert needed(warehouse) == []
    lost = [window for marker in markers for window in current(warehouse, marker)]
    # with nothing but the pointer damaged the last whole state is the newest
    assert lost == ([] if damage.startswith("pointer") else [WINDOWS[2].key])
    commit(opened(warehouse), WINDOWS[2])
    assert len(stored(warehouse)) == 3


def test_a_table_of_which_nothing_is_left_is_made_anew(warehouse: Warehouse) -> None:
    """Markers say that there was one: without recovery nothing is made in its place, after it
    all their windows are lost.
    """
    marker = marked(warehouse, WINDOWS[0], commit(warehouse, WINDOWS[0]))
    shutil.rmtree(Path(warehouse.storage.path(FOLDER)))
    with pytest.raises(CatalogLost):
        commit(opened(warehouse), WINDOWS[1])
    (repair,) = needed(warehouse)
    assert repair.text == "its pointer is gone, and no whole state of it is left; it is made anew"
    carry_out(opened(warehouse), "BR", repair, TABLE)
    assert lost_windows(warehouse.storage, warehouse.load("BR", "things"), "things", [marker]) == [
        WINDOWS[0].key
    ]
    commit(opened(warehouse), WINDOWS[1])
    assert len(stored(warehouse)) == 1


def test_a_recovery_that_was_stopped_is_completed_by_the_next(warehouse: Warehouse) -> None:
    """Stopped after the wrong entry was dropped, and after the pointer was moved: the next one
    does the rest.
    """
    commit(warehouse, WINDOWS[0])
    state = commit(warehouse, WINDOWS[1])
    metadata = Path(state.metadata_location.removeprefix("file://"))
    metadata.write_bytes(b"")
    points: tuple[When, When] = ("before", "after")
    for when in points:
        (repair,) = needed(warehouse)
        stop = at(when, ("replace",), POINTER, refuse(KeyboardInterrupt()))
        storage = WatchedStorage(warehouse.storage.path(), stop)
        with pytest.raises(KeyboardInterrupt):
            carry_out(Warehouse(warehouse.platform, storage), "BR", repair, TABLE)
    assert "registered as its pointer names it" in recovered(warehouse)
    assert len(stored(warehouse)) == 1


def test_what_was_committed_to_a_table_made_anew_is_not_forgotten(warehouse: Warehouse) -> None:
    """An earlier release made a new table over the lost one and marked its windows: these are
    named with their runs.
    """
    old = commit(warehouse, WINDOWS[0])
    warehouse.catalog.drop_table(("storeavail_br", "things"))
    warehouse.pointers.remove(FOLDER)
    commit(opened(warehouse), WINDOWS[1], "astray")
    warehouse.pointers.replace(FOLDER, old)
    (repair,) = needed(warehouse)
    assert repair.strayed == {(WINDOWS[1].key, "astray")}
    assert "registered as its pointer names it" in recovered(warehouse)


def test_a_file_that_is_given_up_leaves_a_table_that_can_be_read(warehouse: Warehouse) -> None:
    """Its windows are lost until they are committed again, also where another process finds
    out; nothing else changes.
    """
    markers = [marked(warehouse, window, commit(warehouse, window)) for window in WINDOWS[:3]]
    table = warehouse.load("BR", "things")
    assert table is not None
    Path(warehouse.storage.path(FOLDER, "data", WINDOWS[1].key, "a", "part-0.parquet")).unlink()
    (file,) = damaged_files(warehouse.storage, table, FOLDER)
    assert (file.reason, file.partitions) == ("is missing", f"window {WINDOWS[1]}")
    give_up(warehouse, "BR", "things", [file], [WINDOWS[1].key])
    assert len(stored(warehouse)) == 2
    assert [current(opened(warehouse), marker) for marker in markers] == [[], [WINDOWS[1].key], []]
    again = marked(warehouse, WINDOWS[1], commit(warehouse, WINDOWS[1], rows=0))
    assert current(opened(warehouse), again) == []


def test_a_state_without_its_lists_of_files_is_not_whole(warehouse: Warehouse) -> None:
    """Neither is one whose metadata is another file's."""
    state = commit(warehouse, WINDOWS[0])
    assert open_whole(warehouse.storage, state.metadata_location) is not None
    assert (
        open_whole(
            warehouse.storage,
            state.metadata_location.replace("metadata.json", "other.metadata.json"),
        )
        is None
    )
