"""The job as it is written without a platform: fetchall, scan, a Python function for the hours,
insert into a Parquet table on Spark.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg2
from elasticsearch import Elasticsearch, helpers
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T


def run(dsn: str, url: str, index: str, folder: Path) -> tuple[float, Mapping[str, int]]:
    """Seconds of one window, Spark's start included, and the stores by status."""
    started = time.perf_counter()
    spark = (
        SparkSession.builder.master("local[2]")
        .appName("naive")
        .config("spark.ui.enabled", "false")
        # a million stores, as Python's rows, are more than its own gigabyte
        .config("spark.driver.memory", "6g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.warehouse.dir", str(folder / f"naive-{index}"))
        .getOrCreate()
    )
    with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT store_id, name, city, brand, timezone, is_active FROM stores")
        stores = cursor.fetchall()
        cursor.execute(
            "SELECT store_id, weekday, opens_at::text, closes_at::text FROM store_weekly_hours"
        )
        hours = cursor.fetchall()
    with Elasticsearch(url) as client:
        documents = [
            (int(hit["_source"]["store_id"]), hit["_source"]["online"])
            for hit in helpers.scan(client, index=index, query={"query": {"match_all": {}}})
        ]
    now = datetime.now(UTC)

    def is_open(timezone: str, week: list[str] | None) -> bool:
        local = now.astimezone(ZoneInfo(timezone))
        clock = local.strftime("%H:%M:%S")
        return any(
            int(weekday) == local.isoweekday() and opens <= clock < closes
            for weekday, opens, closes in (text.split("|") for text in week or [])
        )

    store_frame = spark.createDataFrame(
        stores,
        "store_id long, name string, city string, brand string, timezone string, active boolean",
    )
    hours_frame = spark.createDataFrame(
        hours, "store_id long, weekday int, opens string, closes string"
    )
    index_frame = spark.createDataFrame(documents, "store_id long, online boolean")
    week = hours_frame.groupBy("store_id").agg(
        F.collect_list(F.concat_ws("|", "weekday", "opens", "closes")).alias("week")
    )
    open_now = F.udf(is_open, T.BooleanType())
    facts = (
        store_frame.join(week, "store_id", "left")
        .join(index_frame, "store_id", "left")
        .withColumn("expected", open_now("timezone", "week"))
        .withColumn("seen", F.coalesce("online", F.lit(False)))
        .withColumn(
            "status",
            F.when(F.col("expected") & F.col("seen"), "available")
            .when(F.col("expected"), "missing")
            .when(F.col("seen"), "rogue")
            .otherwise("closed"),
        )
        .select("store_id", "name", "city", "brand", "status")
    )
    spark.sql(
        "CREATE TABLE IF NOT EXISTS facts (store_id long, name string, city string, brand string,"
        " status string) USING parquet"
    )
    facts.write.insertInto("facts")
    counts = {
        row["status"]: row["count"]
        for row in spark.table("facts").groupBy("status").count().collect()
    }
    seconds = time.perf_counter() - started
    spark.stop()
    return seconds, counts
