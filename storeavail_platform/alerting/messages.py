"""The plain text that people get: alerts in words, with links. No sending, no decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from storeavail_platform.alerting.alerts import Alert, Severity
from storeavail_platform.alerting.failed_runs import PLATFORM
from storeavail_platform.config import Platform
from storeavail_platform.domain.alert_kinds import Kind
from storeavail_platform.domain.text import moment

SHOWN = 20
"""Alerts written out in a message; of the others it gives the number."""
HEADINGS = ("new", "worse", "going on", "resolved")


@dataclass(frozen=True)
class Message:
    """What a channel sends.

    Attributes:
        subject: one line.
        body: plain text.
        severity: of the worst alert in it; None where all is well (resolved, a test, a notice).
        html: the same for mail, which shows the picture where it says `cid:` and its name; None:
            mail is plain text.
        picture: PNG, for services that take one.
    """

    subject: str
    body: str
    severity: Severity | None
    html: str | None = None
    picture: bytes | None = field(default=None, repr=False)
    picture_name: str = "picture.png"


def alerts_message(
    country: str,
    platform: Platform,
    alerts: Sequence[Sequence[Alert]],
    notices: Sequence[str],
) -> Message:
    """One message of alerts that are new, have doubled, go on, and are over."""
    order = list(Kind).index
    sections = [sorted(each, key=lambda alert: (order(alert.kind), alert.key)) for each in alerts]
    counts = [f"{len(each)} {name}" for name, each in zip(HEADINGS, sections, strict=True) if each]
    first = next((alert.what for each in sections for alert in each), None)
    head = notices[0] if first is None else f"{', '.join(counts)}: {first}"
    paragraphs = []
    for name, each in zip(HEADINGS, sections, strict=True):
        texts = [alert_text(name.upper(), alert, platform) for alert in each[:SHOWN]]
        paragraphs += texts
        if len(each) > SHOWN:
            paragraphs.append(f"{name.upper()}: {len(each) - SHOWN} more; see `storeavail status`")
    paragraphs += [f"NOTICE: {notice}" for notice in notices]
    severity = max(
        (alert.severity for each in sections[:3] for alert in each),
        key=list(Severity).index,
        default=None,
    )
    return Message(f"storeavail {country}: {head}", "\n\n".join(paragraphs), severity)


def trial_message(country: str) -> Message:
    """What `storeavail alert-test` sends."""
    body = (
        f"This is a test of the alerts of {country}, sent by `storeavail alert-test`. Nothing is"
        " wrong, and nothing is to be done."
    )
    return Message(f"storeavail {country}: TEST, nothing is wrong", body, None)


def alert_text(heading: str, alert: Alert, platform: Platform) -> str:
    """An alert for people: what, since when, likely cause, next step, where to look and read."""
    runbook, dagster, run = platform.runbook_url, platform.dagster_url, alert.run_id
    details = [
        ("figures", alert.beside),
        ("window", alert.window),
        ("since", moment(alert.since)),
        ("likely cause", f"{alert.cause} ({runbook}#{anchor(alert.cause)})"),
        ("next", alert.hint),
        ("page", page_url(alert, platform.dashboard_url)),
        ("run", f"{dagster.rstrip('/')}/runs/{run}" if dagster and run else run),
        ("what to do", f"{runbook}#{anchor(alert.kind)}"),
        ("id", alert.key),
    ]
    if heading == "RESOLVED":
        details = [each for each in details if each[0] in ("window", "since", "page", "id")]
    first = f"{heading} {alert.severity}: {alert.country}: {alert.what}"
    return "\n".join([first, *(f"  {name}: {detail}" for name, detail in details if detail)])


def anchor(heading: str) -> str:
    """The anchor that Markdown makes of a heading."""
    return heading.lower().replace("'", "").replace(" ", "-")


def page_url(alert: Alert, dashboard_url: str | None) -> str | None:
    """The country's page with only the stores that an alert is about; None: it is not known."""
    if dashboard_url is None or alert.country == PLATFORM:
        return None
    chosen = {"city": alert.city, "brand": alert.brand}
    hash_ = urlencode({name: value for name, value in chosen.items() if value}, quote_via=quote)
    address = f"{dashboard_url.rstrip('/')}/{alert.country}/index.html"
    return f"{address}#{hash_}" if hash_ else address
