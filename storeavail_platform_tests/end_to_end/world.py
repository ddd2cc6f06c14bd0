"""A company for end-to-end tests: a real PostgreSQL database and a real index for each country,
and the `storeavail` command over them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from storeavail_platform.config import load_platform
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.reading.query import query
from storeavail_testing.elasticsearch import ElasticsearchServer
from storeavail_testing.postgres import PostgresServer

MAPPINGS = {
    "properties": {
        "store_id": {"type": "keyword"},
        "online": {"type": "boolean"},
        "updated_at": {"type": "date"},
    }
}
COMMAND_SECONDS = 240


@dataclass
class World:
    """Configuration, servers and the command.

    Attributes:
        folder: holds the configuration and the warehouse.
        environment: what the secrets of the configuration refer to.
    """

    folder: Path
    postgres: PostgresServer
    elasticsearch: ElasticsearchServer | None = None
    environment: dict[str, str] = field(default_factory=dict)
    countries: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "platform.yaml"

    def add_country(
        self, code: str, timezone: str, online_index: str, *, rows: str = "", more: str = ""
    ) -> None:
        """Make a country's database, filled by SQL, and write the configuration anew."""
        database = f"{self.folder.name}_{code}".lower().replace("-", "_")
        self.environment[f"{code}_DSN"] = self.postgres.create(database)
        if rows:
            self.postgres.execute(database, rows)
        self.countries[code] = (
            f"{{timezone: {timezone}, postgres: {{dsn: env:{code}_DSN}}, online_index:"
            f" {online_index}{more}}}"
        )
        lines = "\n".join(f"  {name}: {text}" for name, text in self.countries.items())
        self.config.write_text(
            f"warehouse: ./warehouse\npartitions_start: 2026-01-01\ncountries:\n{lines}\n"
        )

    def index(self, code: str, documents: list[dict[str, Any]], *, shards: int = 2) -> str:
        """Fill a country's index behind an alias; gives its `online_index` setting."""
        assert self.elasticsearch is not None
        alias = f"{self.folder.name}_{code}".lower()
        self.elasticsearch.fill(f"{alias}_1", documents, shards=shards, mappings=MAPPINGS)
        with self.elasticsearch.client() as client:
            client.indices.put_alias(index=f"{alias}_1", name=alias)
        self.environment[f"{code}_ES"] = self.elasticsearch.url
        return f"{{url: env:{code}_ES, index: {alias}}}"

    def record(self, code: str, window: Window, documents: list[dict[str, Any]]) -> str:
        """Record a window of a country's index; gives its `online_index` setting."""
        folder = self.folder / "index" / code
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{window.key}.ndjson").write_text(
            "".join(json.dumps(document) + "\n" for document in documents)
        )
        return f"{{path: ./index/{code}}}"

    def command(
        self, *arguments: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `storeavail`, with this configuration, as a user does."""
        result = subprocess.run(
            [
                sys.executable,
                "-m",
                "storeavail_platform.commands.cli",
                *arguments,
                "--config",
                str(self.config),
            ],
            env={**os.environ, **self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            cwd=self.folder,
        )
        if check:
            assert result.returncode == 0, (
                f"{arguments}: exit {result.returncode}\n{result.stdout}\n{result.stderr}"
            )
        return result

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows that `storeavail query` would print."""
        rows: list[dict[str, Any]] = query(self.runtime(), sql).to_pylist()
        return rows

    def runtime(self) -> Runtime:
        """The platform's parts in this process; secrets resolve only where the environment was
        set.
        """
        return build_runtime(load_platform(str(self.config)))


def current_window() -> Window:
    """The window in progress; near its end the wait for the next is the caller's affair."""
    return Window.containing(datetime.now(UTC))


@pytest.fixture
def world(tmp_path: Path, postgres_server: PostgresServer) -> World:
    """A company without Elasticsearch: its indices are recorded."""
    return World(tmp_path, postgres_server)
