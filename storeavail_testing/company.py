"""A company on the stand-in EMR: the tables on S3 in a Hive Metastore, a cluster a country,
secrets in the stand-in of Secrets Manager.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from storeavail_platform.aws.objects import read_object
from storeavail_platform.config import CONFIG_VARIABLE, Platform, load_platform
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.reading.query import query
from storeavail_testing.emr import EmrStandIn
from storeavail_testing.metastore import HiveMetastore
from storeavail_testing.postgres import PostgresServer

COMMAND_SECONDS = 270
SPARK = {
    "spark.sql.shuffle.partitions": 1,
    "spark.sql.codegen.wholeStage": False,
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
"""For a few rows: compiling what computes them takes ten times as long as computing them."""
WINDOW = Window.parse("2026-11-23T1300")
"""Monday 10:00 in Sao Paulo."""
STORE_ROWS = """
INSERT INTO stores SELECT i, 'Store ' || i, NULL, 'City', 'Brand', NULL, true FROM generate_series(1, 20) i;
INSERT INTO store_weekly_hours SELECT i, 1, '08:00', '22:00' FROM generate_series(1, 18) i;
"""
DOCUMENTS = [
    {"store_id": str(i), "online": i not in (2, 20), "updated_at": "2026-11-23T13:05:00Z"}
    for i in range(1, 21)
]
STATUSES = {"available": 17, "missing": 1, "rogue": 1, "closed": 1}
"""How many stores of these are what."""


@dataclass
class Company:
    """Configuration and servers. Its countries have the zone of Sao Paulo and a recorded index."""

    folder: Path
    emr: EmrStandIn
    postgres: PostgresServer
    metastore: HiveMetastore
    bucket: str
    step_timeout: str = "5m"
    observation_grace: str = "2m"
    countries: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "platform.yaml"

    @property
    def code(self) -> str:
        return f"{self.bucket}/app/code.zip"

    def put(self, address: str, data: bytes) -> None:
        """An object of the stand-in S3."""
        bucket, _, key = address.removeprefix("s3://").partition("/")
        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=data)

    def remove(self, address: str) -> None:
        """Remove an object of the stand-in S3."""
        bucket, _, key = address.removeprefix("s3://").partition("/")
        boto3.client("s3").delete_object(Bucket=bucket, Key=key)

    def log(self, address: str) -> str:
        """A compressed log that EMR has copied to S3."""
        return gzip.decompress(read_object(address)).decode()

    def create_cluster(self, code: str) -> str:
        """A country's cluster; its id."""
        return self.emr.create_cluster(f"{self.folder.name}-{code}", log_uri=f"{self.bucket}/logs")

    def record(self, code: str, window: Window, documents: list[dict[str, Any]]) -> None:
        """Record what a country's index lists in a window."""
        folder = self.folder / "index" / code
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{window.key}.ndjson").write_text(
            "".join(json.dumps(document) + "\n" for document in documents)
        )

    def add_country(
        self,
        code: str,
        window: Window,
        documents: list[dict[str, Any]],
        rows: str,
        *,
        observe_from: str = "worker",
    ) -> str:
        """Make a country's database, recorded index and cluster, and write the configuration
        anew; the cluster's id.
        """
        self.record(code, window, documents)
        database = f"{self.folder.name}_{code}".lower().replace("-", "_")
        dsn = self.postgres.create(database)
        self.postgres.execute(database, rows)
        boto3.client("secretsmanager").create_secret(Name=f"{database}/dsn", SecretString=dsn)
        cluster = self.create_cluster(code)
        self.countries[code] = (
            f"{{timezone: America/Sao_Paulo, postgres: {{dsn: 'aws:{database}/dsn'}}, online_index:"
            f" {{path: ./index/{code}}}, observe_from: {observe_from}, emr: {{cluster: {{name:"
            f" {self.folder.name}-{code}}}, staging: {self.bucket}/{code}/staging, code:"
            f" {self.code}, step_timeout: {self.step_timeout}, spark: {json.dumps(SPARK)}}}}}"
        )
        lines = "\n".join(f"  {name}: {text}" for name, text in self.countries.items())
        self.config.write_text(
            f"warehouse: {self.bucket}/warehouse\ncatalog: {{type: hive, uri:"
            f" '{self.metastore.uri}'}}\nengine: spark\nexecution: emr\nobservation_grace:"
            f" {self.observation_grace}\npartitions_start: 2026-01-01\ncountries:\n{lines}\n"
        )
        return cluster

    @property
    def environment(self) -> dict[str, str]:
        """What a process of the launching side has."""
        return {**os.environ, CONFIG_VARIABLE: str(self.config)}

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `storeavail`, with this configuration, as a user does; what it printed is in
        `stdout`.
        """
        result = subprocess.run(
            [
                sys.executable,
                "-m",
                "storeavail_platform.commands.cli",
                *arguments,
                "--config",
                str(self.config),
            ],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            cwd=self.folder,
        )
        if check:
            assert result.returncode == 0, f"{arguments}: exit {result.returncode}\n{result.stdout}"
        return result

    def platform(self) -> Platform:
        return load_platform(str(self.config))

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows that `storeavail query` would print."""
        rows: list[dict[str, Any]] = query(build_runtime(self.platform()), sql).to_pylist()
        return rows
