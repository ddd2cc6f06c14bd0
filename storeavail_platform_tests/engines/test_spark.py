"""The Spark engine's sessions: what they are set to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyspark import SparkContext
from pyspark.sql import SparkSession

from storeavail_platform.engines.spark import SparkEngine
from storeavail_platform.storage.local import LocalStorage

PARTITIONS, COMPILED, ANSI = "spark.sql.shuffle.partitions", "spark.sql.codegen.wholeStage", "spark.sql.ansi.enabled"


@pytest.fixture
def settings(tmp_path: Path, spark_settings: dict[str, str]) -> Iterator[Callable[..., list[str]]]:
    """What a session for so many rows is set to, with a country's own settings."""
    engines = []

    def settings(rows: int | None, **own: str) -> list[str]:
        engines.append(SparkEngine(LocalStorage(tmp_path), spark_settings | own, master="local[2]"))
        with engines[-1].session(rows) as session:
            return [str(session.spark.conf.get(name)) for name in (PARTITIONS, COMPILED, ANSI)]

    yield settings
    engines[-1].stop()


def test_what_a_query_costs_follows_the_rows(settings: Callable[..., list[str]]) -> None:
    """Few rows get few partitions and no compiler; many get more, and compiled queries; what rows depend on stays."""
    assert settings(30_000) == ["2", "false", "true"]
    assert settings(3_000_000) == ["32", "true", "true"]
    assert settings(None) == ["2", "false", "true"]


def test_what_was_submitted_wins_too(tmp_path: Path, spark_settings: dict[str, str]) -> None:
    """On a cluster a country's settings come by `spark-submit`; what it has not set follows the rows."""
    if SparkContext._jvm is not None:
        # the JVM of the tests remembers what it was started with; a step's is its own
        SparkContext._jvm.java.lang.System.clearProperty(COMPILED)
    builder = SparkSession.builder.master("local[2]").config(PARTITIONS, "5")
    for name, value in spark_settings.items():
        builder = builder.config(name, value)
    builder.getOrCreate()
    engine = SparkEngine(LocalStorage(tmp_path), master=None)
    with engine.session(3_000_000) as session:
        assert [session.spark.conf.get(name) for name in (PARTITIONS, COMPILED)] == ["5", "true"]
    with engine.session(1_000) as session:
        assert [session.spark.conf.get(name) for name in (PARTITIONS, COMPILED)] == ["5", "false"]
    engine.stop()


def test_a_countrys_own_settings_win(settings: Callable[..., list[str]]) -> None:
    """Whatever the rows are; but not over what the rows depend on."""
    assert settings(3_000_000, **{PARTITIONS: "5", COMPILED: "false", ANSI: "false"}) == ["5", "false", "true"]
