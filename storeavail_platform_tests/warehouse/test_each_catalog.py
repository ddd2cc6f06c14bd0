"""What a commit keeps whichever the catalog and the storage are: SQLite, and a real Hive Metastore
with its tables in a folder and on S3.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from storeavail_platform.config import load_text
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform_tests.warehouse.test_catalog import (
    CONFIG,
    TABLE,
    WIDER,
    WINDOW,
    noted,
    notes,
    runs,
    stored,
    written,
)
from storeavail_platform_tests.warehouse.test_hive import open_warehouse
from storeavail_testing.catalog import overtaken
from storeavail_testing.metastore import HiveMetastore
from storeavail_testing.s3 import S3Server


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("hive", marks=pytest.mark.metastore),
        pytest.param("hive on s3", marks=pytest.mark.metastore),
    ]
)
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    if request.param == "sqlite":
        platform = load_text(CONFIG, base=tmp_path, origin="test.yaml")
        return Warehouse(platform, LocalStorage(platform.warehouse))
    metastore: HiveMetastore = request.getfixturevalue("metastore")
    s3: S3Server = request.getfixturevalue("s3")
    is_on_s3 = request.param == "hive on s3"
    place = f"{s3.create_bucket()}/warehouse" if is_on_s3 else str(tmp_path / "warehouse")
    return open_warehouse(place, metastore.uri, tmp_path)


def test_a_window_is_replaced_whole_and_others_stay(warehouse: Warehouse) -> None:
    """A rerun's rows replace the window's rows; other windows keep theirs; the earlier state
    stays readable by its snapshot, and catalog and pointer name the same one.
    """
    later = WINDOW.next()
    first = warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [1, 2], "a"), "a")
    warehouse.commit("BR", TABLE, later, written(warehouse, later, [1], "b"), "b")
    warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [2, 3], "c"), "c")
    assert stored(warehouse) == [("b", 1), ("c", 2), ("c", 3)]
    table = warehouse.load("BR", "things")
    assert table is not None
    assert table.scan(snapshot_id=first.snapshot_id).to_arrow().num_rows == 2
    in_catalog = warehouse.catalog.load_table(("storeavail_br", "things"))
    assert in_catalog.metadata_location == table.metadata_location


def test_a_column_of_a_later_release_stays_and_is_null_in_new_rows(warehouse: Warehouse) -> None:
    """Going back a release: its windows commit, what the later one wrote keeps its values, and
    so it is once that one is back.
    """
    later, last = WINDOW.next(), WINDOW.next(2)
    warehouse.commit("BR", WIDER, WINDOW, noted(warehouse, WINDOW, [1], "later"), "later")
    warehouse.commit("BR", TABLE, later, written(warehouse, later, [2], "back"), "back")
    assert notes(warehouse) == {("later", 1): 1, ("back", 2): None}
    warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [1, 3], "again"), "again")
    warehouse.commit("BR", WIDER, last, noted(warehouse, last, [4], "later"), "later")
    assert notes(warehouse) == {
        ("back", 2): None,
        ("again", 1): None,
        ("again", 3): None,
        ("later", 4): 4,
    }


def test_a_concurrent_change_is_reloaded_once_and_redone(warehouse: Warehouse) -> None:
    """A writer that gets in between load and commit does not make the commit fail, and no row
    is lost.
    """
    warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [1], "a"), "a")
    files = written(warehouse, WINDOW, [9], "late")
    others = written(warehouse, WINDOW, [5], "other")
    late = overtaken(warehouse, lambda: warehouse.commit("BR", TABLE, WINDOW, others, "other"))
    late.commit("BR", TABLE, WINDOW, files, "late")
    assert stored(warehouse) == [("late", 9)]
    assert "other" in runs(warehouse)
