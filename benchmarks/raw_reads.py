"""The least that an observation can take: the same bytes from both servers at once, and nothing done
with them.
"""

from __future__ import annotations

import contextlib
import io
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg2

from benchmarks.index_read import answers
from storeavail_platform.config import ElasticsearchIndex, Platform
from storeavail_platform.sources.index_source import IndexSource

STORES = (
    "COPY (SELECT store_id, name, address, city, brand, timezone, is_active FROM stores) TO STDOUT"
)
HOURS = (
    "COPY (SELECT * FROM store_weekly_hours WHERE weekday = EXTRACT(ISODOW FROM CURRENT_DATE))"
    " TO STDOUT"
)
SPECIAL = "COPY (SELECT * FROM store_special_hours) TO STDOUT"


def measure(dump: str, country: str) -> float:
    """Seconds until all bytes of both are there; the second time, which is warm."""
    config = Platform.restore(dump).country(country)
    assert isinstance(config.online_index, ElasticsearchIndex)
    source, dsn = IndexSource(config.online_index), config.postgres.dsn.resolve()
    seconds = 0.0
    for _ in range(2):
        began = time.perf_counter()
        with ThreadPoolExecutor() as pool:
            reads = [
                pool.submit(_copied, dsn),
                pool.submit(lambda: sum(map(len, answers(source)))),
            ]
            for each in reads:
                each.result()
        seconds = time.perf_counter() - began
    return seconds


def _copied(dsn: str) -> int:
    """Bytes of stores and hours."""
    read = io.BytesIO()
    with contextlib.closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        for sql in (STORES, HOURS, SPECIAL):
            cursor.copy_expert(sql, read)
    return read.tell()
