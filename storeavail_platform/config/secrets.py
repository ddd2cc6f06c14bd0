"""References to secrets: made when the configuration is loaded, resolved when the secret is used,
never shown.

A reference is `env:NAME`, `file:PATH` or `aws:NAME[#json_key]`. A literal is allowed only where it
opens nothing but this
machine: the address types below say for each kind of address what that means.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from storeavail_platform.config.values import Aws, Loading
from storeavail_platform.domain.errors import ConfigError

LITERAL = "literal"
REFER = "write env:NAME, file:PATH or aws:NAME[#json_key]"
REFER_AWS = (
    "with execution: emr, write aws:NAME[#json_key] (the cluster has neither this machine's"
    " environment nor its files)"
)


@dataclass(frozen=True, repr=False)
class Secret:
    """A reference to a secret, or a literal for this machine.

    Picklable, and safe to log: `str`, `repr` and JSON give the reference, for a literal only the
    word.

    Attributes:
        reference: `env:NAME`, `file:/absolute/path`, `aws:NAME`, `aws:NAME#key` or `literal`.
    """

    reference: str
    _literal: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str, loading: Loading | None = None) -> Secret:
        """The secret that a configuration value stands for. Any text that is not a reference is a
        literal.

        Raises:
            ValueError: a reference of the wrong form. The text is not repeated.
        """
        kind, separator, name = text.partition(":")
        if not text.strip():
            raise ValueError(f"is empty: {REFER}")
        if not separator or kind not in ("env", "file", "aws"):
            return cls(LITERAL, text)
        if kind == "file":
            return cls(f"file:{(loading or Loading()).absolute(name)}")
        if not re.fullmatch(r"[A-Za-z_]\w*" if kind == "env" else r"[^\s#]+(#[^\s#]+)?", name):
            raise ValueError(
                "is not a name of an environment variable"
                if kind == "env"
                else "is not of the form aws:NAME[#json_key]"
            )
        return cls(text)

    @property
    def is_literal(self) -> bool:
        return self._literal is not None

    def __str__(self) -> str:
        return self.reference

    def __repr__(self) -> str:
        return f"Secret({self.reference!r})"

    def resolve(self, aws: Aws | None = None) -> str:
        """The secret itself. Call it where it is used, keep it nowhere.

        Raises:
            ConfigError: the variable is unset, the file or the AWS secret missing, unreadable or
                empty.
            SourceUnavailable: AWS does not answer.
        """
        if self._literal is not None:
            return self._literal
        kind, _, name = self.reference.partition(":")
        if kind == "env":
            value = os.environ.get(name, "")
            problem = "the environment variable is not set, or empty"
        elif kind == "file":
            value, problem = _read_file(name)
        else:
            # boto3 takes long to import and most configurations do not need it
            from storeavail_platform.aws.secrets import read_secret

            secret_name, _, json_key = name.partition("#")
            value, problem = (
                read_secret(aws or Aws(), secret_name, json_key or None),
                "the AWS secret is empty",
            )
        if not value:
            raise ConfigError(f"secret {self.reference}: {problem}")
        return value

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # A plain `Secret` field takes no text at all: only the address types below decide which
        # literals may pass.
        return core_schema.is_instance_schema(cls, serialization=core_schema.to_string_ser_schema())


def _read_file(path: str) -> tuple[str, str]:
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), "the file is empty"
    except UnicodeDecodeError:
        return "", "the file is not UTF-8 text"
    except OSError as error:
        return "", f"cannot read the file: {error.strerror}"


def is_loopback_host(host: str | None) -> bool:
    """Whether a host name or address is this machine's own; a name that only resolves to one
    counts as another machine.
    """
    if not host:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _loopback_url(url: str) -> bool:
    try:
        return is_loopback_host(urlsplit(url).hostname)
    except ValueError:
        return False


def _loopback_http(url: str) -> bool:
    return url.startswith(("http://", "https://")) and _loopback_url(url)


def is_loopback_dsn(dsn: str) -> bool:
    """Whether every host of a libpq connection string (URL or key=value) is this machine.

    Without one, PGHOST could name any.
    """
    import psycopg2
    from psycopg2.extensions import parse_dsn

    try:
        options = parse_dsn(dsn)
    except psycopg2.ProgrammingError:
        return False
    hosts = [
        host for key in ("host", "hostaddr") if options.get(key) for host in options[key].split(",")
    ]
    return (
        bool(hosts)
        and "service" not in options
        and all(host.startswith("/") or is_loopback_host(host) for host in hosts)
    )


def _secret(
    literal_refused: str, literal_allowed: Callable[[str], bool], needs_hiding: bool = True
) -> BeforeValidator:
    """The validator of one kind of secret: which literals it admits, and what to say about the
    others (never the value).
    """

    def validate(value: object, info: ValidationInfo) -> object:
        if not isinstance(value, str):
            return value
        loading = Loading.of(info.context)
        secret = Secret.parse(value, loading)
        if secret.is_literal and not literal_allowed(value):
            raise ValueError(literal_refused)
        if (
            loading.execution == "emr"
            and not secret.reference.startswith("aws:")
            and (needs_hiding or not secret.is_literal)
        ):
            raise ValueError(REFER_AWS)
        return secret

    return BeforeValidator(validate)


PostgresDsn = Annotated[
    Secret,
    _secret(
        "a connection string written out is allowed only for hosts of this machine (localhost, a"
        f" socket): {REFER}",
        is_loopback_dsn,
    ),
]
HttpUrl = Annotated[
    Secret,
    _secret(
        "a URL written out has to be http(s):// and a host of this machine (localhost, 127.0.0.1):"
        f" {REFER}",
        _loopback_http,
    ),
]
AnyUrl = Annotated[
    Secret,
    _secret(f"a URL written out is allowed only for hosts of this machine: {REFER}", _loopback_url),
]
Credential = Annotated[Secret, _secret("", lambda literal: True)]
"""Of a server whose address is another setting: that model admits a literal only beside a
literal (hence loopback) address.
"""
UserName = Annotated[
    Secret,
    _secret("", lambda literal: True, needs_hiding=False),
    Field(title="text or reference"),
]
"""Not secret by itself: a literal is always allowed."""
