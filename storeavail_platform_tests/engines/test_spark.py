"""The Spark engine's sessions: what they are set to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from pyspark import SparkContext

from storeavail_platform.engines.spark import SparkEngine
from storeavail_platform.storage.local import LocalStorage
from storeavail_testing.spark import submitted

PARTITIONS, COMPILED = "spark.sql.shuffle.partitions", "spark.sql.codegen.wholeStage"
ANSI = "spark.sql.ansi.enabled"


@pytest.mark.parametrize(
    ("own", "rows", "expected"),
    [
        # few rows get few partitions and no compiler; many get more, and compiled queries
        ({}, 30_000, ["2", "false", "true"]),
        ({}, 3_000_000, ["32", "true", "true"]),
        # whatever the rows are, what was submitted wins; what was not follows the rows
        ({PARTITIONS: "5"}, 3_000_000, ["5", "true", "true"]),
        ({PARTITIONS: "5"}, 1_000, ["5", "false", "true"]),
        # but not over what the rows depend on
        ({PARTITIONS: "5", COMPILED: "false", ANSI: "false"}, 3_000_000, ["5", "false", "true"]),
    ],
)
def test_a_countrys_own_settings_win_over_what_follows_the_rows(
    tmp_path: Path,
    spark_settings: Mapping[str, str],
    own: dict[str, str],
    rows: int,
    expected: list[str],
) -> None:
    """They come as production gives them: by `spark-submit`, before the engine is there."""
    if SparkContext._jvm is not None:
        # the JVM of the tests remembers what it was started with; a step's is its own
        SparkContext._jvm.java.lang.System.clearProperty(COMPILED)
    submitted({**spark_settings, **own})
    engine = SparkEngine(LocalStorage(tmp_path), master=None)
    with engine.session(rows) as session:
        found = [str(session.spark.conf.get(name)) for name in (PARTITIONS, COMPILED, ANSI)]
    engine.stop()
    assert found == expected
