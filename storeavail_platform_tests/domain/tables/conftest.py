"""Engines for the tests of tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.engines.spark import SparkEngine
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform.warehouse.engine import Engine
from storeavail_testing.spark import open_spark_engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """DuckDB over a folder of the test's own."""
    return DuckDBEngine(LocalStorage(tmp_path))


@pytest.fixture(scope="package")
def spark_engine(
    tmp_path_factory: pytest.TempPathFactory, spark_settings: dict[str, str]
) -> Iterator[SparkEngine]:
    """Spark on this machine: one application, which ends with the folder's tests, and a session
    of its own for each use.
    """
    made = open_spark_engine(
        LocalStorage(tmp_path_factory.mktemp("spark")), spark_settings, "local[2]"
    )
    yield made
    made.stop()


@pytest.fixture(scope="package")
def engines(spark_engine: SparkEngine) -> tuple[Engine, Engine]:
    """DuckDB and Spark over one folder."""
    return DuckDBEngine(spark_engine.storage), spark_engine


@pytest.fixture(params=["duckdb", pytest.param("spark", marks=pytest.mark.spark)])
def each_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """DuckDB and Spark in turn, for tests of a table's rows.

    Spark is started only where it is asked for (`-m "not spark"` leaves it out).
    """
    if request.param == "duckdb":
        return DuckDBEngine(LocalStorage(tmp_path))
    spark: Engine = request.getfixturevalue("spark_engine")
    return spark
