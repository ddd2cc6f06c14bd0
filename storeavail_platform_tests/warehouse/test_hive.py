"""The tables in a real Hive Metastore: commits, what the metastore tells others, and its outages.

Files in a folder and on S3.
"""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest
from hive_metastore.ttypes import LockComponent, LockLevel, LockRequest, LockType
from pyiceberg.catalog.hive import LOCK_CHECK_MAX_WAIT_TIME

from storeavail_platform.config import load_text
from storeavail_platform.domain.errors import CatalogUnavailable, CommitConflict, StorageUnavailable
from storeavail_platform.domain.tables.table import Column
from storeavail_platform.pipeline.runtime import open_storage
from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform.warehouse.hive import (
    ANSWER_TIMEOUT,
    LOCK_LIFETIME,
    HiveMetastoreCatalog,
)
from storeavail_platform_tests.warehouse.test_catalog import (
    TABLE,
    WINDOW,
    stored,
    written,
)
from storeavail_testing.metastore import HiveMetastore
from storeavail_testing.s3 import S3Server

CONFIG = """
warehouse: {warehouse}
catalog: {{type: hive, uri: "{uri}"}}
commit_patience: 1s
countries:
  BR: {{timezone: America/Sao_Paulo, postgres: {{dsn: env:DSN}}, online_index: {{path: {path}}}}}
  MX: {{timezone: America/Mexico_City, postgres: {{dsn: env:DSN}}, online_index: {{path: {path}}}}}
"""


def open_warehouse(place: str, uri: str, folder: Path) -> Warehouse:
    text = CONFIG.format(warehouse=place, uri=uri, path=folder / "index.ndjson")
    platform = load_text(text, base=folder, origin="test.yaml")
    return Warehouse(platform, open_storage(platform), patience=platform.commit_patience)


@pytest.fixture(params=["folder", "s3"])
def warehouse(
    request: pytest.FixtureRequest, metastore: HiveMetastore, s3: S3Server, tmp_path: Path
) -> Warehouse:
    place = (
        f"{s3.create_bucket()}/warehouse" if request.param == "s3" else str(tmp_path / "warehouse")
    )
    return open_warehouse(place, metastore.uri, tmp_path)


@pytest.fixture
def local(metastore: HiveMetastore, tmp_path: Path) -> Warehouse:
    return open_warehouse(str(tmp_path / "warehouse"), metastore.uri, tmp_path)


def same_place(hadoop: str, uri: str) -> bool:
    """Whether two addresses are the same; Hadoop writes `file:/folder`."""
    return hadoop.replace("file:/", "file:///", 1) == uri


def test_the_metastore_tells_columns_comments_and_partitioning(
    warehouse: Warehouse, metastore: HiveMetastore
) -> None:
    """Whoever asks the metastore learns each column's type and meaning, the partition spec, and
    where the table and its state are.
    """
    committed = warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [1], "a"), "a")
    with metastore.client() as client:
        table = client.get_table("storeavail_br", "things")
    columns = {column.name: (column.type, column.comment) for column in table.sd.cols}
    assert columns["store_id"] == ("bigint", "The store.")
    assert columns["minutes"] == ("int", "Minutes.")
    assert columns["window_start"][0] == "timestamp with local time zone"
    assert list(columns) == TABLE.stored_schema().names
    assert table.parameters["storeavail.partition-spec"] == "day(window_start)"
    assert table.parameters["comment"] == "Things."
    assert table.parameters["metadata_location"] == committed.metadata_location
    assert same_place(table.sd.location, warehouse.storage.uri("tables/storeavail_br/things"))


def test_a_wider_declaration_reaches_the_metastore(
    warehouse: Warehouse, metastore: HiveMetastore
) -> None:
    """An added nullable column is in the metastore with its comment, and stays there when the
    release before is back.
    """
    warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [1], "a"), "a")
    wider = replace(TABLE, columns=(*TABLE.columns, Column("note", "text", "A note.")))
    later = WINDOW.next()
    warehouse.commit("BR", wider, later, written(warehouse, later, [2], "b", wider), "b")
    back = later.next()
    warehouse.commit("BR", TABLE, back, written(warehouse, back, [3], "c"), "c")
    with metastore.client() as client:
        added = client.get_table("storeavail_br", "things").sd.cols[-1]
    assert (added.name, added.type, added.comment) == ("note", "string", "A note.")
    table = warehouse.load("BR", "things")
    assert table is not None
    assert table.scan().to_arrow().column("note").to_pylist() == [None, None, None]


def test_each_country_has_a_namespace_below_the_warehouse(
    warehouse: Warehouse, metastore: HiveMetastore
) -> None:
    """Namespaces lie in the warehouse, not on the disk of the cluster whose metastore made
    them; countries do not see each other.
    """
    assert not warehouse.has_namespace("BR")
    warehouse.ensure("BR", TABLE)
    assert warehouse.has_namespace("BR")
    assert not warehouse.has_namespace("MX")
    warehouse.ensure("MX", TABLE)
    with metastore.client() as client:
        for name in ("storeavail_br", "storeavail_mx"):
            assert same_place(
                client.get_database(name).locationUri, warehouse.storage.uri("tables", name)
            )


@pytest.mark.parametrize("warehouse", ["s3"], indirect=True)
def test_a_dead_metastore_stops_commits_at_once_and_no_reader(
    warehouse: Warehouse, metastore: HiveMetastore
) -> None:
    """While the metastore is gone a commit says so within seconds, readers go on by the
    pointer, and the same files commit later.
    """
    warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [1], "a"), "a")
    files = written(warehouse, WINDOW, [2], "b")
    metastore.kill()
    with pytest.raises(
        CatalogUnavailable, match=rf"{metastore.uri} does not answer.*Nothing is lost"
    ):
        warehouse.commit("BR", TABLE, WINDOW, files, "b")
    assert stored(warehouse) == [("a", 1)]
    metastore.start()
    warehouse.commit("BR", TABLE, WINDOW, files, "b")
    assert stored(warehouse) == [("b", 2)]


def tuned(warehouse: Warehouse, **properties: str) -> Warehouse:
    """The same tables, in a catalog with other properties."""
    opened = warehouse.catalog
    catalog = HiveMetastoreCatalog(opened.name, **{**opened.properties, **properties})
    return Warehouse(
        warehouse.platform, warehouse.storage, patience=warehouse.patience, catalog=catalog
    )


def test_the_lock_of_a_killed_commit_does_not_stay(
    local: Warehouse, metastore: HiveMetastore
) -> None:
    """A lock that somebody holds is respected; one that was left behind, which the metastore
    would keep for ever, is removed.
    """
    local.commit("BR", TABLE, WINDOW, written(local, WINDOW, [1], "a"), "a")
    files = written(local, WINDOW, [2], "b")
    component = LockComponent(
        LockType.EXCLUSIVE, LockLevel.TABLE, "storeavail_br", "things", isTransactional=True
    )
    with metastore.client() as client:
        client.lock(LockRequest([component], user="somebody", hostname="elsewhere"))
    hurried = {LOCK_CHECK_MAX_WAIT_TIME: "0.1"}
    with pytest.raises(CommitConflict, match="acquire lock"):
        tuned(local, **hurried).commit("BR", TABLE, WINDOW, files, "b")
    tuned(local, **hurried, **{LOCK_LIFETIME: "0"}).commit("BR", TABLE, WINDOW, files, "b")
    assert stored(local) == [("b", 2)]


def test_a_silent_metastore_is_given_up(local: Warehouse, tmp_path: Path) -> None:
    """A metastore that accepts a connection and never answers, as one does whose database is
    gone, costs a bounded wait.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"thrift://127.0.0.1:{silent.getsockname()[1]}"
        elsewhere = open_warehouse(local.storage.path(), uri, tmp_path)
        with pytest.raises(CatalogUnavailable, match="does not answer: read timeout"):
            tuned(elsewhere, **{ANSWER_TIMEOUT: "0.3"}).ensure("BR", TABLE)


def test_the_next_of_several_metastores_is_used(
    local: Warehouse, metastore: HiveMetastore, tmp_path: Path
) -> None:
    """An address that refuses is passed over; where all refuse, the error names them."""
    refusing = "thrift://127.0.0.1:1"
    both = open_warehouse(local.storage.path(), f"{refusing},{metastore.uri}", tmp_path)
    both.commit("BR", TABLE, WINDOW, written(both, WINDOW, [1], "a"), "a")
    assert stored(local) == [("a", 1)]
    with pytest.raises(CatalogUnavailable, match=r"127\.0\.0\.1:1,"):
        open_warehouse(local.storage.path(), f"{refusing},{refusing}", tmp_path).ensure("BR", TABLE)


def test_a_lost_bucket_is_no_lost_metastore(
    metastore: HiveMetastore, s3: S3Server, tmp_path: Path
) -> None:
    """Where S3 cannot be reached the error names the tables' place, not the metastore, and the
    same files commit later.
    """
    warehouse = open_warehouse(f"{s3.create_bucket()}/warehouse", metastore.uri, tmp_path)
    warehouse.commit("BR", TABLE, WINDOW, written(warehouse, WINDOW, [1], "a"), "a")
    files = written(warehouse, WINDOW, [2], "b")
    s3.stop()
    try:
        with pytest.raises(StorageUnavailable, match=warehouse.storage.uri("tables")):
            warehouse.commit("BR", TABLE, WINDOW, files, "b")
    finally:
        s3.start()
    warehouse.commit("BR", TABLE, WINDOW, files, "b")
    assert stored(warehouse) == [("b", 2)]
