"""Spark's settings: what the platform needs, and what suits a window where a country says nothing.

Who submits a step needs them without Spark.
"""

from storeavail_platform.storage.parquet import IDS

SETTINGS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    **{f"spark.hadoop.parquet.enable.dictionary#{name}": "false" for name in IDS},
    "spark.sql.adaptive.enabled": "true",
    # a broadcast goes through the driver
    "spark.sql.autoBroadcastJoinThreshold": "-1",
}
"""What the rows depend on, what makes their files readable by every engine, and what keeps rows off
the driver. A country's own settings cannot change these.
"""
FEW_ROWS = 60_000
"""Below this, a window of some 20,000 stores, compiling queries takes longer than it saves."""
PARTITION_ROWS = 100_000
INTERPRETED = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
LOCAL_DEFAULTS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.warehouse.dir": "/nonexistent",
    # a window is over before what compiles best has paid for itself: half of the CPU
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    **INTERPRETED,
}
"""For `local[*]`. A country's own settings replace them."""


def sized(rows: int) -> dict[str, str]:
    """Settings for a session that reads so many rows: of Spark's 200 partitions most would be
    empty. A country's own settings replace them.
    """
    partitions = {"spark.sql.shuffle.partitions": str(2 + rows // PARTITION_ROWS)}
    compiled = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}
    return {**partitions, **(INTERPRETED if rows < FEW_ROWS else compiled)}
