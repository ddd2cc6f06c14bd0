"""The step by which a new cluster proves itself: `spark-submit probe.py METASTORE_URI,... CODE
SHA256`. It changes nothing and fails with a reason.

The code is what was published, Spark starts, executors have the packages and the code, the
metastore answers. It runs on the cluster, from a file of its own.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

import boto3
from pyspark.sql import SparkSession

TASKS = 2


def code_zip(address: str, sha256: str) -> str:
    """A copy of the code zip, which is what was published; as `step_main.py` does it, which is not
    here: nothing of ours is, before it was compared.
    """
    bucket, _, key = address.removeprefix("s3://").partition("/")
    zipped = boto3.resource("s3").Object(bucket, key).get()["Body"].read()
    found = hashlib.sha256(zipped).hexdigest()
    if found != sha256:
        sys.exit(f"{address} is not what was published: its SHA-256 is {found}, not {sha256}")
    path = Path(tempfile.mkdtemp(prefix="storeavail-code-")) / "code.zip"
    path.write_bytes(zipped)
    return str(path)


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
    uris, code = sys.argv[1], code_zip(*sys.argv[2:])
    spark = SparkSession.builder.appName("storeavail probe").getOrCreate()
    # for this process too
    spark.sparkContext.addPyFile(code)
    found = spark.sparkContext.parallelize(range(TASKS), TASKS).map(packages).collect()
    databases = [metastore(uri) for uri in uris.split(",")]
    print(f"executors: {found}; databases: {databases}")  # noqa: T201 (a step's output)
    spark.stop()
