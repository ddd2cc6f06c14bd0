"""`observe_from: cluster`: sources read by Spark's executors land what the run's own process
would have landed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from storeavail_platform.config import ElasticsearchIndex, Postgres
from storeavail_platform.domain.errors import SourceRejected
from storeavail_platform.domain.source import Split
from storeavail_platform.domain.windows import Window
from storeavail_platform.engines.spark import SparkEngine
from storeavail_platform.pipeline.observe import Observing, Sources, Target, observe
from storeavail_platform.sources.index_source import IndexSource
from storeavail_platform.sources.postgres import PostgresSource
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform.warehouse.landed_files import LandedSplit, LandSplits, in_threads
from storeavail_platform.warehouse.landing import Landing
from storeavail_platform.warehouse.readings import Reading
from storeavail_testing.elasticsearch import ElasticsearchServer
from storeavail_testing.postgres import PostgresServer
from storeavail_testing.spark import open_spark_engine

ZONE = "America/Sao_Paulo"
MAPPINGS = {"properties": {"store_id": {"type": "keyword"}, "online": {"type": "boolean"}}}
STORE_ROWS = """
INSERT INTO stores SELECT i, 'Store ' || i, NULL, 'City', 'Brand', NULL, true FROM generate_series(1, 500) i;
INSERT INTO store_weekly_hours SELECT i, d, '00:00', '24:00' FROM generate_series(1, 500) i, generate_series(1, 7) d;
"""


@pytest.fixture
def spark(tmp_path: Path, spark_settings: dict[str, str]) -> Iterator[SparkEngine]:
    engine = open_spark_engine(LocalStorage(tmp_path), spark_settings, "local[2]")
    yield engine
    engine.stop()


def rows(landing: Landing, reading: Reading) -> dict[str, list[dict[str, object]]]:
    """Every landed row of a reading, in an order that does not depend on who read it."""
    return {
        relation: sorted(
            (
                row
                for path in landing.paths({"": reading}, relation)
                for row in pq.read_table(path).to_pylist()
            ),
            key=str,
        )
        for relation in sorted({file.relation for file in reading.files})
    }


def test_executors_land_what_the_process_lands(
    spark: SparkEngine,
    tmp_path: Path,
    postgres_server: PostgresServer,
    elasticsearch_server: ElasticsearchServer,
) -> None:
    """Each split is read by a client of an executor's own; rows, details and relations are those
    of a reading in the process.
    """
    dsn = postgres_server.create("spark_readers")
    postgres_server.execute("spark_readers", STORE_ROWS)
    documents = [{"store_id": str(number), "online": number % 3 > 0} for number in range(700)]
    elasticsearch_server.fill("spark_readers", documents, shards=2, mappings=MAPPINGS)
    window = Window.containing(datetime.now(UTC))
    readings = {}
    spreads: dict[str, LandSplits] = {"process": in_threads, "executors": spark.land_splits}
    for name, land_splits in spreads.items():
        landing = Landing(LocalStorage(tmp_path / name))
        index = ElasticsearchIndex.model_validate(
            {"url": elasticsearch_server.url, "index": "spark_readers", "slices": 3}
        )
        found = observe(
            landing,
            Target("BR", ZONE, window),
            Sources(
                IndexSource(index),
                PostgresSource(Postgres.model_validate({"dsn": dsn}), ZONE),
                land_splits,
            ),
            Observing(timedelta(minutes=15)),
        )
        landing.verify(found.index)
        readings[name] = (
            found.index.details["online"],
            rows(landing, found.index),
            rows(landing, found.stores),
        )
    assert readings["executors"] == readings["process"]
    assert readings["executors"][0] == sum(bool(document["online"]) for document in documents)
    assert len(readings["executors"][2]["raw_stores"]) == 500


def test_an_executor_s_error_is_the_platform_s(spark: SparkEngine) -> None:
    """What a source says on an executor reads as it would in the process: its own kind, without
    a stack trace of Spark's.
    """

    with pytest.raises(SourceRejected, match=r"^the index lacks a field$"):
        spark.land_splits(refuse, [Split("raw_stores", 0)])


def refuse(split: Split) -> LandedSplit:
    raise SourceRejected("the index lacks a field")
