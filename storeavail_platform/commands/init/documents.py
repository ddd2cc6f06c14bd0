"""Looking at the online index: which fields its documents have, and what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from storeavail_platform.config import Aws, ElasticsearchIndex, FileIndex
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.sources.file_documents import SUFFIXES, batches, own_id, unwrapped
from storeavail_platform.sources.index_client import in_path
from storeavail_platform.sources.index_connection import connected
from storeavail_platform.sources.index_shapes import DOCUMENT_ID

SAMPLE_DOCUMENTS = 5_000


@dataclass(frozen=True)
class SeenFields:
    """What is in the fields of an index's documents.

    Attributes:
        documents: how many were looked at.
        values: of each field by its whole name, as the documents have them; fields of objects in
            a list have those of all objects.
        lists: fields that are lists of objects: one document, many entries.
        readable: what to call a field in the configuration, where that is not its name.
    """

    documents: int
    values: Mapping[str, Sequence[Any]]
    lists: frozenset[str] = frozenset()
    readable: Mapping[str, str] = field(default_factory=dict)


def look_at_documents(config: ElasticsearchIndex | FileIndex, aws: Aws) -> SeenFields:
    """The fields of an index on a server, or in files.

    Raises:
        SourceUnavailable, SourceRejected: the server's words, or a file's that cannot be read.
        ConfigError: there is no document to look at.
    """
    if isinstance(config, FileIndex):
        return seen(_of_file(Path(config.path)))
    with connected(config, aws, config.request_timeout) as client:
        body = {"size": SAMPLE_DOCUMENTS, "query": config.query or {"match_all": {}}}
        answer = client.request("POST", f"/{in_path(config.index)}/_search", body=body)
        found = seen([(hit["_id"], hit.get("_source", {})) for hit in answer["hits"]["hits"]])
        names = [name for name in found.values if name != DOCUMENT_ID]
        asked = [*names, *(f"{name}.keyword" for name in names)]
        types = client.field_types(config.index, asked)
    readable = {
        name: f"{name}.keyword"
        for name in names
        if not any(types.get(name, {}).values()) and any(types.get(f"{name}.keyword", {}).values())
    }
    return SeenFields(found.documents, found.values, found.lists, readable)


def _of_file(path: Path) -> list[tuple[Any, Any]]:
    if path.is_dir():
        recordings = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
        if not recordings:
            raise ConfigError(f"the folder {path} holds no recording of an index")
        path = recordings[-1]
    names = pq.read_schema(path).names if path.suffix == ".parquet" and path.is_file() else []
    first = next(iter(batches(path, names)), [])
    return [(own_id(line), unwrapped(line)) for line in first[:SAMPLE_DOCUMENTS]]


def seen(documents: Sequence[tuple[Any, Any]]) -> SeenFields:
    """The fields of documents, which come with their own ids."""
    if not documents:
        raise ConfigError(
            "the index has no document: there is nothing to look at; is it the right one?"
        )
    values: dict[str, list[Any]] = {}
    lists: set[str] = set()
    for identity, document in documents:
        # a line may have its id among the fields
        own = {} if identity is None else {DOCUMENT_ID: identity}
        fields = {**document, **own} if isinstance(document, Mapping) else own
        _collect(fields, "", values, lists)
    return SeenFields(len(documents), values, frozenset(lists))


def _collect(value: Any, name: str, values: dict[str, list[Any]], lists: set[str]) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _collect(inner, f"{name}.{key}" if name else str(key), values, lists)
    elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        lists.add(name)
        for each in value:
            _collect(each, name, values, lists)
    elif value is not None:
        values.setdefault(name, []).append(value)
