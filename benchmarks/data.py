"""The company that is measured: N stores in a real PostgreSQL and a real Elasticsearch, one in
ten offline, one in fifty without hours, one in twenty with special hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from elasticsearch import helpers

from storeavail_platform.config import Platform, load_text
from storeavail_testing.elasticsearch import ElasticsearchServer
from storeavail_testing.postgres import PostgresServer

MAPPINGS = {
    "properties": {
        "store_id": {"type": "keyword"},
        "online": {"type": "boolean"},
        "updated_at": {"type": "date"},
    }
}
STORES_SQL = """
INSERT INTO stores SELECT i, 'Store ' || i, 'Street ' || i, 'City ' || i % 40, 'Brand ' || i % 60, 'America/Sao_Paulo', true
FROM generate_series(1, {stores}) i;
INSERT INTO store_weekly_hours SELECT i, d, '00:00', '24:00' FROM generate_series(1, {stores}) i, generate_series(1, 7) d WHERE i % 50 > 0;
INSERT INTO store_special_hours SELECT i, CURRENT_DATE + d, '00:00', '24:00' FROM generate_series(1, {stores}) i, generate_series(-1, 1) d WHERE i % 20 = 1;
ANALYZE;
"""


def is_online(store: int) -> bool:
    return store % 10 > 0


def fill(
    postgres: PostgresServer, elasticsearch: ElasticsearchServer, folder: Path, stores: int
) -> Platform:
    """Fill both servers and give a configuration that reads them."""
    name = f"bench_{stores}"
    dsn = postgres.create(name)
    postgres.execute(name, STORES_SQL.format(stores=stores))
    now = datetime.now(UTC).isoformat()

    def actions() -> Iterator[dict[str, Any]]:
        for store in range(1, stores + 1):
            yield {
                "_index": name,
                "store_id": str(store),
                "online": is_online(store),
                "updated_at": now,
            }

    with elasticsearch.client() as client:
        client.indices.delete(index=name, ignore_unavailable=True)
        settings = {"number_of_shards": 2, "number_of_replicas": 0, "refresh_interval": "-1"}
        client.indices.create(index=name, settings=settings, mappings=MAPPINGS)
        for succeeded, result in helpers.parallel_bulk(
            client, actions(), thread_count=2, chunk_size=5_000
        ):
            assert succeeded, result
        client.indices.refresh(index=name)
        client.indices.forcemerge(index=name, max_num_segments=4)
    text = f"""
warehouse: ./warehouse-{stores}
partitions_start: 2026-01-01
countries:
  BR:
    timezone: America/Sao_Paulo
    postgres: {{dsn: "{dsn}"}}
    online_index: {{url: "{elasticsearch.url}", index: {name}}}
"""
    config = folder / f"platform-{stores}.yaml"
    config.write_text(text)
    return load_text(text, base=folder, origin=str(config))
