"""Sessions with a profile, region and role, and how long their clients wait.

boto3's own `AWS_ENDPOINT_URL` points all of them elsewhere.
"""

from __future__ import annotations

from typing import Protocol

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import ProfileNotFound

from storeavail_platform.domain.errors import ConfigError

CLIENT = Config(
    connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3}
)
ROLE_SESSION_NAME = "storeavail"


class Identity(Protocol):
    """With whose rights AWS is called. None: found by boto3's usual rules.

    The configuration's `Aws` is one.
    """

    @property
    def profile(self) -> str | None: ...
    @property
    def region(self) -> str | None: ...
    @property
    def assume_role(self) -> str | None: ...


def session(aws: Identity) -> boto3.Session:
    """A session with the profile, region and role of a country. An assumed role renews itself
    before it expires.

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
        raise ConfigError(
            f"aws.assume_role: no AWS credentials were found to assume {aws.assume_role} with"
        )
    assumed = botocore.session.Session(profile=aws.profile)
    fetcher = AssumeRoleCredentialFetcher(
        base._session.create_client,
        credentials,
        aws.assume_role,
        extra_args={"RoleSessionName": ROLE_SESSION_NAME},
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
