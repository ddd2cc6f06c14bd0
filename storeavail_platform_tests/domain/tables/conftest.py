"""Engines for the tests of tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform.warehouse.engine import Engine
from storeavail_testing.spark import open_spark_engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """DuckDB over a folder of the test's own."""
    return DuckDBEngine(LocalStorage(tmp_path))


@pytest.fixture(scope="module")
def spark_engine(tmp_path_factory: pytest.TempPathFactory, spark_settings: dict[str, str]) -> Iterator[Engine]:
    """Spark on this machine; its application ends with the module's tests."""

    made = open_spark_engine(LocalStorage(tmp_path_factory.mktemp("spark")), spark_settings, "local[1]")
    yield made
    made.stop()


@pytest.fixture(params=["duckdb", pytest.param("spark", marks=pytest.mark.spark)])
def each_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """DuckDB and Spark in turn, for tests of a table's rows. Spark is started only where it is asked for (`-m "not spark"` leaves it out)."""
    if request.param == "duckdb":
        return DuckDBEngine(LocalStorage(tmp_path))
    spark: Engine = request.getfixturevalue("spark_engine")
    return spark
