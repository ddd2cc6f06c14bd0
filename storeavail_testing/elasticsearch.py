"""A real Elasticsearch 8.17 on loopback: the plain server, without the optional modules."""

from __future__ import annotations

import shutil
import urllib.request
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch, helpers

from storeavail_testing.processes import Server, free_port, give_away, maven

VERSION = "8.17.0"
SETTINGS = """
discovery.type: single-node
xpack.security.enabled: false
network.host: 127.0.0.1
http.port: {http}
transport.port: {transport}
cluster.routing.allocation.disk.threshold_enabled: false
path.data: {data}
path.logs: {logs}
"""


class ElasticsearchServer:
    """Starts in a folder of its own; its data survives `kill` and `start`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        archive = maven(
            f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip",
            f"elasticsearch-{VERSION}.zip",
        )
        with zipfile.ZipFile(archive) as files:
            files.extractall(folder)
        home = folder / f"elasticsearch-{VERSION}"
        for program in (home / "bin").iterdir():
            program.chmod(0o755)
        settings = SETTINGS.format(
            http=self.port, transport=free_port(), data=folder / "data", logs=folder / "logs"
        )
        (home / "config" / "elasticsearch.yml").write_text(settings)
        java = shutil.which("java")
        assert java is not None, "Java 17 is needed: make test installs it"
        environment = {
            "ES_JAVA_HOME": str(Path(java).resolve().parents[1]),
            "ES_JAVA_OPTS": "-Xms512m -Xmx512m",
            "HOME": str(folder),
        }
        give_away(folder)
        self.server = Server(
            [home / "bin" / "elasticsearch"], log=folder / "server.log", env=environment, cwd=folder
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.server.log.touch()
        self.server.start(self._is_healthy)

    def kill(self) -> None:
        self.server.kill()

    def client(self) -> Elasticsearch:
        return Elasticsearch(self.url, request_timeout=30)

    def fill(
        self,
        index: str,
        documents: Iterable[Mapping[str, Any]],
        *,
        shards: int = 1,
        mappings: Mapping[str, Any] | None = None,
    ) -> None:
        """Make an index anew with these documents, visible to searches."""
        with self.client() as client:
            client.indices.delete(index=index, ignore_unavailable=True)
            client.indices.create(
                index=index,
                settings={"number_of_shards": shards, "number_of_replicas": 0},
                mappings=mappings,
            )
            helpers.bulk(
                client,
                ({"_index": index, "_source": document} for document in documents),
                chunk_size=5_000,
            )
            client.indices.refresh(index=index)

    def _is_healthy(self) -> bool:
        with suppress(OSError):
            address = f"{self.url}/_cluster/health?wait_for_status=yellow&timeout=1s"
            with urllib.request.urlopen(address, timeout=5) as answer:
                return bool(answer.status == 200)
        return False
