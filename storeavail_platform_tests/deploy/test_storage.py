"""Buckets: what they are afterwards, that a second time changes nothing, and what is told of
those that are not ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from storeavail_deploy.clients import aws_errors
from storeavail_deploy.plan import NOTHING_TO_DO, PENDING, Change
from storeavail_deploy.settings import Prefix, deployable
from storeavail_deploy.storage import plan_storage

from storeavail_platform.domain.errors import ConfigError, DeploymentFailed
from storeavail_platform_tests.deploy.aws import REGION, Account, configuration, done

NOTHING = (0, NOTHING_TO_DO)


def test_buckets_are_private_encrypted_versioned_and_cleaned(aws: Account) -> None:
    """A dry run changes nothing; then all of it is set; a second run makes no call that changes
    anything, and says so.
    """
    platform = configuration()
    code, said = done(plan_storage(aws.sites(platform)), dry_run=True)
    assert (code, aws.changing) == (PENDING, [])
    assert "create  s3://company: in sa-east-1, account 123456789012" in said
    assert done(plan_storage(aws.sites(platform)))[0] == 0

    s3 = aws.session.client("s3")
    assert s3.get_bucket_location(Bucket="company")["LocationConstraint"] == REGION
    assert set(
        s3.get_public_access_block(Bucket="company")["PublicAccessBlockConfiguration"].values()
    ) == {True}
    assert s3.get_bucket_versioning(Bucket="company")["Status"] == "Enabled"
    rules = s3.get_bucket_encryption(Bucket="company")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    (statement,) = json.loads(s3.get_bucket_policy(Bucket="company")["Policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == (
        "Deny",
        {"Bool": {"aws:SecureTransport": "false"}},
    )
    days = {
        rule["ID"]: rule
        for rule in s3.get_bucket_lifecycle_configuration(Bucket="company")["Rules"]
    }
    assert set(days) == {
        "storeavail-versions",
        *(f"storeavail-{c}-{w}" for c in ("br", "ar") for w in ("staging", "logs")),
    }
    assert days["storeavail-br-logs"]["Filter"] == {"Prefix": "br/logs/"}
    assert days["storeavail-br-logs"]["Expiration"] == {"Days": 90}
    assert days["storeavail-versions"]["AbortIncompleteMultipartUpload"] == {
        "DaysAfterInitiation": 7
    }

    aws.calls.clear()
    assert done(plan_storage(aws.sites(platform))) == NOTHING
    assert aws.changing == []
    # one country alone gives the same bucket
    assert done(plan_storage([aws.site(platform, "AR")])) == NOTHING


def test_a_filter_of_everything_is_the_same_however_s3_returns_it(aws: Account) -> None:
    """Empty, or left out: nothing is to do."""
    platform = configuration(["BR"])
    done(plan_storage(aws.sites(platform)))
    forms: Iterator[dict[str, Any]] = iter(({"Filter": {}}, {}))

    def returned(parsed: dict[str, Any], **others: Any) -> None:
        form = next(forms)
        for rule in parsed["Rules"]:
            if rule["Filter"] == {"Prefix": ""}:
                del rule["Filter"]
                rule.update(form)

    aws.session.events.register("after-call.s3.GetBucketLifecycleConfiguration", returned)
    for _ in range(2):
        assert done(plan_storage(aws.sites(platform))) == NOTHING
    assert next(forms, None) is None


def test_what_others_made_stays_and_what_drifted_is_mended(aws: Account) -> None:
    """A rule, a statement and a tag of somebody else's are kept; versioning that was switched
    off is switched on again.
    """
    platform = configuration(["BR"])
    done(plan_storage(aws.sites(platform)))
    s3 = aws.session.client("s3")
    rules = s3.get_bucket_lifecycle_configuration(Bucket="company")["Rules"]
    theirs: Any = {
        "ID": "theirs",
        "Status": "Enabled",
        "Filter": {"Prefix": "x/"},
        "Expiration": {"Days": 1},
    }
    s3.put_bucket_lifecycle_configuration(
        Bucket="company", LifecycleConfiguration={"Rules": [theirs, *rules]}
    )
    s3.put_bucket_versioning(Bucket="company", VersioningConfiguration={"Status": "Suspended"})
    code, said = done(plan_storage(aws.sites(platform)), dry_run=True)
    assert (code, said.count("plan ")) == (PENDING, 1)
    assert "s3://company versioning: Suspended -> Enabled" in said
    done(plan_storage(aws.sites(platform)))
    done(plan_storage(aws.sites(configuration(["BR"], deploy="{logs_kept: 10d}"))))
    after = {
        rule["ID"]: rule
        for rule in s3.get_bucket_lifecycle_configuration(Bucket="company")["Rules"]
    }
    assert after["theirs"]["Expiration"] == {"Days": 1}
    assert after["storeavail-br-logs"]["Expiration"] == {"Days": 10}


def test_a_failure_half_way_is_completed(aws: Account) -> None:
    """What was done is told; the next run finds the bucket and sets the rest."""
    platform = configuration(["BR"])
    changes = plan_storage(aws.sites(platform))
    _, clients = aws.site(platform)

    def fail() -> None:
        with aws_errors("bucket not-there"):
            clients.s3.get_bucket_location(Bucket="not-there")

    with pytest.raises(DeploymentFailed, match=r"bucket not-there: .*NoSuchBucket"):
        done([*changes[:3], Change("update", "not-there", "fails", fail), *changes[3:]])
    code, said = done(plan_storage(aws.sites(platform)))
    assert code == 0
    assert "create" not in said
    assert "versioning" in said
    assert done(plan_storage(aws.sites(platform))) == NOTHING


def test_names_that_overlap_are_told_all_at_once() -> None:
    """A prefix in another's, and a cluster's name that two countries have, would let one
    country into the other's things.
    """
    platform = configuration(
        ["BR", "AR"],
        own=", deploy: {logs: 's3://company/warehouse/logs', analytics: {name: storeavail-br}}",
    )
    with pytest.raises(ConfigError) as refused:
        deployable(platform)
    lines = str(refused.value).splitlines()
    assert lines[0] == "company.yaml: names overlap"
    assert any(
        "countries.AR's logs: s3://company/warehouse/logs and countries.BR's logs" in line
        for line in lines
    )
    assert any(
        "countries.BR's logs: s3://company/warehouse/logs and warehouse (s3://company/warehouse)"
        in line
        for line in lines
    )
    assert any(
        "countries.BR.deploy.analytics.name: 'storeavail-br' is countries.BR.emr.cluster.name too"
        in line
        for line in lines
    )


def test_a_prefix_holds_what_lies_in_it() -> None:
    """And not what merely begins with the same letters."""
    assert Prefix.of("s3://b").holds(Prefix.of("s3://b/x"))
    assert Prefix.of("s3://b/x").holds(Prefix.of("s3://b/x/y"))
    assert not Prefix.of("s3://b/x").holds(Prefix.of("s3://b/xy"))
    assert not Prefix.of("s3://b/x").holds(Prefix.of("s3://c/x"))


def test_credentials_of_another_account_are_refused(aws: Account) -> None:
    """Before anything is looked at: whose they are, and whose they should be, is told."""
    platform = configuration(["BR"], own=", deploy: {account: '210987654321'}")
    with pytest.raises(
        ConfigError,
        match=r"are of account 123456789012 .* countries\.BR\.deploy\.account is 210987654321",
    ):
        aws.site(platform)
    assert aws.changing == []
