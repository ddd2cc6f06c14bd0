"""What the roles may that countries have in common (analysts, the metastore, backups, pages): the
policy documents, made from the configuration. Nothing is called here.

They name what is every country's by a pattern: a hundred countries' places, one by one, are longer
than IAM takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storeavail_deploy.settings import Prefix, Site, secret_arn
from storeavail_deploy.statements import (
    NO_SECRET,
    READ,
    SESSION,
    WRITE,
    Statement,
    allow,
    certificates,
    configuration,
    document,
    index_domain,
    key,
    listings,
    no_secret_but,
    objects,
)
from storeavail_platform.domain.places import FILES, LEASE
from storeavail_platform.warehouse.readings import MANIFEST_NAME


def analyst_policy(sites: Sequence[Site]) -> dict[str, Any]:
    """What analysts do: read tables, windows and pages of every country, and raw databases by
    their own secrets.
    """
    return document(
        [*_read_only(sites), configuration(sites[0]), *_raw_access(sites), key(sites[0])]
    )


def analytics_nodes_policy(sites: Sequence[Site]) -> dict[str, Any]:
    """What the cluster for notebooks does: reads every country, writes its own logs and
    notebooks, no data.
    """
    notebooks = {
        Prefix.of(site.deploy.analytics.notebooks)
        for site in sites
        if site.deploy.analytics.notebooks
    }
    # a hundred countries' logs, named one by one, are longer than IAM takes
    places = sorted(notebooks.union(_of_any(site, site.analytics_logs) for site in sites))
    return document(
        [
            *_read_only(sites, code=True, listed=places),
            objects(sites[0], "LogsAndNotebooks", WRITE, places),
            certificates(sites),
            SESSION,
            configuration(sites[0]),
            *_raw_access(sites, [name for site in sites for name in site.sign_in_secrets()]),
            key(sites[0]),
        ]
    )


def metastore_policy(site: Site) -> dict[str, Any]:
    """What the Hive Metastore does by itself: sees whether folders of namespaces and tables are
    there, and makes them. It reads and writes no row.
    """
    tables = site.warehouse.below("tables")
    names = tables.key.split("/")
    above = [Prefix(tables.bucket, "/".join(names[:end])) for end in range(1, len(names) + 1)]
    # S3A's folders are empty objects with a slash at their end, which no file has
    folders = [Prefix(place.bucket, f"{place.key}/") for place in above]
    made = Prefix(tables.bucket, f"{tables.key}/*/")
    seen = [*above, *folders, tables.below("*")]
    return document(
        [
            objects(site, "See", READ[:1], [*above, *folders, tables.below("*")], whole=True),
            objects(site, "Folders", ("s3:PutObject",), [folders[-1], made], whole=True),
            *listings(site, [], seen),
            # whether a folder is there is asked as if it were a file: of any name
            {
                **objects(site, "NoRow", READ, [tables.below("*.parquet")], whole=True),
                "Effect": "Deny",
            },
            key(site),
        ]
    )


def backup_policy(site: Site) -> dict[str, Any]:
    """What `storeavail backup` does: reads the whole warehouse, and holds upkeep back meanwhile by
    a file of each country.
    """
    leases = site.warehouse.below("tables", "*", LEASE)
    return document(
        [
            objects(site, "Read", READ, [site.warehouse]),
            objects(site, "Leases", WRITE[1:3], [leases], whole=True),
            *listings(site, [site.warehouse]),
            configuration(site),
            key(site),
        ]
    )


def pages_policy(site: Site) -> dict[str, Any]:
    """What the dashboard's server does: reads pages, and nothing else of the warehouse."""
    dashboard = site.warehouse.below("dashboard")
    pages = [dashboard.below(name) for name in ("index.html", "*/index.html")]
    pages += [dashboard.below("*", name) for name in ("summary.json", "alive.js")]
    return document(
        [
            objects(site, "Pages", READ[:1], [*pages, site.layout], whole=True),
            # that one is not there yet
            *listings(site, [], [*pages, site.layout]),
            configuration(site),
            key(site),
            NO_SECRET,
        ]
    )


def _of_any(site: Site, place: Prefix) -> Prefix:
    """A country's place, by a pattern that is every country's whose place has its code at the same
    level.
    """
    names = ["*" if name.upper() == site.code else name for name in place.key.split("/")]
    return Prefix(place.bucket, "/".join(names))


def _read_only(
    sites: Sequence[Site], *, code: bool = False, listed: Sequence[Prefix] = ()
) -> list[Statement]:
    warehouse = sites[0].warehouse
    # every country's, whoever deploys: named one by one they are longer than IAM takes
    read = [warehouse.below(folder) for folder in ("tables", "windows", "dashboard", *FILES)]
    read += sorted({site.application for site in sites}) if code else ()
    return [
        objects(sites[0], "Read", READ, read),
        # which windows were read and are not complete, and no row of them
        objects(
            sites[0],
            "Landed",
            READ[:1],
            [sites[0].layout, warehouse.below("landing", "*", MANIFEST_NAME)],
            whole=True,
        ),
        *listings(
            sites[0],
            [*read, *map(warehouse.below, ("landing", "roll_up")), *listed],
            [sites[0].layout],
        ),
    ]


def _raw_access(sites: Sequence[Site], more: Sequence[str] = ()) -> list[Statement]:
    """Analysts' own secrets and the note of each access, which is made and never read or
    changed; no secret of the windows' sources.

    Args:
        more: names of secrets that are read too.
    """
    own = sorted(
        {
            *(secret_arn(site, name) for site in sites for name in site.analysts_secrets()),
            *(secret_arn(sites[0], name) for name in more),
        }
    )
    roles = {
        site.settings.analyst.aws.assume_role for site in sites if site.settings.analyst is not None
    } - {None}
    read, become = "secretsmanager:GetSecretValue", "sts:AssumeRole"
    return [
        # made only where there is none: what is noted cannot be written over
        {
            **objects(sites[0], "Audit", ("s3:PutObject",), [sites[0].warehouse.below("audit")]),
            "Condition": {"Null": {"s3:if-none-match": "false"}},
        },
        *([allow("OwnSecrets", read, own)] if own else []),
        *_analysts_domains(sites),
        *([allow("OwnRoles", become, sorted(map(str, roles)))] if roles else []),
        # whatever else is granted
        no_secret_but(own),
    ]


def _analysts_domains(sites: Sequence[Site]) -> list[Statement]:
    return [
        {**statement, "Sid": f"{statement['Sid']}{site.code}"}
        for site in sites
        if site.settings.analyst is not None
        for statement in index_domain(site, site.settings.analyst.online_index)
    ]
