"""A Spark application in this process, with the settings that `spark-submit` would give it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from pyspark.sql import SparkSession

from storeavail_platform.engines.spark import SparkEngine
from storeavail_platform.storage.local import Storage


def submitted(settings: Mapping[str, str], master: str = "local[2]") -> SparkSession:
    """Start the application. A country's own settings reach it in no other way."""
    # executors need this environment's packages, whatever `python3` is on the PATH
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master(master)
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def open_spark_engine(
    storage: Storage, settings: Mapping[str, str], master: str = "local[2]"
) -> SparkEngine:
    """The engine over an application that was started with these settings."""
    submitted(settings, master)
    return SparkEngine(storage, master=master)
