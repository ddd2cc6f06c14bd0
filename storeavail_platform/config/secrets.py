"""References to secrets: made when the configuration is loaded, resolved when the secret is used,
never shown.

A reference is `env:NAME`, `file:PATH` or `aws:NAME[#json_key]`. A literal is allowed only where it
opens nothing but this
machine: the address types below say for each kind of address what that means.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from storeavail_platform.config.dsn import foreign_form, is_loopback_dsn, is_loopback_host
from storeavail_platform.config.values import Aws, Loading
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.domain.masking import remember

LITERAL = "literal"
REFER = "write env:NAME, file:PATH or aws:NAME[#json_key]"
REFER_AWS = (
    "with execution: emr, write aws:NAME[#json_key] (the cluster has neither this machine's"
    " environment nor its files)"
)


CONTROL_CHARACTERS = (
    "it has a line break or another control character inside, which no secret of its kind has;"
    " write it anew"
)
AROUND = " \t\r\n\v\f\ufeff"
"""What editors, consoles and `echo` leave around a secret."""


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
    may_have_lines: bool = field(default=False, repr=False, compare=False)
    """Whether a line break between its parts means what a blank does (a connection string)."""
    is_name: bool = field(default=False, repr=False, compare=False)
    """Whether it is a user's name, which is not secret by itself."""

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
        """The secret itself, without blanks and line ends around it. Call it where it is used, keep
        it nowhere.

        Raises:
            ConfigError: the variable is unset, the file or the AWS secret missing, unreadable or
                empty, or it has control characters inside.
            SourceUnavailable: AWS does not answer.
        """
        if self._literal is not None:
            self._remember(self._literal)
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
        value = value.strip(AROUND)
        self._remember(value)
        if not value:
            raise ConfigError(f"secret {self.reference}: {problem}")
        if has_control_characters(value, may_have_lines=self.may_have_lines):
            raise ConfigError(f"secret {self.reference}: {CONTROL_CHARACTERS}")
        return value

    def _remember(self, value: str) -> None:
        if not self.is_name:
            remember(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # A plain `Secret` field takes no text at all: only the address types below decide which
        # literals may pass.
        return core_schema.is_instance_schema(cls, serialization=core_schema.to_string_ser_schema())


def _read_file(path: str) -> tuple[str, str]:
    try:
        return Path(path).read_text(encoding="utf-8"), "the file is empty"
    except UnicodeDecodeError:
        return "", "the file is not UTF-8 text"
    except OSError as error:
        return "", f"cannot read the file: {error.strerror}"


def has_control_characters(text: str, *, may_have_lines: bool = False) -> bool:
    """Whether a text has characters that nobody can read or type."""
    allowed = "\t\r\n" if may_have_lines else ""
    return any(
        unicodedata.category(character) == "Cc" and character not in allowed for character in text
    )


def _loopback_url(url: str) -> bool:
    try:
        return is_loopback_host(urlsplit(url).hostname)
    except ValueError:
        return False


def _loopback_http(url: str) -> bool:
    return url.startswith(("http://", "https://")) and _loopback_url(url)


def _secret(
    literal_refused: str,
    literal_allowed: Callable[[str], bool],
    *,
    needs_hiding: bool = True,
    explain: Callable[[str], str | None] = lambda literal: None,
    may_have_lines: bool = False,
) -> BeforeValidator:
    """The validator of one kind of secret: which literals it admits, and what to say about the
    others (never the value).

    Args:
        explain: what to say about a literal of a known wrong form.
    """

    def validate(value: object, info: ValidationInfo) -> object:
        if not isinstance(value, str):
            return value
        loading = Loading.of(info.context)
        if has_control_characters(value, may_have_lines=may_have_lines):
            raise ValueError(CONTROL_CHARACTERS)
        secret = replace(
            Secret.parse(value, loading), may_have_lines=may_have_lines, is_name=not needs_hiding
        )
        if secret.is_literal and (wrong := explain(value)):
            raise ValueError(wrong)
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
        explain=foreign_form,
        may_have_lines=True,
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
