"""The job as a script that people write today: `COPY` by psycopg2, `helpers.scan`, DuckDB, one table
in one Parquet file. It keeps no history, checks nothing, and knows no time zone but its own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import psycopg2
import pyarrow as pa
from elasticsearch import Elasticsearch, helpers

from benchmarks.window import peak_memory

ZONE = ZoneInfo("America/Sao_Paulo")
COPIES = {
    "stores": "SELECT store_id, name, city, brand FROM stores WHERE is_active",
    "weekly": "SELECT store_id, weekday, opens_at::text AS opens, closes_at::text AS closes"
    " FROM store_weekly_hours WHERE weekday = {weekday}",
    "special": "SELECT store_id, opens_at::text AS opens, closes_at::text AS closes"
    " FROM store_special_hours WHERE business_date = '{day}'",
}
FACTS = """
WITH open_now AS (
  SELECT store_id FROM special WHERE opens <= '{clock}' AND '{clock}' < closes
  UNION
  SELECT store_id FROM weekly WHERE opens <= '{clock}' AND '{clock}' < closes
    AND store_id NOT IN (SELECT store_id FROM special)
)
SELECT s.store_id, s.name, s.city, s.brand,
  CASE WHEN o.store_id IS NOT NULL AND COALESCE(i.online, false) THEN 'available'
       WHEN o.store_id IS NOT NULL THEN 'missing'
       WHEN COALESCE(i.online, false) THEN 'rogue' ELSE 'closed' END AS status
FROM stores s LEFT JOIN open_now o USING (store_id) LEFT JOIN documents i USING (store_id)
"""


def run(dsn: str, url: str, index: str, folder: Path) -> tuple[float, Mapping[str, int], float]:
    """Seconds of one window, the stores by status, and peak memory in MB."""
    started, local = time.perf_counter(), datetime.now(UTC).astimezone(ZONE)
    with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
        for name, query in COPIES.items():
            sql = query.format(weekday=local.isoweekday(), day=local.date())
            with (folder / f"{name}.csv").open("wb") as file:
                cursor.copy_expert(f"COPY ({sql}) TO STDOUT WITH (FORMAT csv, HEADER)", file)
    with Elasticsearch(url) as client:
        hits = helpers.scan(client, index=index, query={"query": {"match_all": {}}}, size=10_000)
        rows = [(int(hit["_source"]["store_id"]), hit["_source"]["online"]) for hit in hits]
    documents = pa.table(
        {"store_id": [store for store, _ in rows], "online": [online for _, online in rows]}
    )
    with duckdb.connect() as database:
        database.register("documents", documents)
        for name in COPIES:
            options = (
                "" if name == "stores" else ", types = {'opens': 'VARCHAR', 'closes': 'VARCHAR'}"
            )
            database.execute(
                f"CREATE TABLE {name} AS FROM read_csv('{folder / name}.csv', header = true{options})"
            )
        facts = FACTS.format(clock=local.strftime("%H:%M:%S"))
        target = folder / "facts.parquet"
        database.execute(f"COPY ({facts}) TO '{target}' (FORMAT parquet)")
        counted = database.execute(f"SELECT status, COUNT(*) FROM '{target}' GROUP BY status")
        counts = dict(counted.fetchall())
    return time.perf_counter() - started, counts, peak_memory()
