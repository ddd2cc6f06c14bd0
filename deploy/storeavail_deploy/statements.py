"""Single statements of policies: actions on what lies on S3, on secrets, on clusters, with a key;
and documents of them.

Which role has which is `policies.py` and `shared_policies.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from storeavail_deploy.settings import COUNTRY_TAG, PREFIX_TAG, Prefix, Site, secret_arn
from storeavail_platform.config import ElasticsearchServer, FileIndex

Statement = dict[str, Any]
READ = ("s3:GetObject", "s3:GetObjectVersion")
WRITE = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
PASSED_TO = "iam:PassedToService"


def document(statements: Iterable[Statement | None]) -> dict[str, Any]:
    """A policy document of those statements that there are."""
    return {"Version": "2012-10-17", "Statement": [each for each in statements if each is not None]}


def allow(
    sid: str, actions: str | Sequence[str], resources: str | Sequence[str], **condition: Any
) -> Statement:
    """What is allowed, on what; `condition` in IAM's own form, by its operator."""
    statement: Statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": _plain(actions),
        "Resource": _plain(resources),
    }
    return {**statement, "Condition": condition} if condition else statement


def _plain(value: str | Sequence[str]) -> str | list[str]:
    return value if isinstance(value, str) else list(value)


def objects(
    site: Site, sid: str, actions: Sequence[str], places: Iterable[Prefix], *, whole: bool = False
) -> Statement:
    """Actions on what lies below places, or on the very objects."""
    bucket, end = f"arn:{site.partition}:s3:::", "" if whole else "/*"
    return allow(
        sid,
        actions,
        [f"{bucket}{place.bucket}{'/' if place.key else ''}{place.key}{end}" for place in places],
    )


def configuration(site: Site) -> Statement | None:
    """Reading the configuration and the SQL files that it names; None where it is not on S3."""
    places = [
        Prefix.of(address) for address in site.platform.addresses if address.startswith("s3://")
    ]
    return objects(site, "Configuration", ("s3:GetObject",), places, whole=True) if places else None


def listings(
    site: Site, places: Iterable[Prefix], files: Iterable[Prefix] = ()
) -> Iterator[Statement]:
    """Listing below places. Without it S3 says of a file that is not there that it is forbidden.

    A statement a bucket: a prefix of one, or all of it, says nothing of another.

    Args:
        files: of which it has to be seen that they are not there.
    """
    single = set(files)
    by_bucket = groupby(sorted(single.union(places)), key=lambda place: place.bucket)
    for number, (bucket, found) in enumerate(by_bucket, 1):
        prefixes = [
            text
            for place in found
            for text in (
                [place.key]
                if place in single
                else [place.key, f"{place.key}/*"]
                if place.key
                else ["", "*"]
            )
        ]
        arn = f"arn:{site.partition}:s3:::{bucket}"
        yield allow(f"List{number}", "s3:ListBucket", arn, StringLike={"s3:prefix": prefixes})


def secrets(site: Site) -> Statement:
    return allow(
        "Secrets",
        "secretsmanager:GetSecretValue",
        [secret_arn(site, name) for name in site.secrets()],
    )


def index_domain(site: Site, index: ElasticsearchServer | FileIndex | None) -> list[Statement]:
    """Reading an index on an Amazon OpenSearch domain; nothing where the configuration names none.

    A search in a point in time names no index in its path: who may read which index is said beside
    this by the domain's own access control.
    """
    if not isinstance(index, ElasticsearchServer) or index.domain is None:
        return []
    named = index.domain.startswith("arn:")
    arn = index.domain if named else site.arn("es", f"domain/{index.domain}")
    paths = ["", f"{index.index}/*", "_search"]
    reading = [f"{arn}/{path}" for path in paths]
    return [
        allow("Index", ["es:ESHttpGet", "es:ESHttpPost"], reading),
        # a point in time is closed, nothing else
        allow("IndexState", "es:ESHttpDelete", f"{arn}/_search/point_in_time"),
    ]


def on_clusters(sid: str, actions: Sequence[str], site: Site) -> Statement:
    """Actions on a country's clusters, whose ids nobody knows before: they are known by their
    tags.
    """
    tag = "elasticmapreduce:ResourceTag"
    ours = {f"{tag}/{PREFIX_TAG}": site.deploy.prefix, f"{tag}/{COUNTRY_TAG}": site.code}
    return allow(sid, actions, site.arn("elasticmapreduce", "cluster/*"), StringEquals=ours)


def certificates(sites: Sequence[Site]) -> Statement | None:
    """Reading the certificates by which nodes encrypt what they send each other; None where there
    are none.
    """
    named = {site.deploy.encryption.certificates for site in sites} - {None}
    places = [Prefix.of(str(address)) for address in sorted(map(str, named))]
    return (
        objects(sites[0], "Certificates", ("s3:GetObject",), places, whole=True) if places else None
    )


def key(site: Site) -> Statement | None:
    """Using the key that a country's data is encrypted with; None where S3's own keys do it."""
    arn = site.deploy.encryption.kms_key
    actions = [
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey*",
        "kms:ReEncrypt*",
    ]
    return None if arn is None else allow("Key", actions, arn)


def key_grants(site: Site) -> Statement | None:
    """Letting EC2 encrypt the disks of a cluster with that key; None where there is none."""
    arn = site.deploy.encryption.kms_key
    if arn is None:
        return None
    for_aws = {"kms:GrantIsForAWSResource": "true"}
    return allow("Disks", "kms:CreateGrant", arn, Bool=for_aws)


NO_SECRET: Statement = {
    "Sid": "NoSecret",
    "Effect": "Deny",
    "Action": "secretsmanager:GetSecretValue",
    "Resource": "*",
}


def no_secret_but(own: Sequence[str]) -> Statement:
    """No secret but one's own, whatever else is granted. It names what is allowed, not what is
    denied: secrets of a hundred countries' sources are longer than IAM takes.
    """
    if not own:
        return NO_SECRET
    return {
        **{name: value for name, value in NO_SECRET.items() if name != "Resource"},
        "NotResource": list(own),
    }


SESSION = allow(
    "Session",
    [
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    ],
    "*",
)
"""A way onto a node, by Systems Manager. Who may begin a session is said by the account's own
policies.
"""

FIND_CLUSTER = allow("FindCluster", "elasticmapreduce:ListClusters", "*")
"""EMR takes no resource here; names of clusters, and no more, are told of every country."""
