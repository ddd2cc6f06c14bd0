"""What settings are made of: the base model, what is known while loading, durations, paths, time
zones, AWS identity.

No section of the configuration (`models.py`) and no reading of it (`__init__.py`).
"""

from __future__ import annotations

import os
import posixpath
import re
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import time, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
)

from storeavail_platform.domain.addresses import S3

UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
UNUSABLE = r"[?#*\[\]{}\\\x00-\x1f\x7f-\x9f]|%[0-9A-Fa-f]{2}"
"""In the path of a warehouse: patterns to the engines, parts of an address to the catalogs."""
LONGEST = timedelta(days=36_500)
"""A century.

Longer durations are typing mistakes, and would overflow dates they are subtracted from.
"""


class Settings(BaseModel):
    """A mapping of the configuration.

    Immutable; unknown keys are mistakes; inputs never appear in pydantic's own messages. The
    docstring below a setting is its description in docs/configuration.md, the `title` of a type
    what the page calls it: `make docs` writes them there.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True
    )


@dataclass
class Loading:
    """What is known while a configuration is loaded; pydantic hands it to the validators as their
    context.

    Attributes:
        base: folder of the configuration file, absolute or `s3://`.
        engine, execution: as written, for settings whose rule depends on them; None where a part is
            made without a configuration.
        countries: codes of the countries as written, for settings that name one.
        files: text of each SQL file by address. Filled while loading; given where one is restored
            elsewhere.
        is_lenient: whether a SQL file that cannot be read is told by whoever uses it.
        unread: why, by the file's address.
    """

    base: str = field(default_factory=os.getcwd)
    engine: Any = None
    execution: Any = None
    countries: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    is_lenient: bool = False
    unread: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def of(context: Any) -> Loading:
        return context if isinstance(context, Loading) else Loading()

    def absolute(self, path: str) -> str:
        """A path of the configuration, relative to its file, as an absolute one.

        Raises:
            ValueError: empty, starts with `~`, an address, or relative to a configuration on S3.
        """
        if not path:
            raise ValueError("is empty: write a path")
        if path.startswith("~"):
            raise ValueError(
                "~ is not expanded: write an absolute path, or one relative to the configuration"
                " file"
            )
        if "://" in path:
            raise ValueError("write a path on this machine, not an address")
        if self.base.startswith(S3) and not path.startswith("/"):
            raise ValueError(
                "write an absolute path: the configuration is on S3, a path on this machine cannot"
                " be relative to it"
            )
        return os.path.abspath(os.path.join(self.base, path))  # noqa: PTH100, PTH118 (pathlib keeps `..`)

    def query_file(self, path: str) -> str:
        """The address of a SQL file below the configuration's folder; its text is kept in `files`.

        Raises:
            ValueError: missing, empty, not text, or outside the folder (also by way of a symbolic
                link).
        """
        if path in self.files:
            return path
        if self.base.startswith(S3):
            joined = path if path.startswith(S3) else posixpath.join(self.base, path)
            address = S3 + posixpath.normpath(joined.removeprefix(S3))
        else:
            address = self.absolute(path)
        if address not in self.files and address not in self.unread:
            try:
                self.files[address] = self._read(address)
            except ValueError as error:
                if not self.is_lenient:
                    raise
                self.unread[address] = str(error)
        return address

    def _read(self, address: str) -> str:
        outside = ValueError("has to lie in the folder of the configuration file, or below it")
        try:
            if address.startswith(S3):
                if not address.startswith(self.base + "/"):
                    raise outside
                from storeavail_platform.aws.objects import read_object

                text = read_object(address).decode("utf-8-sig")
            else:
                real = Path(address).resolve()
                if not real.is_relative_to(Path(self.base).resolve()):
                    raise outside
                text = real.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            raise ValueError(f"there is no file {address}") from None
        except UnicodeDecodeError:
            raise ValueError(f"{address} is not UTF-8 text") from None
        except OSError as error:
            raise ValueError(f"cannot read {address}: {error.strerror or error}") from None
        if not text.strip():
            raise ValueError(f"{address} is empty: write one SELECT into it")
        return text


def did_you_mean(value: object, choices: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest choice, or nothing."""
    near = get_close_matches(str(value), list(choices), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def parse_duration(value: object) -> timedelta:
    """`30s`, `2m`, `4h` or `7d` as a timedelta; a timedelta is taken as it is.

    Raises:
        ValueError: of another form, or longer than a century.
    """
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"(\d{1,10})([smhd])", value) if isinstance(value, str) else None
    if match is None:
        shown = repr(value) if isinstance(value, str | int | float) else "this"
        raise ValueError(
            f"{shown} is not a duration: write a whole number and a unit (s, m, h or d), for"
            " example 15m"
        )
    duration = (
        int(match[1]) * UNITS[match[2]] if int(match[1]) <= LONGEST // UNITS[match[2]] else None
    )
    if duration is None:
        raise ValueError(f"{value!r} is too long: at most {format_duration(LONGEST)}")
    return duration


def format_duration(duration: timedelta) -> str:
    """A duration in the largest unit that gives a whole number, as the configuration writes it:
    `90s`, `2m`, `7d`.
    """
    for unit, length in UNITS.items():
        if duration and not duration % length:
            return f"{duration // length}{unit}"
    return f"{duration // UNITS['s']}s"


Duration = Annotated[
    timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration, return_type=str)
]


def _positive(duration: timedelta) -> timedelta:
    if duration <= timedelta(0):
        raise ValueError("has to be longer than 0s")
    return duration


PositiveDuration = Annotated[Duration, AfterValidator(_positive)]


def _absolute(path: str, info: ValidationInfo) -> str:
    return Loading.of(info.context).absolute(path)


def _query_file(path: str, info: ValidationInfo) -> str:
    return Loading.of(info.context).query_file(path)


def _folder_or_s3(path: str, info: ValidationInfo) -> str:
    if not path.startswith(S3):
        path = Loading.of(info.context).absolute(path)
    refused = re.search(UNUSABLE, path)
    if refused:
        shown = refused[0] if refused[0].isprintable() else "a control character"
        raise ValueError(
            f"has {shown} in it, also as an absolute path: what reads and writes tables takes that"
            " for a pattern, a code or the end of the path; choose a folder without % before two"
            " hexadecimal digits and without ? # * [ ] { } and backslashes"
        )
    return path if not path.startswith(S3) else _s3_url(path)


def _s3_url(url: str) -> str:
    if not re.fullmatch(r"s3://[^/\s]+(/\S*)?", url):
        raise ValueError("write s3://bucket/prefix")
    return url.rstrip("/")


def _timezone(name: str) -> str:
    zones = zoneinfo.available_timezones()
    if name not in zones:
        raise ValueError(f"{name!r} is not an IANA time zone{did_you_mean(name, zones)}")
    return name


def like(pattern: str, example: str) -> AfterValidator:
    """Text of one form, told by an example."""

    def validate(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"write it like {example}")
        return text

    return AfterValidator(validate)


def _time_of_day(text: object) -> object:
    if not isinstance(text, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise ValueError('write it like "22:00", in quotes')
    return time.fromisoformat(text)


Text = Annotated[str, Field(min_length=1)]
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day), Field(title="time of day")]
RoleArn = Annotated[
    str,
    like(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+", "arn:aws:iam::123456789012:role/storeavail-br"),
]
LocalPath = Annotated[str, AfterValidator(_absolute), Field(title="path")]
QueryFile = Annotated[str, AfterValidator(_query_file), Field(title="path")]
FolderOrS3 = Annotated[str, AfterValidator(_folder_or_s3), Field(title="path or `s3://` address")]
S3Url = Annotated[str, AfterValidator(_s3_url), Field(title="`s3://` address")]
Timezone = Annotated[str, AfterValidator(_timezone), Field(title="time zone")]


class Aws(Settings):
    """With whose rights AWS is called. Everything left out is found by boto3's usual rules."""

    profile: Text | None = None
    """Profile of the AWS configuration files, by which all that reads this file calls AWS: windows,
    commands of people, and `storeavail-deploy`. Left out (`AWS_PROFILE`, or the role of the
    instance, task or pod), each has its own."""
    region: Annotated[str, like(r"[a-z]{2}(-[a-z]+)+-\d", "sa-east-1")] | None = None
    """Region, `sa-east-1`."""
    assume_role: RoleArn | None = None
    """ARN of the role to assume; it is renewed before it expires."""

    def of_this_process(self) -> Aws:
        """The same region with whatever rights this process has."""
        return self.model_copy(update={"profile": None, "assume_role": None})
