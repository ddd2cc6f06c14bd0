"""Briefs as pages and as messages that come once: a real SMTP server, whose mail is parsed."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import pytest
from click.testing import CliRunner

from storeavail_platform.alerting import outbox
from storeavail_platform.alerting.outbox import CLAIM, Claim
from storeavail_platform.commands.cli import main
from storeavail_platform.config import load_text
from storeavail_platform.dashboard import write_country_page
from storeavail_platform.dashboard.briefs import LONGEST_BODY, ReportMade, make_brief, make_report
from storeavail_platform.dashboard.serving import answer
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_testing.mailbox import Mailbox, mail_server
from storeavail_testing.pages import NOW, fill, make_stores

SUNDAY = date(2026, 11, 22)
EIGHT = datetime(2026, 11, 23, 11, tzinfo=UTC)
"""Monday 8:00 in Sao Paulo."""
MINUTE = timedelta(minutes=1)
PAGE = "https://pages.example.com/x/BR/briefs/2026-11-22/index.html"
HOSTILE = dict.fromkeys(range(1, 30), "<script>alert(1)</script> & <b>")
BRAND = "Grill 42"
CONFIG = """
warehouse: ./warehouse
partitions_start: 2026-09-01
dashboard_url: https://pages.example.com/x/
alerts:
  channels: [{apprise: env:MAIL}]
  routes: [{brand: Grill 42, channels: [{apprise: env:OF_BRAND}]}, {kind: gap, channels: [log]}]
reports:
  scheduled:
    - {name: grill, cron: "30 9 * * 1", country: BR, brand: Grill 42}
    - {name: own, cron: "30 9 * * 1", country: BR, city: Recife, channels: [{apprise: env:OWN}]}
countries:
  BR: {timezone: America/Sao_Paulo, postgres: {dsn: "env:DSN"}, online_index: {path: ./index.ndjson}}
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("briefs")
    (folder / "warehouse").mkdir()
    (folder / "platform.yaml").write_text(CONFIG)
    fill(opened(folder), "BR", make_stores(30, 1, HOSTILE), seed=8, down=BRAND, days=9)
    return folder


def opened(folder: Path, config: str = CONFIG) -> Runtime:
    return build_runtime(load_text(config, base=folder, origin="test.yaml"))


@pytest.fixture
def runtime(filled: Path) -> Iterator[Runtime]:
    """The country with no message sent or waiting."""
    made = opened(filled)
    yield made
    made.storage.delete_tree("alerts/notes/BR/outbox")


@pytest.fixture(scope="module")
def brief(filled: Path) -> ReportMade:
    """Sunday's brief as it is made on Monday at eight."""
    return make_brief(opened(filled), "BR", SUNDAY, EIGHT, EIGHT)


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """What the country's channel gets."""
    with mail_server() as mailbox:
        monkeypatch.setenv("MAIL", mailbox.url)
        yield mailbox


def size_of(png: bytes) -> tuple[int, int]:
    """Width and height of a picture, all of whose chunks are whole."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, data, header = 8, b"", b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        chunk = png[at + 8 : at + 8 + length]
        (found,) = struct.unpack(">I", png[at + 8 + length : at + 12 + length])
        assert zlib.crc32(kind + chunk) == found
        header = chunk if kind == b"IHDR" else header
        data += chunk if kind == b"IDAT" else b""
        at += 12 + length
    assert any(zlib.decompress(data))
    width, height = struct.unpack(">II", header[:8])
    return width, height


def test_a_mail_has_the_picture_inside_and_leads_to_the_page(
    runtime: Runtime, brief: ReportMade, mail: Mailbox
) -> None:
    """HTML whose picture is a part of the mail, text for those without HTML, and one link, to the
    page that is served; names from outside are text.
    """
    outbox.put(runtime.storage, "BR", brief.due)
    (outcome,) = outbox.deliver(runtime, "BR", EIGHT + MINUTE)
    assert outcome.is_new
    (received,) = mail.messages
    assert received["Subject"] == "storeavail BR, Sunday 22 November 2026"
    found = {part.get_content_type(): part for part in received.walk() if not part.is_multipart()}
    assert set(found) == {"text/plain", "text/html", "image/png"}
    html = found["text/html"].get_content()
    (shown,) = re.findall(r'src="cid:([^"]+)"', html)
    assert found["image/png"]["Content-ID"] == f"<{shown}>"
    width, height = size_of(found["image/png"].get_content())
    assert width > 600
    assert height > 300
    assert re.findall(r'href="([^"]+)"', html) == [PAGE]
    served = answer(runtime.storage, "/BR/briefs/2026-11-22/index.html")
    assert served.status == HTTPStatus.OK
    assert brief.text.headline in served.body.decode()
    assert "<script>" not in html
    assert brief.text.headline in found["text/plain"].get_content()


def test_the_page_says_first_what_is_wrong_and_is_found_from_the_countrys(
    runtime: Runtime, brief: ReportMade
) -> None:
    """Lost windows stand above the headline; nothing runs in it; the country's page leads to the
    newest, which leads to those before.
    """
    html = Path(brief.path).read_text()
    assert html.index("2 windows were lost") < html.index(brief.text.headline)
    assert "<script" not in html
    assert 'href="../../index.html"' in html
    later = make_brief(runtime, "BR", SUNDAY + timedelta(days=1), NOW, EIGHT)
    assert 'href="../2026-11-22/index.html"' in Path(later.path).read_text()
    assert "late: it was due at 08:00" in Path(later.path).read_text()
    page = Path(write_country_page(runtime, "BR", NOW).path).read_text()
    assert '<a href="briefs/2026-11-23/index.html">Brief of 2026-11-23</a>' in page
    assert answer(runtime.storage, "/BR/.outbox/due/x.json").status == HTTPStatus.NOT_FOUND


def test_a_message_comes_once_also_after_a_restart(
    filled: Path, runtime: Runtime, brief: ReportMade, mail: Mailbox
) -> None:
    """However often it is made, and whoever sends it."""
    for _ in range(2):
        outbox.put(runtime.storage, "BR", brief.due)
        outbox.deliver(opened(filled), "BR", EIGHT + MINUTE)
    assert len(mail.messages) == 1
    assert outbox.deliver(opened(filled), "BR", EIGHT + 2 * MINUTE) == []


def test_what_lies_below_the_pages_is_still_delivered_once(
    runtime: Runtime, brief: ReportMade, mail: Mailbox
) -> None:
    """Messages of an earlier release, with who has had them; nothing of them stays where pages
    are.
    """
    storage, had = runtime.storage, replace(brief.due, key="2026-11-21-brief")
    (channel,) = outbox.audience(runtime, "BR", had)
    old = "dashboard/BR/.outbox"
    for due in (brief.due, had):
        storage.replace(f"{old}/due/{due.key}.json", outbox.DUE.dump_json(due))
    digits = outbox.claim_path("BR", had.key, channel.name).rpartition("/")[2]
    claim = CLAIM.dump_json(Claim(channel.name, "sent", EIGHT))
    storage.replace(f"{old}/sent/{had.key}/{digits}", claim)
    outbox.deliver(runtime, "BR", EIGHT + MINUTE)
    assert [each["Subject"] for each in mail.messages] == [brief.due.subject]
    assert outbox.deliver(runtime, "BR", EIGHT + 2 * MINUTE) == []
    left = [*storage.names(f"{old}/due"), *storage.names(f"{old}/sent/{had.key}")]
    assert left == []


def test_a_process_that_was_killed_while_it_sent_has_sent(
    runtime: Runtime, brief: ReportMade, mail: Mailbox
) -> None:
    """Its claim stays: nobody gets the brief twice. After a day it is not waited for any more."""
    outbox.put(runtime.storage, "BR", brief.due)
    (channel,) = outbox.audience(runtime, "BR", brief.due)
    claim = CLAIM.dump_json(Claim(channel.name, "sending", EIGHT))
    assert runtime.storage.create(outbox.claim_path("BR", brief.due.key, channel.name), claim)
    (outcome,) = outbox.deliver(runtime, "BR", EIGHT + MINUTE)
    assert (outcome.sent_at, mail.messages) == (EIGHT, [])
    outbox.deliver(runtime, "BR", EIGHT + timedelta(days=1, minutes=1))
    assert outbox.deliver(runtime, "BR", EIGHT + timedelta(days=2)) == []


def test_what_is_not_taken_is_sent_again_and_says_that_it_is_late(
    runtime: Runtime, brief: ReportMade, mail: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the subject, and first in text and HTML."""
    monkeypatch.setenv("MAIL", "mailto://127.0.0.1:1/a@example.com?from=b@example.com")
    outbox.put(runtime.storage, "BR", brief.due)
    (outcome,) = outbox.deliver(runtime, "BR", EIGHT + MINUTE)
    assert "did not take the message" in str(outcome.error)
    monkeypatch.setenv("MAIL", mail.url)
    outbox.deliver(runtime, "BR", EIGHT + timedelta(hours=3))
    (received,) = mail.messages
    assert received["Subject"].endswith(" (late)")
    late = "LATE: this was due at 08:00 and is sent at 11:00."
    for body in received.walk():
        if body.get_content_maintype() == "text":
            assert late in body.get_content()


def test_quiet_hours_hold_it_back(
    filled: Path, runtime: Runtime, brief: ReportMade, mail: Mailbox
) -> None:
    """As warnings, until they end; then it is not late. A person who asks for it has it now."""
    quiet = CONFIG.replace("alerts:", 'alerts:\n  quiet_hours: {begin: "22:00", end: "09:00"}')
    held = opened(filled, quiet)
    outbox.put(runtime.storage, "BR", brief.due)
    assert outbox.deliver(held, "BR", EIGHT + 59 * MINUTE) == []
    outbox.deliver(held, "BR", EIGHT + 60 * MINUTE)
    assert [each["Subject"] for each in mail.messages] == ["storeavail BR, Sunday 22 November 2026"]
    other = replace(brief.due, key="2026-11-22-asked")
    outbox.put(runtime.storage, "BR", other)
    outbox.deliver(held, "BR", EIGHT, keys=[other.key])
    assert len(mail.messages) == 2


def test_routes_and_own_channels_say_who_gets_a_report(
    runtime: Runtime, mail: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of a brand goes where the brand's alerts go, one with channels of its own to these; the
    mail of a brand names no other, and each has a page by name and date.
    """
    with mail_server() as of_brand, mail_server() as own:
        monkeypatch.setenv("OF_BRAND", of_brand.url)
        monkeypatch.setenv("OWN", own.url)
        for report in runtime.platform.reports.scheduled:
            made = make_report(runtime, report, SUNDAY, EIGHT, EIGHT)
            assert made.path.endswith(f"BR/reports/{report.name}/2026-11-22/index.html")
            assert len(made.due.body) <= LONGEST_BODY
            outbox.put(runtime.storage, "BR", made.due)
        outbox.deliver(runtime, "BR", EIGHT + MINUTE)
    assert mail.messages == []
    (to_brand,), (to_own,) = of_brand.messages, own.messages
    assert to_brand["Subject"] == f"storeavail BR brand {BRAND}, Sunday 22 November 2026"
    assert to_own["Subject"] == "storeavail BR city Recife, Sunday 22 November 2026"
    brands = {name for name in make_stores(30, 1, {}).brands if name}
    text = "".join(
        each.get_content() for each in to_brand.walk() if each.get_content_maintype() == "text"
    )
    assert {name for name in brands if name in text} == {BRAND}


def test_the_command_sends_it(filled: Path, runtime: Runtime, mail: Mailbox) -> None:
    """With the page's path, who has it, and who has had it. A report of the configuration can be
    printed before anybody gets it.
    """
    arguments = ["brief", "--send", "--config", str(filled / "platform.yaml")]
    first = CliRunner().invoke(main, arguments, obj=lambda: EIGHT)
    assert first.exit_code == 0, first.output
    assert "briefs/2026-11-22/index.html" in first.output
    assert "2026-11-22-brief: apprise env:MAIL has it\n" in first.output
    again = CliRunner().invoke(main, arguments, obj=lambda: EIGHT + MINUTE)
    assert "apprise env:MAIL has had it at 2026-11-23 11:00 UTC" in again.output
    assert len(mail.messages) == 1
    printed = CliRunner().invoke(
        main, [*arguments[:1], *arguments[2:], "--report", "grill"], obj=lambda: EIGHT
    )
    assert f"BR brand {BRAND}, " in printed.output
    unknown = CliRunner().invoke(main, [*arguments, "--report", "gril"])
    assert unknown.exit_code == 1
    assert (
        "there is no report 'gril'; did you mean 'grill'? (reports: grill, own)" in unknown.output
    )
