"""Rows as a Spark DataFrame of the notebook's session, on real Spark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from storeavail_platform import analyst
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.spark import open_spark_engine


@pytest.fixture
def session(world: World, spark_settings: dict[str, str]) -> Iterator[SparkSession]:
    """The session of a notebook."""
    engine = open_spark_engine(world.runtime().storage, spark_settings, "local[1]")
    with engine.session() as made:
        yield made.spark
    engine.stop()


def test_the_same_rows(session: SparkSession) -> None:
    """Types and moments are those of the table, NULL among whole numbers included."""
    sql = (
        "SELECT store_id, window_start, local_date, expected_minutes, reason, NULLIF(store_id, '1')"
        " AS other FROM store_availability"
    )
    frame = analyst.sql(sql, form="spark")
    assert dict(frame.dtypes) == {
        "store_id": "string",
        "window_start": "timestamp",
        "local_date": "date",
        "expected_minutes": "int",
        "reason": "string",
        "other": "string",
    }
    assert frame.where("window_start = TIMESTAMP '2026-11-23T13:15:00Z'").count() == 3
    assert sorted(row.store_id for row in frame.where("other IS NULL").collect()) == ["1", "1"]
    assert (
        analyst.table("store_availability", country="BR", columns=["store_id"], form="spark")
        .distinct()
        .count()
        == 3
    )
