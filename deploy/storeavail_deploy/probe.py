"""The step by which a new cluster proves itself: `spark-submit probe.py METASTORE_URI...`. It
changes nothing and fails with a reason.

Spark starts, executors have the packages and the code, the metastore answers. It runs on the
cluster, from a file of its own.
"""

from __future__ import annotations

import sys

from pyspark.sql import SparkSession

TASKS = 2


def packages(number: int) -> str:
    """What an executor imports for a window; its version of the table format."""
    import pyarrow
    import pyiceberg

    import storeavail_platform.domain.tables

    return (
        f"{number} {pyarrow.__version__} {pyiceberg.__version__}"
        f" {len(storeavail_platform.domain.tables.TABLES)}"
    )


def metastore(uri: str) -> list[str]:
    """The databases that a metastore tells."""
    from storeavail_platform.warehouse.hive import MetastoreClient

    with MetastoreClient(uri) as client:
        return list(client.get_all_databases())


if __name__ == "__main__":
    spark = SparkSession.builder.appName("storeavail probe").getOrCreate()
    found = spark.sparkContext.parallelize(range(TASKS), TASKS).map(packages).collect()
    databases = [metastore(uri) for uri in sys.argv[1].split(",")]
    print(f"executors: {found}; databases: {databases}")  # noqa: T201 (a step's output)
    spark.stop()
