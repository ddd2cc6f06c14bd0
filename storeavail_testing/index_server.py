"""A real server with an index on loopback: what Elasticsearch and OpenSearch have in common.

The plain server, without the optional modules.
"""

from __future__ import annotations

import json
import shutil
import urllib.request
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from storeavail_testing.processes import Server, free_port, give_away, maven

SETTINGS = """
discovery.type: single-node
network.host: 127.0.0.1
http.port: {http}
transport.port: {transport}
cluster.routing.allocation.disk.threshold_enabled: false
path.data: {data}
path.logs: {logs}
"""
BULK_DOCUMENTS = 5_000


@dataclass(frozen=True)
class Release:
    """A product in a version.

    Attributes:
        name: of the program too.
        group: in Maven Central.
        prefix: of its environment variables.
        settings: beside the common ones.
        java_home: the Java that it runs on; None for the one on the path.
    """

    name: str
    version: str
    group: str
    prefix: str
    settings: str = ""
    java_home: Path | None = None


class IndexServer:
    """Starts in a folder of its own; its data survives `kill` and `start`."""

    def __init__(self, folder: Path, release: Release) -> None:
        self.folder = folder
        self.port = free_port()
        name = f"{release.name}-{release.version}"
        archive = maven(f"{release.group}:{release.name}:{release.version}:zip", f"{name}.zip")
        with zipfile.ZipFile(archive) as files:
            files.extractall(folder)
        home = folder / name
        for program in (home / "bin").iterdir():
            program.chmod(0o755)
        settings = SETTINGS.format(
            http=self.port, transport=free_port(), data=folder / "data", logs=folder / "logs"
        )
        (home / "config" / f"{release.name}.yml").write_text(settings + release.settings)
        environment = {
            f"{release.prefix}_JAVA_HOME": str(release.java_home or java_on_path()),
            f"{release.prefix}_JAVA_OPTS": "-Xms512m -Xmx512m",
            "HOME": str(folder),
        }
        give_away(folder)
        self.server = Server(
            [home / "bin" / release.name],
            log=folder / "server.log",
            env=environment,
            cwd=folder,
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.server.log.touch()
        self.server.start(self._is_healthy)

    def kill(self) -> None:
        self.server.kill()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON that the server answers.

        Args:
            body: as JSON; bytes as they are.

        Raises:
            HTTPError: an error, with the server's words.
        """
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"{}")
        except HTTPError as error:
            error.add_note(error.read().decode(errors="replace")[:1000])
            raise

    def fill(
        self,
        index: str,
        documents: Iterable[Mapping[str, Any]],
        *,
        shards: int = 1,
        mappings: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Make an index anew with these documents, visible to searches; a document's `_id` is its
        own.
        """
        with suppress(HTTPError):
            self.call("DELETE", f"/{index}")
        bounds = {"number_of_shards": shards, "number_of_replicas": 0, **(settings or {})}
        self.call("PUT", f"/{index}", {"settings": bounds, "mappings": mappings or {}})
        left = iter(documents)
        while chunk := list(islice(left, BULK_DOCUMENTS)):
            answer = self.call("POST", f"/{index}/_bulk", b"".join(map(_bulk_lines, chunk)))
            assert not answer["errors"], str(answer)[:1000]
        self.call("POST", f"/{index}/_refresh")

    def _is_healthy(self) -> bool:
        with suppress(OSError):
            address = f"{self.url}/_cluster/health?wait_for_status=yellow&timeout=1s"
            with urllib.request.urlopen(address, timeout=5) as answer:
                return bool(answer.status == 200)
        return False


def java_on_path() -> Path:
    java = shutil.which("java")
    assert java is not None, "Java 17 is needed: make test installs it"
    return Path(java).resolve().parents[1]


def _bulk_lines(document: Mapping[str, Any]) -> bytes:
    action = {"_id": document["_id"]} if "_id" in document else {}
    source = {name: value for name, value in document.items() if name != "_id"}
    lines = (json.dumps(line, default=str) for line in ({"index": action}, source))
    return "".join(f"{line}\n" for line in lines).encode()
