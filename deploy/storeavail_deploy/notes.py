"""`storeavail-deploy notes`: the repository's Zeppelin notes to the bucket that Zeppelin reads. One
way, and no note of anybody else's.

Zeppelin keeps a note as `<user>/notebook/<path>_<id>.zpln` in its bucket, and writes it anew
whenever it was run. So what is compared is what a note says, not its bytes. Ours lie in one folder
of the paths; analysts' notes lie in folders of their own, and are neither read nor changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from storeavail_deploy.cli import Deployment
from storeavail_deploy.clients import Clients, change, open_site, read_aws
from storeavail_deploy.environment import ROOT
from storeavail_deploy.plan import Change
from storeavail_deploy.settings import Prefix, Site
from storeavail_platform.domain.errors import ConfigError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOTES = ROOT / "zeppelin" / "notes"


commands = click.Group(help="Notes: from the repository to Zeppelin's bucket.")


@commands.command(epilog="Example:  storeavail-deploy --country BR notes publish")
@click.pass_obj
def publish(deployment: Deployment) -> None:
    """Publish the repository's notes where Zeppelin of the one chosen country's account reads
    them.
    """
    settings = deployment.only("choose the one country in whose account the notebooks are")
    deployment.carry_out(plan_notes(open_site(deployment.platform, settings.code), NOTES))


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
        raise ConfigError(
            f"{folder} has no notes: storeavail-deploy notes publish runs from a checkout of the"
            " repository"
        )
    return [change for file in files for change in _plan_note(clients.s3, place, file)]


def _plan_note(s3: S3Client, place: Prefix, file: Path) -> Iterator[Change]:
    data = file.read_bytes()
    note = json.loads(data)
    there = place.below("notebook", f"{note['path'].strip('/')}_{note['id']}.zpln")
    read = partial(s3.get_object, Bucket=there.bucket, Key=there.key)
    found = read_aws(there.url, lambda: read()["Body"].read(), "404", "NoSuchKey")
    if found is None or _content(found) != _content(data):
        why = f"from {file.name}" if found is None else "in the repository it is another now"
        put = partial(
            s3.put_object,
            Bucket=there.bucket,
            Key=there.key,
            Body=data,
            ContentType="application/json",
        )
        yield change("create" if found is None else "update", there.url, why, put)


def notebooks(site: Site) -> Prefix:
    """Where Zeppelin keeps its notes: bucket, and the first part of its keys
    (`zeppelin.notebook.s3.user`).
    """
    if site.deploy.analytics.notebooks is None:
        raise ConfigError(
            "deploy.analytics.notebooks is missing: say where Zeppelin keeps its notes, as"
            " s3://bucket/prefix"
        )
    place = Prefix.of(site.deploy.analytics.notebooks)
    if not place.key:
        # Zeppelin would look for them below a folder without a name
        raise ConfigError(
            f"deploy.analytics.notebooks: {place.url} names a whole bucket; Zeppelin needs a prefix"
            " in it, as s3://bucket/prefix"
        )
    return place


def _content(note: bytes) -> Any:
    """What a note says and when it runs, without what Zeppelin adds as it runs it; None where
    it is no note.
    """
    try:
        found = json.loads(note)
        texts = [
            (paragraph.get("title"), paragraph.get("text")) for paragraph in found["paragraphs"]
        ]
        return found["path"], found.get("config", {}).get("cron"), texts
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
