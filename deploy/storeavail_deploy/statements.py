"""Single statements of policies: actions on what lies on S3, on secrets, on clusters, with a key. Which role has which is `policies.py`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from storeavail_deploy.settings import COUNTRY_TAG, PREFIX_TAG, Prefix, Site, secret_arn

Statement = dict[str, Any]


def objects(site: Site, sid: str, actions: Sequence[str], places: Iterable[Prefix], *, whole: bool = False) -> Statement:
    """Actions on what lies below places, or on the very objects."""
    end = "" if whole else "/*"
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": [f"arn:{site.partition}:s3:::{place.bucket}{'/' if place.key else ''}{place.key}{end}" for place in places],
    }


def configuration(site: Site) -> Statement | None:
    """Reading the configuration and the SQL files that it names; None where it is not on S3."""
    places = [Prefix.of(address) for address in site.platform.addresses if address.startswith("s3://")]
    return objects(site, "Configuration", ("s3:GetObject",), places, whole=True) if places else None


def listing(site: Site, places: Iterable[Prefix]) -> Statement:
    """Listing below places. Without it S3 says of a file that is not there that it is forbidden."""
    found = sorted(set(places))
    prefixes = [text for place in found for text in ([place.key, f"{place.key}/*"] if place.key else ["", "*"])]
    return {
        "Sid": "List",
        "Effect": "Allow",
        "Action": ["s3:ListBucket"],
        "Resource": [f"arn:{site.partition}:s3:::{bucket}" for bucket in sorted({place.bucket for place in found})],
        "Condition": {"StringLike": {"s3:prefix": prefixes}},
    }


def secrets(site: Site) -> Statement:
    """Reading a country's own secrets."""
    return {
        "Sid": "Secrets",
        "Effect": "Allow",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": [secret_arn(site, name) for name in site.secrets()],
    }


def on_clusters(sid: str, actions: Sequence[str], site: Site) -> Statement:
    """Actions on a country's clusters, whose ids nobody knows before: they are told by their tags."""
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": site.arn("elasticmapreduce", "cluster/*"),
        "Condition": {
            "StringEquals": {
                f"elasticmapreduce:ResourceTag/{PREFIX_TAG}": site.deploy.prefix,
                f"elasticmapreduce:ResourceTag/{COUNTRY_TAG}": site.code,
            }
        },
    }


def key(site: Site) -> Statement | None:
    """Using the key that a country's data is encrypted with; None where S3's own keys do it."""
    arn = site.deploy.encryption.kms_key
    if arn is None:
        return None
    actions = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    return {"Sid": "Key", "Effect": "Allow", "Action": actions, "Resource": arn}
