"""`storeavail-deploy storage`: buckets that are private, encrypted and versioned, and what is
removed from their prefixes in time.

Who may read and write which prefix is said by the roles (`policies.py`), not by the buckets. A
bucket's own lifecycle rules and policy statements, which somebody else made, stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import click

from storeavail_deploy.cli import Deployment
from storeavail_deploy.clients import Clients, change, open_site, read_aws
from storeavail_deploy.plan import Change
from storeavail_deploy.settings import COUNTRY_TAG, Prefix, Site, tag_list, tags_of

OWN = "storeavail"
"""Ids of our lifecycle rules and policy statements begin with it."""
ALL = "all"
STAGING_DAYS = 7
"""What a step and its launcher told each other is of no use after the step; a week is for
whoever looks into a failure.
"""
UPLOAD_DAYS = 7
NOTHING_SET = {
    "NoSuchLifecycleConfiguration",
    "NoSuchBucketPolicy",
    "NoSuchTagSet",
    "NoSuchPublicAccessBlockConfiguration",
    "OwnershipControlsNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
}
PRIVATE = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
ELSEWHERE = "us-east-1"
"""The one region that a bucket must not name as its constraint."""


commands = click.Group(help="Buckets: encrypted, versioned, private; what is removed in time.")


@commands.command(epilog="Example:  storeavail-deploy --all storage apply")
@click.pass_obj
def apply(deployment: Deployment) -> None:
    """Make what is missing of the chosen countries' buckets: warehouse, staging, code, logs."""
    sites = [open_site(deployment.platform, code) for code in deployment.chosen]
    deployment.carry_out(plan_storage(sites))


def plan_storage(sites: Sequence[tuple[Site, Clients]]) -> list[Change]:
    """What is missing until the buckets of these countries are as they should be. A bucket that
    several share is looked at once.

    Raises:
        DeploymentFailed: a bucket is somebody else's, or AWS refuses.
    """
    by_bucket = {place.bucket: opened for opened in reversed(sites) for place in places(opened[0])}
    return [
        each for name in sorted(by_bucket) for each in _plan_bucket(Bucket(name, *by_bucket[name]))
    ]


def places(site: Site) -> list[Prefix]:
    """Every place on S3 that a country uses."""
    notebooks = site.deploy.analytics.notebooks
    return [
        *(site.warehouse, site.staging, site.application, site.logs),
        *([Prefix.of(notebooks)] if notebooks is not None else []),
    ]


@dataclass(frozen=True)
class Setting:
    """One setting of a bucket: what it has to be, what it is (None where it was never set), and
    how it is set.
    """

    name: str
    wanted: Any
    read: Callable[[], Any]
    write: Callable[[Any], object]
    merge: Callable[[Any, Any], Any] = lambda found, wanted: wanted


@dataclass(frozen=True)
class Bucket:
    """A bucket, by the country in whose account it is."""

    name: str
    site: Site
    clients: Clients

    def exists(self) -> bool:
        """Whether it is there.

        Raises:
            DeploymentFailed: it may not be asked; somebody else may own the name.
        """
        what = (
            f"bucket {self.name}; either it is another account's (then choose another name), or it"
            " may not be read"
        )
        return (
            read_aws(
                what, partial(self.clients.s3.head_bucket, Bucket=self.name), "404", "NoSuchBucket"
            )
            is not None
        )

    def create(self) -> None:
        region = self.site.region
        place: Any = (
            {}
            if region == ELSEWHERE
            else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        )
        self.clients.s3.create_bucket(Bucket=self.name, **place)

    def settings(self) -> list[Setting]:
        s3, name = self.clients.s3, self.name
        return [
            Setting(
                "public access",
                PRIVATE,
                lambda: s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
                lambda value: s3.put_public_access_block(
                    Bucket=name, PublicAccessBlockConfiguration=value
                ),
            ),
            Setting(
                "ownership",
                {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                lambda: s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"],
                lambda value: s3.put_bucket_ownership_controls(
                    Bucket=name, OwnershipControls=value
                ),
            ),
            Setting(
                "encryption",
                {"Rules": [_encryption(self.site)]},
                lambda: {
                    "Rules": [
                        _own_settings(rule)
                        for rule in s3.get_bucket_encryption(Bucket=name)[
                            "ServerSideEncryptionConfiguration"
                        ]["Rules"]
                    ]
                },
                lambda value: s3.put_bucket_encryption(
                    Bucket=name, ServerSideEncryptionConfiguration=value
                ),
            ),
            Setting(
                "versioning",
                "Enabled",
                lambda: s3.get_bucket_versioning(Bucket=name).get("Status"),
                lambda value: s3.put_bucket_versioning(
                    Bucket=name, VersioningConfiguration={"Status": value}
                ),
            ),
            Setting(
                "tags",
                {**self.site.tags(), COUNTRY_TAG: ALL},
                lambda: tags_of({"Tags": s3.get_bucket_tagging(Bucket=name)["TagSet"]}),
                lambda value: s3.put_bucket_tagging(
                    Bucket=name, Tagging={"TagSet": tag_list(value)}
                ),
                merge=lambda found, wanted: {**(found or {}), **wanted},
            ),
            Setting(
                "policy",
                [_encrypted_connections_only(self.site, name)],
                lambda: json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"],
                lambda value: s3.put_bucket_policy(
                    Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": value})
                ),
                merge=partial(_beside_others, "Sid"),
            ),
            Setting(
                "lifecycle",
                list(lifecycle(self.site, name)),
                lambda: [
                    _with_filter(rule)
                    for rule in s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
                ],
                lambda value: s3.put_bucket_lifecycle_configuration(
                    Bucket=name, LifecycleConfiguration={"Rules": value}
                ),
                merge=partial(_beside_others, "ID"),
            ),
        ]


def _plan_bucket(bucket: Bucket) -> Iterator[Change]:
    address = f"s3://{bucket.name}"
    is_there = bucket.exists()
    if not is_there:
        yield change(
            "create",
            address,
            f"in {bucket.site.region}, account {bucket.site.account}",
            bucket.create,
        )
    for setting in bucket.settings():
        thing = f"{address} {setting.name}"
        found = read_aws(f"reading {thing}", setting.read, *NOTHING_SET) if is_there else None
        wanted = setting.merge(found, setting.wanted)
        if found != wanted:
            yield change(
                "update", thing, _difference(found, wanted), partial(setting.write, wanted)
            )


def _difference(found: Any, wanted: Any) -> str:
    if isinstance(wanted, list):
        new = [
            str(each.get("ID") or each.get("Sid")) for each in wanted if each not in (found or [])
        ]
        return ", ".join(new) or "some are to be removed"
    if isinstance(wanted, dict) and isinstance(found, dict):
        return ", ".join(
            f"{key}: {found.get(key)} -> {value}"
            for key, value in wanted.items()
            if found.get(key) != value
        )
    return f"{found or 'not set'} -> {wanted}"


def _encryption(site: Site) -> dict[str, Any]:
    key = site.deploy.encryption.kms_key
    default = (
        {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key} if key else {"SSEAlgorithm": "AES256"}
    )
    return {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": key is not None}


def _with_filter(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A lifecycle rule as it was put: how S3 returns a filter of everything is not written."""
    is_of_all = not rule.get("Filter") and "Prefix" not in rule
    return {**rule, "Filter": {"Prefix": ""}} if is_of_all else dict(rule)


def _own_settings(rule: Mapping[str, Any]) -> dict[str, Any]:
    """An encryption rule as far as we set it: S3 adds settings of its own."""
    return {
        "ApplyServerSideEncryptionByDefault": rule.get("ApplyServerSideEncryptionByDefault"),
        "BucketKeyEnabled": rule.get("BucketKeyEnabled", False),
    }


def _encrypted_connections_only(site: Site, bucket: str) -> dict[str, Any]:
    arn = f"arn:{site.partition}:s3:::{bucket}"
    return {
        "Sid": f"{OWN}EncryptedConnectionsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _beside_others(
    key: str, found: Sequence[Mapping[str, Any]] | None, wanted: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """What is wanted, and after it whatever else is there: others' own, and the rules of countries
    that were taken out, whose staging and logs go in time all the same. The order in which S3 tells
    them does not matter.
    """
    before, names = list(found or ()), {each[key] for each in wanted}
    result = [*wanted, *(each for each in before if each.get(key) not in names)]
    by_id = {str(each.get(key)): each for each in before}
    # the order that was found, where nothing else differs
    same = len(before) == len(result) and all(
        by_id.get(str(each.get(key))) == each for each in result
    )
    return before if same else result


def lifecycle(site: Site, bucket: str) -> Iterator[dict[str, Any]]:
    """The lifecycle rules of a bucket: its own, and those of every country that has staging or
    logs in it.
    """
    yield {
        "ID": f"{OWN}-versions",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"ExpiredObjectDeleteMarker": True},
        "NoncurrentVersionExpiration": {"NoncurrentDays": _days(site.deploy.versions_kept)},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UPLOAD_DAYS},
    }
    for other in site.countries():
        kept = _days(other.deploy.logs_kept)
        for name, place, days in (
            ("staging", other.staging, STAGING_DAYS),
            ("logs", other.logs, kept),
        ):
            if place.bucket == bucket and place.key:
                yield {
                    "ID": f"{OWN}-{other.code.lower()}-{name}",
                    "Status": "Enabled",
                    "Filter": {"Prefix": f"{place.key}/"},
                    "Expiration": {"Days": days},
                }


def _days(duration: timedelta) -> int:
    """Whole days, at least one: S3 knows no shorter time."""
    return max(1, -(-duration // timedelta(days=1)))
