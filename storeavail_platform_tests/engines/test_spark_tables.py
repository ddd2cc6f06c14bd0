"""Tables that both engines write: in a real Hive Metastore, read and replaced by either, and by
Spark's own SQL as analysts use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from pyiceberg.expressions import AlwaysTrue

from storeavail_platform.config import load_text
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.engines.spark import SparkEngine
from storeavail_platform.pipeline.runtime import open_storage
from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform.warehouse.engine import Engine, WrittenFile
from storeavail_platform_tests.warehouse.test_catalog import TABLE, WIDER, WINDOW, notes, stored
from storeavail_testing.metastore import HiveMetastore
from storeavail_testing.spark import open_spark_engine

CONFIG = """
warehouse: {folder}
catalog: {{type: hive, uri: "{uri}"}}
countries:
  BR: {{timezone: America/Sao_Paulo, postgres: {{dsn: env:DSN}}, online_index: {{path: ./index.ndjson}}}}
"""


class Engines(NamedTuple):
    spark: SparkEngine
    duckdb: DuckDBEngine


@pytest.fixture
def warehouse(metastore: HiveMetastore, tmp_path: Path) -> Warehouse:
    platform = load_text(
        CONFIG.format(folder=tmp_path / "warehouse", uri=metastore.uri),
        base=tmp_path,
        origin="test.yaml",
    )
    return Warehouse(platform, open_storage(platform))


@pytest.fixture
def engines(warehouse: Warehouse, spark_settings: dict[str, str]) -> Iterator[Engines]:
    spark = open_spark_engine(warehouse.storage, spark_settings, "local[2]")
    yield Engines(spark, DuckDBEngine(warehouse.storage))
    spark.stop()


def commit(
    warehouse: Warehouse,
    engine: Engine,
    window: Window,
    stores: list[int],
    run: str,
    table: Table = TABLE,
) -> None:
    """A window's rows written by an engine and committed as every window's are."""
    columns = {"store_id": stores, "minutes": [15] * len(stores), "note": stores}
    rows = pa.Table.from_pydict(columns).select(table.computed_schema().names)
    constants = {"country": "BR", "window_start": window.start, "run_id": run}
    with engine.session() as session:
        session.add_table("things", rows.cast(table.computed_schema()))
        files: list[WrittenFile] = session.write(
            "things",
            table.stored_schema(),
            constants,
            table.order_by,
            warehouse.location("BR", "things", "data", window.key, run),
        )
    warehouse.commit("BR", table, window, files, run)


def compact(warehouse: Warehouse) -> None:
    """Rewrite everything into one file, as upkeep does to a day that is over."""
    table = warehouse.catalog.load_table(("storeavail_br", "things"))
    table.overwrite(table.scan().to_arrow(), overwrite_filter=AlwaysTrue())


def spark_sql(engine: SparkEngine, metastore: HiveMetastore, sql: str) -> list[dict[str, Any]]:
    """The rows of a query in Spark with the metastore as its catalog `lake`."""
    with engine.session() as session:
        spark = session.spark
        spark.conf.set("spark.sql.catalog.lake", "org.apache.iceberg.spark.SparkCatalog")
        spark.conf.set("spark.sql.catalog.lake.type", "hive")
        spark.conf.set("spark.sql.catalog.lake.uri", metastore.uri)
        return [row.asDict() for row in spark.sql(sql).collect()]


def test_windows_of_one_engine_are_replaced_by_the_other(
    warehouse: Warehouse, engines: Engines, metastore: HiveMetastore
) -> None:
    """Whoever wrote a window, the other engine replaces exactly its rows, in a compacted day
    too, and Spark's SQL reads what is left.
    """
    first, second = WINDOW, WINDOW.next()
    commit(warehouse, engines.spark, first, [1, 2], "spark-1")
    commit(warehouse, engines.duckdb, second, [1, 2], "duckdb-1")
    commit(warehouse, engines.duckdb, first, [2, 3], "duckdb-2")
    commit(warehouse, engines.spark, second, [4], "spark-2")
    assert stored(warehouse) == [("duckdb-2", 2), ("duckdb-2", 3), ("spark-2", 4)]
    compact(warehouse)
    commit(warehouse, engines.spark, first, [7], "spark-3")
    assert stored(warehouse) == [("spark-2", 4), ("spark-3", 7)]
    compact(warehouse)
    commit(warehouse, engines.duckdb, second, [8], "duckdb-3")
    rows = spark_sql(
        engines.spark,
        metastore,
        "SELECT run_id, store_id FROM lake.storeavail_br.things ORDER BY run_id",
    )
    assert [(row["run_id"], row["store_id"]) for row in rows] == [("duckdb-3", 8), ("spark-3", 7)]


def test_a_column_of_a_later_release_is_null_in_either_engines_files(
    warehouse: Warehouse, engines: Engines, metastore: HiveMetastore
) -> None:
    """Files of an engine that lack a column of the table are committed; Spark and pyiceberg
    read NULL there, in a compacted day too.
    """
    windows = [WINDOW.next(number) for number in range(4)]
    commit(warehouse, engines.spark, windows[0], [1], "a", WIDER)
    commit(warehouse, engines.duckdb, windows[1], [2], "b", WIDER)
    commit(warehouse, engines.spark, windows[2], [3], "c")
    commit(warehouse, engines.duckdb, windows[3], [4], "d")
    expected = {("a", 1): 1, ("b", 2): 2, ("c", 3): None, ("d", 4): None}
    sql = "SELECT run_id, store_id, note FROM lake.storeavail_br.things"
    for _ in range(2):
        assert notes(warehouse) == expected
        rows = spark_sql(engines.spark, metastore, sql)
        assert {(row["run_id"], row["store_id"]): row["note"] for row in rows} == expected
        compact(warehouse)
    commit(warehouse, engines.spark, windows[0], [1], "e")
    assert notes(warehouse) == {
        key: expected.get(key) for key in [*expected, ("e", 1)] if key[0] != "a"
    }


def test_spark_describes_a_table(
    warehouse: Warehouse, engines: Engines, metastore: HiveMetastore
) -> None:
    """`DESCRIBE` shows an analyst each column's type and meaning, and how the table is
    partitioned.
    """
    commit(warehouse, engines.duckdb, WINDOW, [1], "duckdb")
    rows = spark_sql(engines.spark, metastore, "DESCRIBE EXTENDED lake.storeavail_br.things")
    described = [(row["col_name"], row["data_type"], row["comment"]) for row in rows]
    assert ("store_id", "bigint", "The store.") in described
    assert ("window_start", "timestamp", "Start of the 15-minute window, UTC.") in described
    assert ("Part 0", "days(window_start)", "") in described
    properties = next(data for name, data, _ in described if name == "Table Properties")
    assert "storeavail.partition-spec=day(window_start)" in properties
