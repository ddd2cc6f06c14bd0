"""The command `brief`: a date of a country in sentences."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click
from rich.text import Text

from storeavail_platform.commands.options import (
    ERROR,
    OUT,
    DateType,
    MonthType,
    chosen,
    config_option,
    country_option,
    current_time,
)
from storeavail_platform.config import load_platform
from storeavail_platform.domain.errors import StoreAvailError

if TYPE_CHECKING:
    from storeavail_platform.config import ScheduledReport
    from storeavail_platform.pipeline.runtime import Runtime
    from storeavail_platform.reading.brief_text import ReportText


@click.command(epilog="Example:  storeavail brief --country BR --date 2026-11-22")
@config_option
@country_option
@click.option(
    "--date",
    "day",
    type=DateType(),
    metavar="DATE",
    help="Local date such as 2026-11-22.  [default: yesterday, in the country's zone]",
)
@click.option(
    "--month",
    type=MonthType(),
    metavar="MONTH",
    help="Instead of a date: what a month such as 2026-10 was worth.  [default: none]",
)
@click.option(
    "--report",
    "name",
    metavar="NAME",
    help="Instead of a country's brief: a report of `reports.scheduled`.  [default: none]",
)
@click.option(
    "--send",
    is_flag=True,
    help="Write its page too, and send it to whoever is to have it and has not had it.",
)
def brief(
    config_path: str | None,
    countries: tuple[str, ...],
    day: date | None,
    month: date | None,
    name: str | None,
    send: bool,
) -> None:
    """Tell of a country's yesterday beside the same weekday of four weeks: incidents and what they
    cost, stores off for long, what got better, and what to do first.
    """
    from storeavail_platform.pipeline.runtime import build_runtime

    if month is not None and (day is not None or name is not None):
        raise click.UsageError("--month stands alone: leave --date and --report out")
    platform = load_platform(config_path)
    report = None if name is None else platform.report(name)
    codes = chosen(platform, countries) if report is None else [report.country]
    runtime, now, failed = build_runtime(platform), current_time(), False
    for code in codes:
        asked = day or yesterday(now, platform.country(code).timezone)
        wanted = Wanted(code, asked, month, report)
        try:
            if send:
                failed |= not made_and_sent(runtime, wanted, now)
            else:
                print_report(report_text(runtime, wanted, now))
        except StoreAvailError as error:
            failed = True
            ERROR.print(Text(f"{code}: {error}"))
    if failed:
        sys.exit(1)


@dataclass(frozen=True)
class Wanted:
    """What is asked for: the value of a month, a report, or else a date's brief."""

    country: str
    day: date
    month: date | None
    report: ScheduledReport | None


def report_text(runtime: Runtime, wanted: Wanted, now: datetime) -> ReportText:
    """It in sentences; nothing is written."""
    if wanted.month is not None:
        from storeavail_platform.reading.value import value_of
        from storeavail_platform.reading.value_text import value_text

        return value_text(value_of(runtime, wanted.country, wanted.month))
    from storeavail_platform.reading.brief_tables import brief_of
    from storeavail_platform.reading.brief_text import text_of
    from storeavail_platform.reading.recent import Group

    if (report := wanted.report) is None:
        return text_of(brief_of(runtime, wanted.country, wanted.day, now))
    group = Group(report.brand, report.city)
    found = brief_of(runtime, wanted.country, wanted.day, now, group=group, with_week=True)
    return text_of(found)


def made_and_sent(runtime: Runtime, wanted: Wanted, now: datetime) -> bool:
    """Make, print and send it; whether every channel has it."""
    from storeavail_platform.alerting import outbox
    from storeavail_platform.dashboard.briefs import make_brief, make_report
    from storeavail_platform.dashboard.values import make_value

    code = wanted.country
    if wanted.month is not None:
        made = make_value(runtime, code, wanted.month, now, now)
    elif wanted.report is not None:
        made = make_report(runtime, wanted.report, wanted.day, now, now)
    else:
        made = make_brief(runtime, code, wanted.day, now, now)
    print_report(made.text)
    OUT.print(Text(made.path), soft_wrap=True)
    outbox.put(runtime.storage, code, made.due)
    found = outbox.deliver(runtime, code, now, keys=[made.due.key])
    for outcome in found:
        (OUT if outcome.error is None else ERROR).print(Text(str(outcome)), soft_wrap=True)
    return all(outcome.error is None for outcome in found)


def print_report(text: ReportText) -> None:
    OUT.print(Text(text.title, "bold"))
    OUT.print(Text(f"\n{text.plain()}\n"), soft_wrap=True)


def yesterday(now: datetime, timezone: str) -> date:
    """The last date that is over in a zone."""
    return now.astimezone(ZoneInfo(timezone)).date() - timedelta(days=1)
