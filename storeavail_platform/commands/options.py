"""What several commands share: where they print, the time, options and their types."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import click
from pydantic import ByteSize, TypeAdapter, ValidationError
from rich.console import Console
from rich.text import Text

from storeavail_platform.config import Platform, parse_duration
from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.finding import Finding
from storeavail_platform.domain.windows import Window
from storeavail_platform.reading.limits import Limits

Command = TypeVar("Command", bound=Callable[..., object])
NARROWEST = 110
"""Columns assumed of an output that is not a terminal, and of a narrow one."""
OUT = Console(highlight=False, soft_wrap=True, width=max(Console().width, NARROWEST))
ERROR = Console(stderr=True, highlight=False, soft_wrap=True)


def current_time() -> datetime:
    """The time (UTC): of the clock that a program gives to the command as its object, else this
    machine's.
    """
    clock: Clock | None = click.get_current_context().find_root().obj
    return (clock or utc_now)()


def config_option(command: Command) -> Command:
    return click.option(
        "--config",
        "config_path",
        metavar="FILE",
        help="Configuration file or s3:// address.  [default: $STOREAVAIL_CONFIG, else the demo's]",
    )(command)


def country_option(command: Command) -> Command:
    return click.option(
        "--country",
        "countries",
        multiple=True,
        metavar="CODE",
        help="Only this country; may be repeated.  [default: all]",
    )(command)


FINDING_COLOURS = {"ok": "green", "warning": "yellow", "error": "bold red"}


def print_findings(code: str, findings: Iterable[Finding]) -> bool:
    """The findings on a country, each as it comes; whether one is an error."""
    failed = False
    OUT.print(Text(code, "bold"))
    for finding in findings:
        failed |= finding.level == "error"
        level = (f"  {finding.level:<8}", FINDING_COLOURS[finding.level])
        OUT.print(Text.assemble(level, f"{finding.what}: {finding.message}"))
    return failed


class WindowType(click.ParamType[Window]):
    """A window key such as 2026-11-23T1015."""

    name = "window"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Window:
        if isinstance(value, Window):
            return value
        try:
            return Window.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class DateType(click.ParamType[date]):
    """A date such as 2026-11-22."""

    name = "date"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> date:
        try:
            return value if isinstance(value, date) else date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no date, like 2026-11-22", param, ctx)


class MonthType(click.ParamType[date]):
    """A month such as 2026-10, as its first date."""

    name = "month"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> date:
        try:
            return value if isinstance(value, date) else date.fromisoformat(f"{value}-01")
        except ValueError:
            self.fail(f"{value!r} is no month, like 2026-10", param, ctx)


def chosen(platform: Platform, countries: tuple[str, ...]) -> list[str]:
    """The countries asked for, or all that are served here; an unknown one is an error."""
    return [platform.country(code).code for code in dict.fromkeys(countries)] or list(
        platform.served
    )


class DurationType(click.ParamType[timedelta]):
    """A duration as the configuration writes it, such as 30m or 2h."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class SizeType(click.ParamType[int]):
    """Bytes, such as 500MB or 2GB."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        try:
            return int(TypeAdapter(ByteSize).validate_python(value))
        except ValidationError:
            self.fail(f"{value!r} is no size, like 500MB or 2GB", param, ctx)


def limits_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--timeout`, `--max-rows` and `--memory`; the command gets them as `limits`."""

    @click.option(
        "--timeout",
        type=DurationType(),
        default="5m",
        show_default=True,
        metavar="TIME",
        help="How long the query may take.",
    )
    @click.option(
        "--max-rows",
        type=click.IntRange(min=1),
        default=1_000_000,
        show_default=True,
        metavar="N",
        help="Rows that the result may have.",
    )
    @click.option(
        "--memory",
        type=SizeType(),
        default="2GB",
        show_default=True,
        metavar="SIZE",
        help="What the query works in, beyond which it uses a private folder; also of the result.",
    )
    @functools.wraps(command)
    def with_limits(
        *args: Any, timeout: timedelta, max_rows: int, memory: int, **options: Any
    ) -> Any:
        return command(*args, limits=Limits(max_rows, timeout, memory), **options)

    return with_limits
