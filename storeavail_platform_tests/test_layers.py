"""The contracts of `lint-imports` hold what docs/architecture.md draws: each is broken on
purpose in a copy, and is seen to fail.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "storeavail_platform"
IGNORED = shutil.ignore_patterns("__pycache__", "*.sql", "static")
DAGSTER_MAY = {"orchestration"}
SPARK_MAY = {"engines"}
BOTO3_MAY = {"aws", "storage"}


@cache
def layers() -> list[str]:
    """The folders of the package from the top to the bottom, as the contract lists them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (
        c for c in settings["tool"]["importlinter"]["contracts"] if c["type"] == "layers"
    )
    return [name.strip() for layer in contract["layers"] for name in layer.split("|")]


FOLDERS = [name for name in layers() if (PACKAGE / name).is_dir()]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout as far as `lint-imports` looks at it."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(PACKAGE, tmp_path / PACKAGE.name, ignore=IGNORED)
    shutil.copytree(
        ROOT / "deploy" / "storeavail_deploy", tmp_path / "storeavail_deploy", ignore=IGNORED
    )
    return tmp_path


def lint(checkout: Path) -> str:
    """What `lint-imports` says of a copy, as one line, where it fails."""
    program = Path(sys.executable).with_name("lint-imports")
    environment = {**os.environ, "PYTHONPATH": str(checkout), "COLUMNS": "500"}
    done = subprocess.run(
        [program, "--no-cache"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return " ".join(done.stdout.split())


def add(checkout: Path, module: str, line: str) -> str:
    """Add a module with one import; gives its dotted name."""
    path = checkout / PACKAGE.name / f"{module.replace('.', '/')}.py"
    path.write_text(f"{line}\n", encoding="utf-8")
    return f"{PACKAGE.name}.{module}"


def test_every_folder_has_its_place() -> None:
    """In the package's root lie only its `__init__`, the typing mark and the code location;
    each folder says in a sentence what it is for.
    """
    assert {path.name for path in PACKAGE.iterdir() if path.is_file()} == {
        "__init__.py",
        "py.typed",
        "definitions.py",
    }
    folders = {
        path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"
    }
    assert folders == set(FOLDERS)
    for name in folders:
        assert re.match(
            r'""".+[.:]', (PACKAGE / name / "__init__.py").read_text(encoding="utf-8")
        ), name


def test_a_forbidden_import_is_seen_in_every_folder(copy: Path) -> None:
    """Dagster outside orchestration, Spark outside engines, boto3 outside aws, storage and EMR;
    where Dagster is allowed it is no mistake.
    """
    wrong = [
        (add(copy, f"{folder}.imports_{forbidden}", f"import {forbidden}"), forbidden)
        for forbidden, may in (
            ("dagster", DAGSTER_MAY),
            ("pyspark", SPARK_MAY),
            ("boto3", BOTO3_MAY),
        )
        for folder in FOLDERS
        if folder not in may
    ]
    right = [
        add(copy, "orchestration.uses_dagster", "import dagster"),
        add(copy, "orchestration.emr.uses_spark", "import pyspark"),
    ]
    said = lint(copy)
    assert [pair for pair in wrong if f"{pair[0]} -> {pair[1]}" not in said] == []
    assert [module for module in right if module in said] == []


def test_no_folder_imports_one_above_it(copy: Path) -> None:
    """Also where only a type checker would follow the import."""
    guarded = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import"
    wrong = [
        (
            add(copy, f"{below}.imports_up", f"{guarded} {PACKAGE.name}.{above}.extra"),
            add(copy, f"{above}.extra", ""),
        )
        for above, below in itertools.pairwise(FOLDERS)
    ]
    said = lint(copy)
    assert [pair for pair in wrong if f"{pair[0]} -> {pair[1]}" not in said] == []


def test_a_circle_inside_a_folder_is_seen(copy: Path) -> None:
    """Two modules that import each other are cut wrongly."""
    for folder in FOLDERS:
        add(copy, f"{folder}.egg", f"import {PACKAGE.name}.{folder}.hen")
        add(copy, f"{folder}.hen", f"import {PACKAGE.name}.{folder}.egg")
    said = lint(copy)
    assert [
        folder
        for folder in FOLDERS
        if f"No cycles are allowed in {PACKAGE.name}.{folder}." not in said
    ] == []


def test_a_new_folder_must_take_its_place(copy: Path) -> None:
    """A folder that no layer lists fails."""
    (copy / PACKAGE.name / "helpers").mkdir()
    add(copy, "helpers.__init__", '"""Whatever."""')
    assert "helpers" in lint(copy)
