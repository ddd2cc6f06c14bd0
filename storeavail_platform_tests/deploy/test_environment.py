"""The packed environment as a cluster's node gets it: from S3, by the bootstrap script, into a
clean folder; then a window under spark-submit.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from storeavail_deploy.environment import (
    LEFT_OUT,
    ROOT,
    Environment,
    cannot_run,
    locked_environment,
)
from storeavail_deploy.publish import upload_environment
from storeavail_deploy.release import Application

from storeavail_platform.config import CONFIG_VARIABLE, Aws
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.orchestration.emr.code_zip import build_code_zip
from storeavail_platform_tests.end_to_end.world import World, world
from storeavail_testing.company import DOCUMENTS, STATUSES, STORE_ROWS, WINDOW
from storeavail_testing.processes import CACHE
from storeavail_testing.s3 import S3Server
from storeavail_testing.spark_jars import PYSPARK_JARS

__all__ = ["world"]

BOOTSTRAP = ROOT / "deploy" / "bootstrap.sh"
SECONDS = 200
AWS_COMMAND = """#!{python}
import sys
import boto3

kind, command, quiet, source, target = sys.argv[1:]
assert (kind, command, quiet) == ("s3", "cp", "--only-show-errors"), sys.argv
bucket, _, key = source.removeprefix("s3://").partition("/")
boto3.client("s3").download_file(bucket, key, target)
"""
"""What the bootstrap script needs of the AWS command line, which EMR's nodes have and the
tests' machine may not.
"""
MAIN = """
import sys
from storeavail_platform.orchestration.execute import execute
from storeavail_platform.orchestration.launch import Work
from storeavail_platform.config import load_platform
from storeavail_platform.domain.windows import Window

assert sys.prefix == sys.argv[1], sys.prefix
assert "code.zip" in __import__("storeavail_platform").__file__
(outcome,) = execute(load_platform(), Work("BR", [Window.parse(sys.argv[2])]))
sys.exit(outcome.reason)
"""


@dataclass(frozen=True)
class CachedEnvironment(Environment):
    """Packed once for a lock file; the archive is kept with the tests' other downloads."""

    def pack(self, target: Path) -> None:
        cached = CACHE / "environments" / f"{self.name}.tar.gz"
        if not cached.exists():
            cached.parent.mkdir(parents=True, exist_ok=True)
            made = cached.with_suffix(f".{os.getpid()}")
            super().pack(made)
            made.replace(cached)
        shutil.copyfile(cached, target)


def bootstrap(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script as a node does: a clean environment, the node's Python 3.11 and AWS
    command.
    """
    commands = folder / "commands"
    commands.mkdir(exist_ok=True)
    (commands / "aws").write_text(AWS_COMMAND.format(python=sys.executable))
    (commands / "aws").chmod(0o755)
    if not (commands / "python3.11").exists():
        # the Python that this virtual environment was made with: a node has no virtual environment
        (commands / "python3.11").symlink_to(Path(sys.base_prefix) / "bin" / "python3.11")
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    environment = {**aws, "PATH": f"{commands}:/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run(
        [str(BOOTSTRAP), *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.spark
@pytest.mark.long
def test_the_code_computes_a_window_under_spark_submit_with_the_packed_python(
    s3: S3Server, world: World, tmp_path: Path
) -> None:
    """Published, fetched, checked and unpacked by the bootstrap script, the environment and the
    code zip are all that Spark needs.
    """
    application = Application(f"{s3.create_bucket()}/app/code.zip", Aws(), ("BR",))
    archive = upload_environment(application, CachedEnvironment(locked_environment().requirements))
    folder = tmp_path / "opt" / "env"
    # as on the cluster for notebooks, where a program sets up the rest
    program = ROOT / "zeppelin" / "prepare.py"
    install = ("install", "--code", application.code, "--region", "sa-east-1", "--root", tmp_path)
    more = (str(program), hashlib.sha256(program.read_bytes()).hexdigest(), *map(str, install))
    archived = application.storage.path(archive.path)
    done = bootstrap(tmp_path, archived, archive.sha256, str(folder), *more)
    assert done.returncode == 0, done.stderr
    unit = (tmp_path / "etc/systemd/system/zeppelin.service.d/storeavail.conf").read_text()
    assert f"ExecStartPre=+{folder}/bin/python {folder.parent}/prepare.py start" in unit
    assert f"is at {folder}" in done.stdout
    again = bootstrap(tmp_path, application.storage.path(archive.path), "0" * 64, str(folder))
    assert (again.returncode, "is not what was published" in again.stderr) == (
        1,
        True,
    ), again.stderr
    assert (folder / "bin" / "python").exists(), (
        "a damaged archive must not take the place of what is there"
    )
    packages = subprocess.run(
        [
            str(folder / "bin" / "python"),
            "-c",
            "import importlib.metadata as m; print(*(d.name for d in m.distributions()))",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={},
    ).stdout.split()
    assert not {*LEFT_OUT, "storeavail-platform", "pytest"} & set(packages)

    world.add_country(
        "BR", "America/Sao_Paulo", world.record("BR", WINDOW, DOCUMENTS), rows=STORE_ROWS
    )
    world.config.write_text("engine: spark\n" + world.config.read_text())
    build_code_zip(tmp_path / "code.zip")
    (tmp_path / "main.py").write_text(MAIN)
    home = PYSPARK_JARS.parent
    submitted = subprocess.run(
        [
            *(
                str(home / "bin" / "spark-submit"),
                "--master",
                "local[2]",
                "--driver-memory",
                "768m",
            ),
            *(
                "--conf",
                f"spark.pyspark.python={folder}/bin/python",
                "--conf",
                "spark.ui.enabled=false",
            ),
            *(
                "--conf",
                "spark.sql.codegen.wholeStage=false",
                "--conf",
                "spark.sql.shuffle.partitions=1",
            ),
            *(
                "--py-files",
                str(tmp_path / "code.zip"),
                str(tmp_path / "main.py"),
                str(folder),
                WINDOW.key,
            ),
        ],
        env={
            **world.environment,
            CONFIG_VARIABLE: str(world.config),
            "PATH": "/usr/bin:/bin",
            "JAVA_HOME": os.environ.get("JAVA_HOME", ""),
            "HOME": str(tmp_path),
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_IP": "127.0.0.1",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert submitted.returncode == 0, submitted.stdout[-3000:] + submitted.stderr[-3000:]
    rows = world.query("SELECT status, COUNT(*) AS stores FROM store_availability GROUP BY status")
    assert {row["status"]: row["stores"] for row in rows} == STATUSES


def test_the_script_refuses_what_it_cannot_use(tmp_path: Path) -> None:
    """Too few arguments are a usage error, and an archive that is not there fails, each leaving
    nothing behind.
    """
    assert bootstrap(tmp_path).returncode == 2
    done = bootstrap(tmp_path, str(tmp_path / "none.tar.gz"), "0" * 64, str(tmp_path / "env"))
    assert done.returncode != 0
    assert "none.tar.gz" in done.stderr
    assert list((tmp_path / "env").iterdir()) == []


def test_the_environment_is_the_lock_files(tmp_path: Path) -> None:
    """The same lock gives the same name; every package has hashes; without a lock file the
    reason is told.
    """
    environment = locked_environment()
    assert environment == locked_environment()
    packages = [
        line for line in environment.requirements.splitlines() if line and not line.startswith(" ")
    ]
    assert environment.requirements.count("--hash=sha256:") >= len(packages) > 50
    with pytest.raises(ConfigError, match=r"there is no .*uv\.lock"):
        locked_environment(tmp_path)


def test_types_of_another_processor_are_known_by_their_family() -> None:
    """A `g` right after the generation is Graviton; one before it is a graphics card."""
    arm = "a1 c6g c7gn i8ge im4gn is4gen g5g hpc7g m6gd m8g p6e-gb200 r8gb t4g x2gd"
    intel_or_amd = "c5a c5ad d3en g4ad g4dn g6e gr6 hpc6id i4i m5 m6i m7i-flex p4de r5b u-6tb1 z1d"
    assert [each for each in arm.split() if not cannot_run(f"{each}.xlarge")] == []
    assert [each for each in intel_or_amd.split() if cannot_run(f"{each}.xlarge")] == []
