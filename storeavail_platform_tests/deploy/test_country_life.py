"""A country comes and goes: with the roles of every country as they should be, and nothing of it
left but what was said to stay.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from moto.emr.models import emr_backends
from storeavail_deploy.alarms import Alarms
from storeavail_deploy.cli import main
from storeavail_deploy.country import plan_remove
from storeavail_deploy.deployer import deployer_policy
from storeavail_deploy.entries import with_code_location
from storeavail_deploy.environment import ROOT
from storeavail_deploy.plan import NOTHING_TO_DO, PENDING
from storeavail_deploy.removal import Removal
from storeavail_deploy.roles import plan_roles
from storeavail_deploy.storage import plan_storage

from storeavail_platform.config import Platform, load_platform
from storeavail_platform_tests.deploy.aws import (
    ACCOUNT,
    REGION,
    Account,
    configuration_text,
    done,
)
from storeavail_platform_tests.deploy.test_cluster import Company, company

__all__ = ["company"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "company.yaml"
    file.write_text(configuration_text())
    return file


def run(config: Path, *arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, ["--config", str(config), *arguments], input=answer)


def names(aws: Account) -> dict[str, list[str]]:
    """What there is in the account, by kind."""
    client = aws.session.client
    emr = emr_backends[ACCOUNT][REGION]
    return {
        "roles": [each["RoleName"] for each in client("iam").list_roles()["Roles"]],
        "profiles": [
            each["InstanceProfileName"]
            for each in client("iam").list_instance_profiles()["InstanceProfiles"]
        ],
        "alarms": [
            each["AlarmName"] for each in client("cloudwatch").describe_alarms()["MetricAlarms"]
        ],
        "dashboards": [
            each["DashboardName"]
            for each in client("cloudwatch").list_dashboards()["DashboardEntries"]
        ],
        "rules": [each["Name"] for each in client("events").list_rules()["Rules"]],
        "topics": [
            each["TopicArn"].rpartition(":")[2] for each in client("sns").list_topics()["Topics"]
        ],
        "security": list(emr.security_configurations),
        "clusters": [
            each.name
            for each in emr.clusters.values()
            if not str(each.state).startswith("TERMINATED")
        ],
    }


def of_br(aws: Account) -> list[str]:
    return [
        f"{kind} {name}"
        for kind, found in names(aws).items()
        for name in found
        if str(name).startswith("storeavail-br")
    ]


def test_adding_a_country_ends_with_every_role_updated(aws: Account, config: Path) -> None:
    """First its block alone, because nobody knows yet in which account it is; again, its roles and
    those that all have in common; from then on nothing.
    """
    assert run(config, "--all", "roles", "apply").exit_code == 0
    before = names(aws)
    add = ("country", "add", "CL", "--timezone", "America/Santiago")
    first = run(config, *add)
    assert "--all roles apply" in first.output
    assert names(aws) == before
    again = run(config, "--dry-run", *add)
    assert again.exit_code == PENDING
    assert "create  role storeavail-cl-worker" in again.output
    # reads its code
    assert "update  role storeavail-analytics-nodes: what it may do" in again.output
    run(config, *add)
    assert plan_roles([aws.site(load_platform(str(config)), code) for code in ("CL", "BR")]) == []
    assert run(config, *add).output.startswith(NOTHING_TO_DO)


@pytest.fixture
def made(company: Company, config: Path) -> Platform:
    """BR and AR with all that they have, BR with a cluster."""
    platform = load_platform(str(config))
    sites = company.aws.sites(platform)
    done(plan_storage(sites))
    # the stand-in takes a denial for every connection, whatever its condition says
    company.aws.session.client("s3").delete_bucket_policy(Bucket="company")
    done(plan_roles(sites))
    done(company.released(platform, "c0ffee").plan_up())
    for site, clients in sites:
        done(Alarms(site, clients).plan())
    company.aws.session.client("s3").put_object(
        Bucket="company", Key="warehouse/windows/BR/2026-11-24T0300.json", Body=b"{}"
    )
    company.aws.calls.clear()
    return platform


def test_a_country_goes_with_all_that_was_made_for_it(
    company: Company, config: Path, made: Platform, tmp_path: Path
) -> None:
    """It says what goes and what stays, and asks; then cluster, alarms, roles, code location and
    block are gone, and data, staging's rules and the other country are as they were.
    """
    aws, text = company.aws, config.read_text()
    workspace = tmp_path / "workspace.yaml"
    text_of_one = (ROOT / "deploy" / "workspace.yaml").read_text()
    workspace.write_text(with_code_location(text_of_one, "AR", str(workspace)))
    remove = ("country", "remove", "BR", "--workspace", str(workspace))
    before, all_before = of_br(aws), names(aws)
    assert {each.partition(" ")[0] for each in before} == set(all_before)
    dry = run(config, "--dry-run", *remove)
    assert dry.exit_code == PENDING, dry.output
    declined = run(config, *remove, answer="n\n")
    assert declined.exit_code == 1
    for said in (dry.output, declined.output):
        assert "stays   data: tables, readings, markers" in said
        assert "delete  role storeavail-br-worker: with its policies" in said
        assert f"delete  {config}: countries.BR" in said
    assert (names(aws), config.read_text()) == (all_before, text)

    assert run(config, *remove, "--yes").exit_code == 0
    assert of_br(aws) == []
    assert {
        kind: [each for each in found if "-ar" in each] for kind, found in names(aws).items()
    } == {kind: [each for each in found if "-ar" in each] for kind, found in all_before.items()}
    assert list(load_platform(str(config)).countries) == ["AR"]
    assert [
        each["grpc_server"]["location_name"]
        for each in yaml.safe_load(workspace.read_text())["load_from"]
    ] == ["ar"]
    s3 = aws.session.client("s3")
    kept = s3.list_objects_v2(Bucket="company", Prefix="warehouse/")
    assert [each["Key"] for each in kept["Contents"]] == [
        "warehouse/windows/BR/2026-11-24T0300.json"
    ]
    assert run(config, "--all", "storage", "apply").exit_code == 0
    rules = s3.get_bucket_lifecycle_configuration(Bucket="company")["Rules"]
    assert "storeavail-br-staging" in {rule["ID"] for rule in rules}
    assert run(config, "--all", "roles", "apply").output.strip() == NOTHING_TO_DO
    gone = run(config, *remove)
    assert "there is no country 'BR'" in gone.output


def test_an_end_that_failed_half_way_is_completed(
    company: Company, config: Path, made: Platform
) -> None:
    """Wherever it stopped: the block goes last, and the same command does the rest, with calls that
    the deployer's policy has.
    """
    aws = company.aws
    site, clients = aws.site(made)

    def planned() -> list[Any]:
        return plan_remove(made, "BR", None, Removal(site, clients))

    statements = deployer_policy([site])["Statement"]
    actions = [each["Action"] for each in statements]
    flat = [name for each in actions for name in ([each] if isinstance(each, str) else each)]
    allowed = {name.partition(":")[2] for name in flat}
    total, rounds = len(planned()), 0
    while changes := planned():
        assert "BR" in load_platform(str(config)).countries
        done(changes[: max(1, len(changes) // 2)])
        rounds += 1
        if len(changes) == 1:
            break
    assert rounds > 3
    assert total > 10
    assert of_br(aws) == []
    assert "BR" not in load_platform(str(config)).countries
    named = {"PutObject", *allowed}
    assert {name for name in aws.changing if name not in named} == set()


def test_a_country_on_one_machine_goes_from_its_file(tmp_path: Path) -> None:
    """Without a cluster there is nothing on AWS to look at."""
    country = "{timezone: UTC, postgres: {dsn: 'env:D'}, online_index: {path: ./x.ndjson}}"
    file = tmp_path / "storeavail.yaml"
    file.write_text(f"countries:\n  BR: {country}\n  CL: {country}\n")
    removed = run(file, "country", "remove", "CL", answer="y\n")
    assert removed.exit_code == 0, removed.output
    assert "storeavail remove-country CL" in removed.output
    assert file.read_text() == f"countries:\n  BR: {country}\n"
