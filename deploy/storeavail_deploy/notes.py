"""`storeavail-deploy notes`: the repository's Zeppelin notes to the bucket that Zeppelin reads. One way, and no note of anybody else's.

Zeppelin keeps a note as `<user>/notebook/<path>_<id>.zpln` in its bucket, and writes it anew whenever it was run. So what is compared is what a
note says, not its bytes. Ours lie in one folder of the paths; analysts' notes lie in folders of their own, and are neither read nor changed.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from botocore.exceptions import ClientError

from storeavail_deploy.cli import Deployment
from storeavail_deploy.clients import Clients, aws_errors, code_of, open_site
from storeavail_deploy.environment import ROOT
from storeavail_deploy.plan import Change
from storeavail_deploy.settings import Prefix, Site
from storeavail_platform.domain.errors import ConfigError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOTES = ROOT / "zeppelin" / "notes"
MISSING = {"404", "NoSuchKey"}


@click.group()
def commands() -> None:
    """Notes: from the repository to Zeppelin's bucket."""


@commands.command(epilog="Example:  storeavail-deploy --country BR notes publish")
@click.pass_obj
def publish(deployment: Deployment) -> None:
    """Publish the repository's notes where Zeppelin of the one chosen country's account reads them."""
    if len(deployment.chosen) != 1:
        raise click.UsageError("choose the one country in whose account the notebooks are: --country CODE")
    deployment.carry_out(plan_notes(open_site(deployment.platform, deployment.chosen[0]), NOTES))


def plan_notes(opened: tuple[Site, Clients], folder: Path) -> list[Change]:
    """What is missing until the bucket has the folder's notes as they are.

    Raises:
        ConfigError: the configuration names no place for notebooks, or the folder has no notes.
        DeploymentFailed: AWS refuses, or does not answer.
    """
    site, clients = opened
    place = notebooks(site)
    files = sorted(folder.glob("*.zpln"))
    if not files:
        raise ConfigError(f"{folder} has no notes: storeavail-deploy notes publish runs from a checkout of the repository")
    changes = []
    for file in files:
        data = file.read_bytes()
        note = json.loads(data)
        key = place.below("notebook", f"{note['path'].strip('/')}_{note['id']}.zpln").key
        found = _read(clients.s3, place.bucket, key)
        if found is None or _said(found) != _said(data):
            what = "in the repository it is another now" if found is not None else f"from {file.name}"
            changes.append(
                Change(
                    "create" if found is None else "update",
                    f"s3://{place.bucket}/{key}",
                    what,
                    partial(_put, clients.s3, place.bucket, key, data),
                )
            )
    return changes


def notebooks(site: Site) -> Prefix:
    """Where Zeppelin keeps its notes: bucket, and the first part of its keys (`zeppelin.notebook.s3.user`)."""
    if site.deploy.analytics.notebooks is None:
        raise ConfigError("deploy.analytics.notebooks is missing: say where Zeppelin keeps its notes, as s3://bucket/prefix")
    place = Prefix.of(site.deploy.analytics.notebooks)
    if not place.key:
        # Zeppelin would look for them below a folder without a name
        raise ConfigError(
            f"deploy.analytics.notebooks: {place.url} names a whole bucket; Zeppelin needs a prefix in it, as s3://bucket/prefix"
        )
    return place


def _said(note: bytes) -> Any:
    """What a note says and when it runs, without what Zeppelin adds as it runs it; None where it is no note."""
    try:
        parts = json.loads(note)
        return (
            parts["path"],
            parts.get("config", {}).get("cron"),
            [(paragraph.get("title"), paragraph.get("text")) for paragraph in parts["paragraphs"]],
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _read(s3: S3Client, bucket: str, key: str) -> bytes | None:
    """What lies there; None where nothing does."""
    with aws_errors(f"s3://{bucket}/{key}"):
        try:
            return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            if code_of(error) in MISSING:
                return None
            raise


def _put(s3: S3Client, bucket: str, key: str, data: bytes) -> None:
    with aws_errors(f"s3://{bucket}/{key}"):
        s3.put_object(Bucket=bucket, Key=key, Body=data, ContentType="application/json")
