"""The plain text that people get: alerts in words. No sending, no decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storeavail_platform.alerting.alerts import Alert, Severity
from storeavail_platform.domain.text import moment

SHOWN = 20
"""Alerts written out in a message; of the others it gives the number."""


@dataclass(frozen=True)
class Message:
    """What a channel sends.

    Attributes:
        subject: one line.
        body: plain text.
        severity: of the worst alert in it; None where all is well (resolved, a test, a notice).
    """

    subject: str
    body: str
    severity: Severity | None


def alerts_message(
    country: str,
    dagster_url: str | None,
    new: Sequence[Alert],
    going_on: Sequence[Alert],
    resolved: Sequence[Alert],
    notices: Sequence[str],
) -> Message:
    counts = ((len(new), "new"), (len(going_on), "going on"), (len(resolved), "resolved"))
    summary = ", ".join(f"{count} {word}" for count, word in counts if count)
    first = next(iter([*new, *going_on, *resolved]), None)
    subject = (
        f"storeavail {country}: {summary}: {first.what}"
        if first is not None
        else f"storeavail {country}: {notices[0]}"
    )
    paragraphs = [
        *_section("NEW", new, dagster_url),
        *_section("GOING ON", going_on, dagster_url),
        *(f"NOTICE: {notice}" for notice in notices),
        *_section("RESOLVED", resolved, dagster_url),
    ]
    severity = max(
        (alert.severity for alert in (*new, *going_on)), key=list(Severity).index, default=None
    )
    return Message(subject, "\n\n".join(paragraphs), severity)


def trial_message(country: str) -> Message:
    """What `storeavail alert-test` sends."""
    body = (
        f"This is a test of the alerts of {country}, sent by `storeavail alert-test`. Nothing is"
        " wrong, and nothing is to be done."
    )
    return Message(f"storeavail {country}: TEST, nothing is wrong", body, None)


def alert_text(heading: str, alert: Alert, dagster_url: str | None) -> str:
    """An alert for people: what, since when, likely cause, where to look, what to read."""
    details = [
        ("window", alert.window),
        ("since", moment(alert.since)),
        ("likely cause", f"{alert.cause} ({alert.cause_section})"),
        ("now", alert.hint),
        ("run", alert.run_url(dagster_url) or alert.run_id),
        ("what to do", alert.section),
    ]
    first = f"{heading} {alert.severity}: {alert.country}: {alert.what}"
    return "\n".join([first, *(f"  {name}: {detail}" for name, detail in details if detail)])


def _section(heading: str, alerts: Sequence[Alert], dagster_url: str | None) -> list[str]:
    texts = [alert_text(heading, alert, dagster_url) for alert in alerts[:SHOWN]]
    return (
        texts
        if len(alerts) <= SHOWN
        else [*texts, f"{heading}: {len(alerts) - SHOWN} more; see `storeavail status`"]
    )
