"""Commands about alerts: `silence`, `ack`, `alert-test`."""

from __future__ import annotations

import contextlib
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
from storeavail_platform.config import dagster_home, load_platform
from storeavail_platform.domain.errors import ConfigError


@click.command(
    epilog='Example:  storeavail silence BR --brand "Galeto Dourado" --for 2h --reason "they know"'
)
@config_option
@click.option("--city", metavar="NAME", help="Only what is about this city.  [default: all]")
@click.option("--brand", metavar="NAME", help="Only what is about this brand.  [default: all]")
@click.option("--store", metavar="ID", help="Only this store.  [default: all]")
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
    config_path: str | None,
    country: str,
    duration: timedelta,
    reason: str,
    end: bool,
    **scope: str | None,
) -> None:
    """Hold back a country's alerts for a while, with a reason; or only what is about a city, a
    brand or a store of it.

    It ends early when all alerts that it held back are over.
    """
    from storeavail_platform.domain.text import moment
    from storeavail_platform.pipeline.runtime import build_runtime
    from storeavail_platform.reading import silences
    from storeavail_platform.reading.recent import refuse_unknown_names

    platform = load_platform(config_path)
    code, now = platform.country(country).code, current_time()
    runtime = build_runtime(platform)
    storage = runtime.storage
    if not end:
        refuse_unknown_names(runtime, code, city=scope["city"], brand=scope["brand"])
        begun = silences.begin(storage, code, now, duration, reason, **scope)
        OUT.print(Text(f"{code}: silenced {begun}"))
        return
    named = {name: value for name, value in scope.items() if value is not None}
    found = [each for each in silences.current(storage, code, now) if each.scope == named]
    for silence in found:
        silences.end(storage, code, silence, now)
        made = moment(silence.made_at)
        OUT.print(Text(f"{code}: ended the silence {silence}; it was made at {made}"))
    if not found:
        OUT.print(Text(f"{code}: is not silenced"))


@click.command(epilog="Example:  storeavail ack missing-brand-20261123T1015-1f0c9a2b")
@config_option
@click.option(
    "--reason", metavar="TEXT", default="is looked after", help="What is done about it.",
    show_default=True,
)  # fmt: skip
@click.argument("incident", metavar="INCIDENT")
def ack(config_path: str | None, incident: str, reason: str) -> None:
    """Say that you look after an incident, or another alert: nobody is reminded of it any more.

    What it is called is the alert's `id`. That it got worse, and its end, are told all the same.
    """
    from storeavail_platform.alerting.disk_watch import alerts_on_disks
    from storeavail_platform.alerting.failed_runs import PLATFORM
    from storeavail_platform.alerting.notify import read_state
    from storeavail_platform.pipeline.runtime import open_storage
    from storeavail_platform.reading import silences

    platform = load_platform(config_path)
    storage, now = open_storage(platform), current_time()
    codes = (*platform.countries, PLATFORM)
    going_on = {code: dict(read_state(storage, code, now).alerts) for code in codes}
    with contextlib.suppress(ConfigError):  # no home, and so nothing known of disks
        going_on[PLATFORM] |= alerts_on_disks(dagster_home(platform))
    found = [
        (code, key)
        for code, alerts in going_on.items()
        for key, entry in alerts.items()
        if incident in (key, entry.alert.scope)
    ]
    if not found:
        raise ConfigError(
            f"no alert that goes on is called {incident!r}: its message has the name in the line id"
        )
    for code, key in found:
        longest = silences.LONGEST_SILENCE
        made = silences.begin(storage, code, now, longest, reason, alert=key)
        OUT.print(Text(f"{code}: looked after: {made}"))


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
