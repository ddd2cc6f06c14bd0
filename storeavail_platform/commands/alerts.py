"""Commands about alerts: `silence`, `alert-test`."""

from __future__ import annotations

import sys
from datetime import timedelta

import click
from rich.text import Text

from storeavail_platform.commands.options import (
    OUT,
    DurationType,
    chosen,
    config_option,
    country_option,
    current_time,
)
from storeavail_platform.config import load_platform


@click.command(
    epilog='Example:  storeavail silence BR --for 2h --reason "the index is being rebuilt"'
)
@config_option
@click.option(
    "--for",
    "duration",
    type=DurationType(),
    metavar="DURATION",
    help="How long, at most 7d.  [default: 1h]",
    default="1h",
)
@click.option(
    "--reason",
    metavar="TEXT",
    default="",
    help="Why; needed unless the silence is ended.  [default: none]",
)
@click.option("--end", is_flag=True, help="End the silence that holds.")
@click.argument("country", metavar="CODE")
def silence(
    config_path: str | None, country: str, duration: timedelta, reason: str, end: bool
) -> None:
    """Hold back a country's alerts for a while, with a reason.

    It ends early when all of its alerts are over.
    """
    from storeavail_platform.domain.text import moment
    from storeavail_platform.pipeline.runtime import open_storage
    from storeavail_platform.reading import silences

    platform = load_platform(config_path)
    code, now = platform.country(country).code, current_time()
    storage = open_storage(platform)
    if not end:
        OUT.print(Text(f"{code}: silenced {silences.begin(storage, code, now, duration, reason)}"))
    elif ended := silences.end(storage, code, now):
        OUT.print(
            Text(f"{code}: ended the silence {ended}; it was made at {moment(ended.made_at)}")
        )
    else:
        OUT.print(Text(f"{code}: is not silenced"))


@click.command(epilog="Example:  storeavail alert-test --country BR")
@config_option
@country_option
def alert_test(config_path: str | None, countries: tuple[str, ...]) -> None:
    """Send a test message through every channel of every country, and say which of them took it."""
    from storeavail_platform.alerting.channels import open_channels, send_all
    from storeavail_platform.alerting.messages import trial_message

    platform = load_platform(config_path)
    failed = False
    for code in chosen(platform, countries):
        settings = platform.country(code)
        channels = open_channels(settings.alerts, settings.aws)
        OUT.print(Text(code, "bold"))
        for name, error in send_all(
            [(channel, trial_message(code)) for channel in channels]
        ).items():
            failed |= error is not None
            OUT.print(
                Text(f"  ok      {name}", "green")
                if error is None
                else Text(f"  failed  {name}: {error}", "bold red")
            )
    if failed:
        sys.exit(1)
