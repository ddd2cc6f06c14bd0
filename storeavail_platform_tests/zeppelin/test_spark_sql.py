"""The notes' SQL in a real Zeppelin: by its Spark interpreter, over the union views of a real Hive
Metastore, with the settings that are published.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform_tests.zeppelin.test_notes import NOTES, ZEPPELIN, load, properties
from storeavail_platform_tests.zeppelin.test_paragraphs import made
from storeavail_platform_tests.zeppelin.test_server import file_users, run
from storeavail_testing.metastore import HiveMetastore
from storeavail_testing.processes import service_folder
from storeavail_testing.zeppelin import Visitor, ZeppelinServer

__all__ = ["made"]

pytestmark = [pytest.mark.zeppelin, pytest.mark.spark, pytest.mark.long]

CLUSTER = ("spark.yarn.queue", "spark.dynamicAllocation")
"""What is for YARN."""


@pytest.fixture(scope="module")
def ana(made: Runtime, metastore_server: HiveMetastore) -> Iterator[Visitor]:
    """An analyst, at a Zeppelin whose Spark runs on this machine."""
    setting = json.loads((ZEPPELIN / "conf/interpreter.json").read_text())["interpreterSettings"][
        "spark"
    ]
    here = {
        **{
            name: value
            for name, value in properties("spark-defaults").items()
            if not name.startswith(CLUSTER)
        },
        "spark.master": "local[2]",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.catalogImplementation": "hive",
        "spark.hadoop.hive.metastore.uris": metastore_server.uri,
        "spark.sql.catalog.spark_catalog.uri": metastore_server.uri,
        # this Zeppelin is older than this Spark
        "zeppelin.spark.enableSupportedVersionCheck": "false",
    }
    added = {name: {"name": name, "value": value, "type": "string"} for name, value in here.items()}
    published = {
        name: value for name, value in setting["properties"].items() if not name.startswith(CLUSTER)
    }
    with service_folder("zeppelin") as folder:
        server = ZeppelinServer(
            folder,
            shiro=file_users((ZEPPELIN / "conf" / "shiro.ini.template").read_text()),
            site={"zeppelin.server.addr": "127.0.0.1", "zeppelin.notebook.public": "false"},
            interpreters={"spark": {**setting, "properties": {**published, **added}}},
            environment={},
        )
        server.start()
        yield Visitor(server.port).sign_in("ana", "ana-password")
        server.kill()


def test_every_sql_paragraph_gives_rows(ana: Visitor) -> None:
    """Zeppelin fills in the forms, runs the SQL and gives a table with the columns of its chart."""
    count = 0
    for path in NOTES:
        note = load(path)
        identity = ana.ask("POST", f"/api/notebook/import?notePath=/mine/{path.stem}", note)
        there = ana.ask("GET", f"/api/notebook/{identity}")["paragraphs"]
        for paragraph in (each for each in there if each["text"].startswith("%spark.sql")):
            lines = run(ana, identity, paragraph["id"]).splitlines()
            assert len(lines) > 1, paragraph["title"]
            graphs = [each["graph"] for each in paragraph["config"]["results"].values()]
            for column in (each for graph in graphs for each in graph["keys"] + graph["values"]):
                assert lines[0].split("\t")[int(column["index"])] == column["name"]
            count += 1
    assert count == 24
