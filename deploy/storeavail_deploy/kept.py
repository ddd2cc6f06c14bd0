"""What is kept of a country's clusters beside its application: the request that each release has,
so that going back to a release goes back to its cluster, and whether the cluster was ended on
purpose.

What a cluster is made of is `flow.py`, what is done with it `cluster.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from storeavail_deploy.release import Application, Record, release_path
from storeavail_deploy.settings import tags_of

FINGERPRINT_TAG = "storeavail:configuration"


class ClusterRequest(Record):
    """The parameters of `run_job_flow`, tags included, and the security configuration that they
    name.
    """

    request: dict[str, Any]
    security: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        return tags_of(self.request)[FINGERPRINT_TAG]


class Standing(Record):
    """Whether a cluster is to be there. Before anything was said it is."""

    is_ended: bool = False


@dataclass(frozen=True)
class Kept:
    """One country's.

    Attributes:
        country: its code.
    """

    application: Application
    country: str

    def request(self, commit: str) -> ClusterRequest | None:
        """What a release has as the country's cluster, or None where none was brought up with it.

        Raises:
            WarehouseError: the file cannot be understood.
        """
        return self.application.read(ClusterRequest, self._path(commit))

    def hold(self, commit: str, request: ClusterRequest) -> None:
        """Keep what the country's cluster is with a release; the newest counts."""
        self.application.storage.replace(
            self._path(commit), request.model_dump_json(indent=2).encode()
        )

    @property
    def is_ended(self) -> bool:
        """Whether the cluster was ended on purpose, and not brought up since.

        Raises:
            WarehouseError: the file cannot be understood.
        """
        return (self.application.read(Standing, self._standing) or Standing()).is_ended

    def mark(self, *, is_ended: bool) -> None:
        standing = Standing(is_ended=is_ended)
        self.application.storage.replace(self._standing, standing.model_dump_json().encode())

    @property
    def _standing(self) -> str:
        return f"clusters/{self.country}.json"

    def _path(self, commit: str) -> str:
        return release_path(commit, self._standing)
