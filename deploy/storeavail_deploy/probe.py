"""The step by which a new cluster proves itself: `spark-submit probe.py METASTORE_URI,... CODE
SHA256`. It changes nothing and fails with a reason.

The code is what was published, Spark starts, executors have the packages and the code, the
metastore answers, and Zeppelin, where there is one, lets in nobody unknown. It runs on the cluster,
from a file of its own.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from pyspark.sql import SparkSession

TASKS = 2
ZEPPELIN_UNIT = Path("/etc/systemd/system/zeppelin.service.d/storeavail.conf")
"""Written by `zeppelin/prepare.py`, on the cluster for notebooks alone."""
ZEPPELIN = "http://127.0.0.1:8890/api/notebook"
ZEPPELIN_SECONDS = 180.0


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


def zeppelin(
    unit: Path = ZEPPELIN_UNIT, address: str = ZEPPELIN, patience: float = ZEPPELIN_SECONDS
) -> str:
    """What Zeppelin says to somebody unknown, where the cluster is set up for it.

    Raises:
        SystemExit: it lets in whoever comes, or is told who may sign in and does not answer.
    """
    if not unit.exists():
        return "none"
    # without a sign-in it does not start
    deadline = time.monotonic() + (patience if "--sign-in" in unit.read_text() else 0)
    while True:
        try:
            answer = urllib.request.build_opener(Stay()).open(address, timeout=10)
        except urllib.error.HTTPError as error:
            return f"asks who is there ({error.code})"
        except OSError as error:
            if time.monotonic() < deadline:
                time.sleep(1)
            elif "--sign-in" in unit.read_text():
                sys.exit(f"Zeppelin does not start ({error}): journalctl --unit zeppelin")
            else:
                return "does not start: nobody may sign in"
        else:
            sys.exit(f"Zeppelin lets in whoever comes ({answer.status}): {address}")


class Stay(urllib.request.HTTPRedirectHandler):
    """A redirect to the sign-in is the answer."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


if __name__ == "__main__":
    uris, code = sys.argv[1], code_zip(*sys.argv[2:])
    spark = SparkSession.builder.appName("storeavail probe").getOrCreate()
    # for this process too
    spark.sparkContext.addPyFile(code)
    found = spark.sparkContext.parallelize(range(TASKS), TASKS).map(packages).collect()
    databases = [metastore(uri) for uri in uris.split(",")]
    said = f"executors: {found}; databases: {databases}; Zeppelin: {zeppelin()}"
    print(said)  # noqa: T201 (a step's output)
    spark.stop()
