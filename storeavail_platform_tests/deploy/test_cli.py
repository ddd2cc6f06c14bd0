"""The command itself: which countries are meant, exit codes, errors in words, and that
deploy/README.md lists every command.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from storeavail_deploy.cli import main
from storeavail_deploy.environment import ROOT
from storeavail_deploy.plan import NOTHING_TO_DO, PENDING

from storeavail_platform_tests.deploy.aws import REGION, Account, configuration_text
from storeavail_platform_tests.deploy.test_jenkins import understood

README = ROOT / "deploy" / "README.md"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "company.yaml"
    file.write_text(configuration_text())
    return file


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--config", str(config), *arguments])


def test_one_country_from_the_command_line(aws: Account, config: Path) -> None:
    """Exit codes: 3 for a dry run with something to do, 0 when it was done, 0 when there is
    nothing to do, and it says so.
    """
    for command in (("storage", "apply"), ("roles", "apply"), ("alarms", "apply")):
        dry = run(config, "--country", "BR", "--dry-run", *command)
        assert (dry.exit_code, "nothing was changed (--dry-run)" in dry.output) == (
            PENDING,
            True,
        ), dry.output
        assert run(config, "--country", "BR", *command).exit_code == 0
        again = run(config, "--country", "BR", *command)
        assert (again.exit_code, again.output.strip()) == (0, NOTHING_TO_DO)
    network = run(config, "--all", "network", "plan")
    assert network.exit_code == 0
    assert "BR: VPC" in network.output
    assert "AR: VPC" in network.output


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ("storage", "apply"),
            2,
            "say which countries: --country CODE (may be repeated), or --all",
        ),
        (("--all", "--country", "BR", "storage", "apply"), 2, "say which countries"),
        (
            ("--country", "BX", "storage", "apply"),
            1,
            "there is no country 'BX' (countries: BR, AR)",
        ),
        (
            ("--all", "cluster", "up", "--analytics"),
            2,
            "choose the one country in whose account and network the cluster is",
        ),
        (("--all", "metastore", "check"), 2, "choose the one by whose rights it is looked at"),
        (
            ("--country", "BR", "metastore", "init"),
            1,
            "countries.BR.deploy.metastore.dsn is missing",
        ),
        (("--country", "BR", "cluster", "up"), 1, "NoSuchBucket"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_changed(
    aws: Account, config: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """2 for a wrong command line, 1 for everything else; one line that says what to do, no
    traceback.
    """
    done = run(config, *arguments)
    assert done.exit_code == code, done.output
    assert said in " ".join(done.output.split())
    assert "Traceback" not in done.output
    assert aws.session.client("s3").list_buckets()["Buckets"] == []


def test_clusters_need_a_release(aws: Account, config: Path) -> None:
    """Before anything was published: what to run first."""
    location: Any = {"LocationConstraint": REGION}
    aws.session.client("s3").create_bucket(Bucket="company", CreateBucketConfiguration=location)
    done = run(config, "--country", "BR", "cluster", "up")
    assert done.exit_code == 1
    assert "run `storeavail-deploy app publish` first" in done.output
    ended = run(config, "--country", "BR", "cluster", "terminate")
    assert (ended.exit_code, ended.output.strip()) == (0, NOTHING_TO_DO)


def test_commands_need_no_package_of_developers() -> None:
    """An image and `make install` have no type stubs: every group of commands is loaded without
    them.
    """
    program = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("mypy_boto3") or name in ("pytest", "moto", "mypy"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())
from storeavail_deploy.cli import main
import click
for name in main.list_commands(click.Context(main)):
    assert main.get_command(click.Context(main), name) is not None, name
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_command_is_listed_in_the_readme_and_no_other() -> None:
    """deploy/README.md, by the first word of each row; the exit codes too."""
    text = README.read_text()
    context = click.Context(main)
    found = set()
    for name in main.list_commands(context):
        group = main.get_command(context, name)
        assert isinstance(group, click.Group)
        found |= {f"{name} {command}" for command in group.commands}
    rows = [
        re.sub(r" (\[|CODE).*", "", row)
        for row in re.findall(r"^\| `([a-z]+ [^`]+)` \|", text, re.MULTILINE)
    ]
    assert sorted(rows) == sorted(found)
    assert re.findall(r"^\| `(\d)` \|", text, re.MULTILINE) == ["0", "1", "2", "3"]


def test_commands_of_the_readme_are_understood() -> None:
    """Every `storeavail-deploy` line of its shell examples."""
    examples = re.findall(r"^```sh\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    lines = re.findall(r"^storeavail-deploy (.+)$", "".join(examples), re.MULTILINE)
    assert lines
    for line in lines:
        understood(shlex.split(line, comments=True))


def test_without_a_checkout_it_says_so(tmp_path: Path, config: Path) -> None:
    """Installed from a wheel there is nothing to publish: the command names what it needs, and
    its help still works.
    """
    packages = tmp_path / "site-packages"
    shutil.copytree(ROOT / "deploy" / "storeavail_deploy", packages / "storeavail_deploy")

    def installed(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-c",
            "from storeavail_deploy.cli import main; main()",
            "--config",
            str(config),
            *arguments,
        ]
        environment = {**os.environ, "PYTHONPATH": str(packages)}
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    refused = installed("--country", "BR", "storage", "apply")
    assert refused.returncode == 1
    assert f"needs a checkout of the repository, and {tmp_path} is none" in refused.stderr
    assert installed("--help").returncode == 0
