"""AWS calls against moto's server on loopback, one test for each function of `aws.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

from storeavail_platform.aws.objects import read_object
from storeavail_platform.aws.secrets import read_secret
from storeavail_platform.aws.sessions import session
from storeavail_platform.config import Aws, Secret, load_platform
from storeavail_platform.domain.errors import ConfigError, SourceUnavailable

REGION = "sa-east-1"
AWS = Aws(region=REGION)
CONFIG = """
countries:
  BR:
    timezone: America/Sao_Paulo
    postgres: {dsn: "aws:br/postgres#dsn", stores_query: sql/stores.sql}
    online_index: {url: aws:br/es, index: stores}
warehouse: s3://bucket/warehouse
catalog: {type: hive, uri: "thrift://host:9083"}
"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def stand_in(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that boto3 reads points at the stand-in, nothing at the account of whoever
    runs the tests.
    """
    settings = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
    }
    for name, value in {
        **settings,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def test_session_assumes_the_country_s_role() -> None:
    """Calls are made as the role, with credentials that renew themselves; an unknown profile is
    a configuration error.
    """
    role = "arn:aws:iam::123456789012:role/storeavail-br"
    assumed = session(Aws(region=REGION, assume_role=role))
    who = assumed.client("sts").get_caller_identity()["Arn"]
    assert who == "arn:aws:sts::123456789012:assumed-role/storeavail-br/storeavail"
    credentials = assumed.get_credentials()
    assert credentials is not None
    assert credentials.method == "assume-role"
    assert hasattr(credentials, "refresh_needed")
    with pytest.raises(ConfigError, match=r"aws\.profile: .*none"):
        session(Aws(profile="none"))


def test_read_secret_gives_text_or_one_json_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """`aws:NAME` is the text, `aws:NAME#key` one value; what is wrong is told without the value."""
    secrets = boto3.client("secretsmanager")
    secrets.create_secret(Name="br/es", SecretString="https://hunter2@es")
    secrets.create_secret(
        Name="br/postgres",
        SecretString=json.dumps({"dsn": "host=db password=hunter2", "port": 5432}),
    )
    assert Secret.parse("aws:br/es").resolve(AWS) == "https://hunter2@es"
    assert Secret.parse("aws:br/postgres#dsn").resolve(AWS) == "host=db password=hunter2"
    assert read_secret(AWS, "br/postgres", "port") == "5432"
    for reference, said in (
        ("aws:none", "ResourceNotFound"),
        ("aws:br/postgres#dns", "'dns'"),
        ("aws:br/es#dsn", "not a JSON object"),
    ):
        with pytest.raises(ConfigError, match=said) as caught:
            Secret.parse(reference).resolve(AWS)
        assert "hunter2" not in str(caught.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(
        SourceUnavailable, match="AWS secret br/es: Secrets Manager does not answer"
    ):
        read_secret(AWS, "br/es")


def test_read_object_reads_a_configuration_and_its_sql_files() -> None:
    """A configuration on S3 loads with the SQL files beside it; what is missing is told as a
    missing file.
    """
    s3, name = boto3.client("s3", region_name="us-east-1"), "bucket"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="conf/storeavail.yaml", Body=CONFIG.encode())
    with pytest.raises(
        ConfigError, match=r"stores_query: there is no file s3://bucket/conf/sql/stores\.sql"
    ):
        load_platform("s3://bucket/conf/storeavail.yaml")
    s3.put_object(Bucket=name, Key="conf/sql/stores.sql", Body=b"SELECT 1")
    platform = load_platform("s3://bucket/conf/storeavail.yaml")
    assert platform.country("BR").postgres.stores_sql == "SELECT 1"
    assert platform.restore(platform.dump()) == platform
    s3.put_object(Bucket=name, Key="conf/up.yaml", Body=CONFIG.replace("sql/", "../").encode())
    with pytest.raises(ConfigError, match="has to lie in the folder"):
        load_platform("s3://bucket/conf/up.yaml")
    with pytest.raises(ConfigError, match="there is no configuration file s3://bucket/none"):
        load_platform("s3://bucket/none.yaml")
    with pytest.raises(FileNotFoundError, match="NoSuchBucket"):
        read_object("s3://no-such-bucket/key")
