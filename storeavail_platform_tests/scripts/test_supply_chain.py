"""What is installed, and what images are made of: each by its hash, or refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.supply_chain import ROOT, problems

LOOKED_AT = (
    "pyproject.toml",
    "uv.lock",
    "scripts/uv.txt",
    "deploy/Dockerfile",
    "deploy/metastore_service/Dockerfile",
)
BREAK = " \\"
"""What ends a line that goes on."""
TOOLS = {"hatchling", "editables", "pytest", "moto", "uv"}
"""What builds and tests, and is not run."""


def test_everything_has_a_hash() -> None:
    """The repository as it is; `make check` ends with it."""
    assert problems(ROOT) == []


@pytest.mark.parametrize(
    ("file", "before", "after", "message"),
    [
        ("uv.lock", ', hash = "sha256:', ', digest = "sha256:', "aiosmtpd: https://"),
        (
            "uv.lock",
            'source = { registry = "https://pypi.org/simple" }',
            'source = { git = "https://example.com/aiosmtpd" }',
            "aiosmtpd comes from",
        ),
        ("pyproject.toml", '", "pyspark"]', '"]', "pyspark has no wheel"),
        ("pyproject.toml", '"hatchling>=1.27"', '"flit_core>=3"', "flit_core>=3 is not in"),
        ("scripts/uv.txt", "\nuv==", "\nuv>=", "needs one version"),
        ("scripts/uv.txt", "--hash=sha256:", "--hash=md5:", "a SHA-256 for each"),
        ("deploy/Dockerfile", "@${PYTHON_DIGEST}", "", "FROM python:3.11-slim-bookworm:"),
        ("deploy/Dockerfile", "ARG NGINX_DIGEST\n", "ARG NGINX_DIGEST=x\n", "without a default"),
        ("deploy/Dockerfile", "--require-hashes ", "", "lacks --require-hashes"),
        (
            "deploy/metastore_service/Dockerfile",
            "sha256sum --check --strict",
            "true",
            "what Maven fetches",
        ),
    ],
)
def test_what_has_no_hash_is_refused(
    tmp_path: Path, file: str, before: str, after: str, message: str
) -> None:
    """One thing at a time, in a copy of what is looked at; it is told which."""
    for each in LOOKED_AT:
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / each, tmp_path / each)
    text = (tmp_path / file).read_text()
    assert before in text
    (tmp_path / file).write_text(text.replace(before, after, 1))
    (found,) = problems(tmp_path)
    assert message in found


def test_uv_is_the_file_that_it_is_said_to_be(tmp_path: Path) -> None:
    """A bare machine's first step: pip refuses a uv of other bytes, and takes the one that was
    meant.
    """
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    shutil.copy(ROOT / "scripts" / "bootstrap", scripts)
    hashed = (ROOT / "scripts" / "uv.txt").read_text()
    (scripts / "uv.txt").write_text(
        "".join(
            f"{line.partition(':')[0]}:{'0' * 64}{BREAK if line.endswith(BREAK) else ''}\n"
            if "--hash" in line
            else f"{line}\n"
            for line in hashed.splitlines()
        )
    )
    refused = bootstrapped(scripts)
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    assert not (tmp_path / ".venv" / "bin" / "uv").exists()
    (scripts / "uv.txt").write_text(hashed)
    done = bootstrapped(scripts)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".venv" / "bin" / "uv").exists()


def bootstrapped(scripts: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(scripts / "bootstrap")], capture_output=True, text=True, check=False, env=os.environ
    )


def test_the_bill_of_materials_names_what_an_image_holds() -> None:
    """Every package with its version and the hashes of its files, in a standard form, and none
    that only builds or tests.
    """
    subprocess.run(["make", "--directory", str(ROOT), "sbom"], check=True, capture_output=True)
    bill = json.loads((ROOT / "dist" / "sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    components = {each["name"]: each for each in bill["components"]}
    assert {"dagster", "duckdb", "pyspark", "dagster-postgres"} <= components.keys()
    assert not TOOLS & components.keys()
    for name, component in components.items():
        assert component["version"], name
        files = component["externalReferences"]
        assert all(each["hashes"][0]["alg"] == "SHA-256" for each in files), name
        assert files, name


@pytest.mark.parametrize("folder", ["", "deploy/metastore_service"])
def test_an_image_gets_only_what_it_is_made_of(folder: str) -> None:
    """Everything else of a checkout stays outside of the build: what is copied is named, and
    nothing more.
    """
    lines = (ROOT / folder / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    file = ROOT / (folder or "deploy") / "Dockerfile"
    copied = {
        name
        for line in file.read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
        if not name.startswith("--")
    }
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied
    for name in copied:
        assert (ROOT / folder / name).exists(), name
