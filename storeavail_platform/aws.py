"""Calls to AWS: sessions, secrets, single objects, conditional puts. The only importer of boto3 (`emr/` excepted).

No bulk data: tables and landed files go through pyarrow and Spark. boto3's own `AWS_ENDPOINT_URL` points all of it elsewhere.
"""

from __future__ import annotations

import json

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ProfileNotFound
from botocore.exceptions import ConnectionError as AwsConnectionError

from storeavail_platform.config.values import S3, Aws
from storeavail_platform.errors import ConfigError, SourceUnavailable

CLIENT = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3})
ROLE_SESSION_NAME = "storeavail"
PUT_ATTEMPTS = 5
"""S3 answers 409 while another conditional put of the same key is under way, and asks to try again."""


def session(aws: Aws) -> boto3.Session:
    """A session with the profile, region and role of a country. An assumed role renews itself before it expires.

    Raises:
        ConfigError: no such profile, or no credentials to assume the role with.
    """
    try:
        base = boto3.Session(profile_name=aws.profile, region_name=aws.region)
    except ProfileNotFound as error:
        raise ConfigError(f"aws.profile: {error}") from None
    if aws.assume_role is None:
        return base
    credentials = base.get_credentials()
    if credentials is None:
        raise ConfigError(f"aws.assume_role: no AWS credentials were found to assume {aws.assume_role} with")
    assumed = botocore.session.Session(profile=aws.profile)
    fetcher = AssumeRoleCredentialFetcher(
        base._session.create_client, credentials, aws.assume_role, extra_args={"RoleSessionName": ROLE_SESSION_NAME}
    )
    assumed.register_component("credential_provider", CredentialResolver([_AssumedRole(fetcher)]))
    return boto3.Session(botocore_session=assumed, region_name=base.region_name)


class _AssumedRole(CredentialProvider):
    METHOD = "assume-role"

    def __init__(self, fetcher: AssumeRoleCredentialFetcher) -> None:
        super().__init__()
        self._fetcher = fetcher

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(self._fetcher.fetch_credentials, self.METHOD)


def read_secret(aws: Aws, name: str, json_key: str | None = None) -> str:
    """A secret of AWS Secrets Manager, or one value of a secret that is a JSON object.

    Raises:
        ConfigError: it is not there, may not be read, or is not JSON with this key. Messages never hold its value.
        SourceUnavailable: Secrets Manager does not answer, or not now.
    """
    place = f"AWS secret {name}"
    try:
        answer = session(aws).client("secretsmanager", config=CLIENT).get_secret_value(SecretId=name)
    except ClientError as error:
        passes = error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500 or "Throttling" in error.response["Error"]["Code"]
        raise (SourceUnavailable if passes else ConfigError)(f"{place}: {_told(error)}") from None
    except (AwsConnectionError, HTTPClientError) as error:
        raise SourceUnavailable(f"{place}: Secrets Manager does not answer: {error}") from None
    except BotoCoreError as error:
        raise ConfigError(f"{place}: {error}") from None
    text: str = answer["SecretString"] if "SecretString" in answer else answer["SecretBinary"].decode()
    if json_key is None:
        return text
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    value = values.get(json_key) if isinstance(values, dict) else None
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ConfigError(f"{place}: it is not a JSON object with a text {json_key!r}; correct the part after # or the secret")
    return str(value)


def read_object(url: str, aws: Aws | None = None) -> bytes:
    """The bytes of `s3://bucket/key`.

    Raises:
        FileNotFoundError: no such bucket or key.
        PermissionError: it may not be read.
        OSError: any other reason.
    """
    bucket, key = _split(url)
    try:
        return session(aws or Aws()).client("s3", config=CLIENT).get_object(Bucket=bucket, Key=key)["Body"].read()
    except (BotoCoreError, ClientError) as error:
        raise _os_error(url, error) from None


def put_if_absent(url: str, body: bytes, aws: Aws | None = None) -> bool:
    """Create `s3://bucket/key` unless it exists; tell whether this call created it. Of several callers at once one wins.

    Raises:
        FileNotFoundError: no such bucket.
        PermissionError: it may not be written.
        OSError: any other reason.
    """
    bucket, key = _split(url)
    client = session(aws or Aws()).client("s3", config=CLIENT)
    for attempt in range(1, PUT_ATTEMPTS + 1):
        try:
            client.put_object(Bucket=bucket, Key=key, Body=body, IfNoneMatch="*")
            return True
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == 412:
                return False
            if status != 409 or attempt == PUT_ATTEMPTS:
                raise _os_error(url, error) from None
        except BotoCoreError as error:
            raise _os_error(url, error) from None
    raise AssertionError("every attempt returns or raises")


def _split(url: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix(S3).partition("/")
    if not url.startswith(S3) or not bucket or not key:
        raise ValueError(f"{url!r} is not of the form s3://bucket/key")
    return bucket, key


def _told(error: ClientError) -> str:
    return f"{error.response['Error'].get('Message', '')} ({error.response['Error']['Code']})"


def _os_error(url: str, error: BotoCoreError | ClientError) -> OSError:
    if not isinstance(error, ClientError):
        return OSError(f"{url}: {error}")
    kind = {404: FileNotFoundError, 403: PermissionError}.get(error.response["ResponseMetadata"]["HTTPStatusCode"], OSError)
    return kind(f"{url}: {_told(error)}")
