"""What sets up Zeppelin on its node: from what was published, the secret and the bucket, into a
folder that stands for the node's file system.
"""

from __future__ import annotations

import getpass
import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from storeavail_deploy.release import Artifact, History, Release, release_path

from storeavail_platform_tests.deploy.aws import REGION, Account
from storeavail_platform_tests.zeppelin.test_notes import ZEPPELIN

CODE = "s3://company/app/code.zip"
NOTEBOOKS = "s3://company/notes"
RIGHTS_KEY = "notes/conf/notebook-authorization.json"
MINE = {"owners": ["ana"], "readers": [], "runners": [], "writers": []}


def load(name: str) -> ModuleType:
    """A program of the folder `zeppelin`, which is no package."""
    spec = importlib.util.spec_from_file_location(f"zeppelin_{name}", ZEPPELIN / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Main:
    """A main node whose company has published a release."""

    root: Path
    s3: Any

    @property
    def conf(self) -> Path:
        return self.root / "etc/zeppelin/conf"

    def run(self, verb: str, sign_in: str | None = "zeppelin") -> None:
        options = {"--code": CODE, "--region": REGION, "--notebooks": NOTEBOOKS}
        options |= {"--root": str(self.root), "--owner": getpass.getuser()}
        options |= {"--sign-in": sign_in} if sign_in else {}
        load("prepare").main([verb, *(word for pair in options.items() for word in pair)])

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket="company", Key=key, Body=body)

    def rights(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.conf / "notebook-authorization.json").read_text())
        return found


@pytest.fixture
def main(aws: Account, tmp_path: Path) -> Main:
    s3 = aws.session.client("s3")
    s3.create_bucket(
        Bucket="company", CreateBucketConfiguration={"LocationConstraint": "sa-east-1"}
    )
    made = Main(tmp_path, s3)
    files = {"code.zip": b"the code"}
    for name in ("interpreter.json", "notebook-authorization.json"):
        files[f"zeppelin/conf/{name}"] = (ZEPPELIN / "conf" / name).read_bytes()
    for name, body in files.items():
        made.put(f"app/releases/c1/{name}", body)
    # as `app publish` says what it has published
    listed = {name: Artifact.of(release_path("c1", name), body) for name, body in files.items()}
    none = Artifact.of("none", b"")
    release = Release(commit="c1", files=listed, environment=none, bootstrap=none)
    made.put(f"app/{release_path('c1')}", release.model_dump_json().encode())
    made.put("app/code.zip.releases.json", History(commits=("c1",)).model_dump_json().encode())
    boto3.client("secretsmanager", region_name=REGION).create_secret(
        Name="zeppelin", SecretString=(ZEPPELIN / "conf/shiro.ini.template").read_text()
    )
    return made


def test_nothing_is_left_to_do_by_hand(main: Main) -> None:
    """Code, interpreters, sign-in and rights are there, what is secret for Zeppelin alone."""
    main.run("start")
    assert (main.root / "opt/storeavail/code.zip").read_bytes() == b"the code"
    for name in ("interpreter.json", "notebook-authorization.json"):
        assert json.loads((main.conf / name).read_text()) == json.loads(
            (ZEPPELIN / "conf" / name).read_text()
        )
    shiro = main.conf / "shiro.ini"
    assert shiro.read_text() == (ZEPPELIN / "conf/shiro.ini.template").read_text()
    assert shiro.stat().st_mode & 0o077 == 0


def test_rights_of_notes_come_back_on_another_node(main: Main, tmp_path: Path) -> None:
    """What an analyst or an admin said is kept in the bucket as Zeppelin writes it, and counts on
    the next cluster; a note that was published since has the rights of its release.
    """
    main.run("start")
    published = main.rights()["authInfo"]
    shared, new = list(published)[:2]
    said = {"2MINE0001": MINE, shared: {**published[shared], "readers": ["analyst", "guest"]}}
    known = {**published, **said}
    del known[new]
    (main.conf / "notebook-authorization.json").write_text(json.dumps({"authInfo": known}))
    main.run("keep")
    shutil.rmtree(main.root / "etc")
    main.run("start")
    assert main.rights()["authInfo"] == {**published, **said}
    # half a file is not kept, and a kept one that is none lets Zeppelin not start
    (main.conf / "notebook-authorization.json").write_text("{")
    with pytest.raises(SystemExit, match="bring back its version of before"):
        main.run("keep")
    main.put(RIGHTS_KEY, b"{}")
    with pytest.raises(SystemExit, match=f"company/{RIGHTS_KEY} is no file of notes' rights"):
        main.run("start")


def _other_code(main: Main) -> None:
    main.put("app/releases/c1/code.zip", b"other")


def _no_release(main: Main) -> None:
    main.put("app/code.zip.releases.json", b'{"commits": []}')


def _open_to_all(main: Main) -> None:
    text = (ZEPPELIN / "conf/shiro.ini.template").read_text().replace("/** = authc", "/** = anon")
    boto3.client("secretsmanager", region_name=REGION).put_secret_value(
        SecretId="zeppelin", SecretString=text
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [("admin = hunter2, admin\n", 1), ("[users]\nadmin hunter2\n[urls]\n/** = authc\n", 2)],
)
def test_a_damaged_sign_in_is_told_without_what_stands_in_it(
    main: Main, text: str, line: int
) -> None:
    """Its lines are passwords: the journal and the cluster's logs have the line's number alone."""
    boto3.client("secretsmanager", region_name=REGION).put_secret_value(
        SecretId="zeppelin", SecretString=text
    )
    with pytest.raises(SystemExit, match=rf"zeppelin is no shiro\.ini: line {line} ") as refused:
        main.run("start")
    assert "hunter2" not in str(refused.value)
    assert refused.value.__context__ is None


def _no_secret(main: Main) -> None:
    boto3.client("secretsmanager", region_name=REGION).delete_secret(
        SecretId="zeppelin", ForceDeleteWithoutRecovery=True
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_other_code, "code.zip is not what was published"),
        (_no_release, "no release is published at s3://company/app/code.zip"),
        (_open_to_all, r"its \[urls\] have to end with"),
        (_no_secret, "start: AWS says: .*ResourceNotFoundException"),
    ],
)
def test_what_is_not_right_lets_zeppelin_not_start(
    main: Main, spoil: Callable[[Main], None], said: str
) -> None:
    """And leaves no sign-in that lets in everybody."""
    spoil(main)
    with pytest.raises(SystemExit, match=said):
        main.run("start")
    assert not (main.conf / "shiro.ini").exists()


def test_a_sign_in_by_hand_goes_on_working(main: Main) -> None:
    """Where the configuration names no secret; without either, Zeppelin does not start."""
    with pytest.raises(SystemExit, match=r"deploy\.analytics\.sign_in names no secret"):
        main.run("start", sign_in=None)
    (main.conf / "shiro.ini").write_text("[urls]\n/** = authc\n")
    main.run("start", sign_in=None)


def test_systemd_runs_it_before_each_start_and_after_each_change(main: Main) -> None:
    """As root before Zeppelin, and the rights as soon as Zeppelin has written them."""
    main.run("install")
    units = main.root / "etc/systemd/system"
    before = (units / "zeppelin.service.d/storeavail.conf").read_text()
    assert f"ExecStartPre=+{sys.executable} {ZEPPELIN}/prepare.py start --code {CODE}" in before
    assert "--sign-in zeppelin" in before
    watch = (units / "storeavail-rights.path").read_text()
    assert f"PathChanged=/etc/zeppelin/conf/{RIGHTS_KEY.rpartition('/')[2]}" in watch
    assert "Wants=storeavail-rights.path" in before
    assert "prepare.py keep --code" in (units / "storeavail-rights.service").read_text()
