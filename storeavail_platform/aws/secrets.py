"""Secrets Manager: a secret, or one value of it."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from storeavail_platform.aws.refusals import may_pass
from storeavail_platform.aws.sessions import CLIENT, Identity, session
from storeavail_platform.domain.errors import ConfigError, SourceUnavailable


def read_secret(aws: Identity, name: str, json_key: str | None = None) -> str:
    """A secret of AWS Secrets Manager, or one value of a secret that is a JSON object.

    Raises:
        ConfigError: it is not there, may not be read, or is not JSON with this key. Messages never
            hold its value.
        SourceUnavailable: Secrets Manager does not answer, or not now.
    """
    place = f"AWS secret {name}"
    try:
        answer = (
            session(aws).client("secretsmanager", config=CLIENT).get_secret_value(SecretId=name)
        )
    except (BotoCoreError, ClientError) as error:
        kind, what = (
            (SourceUnavailable, "Secrets Manager does not answer")
            if may_pass(error)
            else (ConfigError, "cannot be read")
        )
        raise kind(f"{place}: {what}: {error}") from None
    text: str = (
        answer["SecretString"] if "SecretString" in answer else answer["SecretBinary"].decode()
    )
    if json_key is None:
        return text
    values: Any = {}
    with contextlib.suppress(ValueError):
        values = json.loads(text)
    value = values.get(json_key) if isinstance(values, dict) else None
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ConfigError(
            f"{place}: it is not a JSON object with a text {json_key!r}; correct the part after #"
            " or the secret"
        )
    return str(value)
