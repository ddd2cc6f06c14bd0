"""What is published of a commit, where it lies, and which commit a country's clusters run.
Publishing itself is `publish.py`.

Below the folder of a country's `emr.code` (its application's root; countries may share one):

    environments/<digest>.json           a lock file's archive: address and SHA-256; made once
    environments/<digest>/<sha256>.tar.gz
    bootstrap/<sha256>/bootstrap.sh      the bootstrap action; prepare.py of notebooks likewise
    releases/<commit>/release.json       every file of the commit: size, SHA-256; made last
    releases/<commit>/code.zip, zeppelin/...
    releases/<commit>/clusters/<country>.json   the cluster that the release has (`kept.py`)
    clusters/<country>.json              whether its cluster was ended on purpose (`kept.py`)
    <code.zip>                           `emr.code`: the code of the release that is current
    <code.zip>.releases.json             commits that were current, the newest first

Files that carry a digest or a commit in their path are made only if absent: two that publish at
once end up with one whole release.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter

from storeavail_deploy.settings import emr_of
from storeavail_platform.config import Aws, Country
from storeavail_platform.domain.errors import ConfigError, WarehouseError
from storeavail_platform.storage.json_files import read_json
from storeavail_platform.storage.local import Storage
from storeavail_platform.storage.s3 import S3Storage

CODE = "code.zip"
RELEASE = "release.json"
BOOTSTRAP_NAME = "storeavail environment"
T = TypeVar("T")
KEPT = 20
"""So many commits are remembered to go back to."""


class Record(BaseModel):
    """What lies on S3 as JSON. What another version wrote is refused, not guessed at."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Artifact(Record):
    """A file: its path below the application's root, size in bytes, SHA-256."""

    path: str
    size: int
    sha256: str

    @classmethod
    def of(cls, path: str, data: bytes) -> Artifact:
        return cls(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())


class Release(Record):
    """A published commit. `files` by the name that they have in the release."""

    commit: str
    files: dict[str, Artifact]
    environment: Artifact
    bootstrap: Artifact


class History(Record):
    """The commits that were current, the newest first."""

    commits: tuple[str, ...] = ()

    @property
    def current(self) -> str | None:
        return self.commits[0] if self.commits else None

    @property
    def previous(self) -> str | None:
        return self.commits[1] if len(self.commits) > 1 else None

    def activated(self, commit: str) -> History:
        return History(commits=(commit, *(each for each in self.commits if each != commit))[:KEPT])

    def rolled_back(self) -> History:
        return History(commits=self.commits[1:])


@dataclass(frozen=True)
class Application:
    """Where an application lies: a root, and the address of the code that is current.

    Attributes:
        code: `s3://.../code.zip`, the `emr.code` of its countries.
        countries: codes of the countries that run it.
    """

    code: str
    aws: Aws
    countries: tuple[str, ...]

    @classmethod
    def of(cls, settings: Country) -> Application:
        """One country's, whoever else runs it.

        Raises:
            ConfigError: the country has no `emr`.
        """
        return cls(emr_of(settings).code, deployer(settings.aws), (settings.code,))

    @property
    def root(self) -> str:
        return self.code.rpartition("/")[0]

    @cached_property
    def storage(self) -> Storage:
        return S3Storage(self.root, self.aws)

    @property
    def code_path(self) -> str:
        return self.code.rpartition("/")[2]

    @property
    def history_path(self) -> str:
        return f"{self.code_path}.releases.json"

    def history(self) -> History:
        """The commits that were current here.

        Raises:
            WarehouseError: the file cannot be understood.
        """
        return self.read(History, self.history_path) or History()

    def release(self, commit: str) -> Release | None:
        """A published commit, or None while it is not whole."""
        return self.read(Release, release_path(commit))

    def environment(self, name: str) -> Artifact | None:
        """The archive of an environment by its name, or None where there is none yet."""
        return self.read(Artifact, f"environments/{name}.json")

    def read(self, kind: type[T], path: str) -> T | None:
        """A record that lies here, or None where it does not.

        Raises:
            WarehouseError: it cannot be understood.
        """
        advice = "go back to its version of before, or remove it and publish again"
        return read_json(self.storage, path, TypeAdapter(kind), kind.__name__.lower(), advice)

    def current_release(self) -> Release:
        """The release that steps and new clusters run.

        Raises:
            ConfigError: none was published.
        """
        commit = self.history().current
        release = None if commit is None else self.release(commit)
        if release is None:
            raise ConfigError(
                f"{self.root}: no release is published for {', '.join(self.countries)}: run"
                " `storeavail-deploy app publish` first"
            )
        return release

    def activate(self, commit: str, history: History) -> None:
        """Make a published commit the current one, after all of its files were found to be what was
        published.

        Steps that are submitted from now on run it. A step takes a second or two to fetch its code
        and has it from then on.

        Raises:
            WarehouseError: a file is missing or damaged; nothing was changed.
        """
        release = self.release(commit)
        if release is None:
            raise WarehouseError(
                f"{self.storage.path(release_path(commit))} is not there: publish the commit again"
            )
        for artifact in (*release.files.values(), release.environment, release.bootstrap):
            self.verify(artifact)
        code = release.files[CODE]
        self.storage.replace(self.code_path, self._bytes(code))
        self.verify(code.model_copy(update={"path": self.code_path}))
        self.storage.replace(self.history_path, history.model_dump_json().encode())

    def verify(self, artifact: Artifact) -> None:
        """Read a file and compare it with what was published.

        Raises:
            WarehouseError: it is missing, or its size or SHA-256 differs.
        """
        digest = hashlib.sha256(self._bytes(artifact)).hexdigest()
        if digest != artifact.sha256:
            raise WarehouseError(
                f"{self.storage.path(artifact.path)} is damaged: its SHA-256 is {digest}, expected"
                f" {artifact.sha256}; delete it and publish again"
            )

    def _bytes(self, artifact: Artifact) -> bytes:
        data = self.storage.read(artifact.path)
        if data is None:
            raise WarehouseError(
                f"{self.storage.path(artifact.path)} is missing; publish the commit again"
            )
        return data


def deployer(aws: Aws) -> Aws:
    """With whose rights a country is deployed: its profile and region, but not the role of its
    windows, which may change nothing here.
    """
    return aws.model_copy(update={"assume_role": None})


def release_path(commit: str, name: str = RELEASE) -> str:
    return f"releases/{commit}/{name}"


def bootstrap_path(name: str, data: bytes) -> str:
    """Where a file lies that nodes run as they start, below an application's root."""
    return f"bootstrap/{hashlib.sha256(data).hexdigest()}/{name}"


def applications(countries: Mapping[str, Country], chosen: tuple[str, ...]) -> list[Application]:
    """The applications of the chosen countries, each once.

    Raises:
        ConfigError: a chosen country has no `emr`, or shares its code with one that was not chosen.
    """
    found: dict[str, Application] = {}
    for code in chosen:
        address = emr_of(countries[code]).code
        sharing = [
            other
            for other, settings in countries.items()
            if settings.emr is not None and settings.emr.code == address
        ]
        if others := [other for other in sharing if other not in chosen]:
            raise ConfigError(
                f"countries.{code}.emr.code is the code of {', '.join(others)} too: choose them"
                f" together (or --all), or give {code} an address of its own to roll it out alone"
            )
        found.setdefault(
            address, Application(address, deployer(countries[code].aws), tuple(sharing))
        )
    return list(found.values())


def bootstrap_action(settings: Country) -> dict[str, object]:
    """The bootstrap action that every node of a country's new cluster runs, as EMR's
    `BootstrapActions` has it.

    It is the same for releases that have the same environment: a cluster need not be replaced for
    new code.

    Raises:
        ConfigError: the country has no `emr`, or nothing was published.
    """
    application = Application.of(settings)
    release = application.current_release()
    return {
        "Name": BOOTSTRAP_NAME,
        "ScriptBootstrapAction": {
            "Path": application.storage.path(release.bootstrap.path),
            "Args": [
                application.storage.path(release.environment.path),
                release.environment.sha256,
            ],
        },
    }
