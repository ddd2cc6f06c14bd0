"""Upkeep with a real Hive Metastore and S3: the same rows, and views in which analysts' Spark
SQL sees all countries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from storeavail_platform.config import load_text
from storeavail_platform.domain.tables.causes import WINDOW_CAUSES
from storeavail_platform.domain.tables.declarations import EXPECTED_SCHEDULES, STORE_HOURS
from storeavail_platform.domain.tables.table import Column, Table
from storeavail_platform.domain.tables.views import STORES_NOW, VIEWS
from storeavail_platform.domain.windows import Window
from storeavail_platform.engines.spark import SparkEngine
from storeavail_platform.pipeline.local_dates import roll_up
from storeavail_platform.pipeline.runtime import Runtime, build_runtime, open_any_layout
from storeavail_platform.storage.s3 import S3Storage
from storeavail_platform.upkeep import maintain, update_views
from storeavail_platform.upkeep.views import HIVE_TYPES, view_text
from storeavail_platform_tests.domain.tables.facts import COUNTRY, DAY, commit_window
from storeavail_platform_tests.upkeep.conftest import CONFIG, FACTS, Kept, at, one
from storeavail_testing.metastore import HiveMetastore
from storeavail_testing.s3 import S3Server
from storeavail_testing.spark import open_spark_engine

WINDOW = Window.parse("2026-11-21T2200")
DATE = date(2026, 11, 21)


@pytest.fixture
def runtime(metastore: HiveMetastore, tmp_path: Path) -> Runtime:
    (tmp_path / "warehouse").mkdir()
    config = CONFIG + f"catalog: {{type: hive, uri: '{metastore.uri}'}}\n"
    return build_runtime(load_text(config, base=tmp_path, origin="test.yaml"))


@pytest.fixture
def spark(
    runtime: Runtime, metastore: HiveMetastore, spark_settings: dict[str, str]
) -> Iterator[SparkEngine]:
    """Spark as it is on a cluster: its own catalog is the metastore, and knows Iceberg."""
    settings = spark_settings | {
        "spark.sql.catalogImplementation": "hive",
        "spark.hadoop.hive.metastore.uris": metastore.uri,
        "spark.sql.catalog.spark_catalog": "org.apache.iceberg.spark.SparkSessionCatalog",
        "spark.sql.catalog.spark_catalog.type": "hive",
        "spark.sql.catalog.spark_catalog.uri": metastore.uri,
    }
    engine = open_spark_engine(runtime.storage, settings, "local[2]")
    yield engine
    engine.stop()


def test_the_text_has_each_country_that_has_the_table() -> None:
    """All of the declaration's columns in its order; one that a country does not have yet is
    NULL of its type there, and ids that are numbers yet are cast.
    """
    wider = replace(FACTS, columns=(*FACTS.columns[:1], Column("note", "text", "A note.")))
    there = {column.name: HIVE_TYPES[column.type] for column in FACTS.all_columns}
    text = view_text(
        wider,
        {
            "storeavail_br": there | {"note": "string"},
            "storeavail_cl": there | {"store_id": "bigint"},
        },
    )
    assert text is not None
    first, second = text.split("\nUNION ALL\n")
    assert first.endswith("`note` FROM `storeavail_br`.`store_availability`")
    assert second.endswith(
        "CAST(NULL AS string) AS `note` FROM `storeavail_cl`.`store_availability`"
    )
    assert "`run_id`, CAST(`store_id` AS string) AS `store_id`, " in second
    assert view_text(wider, {}) is None


def test_spark_reads_all_countries_through_a_view(runtime: Runtime, spark: SparkEngine) -> None:
    """The view has every country's rows under one name; a country that comes later is in it
    after the next upkeep.
    """
    commit_window(runtime.engine, runtime.warehouse, WINDOW, one(WINDOW, 1, "missing"), "br")
    assert update_views(runtime) == ["store_availability"]
    assert update_views(runtime) == []
    chile = replace(runtime)
    with chile.engine.session() as session:
        session.create("given", "SELECT '7' AS store_id, 'rogue' AS status")
        constants: dict[str, object] = {
            column.name: None
            for column in FACTS.all_columns
            if column.name not in ("store_id", "status")
        }
        constants |= {"country": "CL", "window_start": WINDOW.start, "run_id": "cl"}
        directory = chile.warehouse.location("CL", FACTS.name, "data", "cl")
        files = session.write("given", FACTS.stored_schema(), constants, (), directory)
    chile.warehouse.commit("CL", FACTS, WINDOW, files, "cl")
    assert update_views(runtime) == ["store_availability"]
    with spark.session() as session:
        query = (
            "SELECT country, store_id, status, window_start FROM storeavail.store_availability"
            " ORDER BY country"
        )
        rows = [row.asDict() for row in session.spark.sql(query).collect()]
        comments = {
            row["col_name"]: row["comment"]
            for row in session.spark.sql("DESCRIBE storeavail.store_availability").collect()
        }
    assert [(row["country"], row["store_id"], row["status"]) for row in rows] == [
        ("BR", "1", "missing"),
        ("CL", "7", "rogue"),
    ]
    assert comments["store_id"] == "The store."


def test_spark_reads_the_views_over_them(runtime: Runtime, spark: SparkEngine) -> None:
    """Stores and sums of each country's newest window on the stores' clocks, and an outage as one
    row.
    """
    newest = WINDOW.next()
    for window in (WINDOW, newest):
        commit_window(runtime.engine, runtime.warehouse, window, one(window, 1, "missing"), "run")
        cause = {
            "kind": "missing",
            "scope": "single_stores",
            "known": 1,
            "raised": 1,
            "usual": 0.0,
            "excess": 1.0,
            "minutes": 15,
            "past_days": 0,
        }
        commit_row(runtime, WINDOW_CAUSES, window, cause)
        hours = {"store_id": "1", "kind": "weekly", "opens_minute": 540, "closes_minute": 1320}
        commit_row(runtime, STORE_HOURS, window, hours | {"business_date": DATE})
        schedule = {"store_id": "1", "local_date": DATE, "local_minute": 1140}
        commit_row(runtime, EXPECTED_SCHEDULES, window, schedule | {"hours_kind": "weekly"})
    list(roll_up(runtime, COUNTRY, [DATE], "run"))
    assert {view.name for view in VIEWS} <= set(update_views(runtime))
    with spark.session() as session:
        found = {
            view.name: [
                row.asDict()
                for row in session.spark.sql(f"SELECT * FROM storeavail.{view.name}").collect()
            ]
            for view in VIEWS
        }
    (store,), (sums,), (outage,) = (
        found[name] for name in ("stores_now", "availability_now", "outages")
    )
    assert list(store) == [column.name for column in STORES_NOW.all_columns]
    assert (store["store_id"], store["status"], store["local_time"]) == ("1", "missing", "19:15")
    assert (sums["stores_missing"], sums["availability"], sums["local_time"]) == (1, 0.0, "19:15")
    assert (outage["store_id"], outage["missed_minutes"], outage["is_ongoing"]) == ("1", 30, True)
    assert found["hours_changed"] == []


def commit_row(runtime: Runtime, table: Table, window: Window, row: dict[str, object]) -> None:
    """Commit a window of a table that has one row; what is not in it is NULL."""
    schema = table.computed_schema()
    rows = pa.Table.from_pylist([dict.fromkeys(schema.names) | row], schema=schema)
    with runtime.engine.session() as session:
        session.add_table("made", rows)
        directory = runtime.warehouse.location(COUNTRY, table.name, window.key)
        constants = {"country": COUNTRY, "window_start": window.start, "run_id": "run"}
        files = session.write("made", table.stored_schema(), constants, (), directory)
    runtime.warehouse.commit(COUNTRY, table, window, files, "run")


def test_a_countrys_role_need_not_read_the_others_files(
    runtime: Runtime, metastore: HiveMetastore, tmp_path: Path
) -> None:
    """Columns come from the metastore: a view is made right while the files of other countries
    cannot be read at all.
    """
    commit_window(runtime.engine, runtime.warehouse, WINDOW, one(WINDOW, 1, "missing"), "br")
    elsewhere = tmp_path / "chile-alone"
    (elsewhere / "warehouse").mkdir(parents=True)
    config = CONFIG + f"catalog: {{type: hive, uri: '{metastore.uri}'}}\n"
    chile = build_runtime(load_text(config, base=elsewhere, origin="test.yaml"))
    assert chile.warehouse.load(COUNTRY, FACTS.name) is None
    assert update_views(chile) == ["store_availability"]
    with metastore.client() as client:
        assert "`store_id`, `status`" in client.get_table("storeavail", FACTS.name).viewExpandedText


def test_upkeep_on_s3_with_a_metastore(
    metastore: HiveMetastore, s3: S3Server, tmp_path: Path
) -> None:
    """One file a day, no row changed, and what is left over is removed."""
    config = (
        CONFIG.replace("./warehouse", f"{s3.create_bucket()}/warehouse")
        + f"catalog: {{type: hive, uri: '{metastore.uri}'}}\n"
    )
    kept = Kept(tmp_path, build_runtime(load_text(config, base=tmp_path, origin="test.yaml")))
    for number in range(3):
        window = WINDOW.next(number)
        kept.commit(window, one(window, number, "missing"), f"run-{number}")
    rows = kept.rows()
    done = list(maintain(kept.runtime, COUNTRY, at(3 * DAY)))
    assert not any(step.is_error for step in done), [str(step) for step in done]
    text = "\n".join(map(str, done))
    assert "2026-11-21 compacted: 3 files to 1, 3 rows" in text
    assert "files that nothing refers to removed" in text
    assert "views: store_availability of all countries" in text
    assert kept.rows() == rows
    assert kept.files() == {"2026-11-21": 1}
    storage = open_any_layout(kept.runtime.platform)
    assert isinstance(storage, S3Storage)
    pages = storage.client.get_paginator("list_objects_v2").paginate(Bucket=storage.bucket)
    keys = [item["Key"] for page in pages for item in page["Contents"]]
    data = [key for key in keys if "/store_availability/data/" in key]
    assert len(data) == 1, "nothing stands for the folders of files that were removed"
    assert list(maintain(kept.runtime, COUNTRY, at(3 * DAY))) == []
