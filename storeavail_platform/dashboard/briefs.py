"""Briefs being made: content, picture, page and message of a date, each written whole or not at
all.

    dashboard/<country>/briefs/<date>/index.html            the morning brief
    dashboard/<country>/reports/<name>/<date>/index.html    a report of the configuration

They are kept by date until somebody removes them.
"""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from storeavail_platform.alerting.outbox import BRIEF, LATE, LATE_MARK, REPORT, Due
from storeavail_platform.config import ScheduledReport
from storeavail_platform.dashboard.brief_picture import NAME, picture_of
from storeavail_platform.dashboard.publish import INDEX
from storeavail_platform.dashboard.report_page import mail_html, page_html
from storeavail_platform.dashboard.summaries import BRIEFS, FOLDER, REPORTS
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.brief import Brief
from storeavail_platform.reading.brief_tables import brief_of
from storeavail_platform.reading.brief_text import ReportText, text_of
from storeavail_platform.reading.recent import Group

EARLIER = 35
"""Reports before it that a page leads to."""
LINES = 3
"""Lines of a section in a message of plain text."""
LONGEST_BODY = 1900
"""Characters of a message of plain text: what Discord takes."""


@dataclass(frozen=True)
class ReportMade:
    """A report that was made.

    Attributes:
        path, uri: where its page lies: a path or s3://bucket/key, and as an address.
        due: its message.
    """

    country: str
    text: ReportText
    path: str
    uri: str
    bytes: int
    seconds: float
    due: Due


def make_brief(
    runtime: Runtime, country: str, local_date: date, now: datetime, due_at: datetime
) -> ReportMade:
    """Make a date's morning brief and write its page.

    Args:
        due_at: when it should come (UTC).

    Raises: as `brief_of`; WarehouseError: the page cannot be written.
    """
    brief = brief_of(runtime, country, local_date, now)
    key = f"{local_date}-{BRIEF}"
    return _made(runtime, brief, BRIEFS, Due(key, BRIEF, due_at, "", ""), now)


def make_report(
    runtime: Runtime, report: ScheduledReport, local_date: date, now: datetime, due_at: datetime
) -> ReportMade:
    """The same for a report of the configuration, which tells of the seven dates too."""
    group = Group(report.brand, report.city)
    brief = brief_of(runtime, report.country, local_date, now, group=group, with_week=True)
    key = f"{local_date}-{REPORT}-{report.name}"
    due = Due(key, REPORT, due_at, "", "", report=report.name, city=report.city, brand=report.brand)
    return _made(runtime, brief, f"{REPORTS}/{report.name}", due, now)


def _made(runtime: Runtime, brief: Brief, folder: str, due: Due, now: datetime) -> ReportMade:
    started = time.perf_counter()
    text = text_of(brief)
    picture = picture_of(brief)
    return write_report(
        runtime,
        text,
        picture,
        Report(brief.country, folder, brief.local_date.isoformat(), due, NAME, now, started),
    )


@dataclass(frozen=True)
class Report:
    """Where a report lies and whose message it is.

    Attributes:
        folder: of all reports of its kind, below the country's.
        name: of this one among them.
        due: its message, without what it says.
        started: when it was begun, by the clock of `time.perf_counter`.
    """

    country: str
    folder: str
    name: str
    due: Due
    picture_name: str
    now: datetime
    started: float


def write_report(runtime: Runtime, text: ReportText, picture: bytes, report: Report) -> ReportMade:
    """Write a report's page, and make its message."""
    storage, country = runtime.storage, report.country
    encoded = base64.b64encode(picture).decode()
    zone = ZoneInfo(runtime.country(country).timezone)
    made = f"made {report.now.astimezone(zone):%Y-%m-%d %H:%M} ({zone.key})"
    if report.now - report.due.due_at > LATE:
        made += f", late: it was due at {report.due.due_at.astimezone(zone):%H:%M}"
    whole = f"{FOLDER}/{country}/{report.folder}"
    before = [name for name in storage.names(whole) if name < report.name][-EARLIER:]
    html = page_html(
        text,
        encoded,
        country=country,
        up="../" * (report.folder.count("/") + 2) + INDEX,
        made=made,
        earlier=[(name, f"../{name}/{INDEX}") for name in reversed(before)],
    ).encode()
    path = f"{whole}/{report.name}/{INDEX}"
    storage.replace(path, html)
    base = runtime.platform.dashboard_url
    link = None if base is None else f"{base.rstrip('/')}/{path.removeprefix(f'{FOLDER}/')}"
    message = Due(
        key=report.due.key,
        kind=report.due.kind,
        due_at=report.due.due_at,
        subject=f"storeavail {text.title}",
        body=body_of(text, link),
        html=mail_html(text, report.picture_name, link, LATE_MARK),
        picture=encoded,
        picture_name=report.picture_name,
        report=report.due.report,
        city=report.due.city,
        brand=report.due.brand,
    )
    seconds = round(time.perf_counter() - report.started, 3)
    return ReportMade(
        country, text, storage.path(path), storage.uri(path), len(html), seconds, message
    )


def body_of(text: ReportText, link: str | None) -> str:
    """The message of channels that take no HTML: short enough for all of them."""
    foot = "" if link is None else f"\n\npage: {link}"
    body = text.plain(LINES)
    room = LONGEST_BODY - len(foot)
    if len(body) > room:
        body = body[: room - 1].rpartition("\n")[0] + "\n…"
    return body + foot
