"""`make check`: everything that is installed, or that an image is built from, is named by what it
has to hash to.

That is the lock file's packages and what builds them, uv itself, the images' bases, and the
metastore's Java archives. A machine's own packages (Python, Java, apt) are not looked at.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SHA256 = re.compile(r"[0-9a-f]{64}")
BASE = re.compile(r"^FROM (?:--\S+ )*(\S+)(?: AS (\S+))?$", re.MULTILINE | re.IGNORECASE)
BY_ARGUMENT = re.compile(r"\S+@\$\{(\w+)\}")


def problems(root: Path) -> list[str]:
    """What of a checkout has no hash, each with the file that says so; empty where all have."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    lock = tomllib.loads((root / "uv.lock").read_text())
    images = sorted((root / "deploy").rglob("*Dockerfile"))
    return [
        *(f"uv.lock: {each}" for each in _of_lock(lock, project)),
        *(f"pyproject.toml: {each}" for each in _of_build(lock, project)),
        *(f"scripts/uv.txt: {each}" for each in _of_requirements(root / "scripts" / "uv.txt")),
        *(f"{file.relative_to(root)}: {each}" for file in images for each in _of_image(file)),
    ]


def _of_lock(lock: dict[str, Any], project: dict[str, Any]) -> Iterator[str]:
    own, built = project["project"]["name"], project["tool"]["uv"]["no-build-isolation-package"]
    for package in lock["package"]:
        name, source = package["name"], package["source"]
        if name == own:
            continue
        if "registry" not in source:
            yield f"{name} comes from {source}: only a registry's files have a hash"
        wheels = package.get("wheels", [])
        for file in (*wheels, *([package["sdist"]] if "sdist" in package else [])):
            kind, _, digest = file.get("hash", "").partition(":")
            if kind != "sha256" or not SHA256.fullmatch(digest):
                yield f"{name}: {file['url']} has no SHA-256"
        if not wheels and name not in built:
            yield (
                f"{name} has no wheel: building it fetches tools without a hash; name it in"
                " tool.uv.no-build-isolation-package, and its tools in the group `build`"
            )


def _of_build(lock: dict[str, Any], project: dict[str, Any]) -> Iterator[str]:
    """What builds this package is fetched by nobody but the lock file."""
    own = project["project"]["name"]
    if own not in project["tool"]["uv"]["no-build-isolation-package"]:
        yield f"tool.uv.no-build-isolation-package does not name {own}: see the comment there"
    (package,) = (each for each in lock["package"] if each["name"] == own)
    locked = {each["name"] for each in package["dev-dependencies"]["build"]}
    for required in project["build-system"]["requires"]:
        if re.split(r"[^\w.-]", required)[0] not in locked:
            yield f"build-system.requires: {required} is not in the dependency group `build`"


def _of_requirements(path: Path) -> Iterator[str]:
    text = path.read_text().replace("\\\n", " ")
    for line in filter(None, (line.partition("#")[0].strip() for line in text.splitlines())):
        requirement, *hashes = line.split()
        is_hashed = hashes and all(
            SHA256.fullmatch(each.removeprefix("--hash=sha256:")) for each in hashes
        )
        if "==" not in requirement or not is_hashed:
            yield f"{requirement} needs one version, and a SHA-256 for each of its files"


def _of_image(path: Path) -> Iterator[str]:
    text = path.read_text()
    stages = {name for _, name in BASE.findall(text)}
    for base, _ in BASE.findall(text):
        argument = BY_ARGUMENT.fullmatch(base)
        is_given = argument is not None and f"\nARG {argument[1]}\n" in text
        if base not in stages and not is_given:
            yield (
                f"FROM {base}: write IMAGE@${{DIGEST}}, and `ARG DIGEST` without a default above:"
                " a tag may be another image tomorrow"
            )
    for command in re.findall(r"\bpip install\b.*", text):
        if "--require-hashes" not in command:
            yield f"`{command}` lacks --require-hashes"
    if "mvn" in text and "sha256sum --check --strict" not in text:
        yield "what Maven fetches is not compared with a list of SHA-256 sums"


def main() -> int:
    """Exit code 1 where something has no hash, which is printed."""
    found = problems(ROOT)
    for each in found:
        sys.stderr.write(f"{each}\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
