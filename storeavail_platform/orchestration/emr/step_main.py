"""The program that a cluster runs for a step: `spark-submit step_main.py s3://.../<attempt>`, with
the code zip beside it.

Spark starts while Python imports the platform: both take seconds.
"""

import sys
import threading

from pyspark.sql import SparkSession


def main(address: str) -> int:
    """Execute the step of an attempt's folder; see `run_step`."""
    # where this fails the step fails as it asks for its session, and says why
    threading.Thread(
        target=SparkSession.builder.appName("storeavail").getOrCreate,
        name="start-spark",
        daemon=True,
    ).start()
    from storeavail_platform.orchestration.emr.remote import run_step

    return run_step(address)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
