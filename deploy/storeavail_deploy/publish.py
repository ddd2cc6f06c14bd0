"""Publishing: what a commit's release is made of, uploading it, and the plans that make a release
current. No command line (`app.py`).

Where things lie and how a release becomes current is `release.py`; what is in the environment,
`environment.py`.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePath

from storeavail_deploy.environment import ROOT, Environment, locked_environment
from storeavail_deploy.plan import Change
from storeavail_deploy.release import (
    CODE,
    Application,
    Artifact,
    History,
    Release,
    applications,
    bootstrap_path,
    release_path,
)
from storeavail_platform.config import Platform
from storeavail_platform.domain.errors import ConfigError, WarehouseError
from storeavail_platform.orchestration.emr.code_zip import build_code_zip

PREPARE = "zeppelin/prepare.py"
"""Run by nodes as they start, as `bootstrap.sh` is."""
NOTEBOOKS = "zeppelin"
"""Folder of the checkout that is published as it is: notebooks and what Zeppelin's interpreters
are set to.
"""
PUBLISHED = ("storeavail_platform", "deploy/bootstrap.sh", NOTEBOOKS, "uv.lock", "pyproject.toml")
"""What of the checkout a release is made of."""
BLOCK = 8 * 2**20


@dataclass(frozen=True)
class Checkout:
    """A clean checkout of the repository: what is published is a commit, never what lies around
    beside it.
    """

    root: Path = ROOT

    @cached_property
    def commit(self) -> str:
        """The id of the commit.

        Raises:
            ConfigError: this is not a checkout, or files that are published are not committed.
        """
        changed = self._git("status", "--porcelain", "--", *PUBLISHED).splitlines()
        if changed:
            shown = ", ".join(line[3:] for line in changed[:5])
            raise ConfigError(
                f"{self.root}: {len(changed)} files are not as committed ({shown}): commit them,"
                " then publish"
            )
        return self.head

    @cached_property
    def head(self) -> str:
        """The id of the commit, whatever lies beside it.

        Raises:
            ConfigError: this is not a checkout.
        """
        return self._git("rev-parse", "HEAD").strip()

    @cached_property
    def environment(self) -> Environment:
        return locked_environment(self.root)

    @cached_property
    def bootstrap(self) -> bytes:
        return (self.root / "deploy" / "bootstrap.sh").read_bytes()

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """The release's own files by name."""
        names = filter(None, self._git("ls-files", "-z", "--", NOTEBOOKS).split("\0"))
        with tempfile.TemporaryDirectory(prefix="storeavail-code-") as folder:
            build_code_zip(Path(folder) / CODE)
            return {
                CODE: (Path(folder) / CODE).read_bytes(),
                **{name: (self.root / name).read_bytes() for name in names},
            }

    def _git(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                ["git", "-C", str(self.root), *arguments],
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            raise ConfigError(
                "git is not there: storeavail-deploy publishes commits of a checkout"
            ) from None
        if done.returncode != 0:
            raise ConfigError(f"{self.root}: git {arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout


def plan_publish(platform: Platform, chosen: Sequence[str], checkout: Checkout) -> list[Change]:
    """What is missing until the checkout's commit is the current release of the chosen countries.

    Raises:
        ConfigError: see `Checkout.commit` and `applications`.
        WarehouseError: the commit was published with other bytes, or something that was published
            cannot be understood.
    """
    changes: list[Change] = []
    commit = checkout.commit
    found = applications(platform.countries, tuple(chosen))
    for application in {each.root: each for each in found}.values():
        release = application.release(commit)
        if release is None:
            changes.append(
                Change(
                    "create",
                    release_path(commit),
                    f"upload to {application.root}",
                    partial(upload, application, checkout),
                )
            )
        elif release.files[CODE] != Artifact.of(release_path(commit, CODE), checkout.files[CODE]):
            raise WarehouseError(
                f"{application.root}: commit {commit} was published with other bytes of {CODE};"
                " published files are never changed: make a new commit"
            )
    for application in found:
        history = application.history()
        if history.current != commit:
            changes.append(_activation(application, history.activated(commit)))
    return changes


def plan_rollback(platform: Platform, chosen: Sequence[str]) -> list[Change]:
    """What brings the chosen countries back to the release before their current one.

    Raises:
        ConfigError: there is none to go back to; see `applications` too.
    """
    changes: list[Change] = []
    for application in applications(platform.countries, tuple(chosen)):
        history = application.history()
        if history.previous is None:
            raise ConfigError(
                f"{application.code}: there is no earlier release to go back to (current:"
                f" {history.current or 'none'}); check out a good commit and publish it"
            )
        changes.append(_activation(application, history.rolled_back()))
    return changes


def _activation(application: Application, history: History) -> Change:
    before, commit = application.history().current, history.commits[0]
    what = f"{', '.join(application.countries)}: release {commit} instead of {before or 'none'}"
    return Change(
        "replace" if before else "create",
        application.code,
        what,
        partial(application.activate, commit, history),
    )


def upload(application: Application, checkout: Checkout) -> None:
    """Publish the checkout's commit below an application's root, as far as it is not there. It does
    not become current.

    Raises:
        WarehouseError: a file is there with other bytes.
    """
    commit, script = checkout.commit, checkout.bootstrap
    bootstrap = _create(application, bootstrap_path("bootstrap.sh", script), script)
    if (prepare := checkout.files.get(PREPARE)) is not None:
        _create(application, bootstrap_path(PurePath(PREPARE).name, prepare), prepare)
    files = {
        name: _create(application, release_path(commit, name), data)
        for name, data in checkout.files.items()
    }
    environment = application.environment(checkout.environment.name) or upload_environment(
        application, checkout.environment
    )
    release = Release(commit=commit, files=files, environment=environment, bootstrap=bootstrap)
    # two publishers of one commit wrote the same files; whose list of them is kept does not matter
    application.storage.create(release_path(commit), release.model_dump_json(indent=2).encode())


def upload_environment(application: Application, environment: Environment) -> Artifact:
    """Pack an environment and publish it; what somebody else published meanwhile is taken
    instead.
    """
    with tempfile.TemporaryDirectory(prefix="storeavail-environment-") as folder:
        archive = Path(folder) / "environment.tar.gz"
        environment.pack(archive)
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            made = Artifact(
                path=f"environments/{environment.name}/{digest}.tar.gz",
                size=file.tell(),
                sha256=digest,
            )
            file.seek(0)
            with application.storage.open_output(made.path) as output:
                shutil.copyfileobj(file, output, BLOCK)
    application.storage.create(
        f"environments/{environment.name}.json", made.model_dump_json().encode()
    )
    published = application.environment(environment.name)
    assert published is not None
    return published


def _create(application: Application, path: str, data: bytes) -> Artifact:
    artifact = Artifact.of(path, data)
    if not application.storage.create(path, data):
        application.verify(artifact)
    return artifact
