"""Jars from Maven Central for the JVMs of the tests: Iceberg for Spark, and Hadoop's S3 file system
for Spark and the metastore.

Everything else that these JVMs need is in pyspark's own `jars/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from storeavail_testing.processes import maven

_pyspark = find_spec("pyspark")
assert _pyspark is not None, "pyspark is needed: make install installs it"
assert _pyspark.origin is not None
PYSPARK_JARS = Path(_pyspark.origin).parent / "jars"
HADOOP_VERSION = "3.3.4"
"""The version inside pyspark 3.5: hadoop-aws has to be the same."""
AWS_SDK_VERSION = "1.12.262"
"""The version that this hadoop-aws was built with."""
AWS_SDK_MODULES = (
    "aws-java-sdk-core",
    "aws-java-sdk-s3",
    "aws-java-sdk-kms",
    "aws-java-sdk-dynamodb",
    "aws-java-sdk-sts",
    "jmespath-java",
)
"""What S3A touches, 5 MB; the usual aws-java-sdk-bundle is 280 MB."""
ICEBERG_RUNTIME = "iceberg-spark-runtime-3.5_2.12"
ICEBERG_VERSION = "1.10.1"
ICEBERG_EXTENSIONS = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
"""What production's Spark has, on which other statements give other rows."""


def iceberg_jar() -> Path:
    """Iceberg's runtime for Spark 3.5."""
    return maven(
        f"org.apache.iceberg:{ICEBERG_RUNTIME}:{ICEBERG_VERSION}",
        f"{ICEBERG_RUNTIME}-{ICEBERG_VERSION}.jar",
    )


def s3a_jars() -> Sequence[Path]:
    """Hadoop's S3 file system (S3A). Its remaining dependencies are in `PYSPARK_JARS`."""
    hadoop = maven(
        f"org.apache.hadoop:hadoop-aws:{HADOOP_VERSION}", f"hadoop-aws-{HADOOP_VERSION}.jar"
    )
    return hadoop, *(
        maven(f"com.amazonaws:{name}:{AWS_SDK_VERSION}", f"{name}-{AWS_SDK_VERSION}.jar")
        for name in AWS_SDK_MODULES
    )


def s3a_settings(endpoint: str) -> dict[str, str]:
    """Hadoop settings that make `s3://` S3A, as it is on EMR, at a stand-in; for Spark each with
    `spark.hadoop.` before it.

    Credentials are settings, because a JVM keeps the environment that it was started with: the
    tests' one may be older than the stand-in.
    """
    return {
        "fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "fs.s3a.endpoint": endpoint,
        "fs.s3a.path.style.access": "true",
        "fs.s3a.connection.ssl.enabled": "false",
        "fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
        "fs.s3a.access.key": "testing",
        "fs.s3a.secret.key": "testing",
        "fs.s3a.attempts.maximum": "3",
    }
