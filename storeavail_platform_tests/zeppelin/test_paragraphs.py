"""What the notes say, run: SQL on Spark over the union views of a real Hive Metastore, Python
by the analysts' API, over tables that windows made.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from storeavail_platform import analyst
from storeavail_platform.config import CONFIG_VARIABLE
from storeavail_platform.engines.spark import SparkEngine
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.upkeep import update_views
from storeavail_platform_tests.end_to_end.world import World
from storeavail_platform_tests.faults.made_up import Driven, past
from storeavail_testing.metastore import HiveMetastore
from storeavail_testing.postgres import PostgresServer
from storeavail_testing.spark import open_spark_engine

NOTES = sorted((Path(__file__).parents[2] / "zeppelin" / "notes").glob("*.zpln"))
STORE_ROWS = """
INSERT INTO stores SELECT i, 'Store ' || i, NULL, 'City ' || i % 3, 'Brand ' || i % 2, NULL, i <= 15 FROM generate_series(1, 20) i;
INSERT INTO store_weekly_hours SELECT i, d, '00:00', '24:00' FROM generate_series(1, 20) i, generate_series(1, 7) d;
"""
"""Stores 16 to 20 take no part any more; the index still has them online: they are rogue."""
DOCUMENTS = [{"store_id": str(i), "online": i % 4 > 0} for i in range(1, 21)]
FORM = re.compile(r"\$\{\w+=([^},]*)[^}]*\}")


def paragraphs(magic: str) -> list[Any]:
    found = []
    for path in NOTES:
        for paragraph in json.loads(path.read_text(encoding="utf-8"))["paragraphs"]:
            first, _, text = paragraph["text"].partition("\n")
            if first == magic:
                found.append(
                    pytest.param(text, id=f"{path.stem.split('_')[0]}: {paragraph['title']}")
                )
    return found


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
    metastore_server: HiveMetastore,
) -> Iterator[Runtime]:
    """Two windows of BR, just over, run by the window job; the union views made by upkeep."""
    world = World(tmp_path_factory.mktemp("notes"), postgres_server)
    older, newer = past(1), past(0)
    world.record("BR", older, DOCUMENTS)
    world.add_country(
        "BR", "America/Sao_Paulo", world.record("BR", newer, DOCUMENTS), rows=STORE_ROWS
    )
    world.config.write_text(
        f"catalog: {{type: hive, uri: '{metastore_server.uri}'}}\n{world.config.read_text()}"
    )
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        for name, value in {**world.environment, CONFIG_VARIABLE: str(world.config)}.items():
            patch.setenv(name, value)
        for window in (older, newer):
            assert Driven(world, instance).window(window).success
        runtime = world.runtime()
        assert "store_availability" in update_views(runtime)
        analyst.connect(str(world.config))
        yield runtime
    metastore_server.forget("storeavail*")


@pytest.fixture(scope="module")
def spark(
    made: Runtime, metastore_server: HiveMetastore, spark_settings: dict[str, str]
) -> Iterator[SparkEngine]:
    """Spark as it is on the cluster for notebooks."""
    settings = spark_settings | {
        "spark.sql.catalogImplementation": "hive",
        "spark.hadoop.hive.metastore.uris": metastore_server.uri,
        "spark.sql.catalog.spark_catalog": "org.apache.iceberg.spark.SparkSessionCatalog",
        "spark.sql.catalog.spark_catalog.type": "hive",
        "spark.sql.catalog.spark_catalog.uri": metastore_server.uri,
    }
    engine = open_spark_engine(made.storage, settings, "local[2]")
    yield engine
    engine.stop()


@pytest.mark.parametrize("text", paragraphs("%spark.sql"))
def test_a_sql_paragraph_gives_rows(spark: SparkEngine, text: str) -> None:
    """With its forms as they are filled in at first."""
    with spark.session() as session:
        assert session.spark.sql(FORM.sub(r"\1", text)).collect()


@pytest.mark.parametrize("text", paragraphs("%python"))
def test_a_python_paragraph_prints_what_it_promises(made: Runtime, text: str) -> None:
    """Tables with rows; of the raw databases, for which this company has no users for analysts,
    what to configure.
    """
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(text, {})
    shown = said.getvalue()
    if "analyst.raw" in text:
        assert shown.startswith("ConfigError: ")
        assert "analyst" in shown
    else:
        assert re.search(r"\bBR\b", shown)
        assert "Empty DataFrame" not in shown
