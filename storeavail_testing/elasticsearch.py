"""A real Elasticsearch 8.17 on loopback."""

from __future__ import annotations

from pathlib import Path

from elasticsearch import Elasticsearch

from storeavail_testing.index_server import IndexServer, Release

RELEASE = Release(
    name="elasticsearch",
    version="8.17.0",
    group="org.elasticsearch.distribution.integ-test-zip",
    prefix="ES",
    settings="xpack.security.enabled: false\n",
)


class ElasticsearchServer(IndexServer):
    """Starts in a folder of its own; its data survives `kill` and `start`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, RELEASE)

    def client(self) -> Elasticsearch:
        return Elasticsearch(self.url, request_timeout=30)
