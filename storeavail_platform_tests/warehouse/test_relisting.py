"""A list of forgotten states that is missing or damaged is made again, on SQLite and on a real Hive
Metastore.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.update.snapshot import ExpireSnapshots

from storeavail_platform.domain.errors import TableDamaged
from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform.warehouse.forgotten import (
    Forgotten,
    forgotten_states,
    location_of,
    write_forgotten,
)
from storeavail_platform.warehouse.markers import Marker
from storeavail_platform.warehouse.relisting import relist, relisted
from storeavail_platform.warehouse.transaction import RememberingTransaction
from storeavail_platform.warehouse.truth import lost_windows
from storeavail_platform_tests.warehouse.test_recovery import catalog, needed, warehouse
from storeavail_platform_tests.warehouse.test_truth import WINDOWS, commit, marked, opened

__all__ = ["catalog", "warehouse"]


def thinned(warehouse: Warehouse) -> tuple[list[Marker], list[Forgotten]]:
    """Four windows, the states of the second and the third forgotten; the markers and these."""
    markers = [marked(warehouse, window, commit(warehouse, window)) for window in WINDOWS]
    forgotten: list[Forgotten] = []

    def forget(current: IcebergTable) -> bool:
        forgotten.extend(
            Forgotten(state.sequence_number or 0, state.snapshot_id, state.timestamp_ms)
            for state in current.snapshots()[1:3]
        )
        with RememberingTransaction(current) as transaction:
            transaction.set_properties(write_forgotten(current, forgotten))
            ids = [state.snapshot_id for state in forgotten]
            ExpireSnapshots(transaction).by_ids(ids).commit()
        return True

    assert warehouse.change("BR", "things", forget)
    return markers, forgotten


def current(warehouse: Warehouse) -> IcebergTable:
    found = warehouse.load("BR", "things")
    assert found is not None
    return found


def list_file(warehouse: Warehouse) -> Path:
    return Path((location_of(current(warehouse)) or "").removeprefix("file://"))


@pytest.mark.parametrize("damage", ["gone", "half", "empty"])
def test_a_list_is_made_again_of_what_other_files_name(warehouse: Warehouse, damage: str) -> None:
    """All states of the metadata files that are still there are named as they were, whatever
    happened to the list; commits went on meanwhile.
    """
    markers, forgotten = thinned(warehouse)
    assert relisted(warehouse.storage, current(warehouse)) is None
    file = list_file(warehouse)
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:20] if damage == "half" else b"")
    with pytest.raises(TableDamaged, match="`storeavail recover` makes it again"):
        lost_windows(warehouse.storage, current(warehouse), "things", markers)
    commit(warehouse, WINDOWS[-1].next())
    found = relisted(warehouse.storage, current(warehouse))
    assert found is not None
    assert (list(found.states), found.missing) == (forgotten, 0)
    assert needed(warehouse) == []
    relist(opened(warehouse), "BR", "things", found)
    assert forgotten_states(current(warehouse)) == forgotten
    assert relisted(warehouse.storage, current(warehouse)) is None


def test_what_cannot_be_named_stays_a_hole_and_is_no_loss(warehouse: Warehouse) -> None:
    """With the older metadata gone as well the states are not made up; the commits are known by
    the files that they added, so that no window is run again.
    """
    markers, forgotten = thinned(warehouse)
    list_file(warehouse).unlink()
    table = current(warehouse)
    for file in list_file(warehouse).parent.glob("*.metadata.json"):
        if file.name != Path(table.metadata_location).name:
            file.unlink()
    found = relisted(warehouse.storage, table)
    assert found is not None
    assert (list(found.states), found.missing) == ([], len(forgotten))
    assert lost_windows(warehouse.storage, table, "things", markers, found.known) == []
    relist(opened(warehouse), "BR", "things", found)
    assert forgotten_states(current(warehouse)) == []


def test_an_older_catalog_beside_a_list_that_is_gone(warehouse: Warehouse) -> None:
    """The table is registered from its pointer all the same, and none of its commits is taken for
    one that strayed.
    """
    markers, _ = thinned(warehouse)
    list_file(warehouse).unlink()
    newest = warehouse.pointer("BR", "things")
    assert newest is not None
    warehouse.catalog.drop_table(("storeavail_br", "things"))
    older = markers[2].tables["things"].metadata_location
    warehouse.catalog.register_table(("storeavail_br", "things"), older)
    (repair,) = needed(warehouse)
    assert repair.found is not None
    assert repair.found.metadata_location == newest.metadata_location
    assert repair.strayed == frozenset()


def test_a_pointer_behind_what_was_thinned_out(warehouse: Warehouse) -> None:
    """A process was killed between commit and pointer, and the list that tells the pointer's state
    is gone: nothing goes back, and the list is made again.
    """
    markers, forgotten = thinned(warehouse)
    list_file(warehouse).unlink()
    warehouse.pointers.replace("tables/storeavail_br/things", markers[2].tables["things"])
    assert needed(warehouse) == []
    with pytest.raises(TableDamaged, match="storeavail recover"):
        opened(warehouse).open_table("BR", "things")
    table = opened(warehouse).catalog.load_table(("storeavail_br", "things"))
    found = relisted(warehouse.storage, table)
    assert found is not None
    relist(opened(warehouse), "BR", "things", found)
    assert forgotten_states(current(warehouse)) == forgotten
