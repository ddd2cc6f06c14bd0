"""The program that a cluster runs for a step: `spark-submit step_main.py s3://.../<attempt> CODE
SHA256`.

The code zip is fetched here and not by spark-submit, which would have Python look into it before
anything could be compared: nothing of a zip runs that is not, byte for byte, the code of the run
that launched the step. Spark starts while Python imports the platform: both take seconds.
"""

import hashlib
import json
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, NoReturn

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from pyspark.sql import SparkSession


def main(address: str, code: str, sha256: str) -> int:
    """Execute the step of an attempt's folder with the code zip that hashes to `sha256`; see
    `run_step`. Code that does not is not loaded: the step ends, and says why.
    """
    try:
        zipped = s3_object(code).get()["Body"].read()
    except (BotoCoreError, ClientError) as error:
        refuse(address, f"{code} (emr.code) cannot be read by the cluster: {error}")
    found = hashlib.sha256(zipped).hexdigest()
    if found != sha256:
        refuse(
            address,
            f"{code} was not loaded: its SHA-256 is {found}, and that of the code which launched"
            f" the step is {sha256}. Publish the commit that Dagster runs, or run in Dagster the"
            " one that is published",
        )
    path = Path(tempfile.mkdtemp(prefix="storeavail-code-")) / "code.zip"
    path.write_bytes(zipped)
    sys.path.insert(0, str(path))
    threading.Thread(target=start_spark, args=(str(path),), name="start-spark", daemon=True).start()
    from storeavail_platform.orchestration.emr.remote import run_step

    return run_step(address)


def start_spark(code: str) -> None:
    """Start Spark, whose executors get the zip that was compared.

    Where this fails the step fails as it asks for its session, and says why.
    """
    builder = SparkSession.builder.appName("storeavail")
    # as `--py-files` sets it
    builder.config("spark.files", code).config("spark.submit.pyFiles", code).getOrCreate()


def s3_object(address: str) -> Any:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return boto3.resource("s3").Object(bucket, key)


def refuse(address: str, problem: str) -> NoReturn:
    """End the step, and say why where its launcher looks: the last batch of its events, as
    `staging.py` has it.
    """
    batch = {"events": "[]", "is_last": True, "problem": problem}
    s3_object(f"{address}/events/000001.json").put(Body=json.dumps(batch).encode())
    sys.exit(problem)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
