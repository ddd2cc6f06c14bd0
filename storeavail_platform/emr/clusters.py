"""Which cluster a country's steps go to: the one with the configured id, or the newest live one of a name, narrowed by tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storeavail_platform.config import Country
from storeavail_platform.errors import ClusterUnavailable, ConfigError

if TYPE_CHECKING:
    from mypy_boto3_emr import EMRClient

LIVE = ("RUNNING", "WAITING")
STARTING = ("STARTING", "BOOTSTRAPPING")


def find_cluster(emr: EMRClient, country: Country) -> str:
    """The id of the country's cluster.

    Raises:
        ClusterUnavailable: no live cluster; says which were seen, and in which state.
        ConfigError: the country has no cluster configured.
    """
    if country.emr is None:
        raise ConfigError(f"countries.{country.code}.emr is missing: execution: emr needs the country's cluster")
    wanted = country.emr.cluster
    if wanted.id is not None:
        state = str(emr.describe_cluster(ClusterId=wanted.id)["Cluster"]["Status"]["State"])
        if state not in LIVE:
            raise ClusterUnavailable(
                f"cluster {wanted.id} of {country.code} is {state}; bring one up and set countries.{country.code}.emr.cluster. "
                "The observation is landed; the window is computed when a cluster is there"
            )
        return wanted.id
    seen = []
    for page in emr.get_paginator("list_clusters").paginate(ClusterStates=[*LIVE, *STARTING]):
        for cluster in page["Clusters"]:
            if cluster["Name"] == wanted.name and _has_tags(emr, cluster["Id"], wanted.tags):
                seen.append((cluster["Status"]["Timeline"]["CreationDateTime"], cluster["Id"], str(cluster["Status"]["State"])))
    live = [(created, cluster) for created, cluster, state in seen if state in LIVE]
    if not live:
        found = ", ".join(f"{cluster} is {state}" for _, cluster, state in seen) or "there is none that is starting either"
        raise ClusterUnavailable(
            f"no cluster named {wanted.name!r} of {country.code} is running or waiting ({found}). "
            "The observation is landed; the window is computed when a cluster is there"
        )
    return max(live)[1]


def _has_tags(emr: EMRClient, cluster: str, tags: dict[str, str]) -> bool:
    if not tags:
        return True
    found = {tag.get("Key"): tag.get("Value") for tag in emr.describe_cluster(ClusterId=cluster)["Cluster"].get("Tags", [])}
    return tags.items() <= found.items()
