"""The look at the files alone: it calls whole what is whole, and nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from storeavail_platform.warehouse.agreement import have_rows, is_catalog_whole
from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform.warehouse.forgotten import FORGOTTEN
from storeavail_platform.warehouse.pointers import Committed
from storeavail_platform_tests.warehouse.test_catalog import warehouse
from storeavail_platform_tests.warehouse.test_truth import (
    WINDOWS,
    catalog_file,
    commit,
    deleted,
    emptied,
    marked,
    overwritten,
    restored,
    truncated,
)

__all__ = ["warehouse"]
FOLDER = "tables/storeavail_br/things"
Damage = Callable[[Warehouse, Committed], None]


def change_metadata(warehouse: Warehouse, change: Callable[[dict[str, object]], object]) -> None:
    state = warehouse.pointer("BR", "things")
    assert state is not None
    path = Path(state.metadata_location.removeprefix("file://"))
    metadata = orjson.loads(path.read_bytes())
    change(metadata)
    path.write_bytes(orjson.dumps(metadata))


def test_what_is_whole_is_called_whole(warehouse: Warehouse) -> None:
    """Before the first commit, after some, and for a country that has nothing."""
    assert is_catalog_whole(warehouse, "BR")
    assert have_rows(warehouse, "BR", [])
    markers = [marked(warehouse, window, commit(warehouse, window)) for window in WINDOWS]
    assert is_catalog_whole(warehouse, "BR")
    assert have_rows(warehouse, "BR", markers)
    assert is_catalog_whole(warehouse, "CL")
    assert not have_rows(warehouse, "CL", markers)


@pytest.mark.parametrize("damage", [deleted, emptied, truncated, overwritten, restored])
def test_a_catalog_that_may_be_lost_is_not_called_whole(
    warehouse: Warehouse, damage: Callable[[Path, bytes], None]
) -> None:
    """The rows are there all the same."""
    commit(warehouse, WINDOWS[0])
    older = catalog_file(warehouse).read_bytes()
    marker = marked(warehouse, WINDOWS[1], commit(warehouse, WINDOWS[1]))
    damage(catalog_file(warehouse), older)
    assert not is_catalog_whole(warehouse, "BR")
    assert have_rows(warehouse, "BR", [marker])


def unknown_table(warehouse: Warehouse, _: Committed) -> None:
    with sqlite3.connect(catalog_file(warehouse)) as connection:
        connection.execute("UPDATE iceberg_tables SET table_name = 'other'")
    connection.close()


def earlier_layout(warehouse: Warehouse, _: Committed) -> None:
    warehouse.storage.replace("warehouse.json", b'{"layout": 1}')


def moved(warehouse: Warehouse, _: Committed) -> None:
    change_metadata(warehouse, lambda metadata: metadata.update(location="file:///elsewhere"))


def without_states(warehouse: Warehouse, _: Committed) -> None:
    change_metadata(warehouse, lambda metadata: metadata.update(snapshots=[]))


def without_its_forgotten(warehouse: Warehouse, _: Committed) -> None:
    change_metadata(
        warehouse, lambda metadata: metadata.update(properties={FORGOTTEN: "forgotten-x.json"})
    )


def half_a_file(warehouse: Warehouse, state: Committed) -> None:
    path = Path(state.metadata_location.removeprefix("file://"))
    path.write_bytes(path.read_bytes()[:200])


def pointed_elsewhere(warehouse: Warehouse, state: Committed) -> None:
    elsewhere = replace(state, metadata_location="file:///elsewhere/metadata.json")
    warehouse.pointers.replace(FOLDER, elsewhere)


def half_a_pointer(warehouse: Warehouse, _: Committed) -> None:
    warehouse.storage.replace(f"{FOLDER}/current.json", b"{")


@pytest.mark.parametrize(
    ("damage", "has_rows"),
    [
        (unknown_table, True),
        (earlier_layout, True),
        (moved, False),
        (without_states, False),
        (without_its_forgotten, False),
        (half_a_file, False),
        (pointed_elsewhere, False),
        (half_a_pointer, False),
    ],
)
def test_a_table_that_may_be_damaged_is_not_called_whole(
    warehouse: Warehouse, damage: Damage, has_rows: bool
) -> None:
    """Each is then opened, and told in words by what opens it."""
    state = commit(warehouse, WINDOWS[0])
    marker = marked(warehouse, WINDOWS[0], state)
    damage(warehouse, state)
    assert not is_catalog_whole(warehouse, "BR")
    assert have_rows(warehouse, "BR", [marker]) == has_rows


def test_a_state_that_a_marker_names_and_the_table_has_not_may_be_lost(
    warehouse: Warehouse,
) -> None:
    """Also where the catalog went back with it, and calls nothing of it wrong."""
    old = commit(warehouse, WINDOWS[0])
    kept = marked(warehouse, WINDOWS[0], old)
    gone = marked(warehouse, WINDOWS[1], commit(warehouse, WINDOWS[1]))
    warehouse.catalog.drop_table(("storeavail_br", "things"))
    warehouse.catalog.register_table(("storeavail_br", "things"), old.metadata_location)
    warehouse.pointers.replace(FOLDER, old)
    assert is_catalog_whole(warehouse, "BR")
    assert have_rows(warehouse, "BR", [kept])
    assert not have_rows(warehouse, "BR", [kept, gone])
