"""Secrets in the configuration: which may be written out, when they are resolved, and that they
are shown nowhere.
"""

from __future__ import annotations

import json
import pickle
import uuid
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from storeavail_platform.config import ElasticsearchIndex, Secret
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform_tests.config.test_config import EXAMPLE, PASSWORD, country, load, refusal
from storeavail_testing.s3 import S3Server


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://u:{PASSWORD}@localhost:5432/x",
        f"host=127.0.0.9 password={PASSWORD}",
        f"postgresql://u:{PASSWORD}@[::1]/x",
        f"postgresql:///x?host=/run/postgresql&password={PASSWORD}",
        f"host=/run/postgresql password={PASSWORD}",
    ],
)
def test_a_connection_string_for_this_machine_may_be_written_out(dsn: str) -> None:
    """Literals are for loopback hosts and sockets; even these are shown nowhere."""
    platform = load(country(postgres=f"{{dsn: '{dsn}'}}"))
    secret = platform.country("BR").postgres.dsn
    assert secret.resolve() == dsn
    assert (
        PASSWORD not in f"{secret} {secret!r} {platform} {platform!r} {platform.model_dump_json()}"
        f" {platform.model_dump()}"
    )


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://u:{PASSWORD}@db.example.com/x",
        f"host=localhost,db.example.com password={PASSWORD}",
        f"host=localhost hostaddr=10.0.0.1 password={PASSWORD}",
        f"postgresql://localhost:{PASSWORD}@10.0.0.1/x",
        f"postgresql://u:{PASSWORD}@localhost.example.com/x",
        f"dbname=x password={PASSWORD}",
        f"host=localhost service=x password={PASSWORD}",
        PASSWORD,
    ],
)
def test_a_connection_string_for_another_host_is_refused_written_out(dsn: str) -> None:
    """A literal that could open another machine is refused with the forms to use, and is not
    repeated.
    """
    said = refusal(country(postgres=f"{{dsn: '{dsn}'}}"))[1]
    assert said.startswith(
        "countries.BR.postgres.dsn: a connection string written out is allowed only for hosts of"
        " this machine"
    )
    assert said.endswith("write env:NAME, file:PATH or aws:NAME[#json_key]")


def test_a_credential_is_written_out_only_beside_a_loopback_address() -> None:
    """An API key or password may stand in the file only where the url is a literal, which only
    a loopback host can be.
    """
    local = load(
        country(
            index=f"{{url: 'http://localhost:9200', index: x, username: u, password: {PASSWORD}}}"
        )
    )
    assert PASSWORD not in repr(local)
    for setting in ("api_key", "password"):
        said = refusal(
            country(index=f"{{url: env:ES, index: x, username: u, {setting}: {PASSWORD}}}")
        )
        assert any(
            line.startswith(
                f"countries.BR.online_index.{setting}: written out it is allowed only where the url"
            )
            for line in said
        )
    for url in (
        "https://es.example.com",
        f"http://localhost:{PASSWORD}@10.0.0.1",
        "localhost:9200",
    ):
        assert refusal(country(index=f"{{url: '{url}', index: x}}"))[1].startswith(
            "countries.BR.online_index.url: a URL written out"
        )


@pytest.mark.parametrize(
    "text",
    [
        country(postgres=f"postgresql://u:{PASSWORD}@db/x"),
        country(postgres=f"{{dsn:{PASSWORD}:x}}"),
        country(index=f"{{url: env:ES, index: x, password:{PASSWORD}@x}}"),
        country(
            platform=(
                f"alerts: {{channels: ['mailto://u:{PASSWORD}@example.com', {{apprise:"
                f" 'mailto://u:{PASSWORD}@example.com'}}]}}"
            )
        ),
        country(platform=f"alerts: {{channels: {PASSWORD}}}"),
        country(postgres=f"{{dsn: 'env:{PASSWORD} x'}}"),
        country(postgres=f"{{dsn: !{PASSWORD} x}}"),
        country(postgres=f"{{dsn: '{PASSWORD}', dsn: [}}"),
        country(platform=f"dagster_url: 'ftp://u:{PASSWORD}@host'"),
    ],
)
def test_a_misplaced_secret_is_not_repeated(text: str) -> None:
    """Errors about a secret in the wrong place, or in broken YAML, do not show it (`refusal`
    asserts that).
    """
    assert refusal(text)


def test_secrets_are_resolved_when_used_and_kept_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resolving changes nothing: text, JSON, pickle and dump of the configuration hold the
    reference before and after.
    """
    platform = load(
        country(postgres="{dsn: env:BR_DSN}", index="{url: file:secrets/es, index: x}"),
        base=tmp_path,
    )
    brazil = platform.country("BR")
    assert isinstance(brazil.online_index, ElasticsearchIndex)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "es").write_text(f"http://{PASSWORD}@es.example.com\n")
    monkeypatch.setenv("BR_DSN", f"host=db password={PASSWORD}")
    assert brazil.postgres.dsn.resolve() == f"host=db password={PASSWORD}"
    assert brazil.online_index.url.resolve() == f"http://{PASSWORD}@es.example.com"
    shown = (
        f"{platform!r} {platform} {platform.model_dump_json()} {platform.dump()}"
        f" {json.dumps(platform.model_dump(mode='json'))}"
    )
    assert PASSWORD not in shown
    assert PASSWORD.encode() not in pickle.dumps(platform)
    assert (
        json.loads(platform.model_dump_json())["countries"]["BR"]["postgres"]["dsn"] == "env:BR_DSN"
    )
    assert pickle.loads(pickle.dumps(platform)) == platform


def test_a_secret_that_is_not_there_is_named_by_its_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty variable, a missing file and an empty file are configuration errors that name
    the reference.
    """
    monkeypatch.setenv("EMPTY", "")
    (tmp_path / "empty").write_text("\n")
    for reference, said in (
        ("env:EMPTY", "not set, or empty"),
        (f"file:{tmp_path}/none", "No such file"),
        (f"file:{tmp_path}/empty", "is empty"),
    ):
        with pytest.raises(ConfigError, match=said) as caught:
            Secret.parse(reference).resolve()
        assert reference in str(caught.value)


@pytest.mark.parametrize("kind", ["env", "file", "aws"])
def test_secrets_are_stripped_alike(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Wherever a secret comes from, blanks, line ends and a byte order mark around it are not of
    it; a control character inside refuses it, and it is not shown. Parts of a connection string may
    stand on lines of their own.
    """

    def secret(text: str, may_have_lines: bool = False) -> Secret:
        if kind == "env":
            monkeypatch.setenv("KEPT", text)
            return replace(Secret.parse("env:KEPT"), may_have_lines=may_have_lines)
        if kind == "file":
            (tmp_path / "kept").write_text(text)
            return replace(Secret.parse(f"file:{tmp_path}/kept"), may_have_lines=may_have_lines)
        name = f"kept-{uuid.uuid4()}"
        boto3.client("secretsmanager").create_secret(Name=name, SecretString=text)
        return replace(Secret.parse(f"aws:{name}"), may_have_lines=may_have_lines)

    assert secret(f"\ufeff {PASSWORD}\r\n").resolve() == PASSWORD
    dsn = secret(f"host=db\nuser=u\tpassword={PASSWORD}\n", may_have_lines=True)
    assert dsn.resolve() == f"host=db\nuser=u\tpassword={PASSWORD}"
    for text in (f"{PASSWORD}\nb", f"{PASSWORD}\x1b[0m", f"{PASSWORD}\x7f", f"{PASSWORD}\x85b"):
        with pytest.raises(ConfigError, match="another control character inside") as caught:
            secret(text).resolve()
        assert PASSWORD not in str(caught.value)
    with pytest.raises(ConfigError, match="empty"):
        secret(" \n").resolve()


@pytest.mark.parametrize(
    "text",
    [
        country(postgres=f'{{dsn: "host=localhost password={PASSWORD}\\x07"}}'),
        country(index=f'{{url: "http://localhost:9200/\\n{PASSWORD}", index: x}}'),
        country(index=f'{{url: "http://localhost:9200", index: x, api_key: "{PASSWORD}\\na"}}'),
        country(index=f'{{url: "http://localhost:9200", index: x, api_key: "env:A\\n{PASSWORD}"}}'),
    ],
)
def test_a_literal_with_control_characters_is_refused(text: str) -> None:
    """At load, and not shown (`refusal` asserts that)."""
    assert "another control character inside" in refusal(text)[1]


def test_emr_accepts_only_aws_secrets_and_needs_its_sections() -> None:
    """A cluster has neither this machine's environment nor its files, and computes with Spark
    on S3.
    """
    text = country(
        platform="execution: emr",
        postgres="{dsn: env:DSN}",
        index="{url: 'http://localhost:9200', index: x, username: reader, password: file:x}",
    )
    paths = [line.partition(":")[0] for line in refusal(text)[1:]]
    assert paths == [
        "execution",
        "countries.BR.postgres.dsn",
        "countries.BR.online_index.url",
        "countries.BR.online_index.password",
        "countries.BR.emr",
    ]
    right = (
        EXAMPLE.replace("env:BR_POSTGRES_DSN", "aws:br/postgres#dsn")
        .replace("env:BR_ES_URL", "aws:br/es")
        .replace("local ", "emr ")
    )
    right = right.replace("warehouse: ./warehouse", "warehouse: s3://bucket/warehouse/").replace(
        "duckdb ", "spark ", 1
    )
    right = right.replace("{type: sql}", "{type: hive, uri: 'thrift://host:9083'}")
    platform = load(right)
    assert (platform.execution, platform.warehouse) == ("emr", "s3://bucket/warehouse")
    assert str(platform.country("BR").postgres.dsn) == "aws:br/postgres#dsn"
