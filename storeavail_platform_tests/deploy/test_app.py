"""Publishing a commit and going back: what lies on S3 afterwards, that nothing changes twice,
and that damage is found before it runs.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import boto3
import pytest
from storeavail_deploy.app import wait_until_proved
from storeavail_deploy.environment import ROOT, Environment, locked_environment
from storeavail_deploy.plan import NOTHING_TO_DO, PENDING, carry_out
from storeavail_deploy.publish import Checkout, plan_publish, plan_rollback
from storeavail_deploy.release import Application, bootstrap_action

from storeavail_platform.config import Platform, load_text
from storeavail_platform.domain.errors import ConfigError, StorageUnavailable, WarehouseError
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.warehouse.markers import Figures, Marker
from storeavail_testing.s3 import S3Server


@dataclass(frozen=True)
class SmallCheckout(Checkout):
    """A repository of its own, whose environment is one package of the lock file: packing all
    of them takes half a minute.
    """

    package: str = "toposort"

    @cached_property
    def environment(self) -> Environment:
        requirements = locked_environment(ROOT).requirements.replace("\\\n", "")
        (line,) = [
            line for line in requirements.splitlines() if line.startswith(f"{self.package}==")
        ]
        return Environment(line + "\n")

    def commit_file(self, name: str, text: str) -> SmallCheckout:
        """Commit a file; the checkout as it is then."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        git(self.root, "add", "--all")
        git(
            self.root,
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.com",
            "commit",
            "--quiet",
            "--message",
            "m",
        )
        return replace(self)


class OtherBytes(SmallCheckout):
    """One that makes another zip of the same commit."""

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        return {**super().files, "code.zip": b"other"}


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> SmallCheckout:
    root = tmp_path / "checkout"
    (root / "deploy").mkdir(parents=True)
    git(tmp_path, "init", "--quiet", "checkout")
    (root / "deploy" / "bootstrap.sh").write_bytes((ROOT / "deploy" / "bootstrap.sh").read_bytes())
    return SmallCheckout(root).commit_file("zeppelin/notebooks/daily.zpln", "{}")


@pytest.fixture
def bucket(s3: S3Server) -> str:
    """A versioned bucket: what is written twice shows."""
    bucket = s3.create_bucket()
    boto3.client("s3").put_bucket_versioning(
        Bucket=bucket[5:], VersioningConfiguration={"Status": "Enabled"}
    )
    return bucket


def platform(bucket: str, code: dict[str, str]) -> Platform:
    """A configuration whose countries run the given code below a bucket."""
    countries = "\n".join(
        f"  {country}: {{timezone: UTC, postgres: {{dsn: 'aws:dsn'}}, online_index: {{url:"
        f" 'aws:url', index: stores}}, emr: {{cluster: {{name: c}}, staging: {bucket}/{country},"
        f" code: '{bucket}/{path}'}}}}"
        for country, path in code.items()
    )
    text = (
        f"warehouse: {bucket}/w\ncatalog: {{type: hive, uri: 'thrift://h:1'}}\nengine:"
        f" spark\nexecution: emr\ncountries:\n{countries}\n"
    )
    return load_text(text, base="/", origin="test.yaml")


def versions(bucket: str) -> list[str]:
    """Every version of every object."""
    return [
        version["Key"]
        for page in (
            boto3.client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket[5:])
        )
        for version in page.get("Versions", [])
    ]


def read(address: str) -> bytes:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()


def publish(
    config: Platform, chosen: list[str], checkout: Checkout, *, dry_run: bool = False
) -> tuple[int, str]:
    """The exit code, and what was printed."""
    output_text: list[str] = []
    code = carry_out(
        plan_publish(config, chosen, checkout), dry_run=dry_run, tell=output_text.append
    )
    return code, "\n".join(output_text)


def rollback(config: Platform, chosen: list[str]) -> int:
    return carry_out(plan_rollback(config, chosen), dry_run=False, tell=lambda text: None)


def test_publish_once_whole_and_by_commit(bucket: str, checkout: SmallCheckout) -> None:
    """A dry run tells and changes nothing; then all of it is there with right checksums; a
    second run changes nothing and says so.
    """
    config = platform(bucket, {"BR": "app/code.zip", "CL": "app/code.zip"})
    code, output_text = publish(config, ["BR", "CL"], checkout, dry_run=True)
    assert (code, versions(bucket)) == (PENDING, [])
    assert checkout.commit in output_text
    assert (
        f"{bucket}/app/code.zip: BR, CL: release {checkout.commit} instead of none" in output_text
    )

    assert publish(config, ["BR", "CL"], checkout)[0] == 0
    application = Application.of(config.country("BR"))
    release = application.current_release()
    assert release.commit == checkout.commit
    assert set(release.files) == {"code.zip", "zeppelin/notebooks/daily.zpln"}
    for artifact in (*release.files.values(), release.environment, release.bootstrap):
        data = read(f"{bucket}/app/{artifact.path}")
        assert (len(data), hashlib.sha256(data).hexdigest()) == (artifact.size, artifact.sha256)
    assert read(f"{bucket}/app/code.zip") == checkout.files["code.zip"]

    before = versions(bucket)
    assert publish(config, ["BR", "CL"], checkout) == (0, NOTHING_TO_DO)
    assert versions(bucket) == before
    assert len(before) == len(set(before)), "something was written twice"


def test_a_new_commit_keeps_environment_and_clusters(bucket: str, checkout: SmallCheckout) -> None:
    """The archive is made again only for another lock file, and what clusters start with is the
    same until then.
    """
    config = platform(bucket, {"BR": "app/code.zip"})
    publish(config, ["BR"], checkout)
    action = bootstrap_action(config.country("BR"))
    second = checkout.commit_file("zeppelin/notebooks/daily.zpln", '{"second": true}')
    publish(config, ["BR"], second)
    assert bootstrap_action(config.country("BR")) == action
    assert len([key for key in versions(bucket) if key.endswith(".tar.gz")]) == 1
    assert Application.of(config.country("BR")).history().commits == (
        second.commit,
        checkout.commit,
    )

    other = replace(second.commit_file("y", "y"), package="tqdm")
    publish(config, ["BR"], other)
    changed = bootstrap_action(config.country("BR"))
    assert changed != action
    script = changed["ScriptBootstrapAction"]
    assert isinstance(script, dict)
    archive, sha256 = script["Args"]
    assert hashlib.sha256(read(archive)).hexdigest() == sha256
    assert read(script["Path"]) == checkout.bootstrap


def test_rollback_goes_back_and_no_further_than_there_is(
    bucket: str, checkout: SmallCheckout
) -> None:
    """The code is the former commit's, byte for byte; a bad commit is not what the next
    roll-back leads to; publishing it again is possible.
    """
    config = platform(bucket, {"BR": "app/code.zip"})
    with pytest.raises(ConfigError, match="no earlier release to go back to"):
        plan_rollback(config, ["BR"])
    publish(config, ["BR"], checkout)
    second = checkout.commit_file("a", "a")
    publish(config, ["BR"], second)
    assert rollback(config, ["BR"]) == 0
    application = Application.of(config.country("BR"))
    assert application.history().commits == (checkout.commit,)
    assert read(f"{bucket}/app/code.zip") == checkout.files["code.zip"]
    with pytest.raises(ConfigError, match=f"current: {checkout.commit}"):
        plan_rollback(config, ["BR"])
    publish(config, ["BR"], second)
    assert application.history().commits == (second.commit, checkout.commit)


def test_a_damaged_release_never_becomes_current(bucket: str, checkout: SmallCheckout) -> None:
    """Its files are compared before anything changes; the message names the file and what to do."""
    config = platform(bucket, {"BR": "app/code.zip"})
    publish(config, ["BR"], checkout)
    publish(config, ["BR"], checkout.commit_file("a", "a"))
    key = f"app/releases/{checkout.commit}/zeppelin/notebooks/daily.zpln"
    boto3.client("s3").put_object(Bucket=bucket[5:], Key=key, Body=b"[]")
    before = versions(bucket)
    with pytest.raises(WarehouseError, match=r"daily\.zpln is damaged: its SHA-256 is"):
        rollback(config, ["BR"])
    assert versions(bucket) == before


def test_a_publication_that_failed_half_way_is_completed(
    bucket: str, checkout: SmallCheckout
) -> None:
    """What failed is said; nothing becomes current; the next run does the rest."""
    config = platform(bucket, {"BR": "app/code.zip"})

    class Unpackable(SmallCheckout):
        @cached_property
        def environment(self) -> Environment:
            return Environment("toposort==99.99 --hash=sha256:" + "0" * 64 + "\n")

    output_text: list[str] = []
    with pytest.raises(ConfigError, match="uv pip failed"):
        carry_out(
            plan_publish(config, ["BR"], Unpackable(checkout.root)),
            dry_run=False,
            tell=output_text.append,
        )
    assert "0 of 2 done, the rest was not tried; run the same command again" in output_text[-1]
    assert Application.of(config.country("BR")).history().current is None
    assert publish(config, ["BR"], checkout)[0] == 0
    assert Application.of(config.country("BR")).current_release().commit == checkout.commit


def test_only_commits_are_published_and_never_changed(bucket: str, checkout: SmallCheckout) -> None:
    """Uncommitted files are refused; so is a commit that was published with other bytes."""
    config = platform(bucket, {"BR": "app/code.zip"})
    notebook = checkout.root / "zeppelin" / "notebooks" / "daily.zpln"
    notebook.write_text("changed")
    with pytest.raises(
        ConfigError, match=r"1 files are not as committed \(zeppelin/notebooks/daily.zpln\)"
    ):
        plan_publish(config, ["BR"], checkout)
    notebook.write_text("{}")
    publish(config, ["BR"], checkout)
    other = OtherBytes(checkout.root, checkout.package)
    with pytest.raises(WarehouseError, match=r"was published with other bytes of code\.zip"):
        plan_publish(config, ["BR"], other)
    with pytest.raises(ConfigError, match="git status failed"):
        plan_publish(config, ["BR"], Checkout(Path("/")))


def test_countries_are_rolled_out_alone_only_with_code_of_their_own(
    bucket: str, checkout: SmallCheckout
) -> None:
    """Of two that share their code both are meant; with addresses of their own the other's code
    stays as it is.
    """
    shared = platform(bucket, {"BR": "app/code.zip", "CL": "app/code.zip"})
    with pytest.raises(
        ConfigError, match=r"countries\.BR\.emr\.code is the code of CL too: choose them together"
    ):
        plan_publish(shared, ["BR"], checkout)
    own = platform(bucket, {"BR": "br/code.zip", "CL": "cl/code.zip"})
    publish(own, ["BR"], checkout)
    assert not [key for key in versions(bucket) if key.startswith("cl/")]
    with pytest.raises(ConfigError, match="no release is published for CL"):
        bootstrap_action(own.country("CL"))


@pytest.mark.parametrize(
    ("spoil", "output_text"),
    [
        (
            lambda bucket: boto3.client("s3").put_object(
                Bucket=bucket[5:], Key="app/code.zip.releases.json", Body=b"?"
            ),
            "cannot be understood",
        ),
        (lambda bucket: None, "NoSuchBucket"),
    ],
)
def test_what_is_wrong_on_s3_is_told(
    bucket: str, checkout: SmallCheckout, spoil: Callable[[str], object], output_text: str
) -> None:
    """A file that something else wrote, and a bucket that is not there, are named; nothing is
    guessed.
    """
    spoil(bucket)
    place = bucket if output_text == "cannot be understood" else "s3://no-such-bucket-anywhere"
    with pytest.raises(WarehouseError, match=output_text):
        plan_publish(platform(place, {"BR": "app/code.zip"}), ["BR"], checkout)


def test_a_roll_out_is_proved_by_a_window_completed_since(tmp_path: Path) -> None:
    """Neither an earlier window nor one that was observed before counts; where none comes in
    time the last one is named.
    """
    country = "{timezone: UTC, postgres: {dsn: 'env:DSN'}, online_index: {path: ./x.ndjson}}"
    runtime = build_runtime(
        load_text(f"countries: {{BR: {country}}}", base=tmp_path, origin="test.yaml")
    )
    now = datetime.now(UTC)
    window = Window.containing(now)

    def complete(window: Window, observed: datetime, completed: datetime) -> None:
        figures = Figures(0, 0, 0, 0, 0, 0, 0, suspect=False)
        runtime.markers.write(Marker("BR", window.key, "run", observed, completed, figures, {}))

    before, after = now - timedelta(seconds=1), now + timedelta(hours=1)
    complete(window.next(-1), after, after)
    complete(window, before, after)
    with pytest.raises(
        StorageUnavailable, match=f"BR: no window was completed within 0s .*the last one: {window}"
    ):
        wait_until_proved(runtime.markers, "BR", within=timedelta(), poll_seconds=0.01)
    complete(window.next(), after, after)
    assert (
        wait_until_proved(runtime.markers, "BR", within=timedelta(), poll_seconds=0.01)
        == window.next().key
    )
