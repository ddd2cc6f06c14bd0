"""Commands by which a person judges windows: `trust`, `distrust`."""

from __future__ import annotations

from collections.abc import Callable

import click
from rich.text import Text

from storeavail_platform.commands.options import OUT, WindowType, config_option, current_time
from storeavail_platform.config import load_platform
from storeavail_platform.domain.windows import Window


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """What both commands take."""
    for option in reversed(
        (
            config_option,
            click.option(
                "--from",
                "first",
                type=WindowType(),
                metavar="KEY",
                required=True,
                help="The first window, like 2026-11-23T1015; up to the newest complete one.",
            ),
            click.option(
                "--reason",
                metavar="TEXT",
                default="",
                help="Why; needed unless it is undone.  [default: none]",
            ),
            click.option(
                "--undo", is_flag=True, help="Take back what was said from this window on."
            ),
            click.argument("country", metavar="CODE"),
        )
    ):
        command = option(command)
    return command


@click.command(
    epilog='Example:  storeavail trust BR --from 2026-11-23T1015 --reason "15,000 new stores"'
)
@_options
def trust(config_path: str | None, country: str, first: Window, reason: str, undo: bool) -> None:
    """Say that suspect windows are right: the change was real.

    The next windows are compared with them, and outages end with them. No row is changed.
    """
    _judge(config_path, country, first, reason, undo=undo, is_trusted=True)


@click.command(
    epilog='Example:  storeavail distrust BR --from 2026-11-23T1015 --reason "a test index"'
)
@_options
def distrust(config_path: str | None, country: str, first: Window, reason: str, undo: bool) -> None:
    """Say that windows are wrong, though they do not look so: they count as suspect.

    No window is compared with them, they end no outage, and alerts take them for no evidence. No
    row is changed.
    """
    _judge(config_path, country, first, reason, undo=undo, is_trusted=False)


def _judge(
    config_path: str | None,
    country: str,
    first: Window,
    reason: str,
    *,
    undo: bool,
    is_trusted: bool,
) -> None:
    from storeavail_platform.pipeline.runtime import build_runtime
    from storeavail_platform.pipeline.trusting import judge, take_back

    platform = load_platform(config_path)
    code, runtime, now = platform.country(country).code, build_runtime(platform), current_time()
    if undo:
        verdict, changed = take_back(runtime, code, first, now, is_trusted=is_trusted)
    else:
        verdict, changed = judge(runtime, code, first, now, reason, is_trusted=is_trusted)
    said = f"taken back: {verdict}" if undo else str(verdict)
    OUT.print(Text(f"{code}: {said}"))
    OUT.print(
        Text(f"  {changed} windows are judged otherwise now; the next window rolls up their dates")
    )
