"""What a cluster's master node runs for a step: `spark-submit`, its settings and the code."""

from __future__ import annotations

import os

from dagster_aws.emr.pyspark_step_launcher import EMR_SPARK_HOME

from storeavail_platform.config import Emr
from storeavail_platform.engines.spark_settings import SETTINGS

RELEASE_VARIABLE = "STOREAVAIL_RELEASE"
"""Set in an image that was built from a published commit."""
SPARK_SUBMIT = f"{EMR_SPARK_HOME}bin/spark-submit"
PYTHON = "python3.11"
"""Spark's Python on a cluster, whose own python3 is 3.9.

A country's `emr.spark` may name another by `spark.pyspark.python`.
"""


def code_of(emr: Emr) -> str:
    """The code zip of a step: the launcher's own release where this process runs one, so that
    both sides always run the same; else `emr.code`.
    """
    release = os.environ.get(RELEASE_VARIABLE)
    return f"{emr.code.rpartition('/')[0]}/releases/{release}/code.zip" if release else emr.code


def command(emr: Emr, main: str, argument: str, sha256: str) -> list[str]:
    """What the master node runs for a step: `main` with an argument (the address of its staging
    folder), the address of the code, and what the code has to hash to.
    """
    spark = {"spark.pyspark.python": PYTHON, **emr.spark, **SETTINGS}
    conf = [word for name, value in sorted(spark.items()) for word in ("--conf", f"{name}={value}")]
    return [
        SPARK_SUBMIT,
        "--master",
        "yarn",
        "--deploy-mode",
        "client",
        *conf,
        main,
        argument,
        code_of(emr),
        sha256,
    ]
