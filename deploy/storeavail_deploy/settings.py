"""What things of a country are called on AWS: accounts and regions, roles, buckets and prefixes.
The one place for names; nothing is called.

The settings themselves are the section `deploy` of the configuration
(`storeavail_platform/config/deployment.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from storeavail_platform.alerting.failed_runs import PLATFORM
from storeavail_platform.config import Country, Deploy, Emr, Platform, Secret, secrets_in
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.domain.places import FILES
from storeavail_platform.warehouse.layout import LAYOUT_FILE

S3 = "s3://"
COUNTRY_TAG = "storeavail:country"
PREFIX_TAG = "storeavail:prefix"
"""Whose a thing is: only what has both as expected is ever changed or removed."""
ANALYTICS = "analytics"
EMR_V2_TAG = ("for-use-with-amazon-emr-managed-policies", "true")
"""AmazonEMRServicePolicy_v2 lets EMR touch only what has this tag."""


@dataclass(frozen=True, order=True)
class Prefix:
    """A place on S3. `key` is empty for a whole bucket and never ends with a slash."""

    bucket: str
    key: str

    @classmethod
    def of(cls, url: str) -> Prefix:
        bucket, _, key = url.removeprefix(S3).partition("/")
        return cls(bucket, key.strip("/"))

    def below(self, *parts: str) -> Prefix:
        return Prefix(self.bucket, "/".join(filter(None, (self.key, *parts))))

    @property
    def url(self) -> str:
        return f"{S3}{self.bucket}/{self.key}".rstrip("/")

    def holds(self, other: Prefix) -> bool:
        """Whether the other place is this one, or lies in it."""
        return self.bucket == other.bucket and f"{other.key}/".startswith(
            f"{self.key}/" if self.key else ""
        )


@dataclass(frozen=True)
class Site:
    """A country in its account and region.

    Attributes:
        account: the account's twelve digits.
        partition: `aws`, `aws-cn` or `aws-us-gov`.
    """

    platform: Platform = field(repr=False)
    settings: Country = field(repr=False)
    account: str
    region: str
    partition: str = "aws"

    @property
    def code(self) -> str:
        return self.settings.code

    @property
    def deploy(self) -> Deploy:
        return self.settings.deploy

    @property
    def emr(self) -> Emr:
        return emr_of(self.settings)

    def name(self, what: str) -> str:
        """The name of a thing of this country's, for example storeavail-br-nodes."""
        return f"{self.deploy.prefix}-{self.code.lower()}-{what}"

    def shared_name(self, what: str) -> str:
        """The name of a thing that all countries of the account have in common, for example
        storeavail-analytics-nodes.
        """
        return f"{self.deploy.prefix}-{what}"

    def arn(self, service: str, resource: str, *, is_global: bool = False) -> str:
        region = "" if is_global else self.region
        return f"arn:{self.partition}:{service}:{region}:{self.account}:{resource}"

    def role_arn(self, name: str) -> str:
        return self.arn("iam", f"role/{name}", is_global=True)

    def tags(self, owner: str | None = None) -> dict[str, str]:
        """Tags of everything that is made for this country, or for `owner` instead of it."""
        return {**self.deploy.tags, PREFIX_TAG: self.deploy.prefix, COUNTRY_TAG: owner or self.code}

    @property
    def warehouse(self) -> Prefix:
        return Prefix.of(self.platform.warehouse)

    @property
    def layout(self) -> Prefix:
        """The file that says which layout the warehouse has, for all countries."""
        return self.warehouse.below(LAYOUT_FILE)

    @property
    def staging(self) -> Prefix:
        return Prefix.of(self.emr.staging)

    @property
    def application(self) -> Prefix:
        return Prefix.of(self.emr.code.rpartition("/")[0])

    @property
    def logs(self) -> Prefix:
        return logs_of(self.settings)

    @property
    def analytics_logs(self) -> Prefix:
        return self.logs.below(ANALYTICS)

    def countries(self) -> list[Site]:
        """Every country that has a cluster, as if it were in this account and region.

        Raises:
            ConfigError: see `deployable`.
        """
        return [replace(self, settings=settings) for settings in deployable(self.platform).values()]

    def own_data(self) -> list[Prefix]:
        """Where this country's part of the warehouse lies: written by its cluster and workers
        alone.
        """
        return [
            *(
                self.warehouse.below(name, self.code)
                for name in ("landing", "windows", "dashboard", "roll_up", "alerts/notes")
            ),
            self.warehouse.below("tables", self.settings.namespace),
        ]

    def own_files(self, *folders: str) -> list[Prefix]:
        """Files of this country below the warehouse, outside of its folders, and the platform's
        among them: alerts and silences of what is no country's. Whichever worker looks writes them.

        Args:
            folders: only those in them.
        """
        named = [(folder, self.code) for folder in FILES]
        named += [(folder, PLATFORM) for folder in ("alerts", "silences")]
        return [
            self.warehouse.below(folder, f"{name}.json")
            for folder, name in named
            if not folders or folder in folders
        ]

    @property
    def summaries(self) -> Prefix:
        """Every country's summary, by a pattern: the page of all countries is made of them."""
        return self.warehouse.below("dashboard", "*", "summary.json")

    def secrets(self) -> list[str]:
        """Names (or ARNs) of the AWS secrets that this country's windows, alerts and reports use:
        all that its settings refer to, but for what is the analysts' and the deployment's.
        """
        own: dict[str, Any] = {
            name: value for name, value in self.settings if name not in ("analyst", "deploy")
        }
        reports = self.platform.reports.channels_of(self.settings.code)
        return _names(secrets_in({**own, "reports": reports}))

    def sign_in_secrets(self) -> list[str]:
        """The name (or ARN) of the secret that says who may sign in to Zeppelin."""
        named = self.deploy.analytics.sign_in
        return [] if named is None else [named.removeprefix("aws:")]

    def analysts_secrets(self) -> list[str]:
        """Names (or ARNs) of the AWS secrets by which analysts read this country's raw
        databases.
        """
        return (
            _names(secrets_in(self.settings.analyst)) if self.settings.analyst is not None else []
        )


def tag_list(tags: Mapping[str, str]) -> Any:
    """Tags as AWS takes them."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def tags_of(thing: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags", ())}


def emr_of(settings: Country) -> Emr:
    """The country's EMR settings.

    Raises:
        ConfigError: it has none.
    """
    if settings.emr is None:
        raise ConfigError(
            f"countries.{settings.code}.emr is missing: without a cluster there is nothing to"
            f" deploy for {settings.code}"
        )
    return settings.emr


def logs_of(settings: Country) -> Prefix:
    """Where the logs of a country's clusters lie: `deploy.logs`, else `logs` beside its staging."""
    if settings.deploy.logs is not None:
        return Prefix.of(settings.deploy.logs)
    staging = Prefix.of(emr_of(settings).staging)
    return Prefix(staging.bucket, "/".join(filter(None, (staging.key.rpartition("/")[0], "logs"))))


def _names(secrets: Iterable[Secret]) -> list[str]:
    addresses = {str(secret) for secret in secrets}
    return sorted(
        {
            each.removeprefix("aws:").partition("#")[0]
            for each in addresses
            if each.startswith("aws:")
        }
    )


def secret_arn(site: Site, name: str) -> str:
    """The ARN pattern of a secret by its name.

    AWS adds a hyphen and six characters to the name, which nobody knows before.
    """
    return name if name.startswith("arn:") else site.arn("secretsmanager", f"secret:{name}-??????")


def deployable(platform: Platform) -> Mapping[str, Country]:
    """The countries that have a cluster, after their names were compared.

    Raises:
        ConfigError: names overlap; lists every overlap.
    """
    found = {
        code: settings for code, settings in platform.countries.items() if settings.emr is not None
    }
    if overlaps := list(_overlaps(platform, found)):
        raise ConfigError("\n  ".join([f"{platform.origin}: names overlap", *overlaps]))
    return found


def _overlaps(platform: Platform, countries: Mapping[str, Country]) -> Iterator[str]:
    clusters: dict[str, str | None] = {}
    places = {"warehouse": Prefix.of(platform.warehouse)}
    for code, settings in countries.items():
        path, emr = f"countries.{code}", emr_of(settings)
        clusters[f"{path}.emr.cluster.name"] = emr.cluster.name
        clusters[f"{path}.deploy.analytics.name"] = settings.deploy.analytics.name
        places[f"{path}.emr.staging"] = Prefix.of(emr.staging)
        places[f"{path}'s logs"] = logs_of(settings)
        places[f"{path}.emr.code"] = Prefix.of(emr.code.rpartition("/")[0])
    for (other, known), (path, name) in combinations(clusters.items(), 2):
        if (
            name is not None
            and name == known
            and not (path.endswith("analytics.name") and other.endswith("analytics.name"))
        ):
            yield (
                f"{path}: {name!r} is {other} too: steps of one would run on the other; give each"
                " its own"
            )
    for (other, near), (path, place) in combinations(places.items(), 2):
        may_share = path.endswith(".emr.code") and other.endswith(".emr.code")
        if not may_share and (place.holds(near) or near.holds(place)):
            yield (
                f"{path}: {place.url} and {other} ({near.url}) hold one another; give each a prefix"
                " of its own"
            )
