"""Zeppelin's Spark interpreter for `%spark.sql`, on this environment's Spark.

Its Scala half is in no package registry: `SparkScala212Interpreter.java` stands in for it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storeavail_testing.processes import maven
from storeavail_testing.spark_jars import PYSPARK_JARS, iceberg_jar

VERSION = "0.10.1"
"""The only one whose shaded interpreter is in Maven Central."""
JARS = ("spark-interpreter", "spark-shims", "spark3-shims", "zeppelin-interpreter-shaded")
STAND_IN = Path(__file__).with_name("SparkScala212Interpreter.java")
OPENED = (
    *("java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio"),
    *("java.util", "java.util.concurrent", "java.util.concurrent.atomic", "jdk.internal.ref"),
    *("sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar"),
)
"""Packages that Spark 3.5 looks into and Java 17 keeps closed."""


def add_spark(folder: Path, python: Path, setting: Mapping[str, Any]) -> None:
    """Make the interpreter's folder, and say in it how its process is started.

    Args:
        python: jars of the Python interpreter, which the one for PySpark extends.
        setting: of `interpreter.json`.
    """
    # Zeppelin looks into the folder of its Scala half
    (folder / "scala-2.12").mkdir(parents=True)
    jars = [
        maven(f"org.apache.zeppelin:{name}:{VERSION}", f"{name}-{VERSION}.jar") for name in JARS
    ]
    # in the folder itself Zeppelin would find in them interpreters of more languages
    path = ":".join(
        [
            f"{folder}/classes",
            *map(str, jars),
            f"{PYSPARK_JARS}/*",
            str(iceberg_jar()),
            f"{python}/*",
        ]
    )
    command = ["javac", "-nowarn", "-d", f"{folder}/classes", "-cp", path, str(STAND_IN)]
    subprocess.run(command, check=True)
    opened = " ".join(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in OPENED)
    (folder / "options").write_text(f"-Xmx1g {opened}")
    (folder / "path").write_text(path)
    known = [
        {
            "group": setting["group"],
            "name": each["name"],
            "className": each["class"],
            "properties": {},
        }
        for each in setting["interpreterGroup"]
    ]
    (folder / "interpreter-setting.json").write_text(json.dumps(known))
