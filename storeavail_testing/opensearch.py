"""A real OpenSearch on loopback, of both versions that are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from storeavail_testing.index_server import IndexServer, Release

JAVA_HOMES = Path("/usr/lib/jvm")
VERSIONS: Mapping[str, tuple[str, int]] = {"2": ("2.11.0", 17), "3": ("3.4.0", 21)}
"""By major version: the release, and the oldest Java that it runs on."""


class OpenSearchServer(IndexServer):
    """Starts in a folder of its own; its data survives `kill` and `start`."""

    def __init__(self, folder: Path, major: str) -> None:
        version, java = VERSIONS[major]
        super().__init__(
            folder,
            Release(
                name="opensearch",
                version=version,
                group="org.opensearch.distribution.integ-test-zip",
                prefix="OPENSEARCH",
                java_home=java_home(java) if java > 17 else None,
            ),
        )


def java_home(oldest: int) -> Path | None:
    """The home of a Java of at least this version on this machine."""
    for home in sorted(JAVA_HOMES.glob("*")):
        release = home / "release"
        found = (
            re.search(r'^JAVA_VERSION="(\d+)', release.read_text(), re.MULTILINE)
            if release.is_file()
            else None
        )
        if found and int(found[1]) >= oldest:
            return home
    return None


def can_run(major: str) -> bool:
    """Whether this machine has the Java for it."""
    java = VERSIONS[major][1]
    return java <= 17 or java_home(java) is not None
