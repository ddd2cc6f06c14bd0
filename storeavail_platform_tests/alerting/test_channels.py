"""Channels against real receivers on loopback: an SMTP server, an HTTP server, a stand-in for
SNS and CloudWatch.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apprise
import boto3
import pytest
from click.testing import CliRunner

from storeavail_platform.alerting.alerts import Severity
from storeavail_platform.alerting.channels import (
    SCHEMES,
    Channel,
    open_channels,
    scheme_of,
    send_all,
    takes_picture,
)
from storeavail_platform.alerting.hosts import refuse_internal
from storeavail_platform.alerting.messages import Message
from storeavail_platform.aws.notices import publish, put_window_age
from storeavail_platform.commands.cli import main
from storeavail_platform.config import Alerts, AppriseChannel, Aws, Secret, SnsChannel
from storeavail_platform.domain.errors import ChannelFailed, ConfigError
from storeavail_platform_tests.alerting.alert_world import FIRST, AlertWorld, Recorder, at
from storeavail_testing.http_server import QuietHandler, http_server
from storeavail_testing.mailbox import Mailbox, mail_server
from storeavail_testing.s3 import S3Server

MESSAGE = Message(
    "storeavail BR: 1 new: Störung",
    "NEW error: BR: availability of city ‹b› is 50.0%\n  since: now",
    Severity.ERROR,
)
PASSWORD = "hunter2"


@pytest.fixture
def mail() -> Iterator[tuple[Mailbox, str]]:
    """A mailbox and the URL that reaches it."""
    with mail_server() as mailbox:
        yield mailbox, mailbox.url


@dataclass
class Posts:
    """What an HTTP server received, and the status it answers; `/elsewhere` is where it
    redirects to with 302.
    """

    port: int = 0
    status: int = 200
    bodies: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def url(self, path: str = "hook") -> str:
        return f"json://user:{PASSWORD}@127.0.0.1:{self.port}/{path}"


@pytest.fixture
def http() -> Iterator[Posts]:
    posts = Posts()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            posts.bodies.append((self.path, json.loads(body)))
            self.send_response(posts.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        do_GET = do_POST

    with http_server(Handler) as server:
        posts.port = server.server_port
        yield posts


def service(url: str) -> Channel:
    (channel,) = open_channels(Alerts(channels=(AppriseChannel(apprise=Secret.parse(url)),)), Aws())
    return channel


def test_mail_is_plain_text(mail: tuple[Mailbox, str]) -> None:
    """The subject and the text arrive as they are; there is no HTML in which a name could
    become markup.
    """
    mailbox, url = mail
    service(url).send(MESSAGE)
    (received,) = mailbox.messages
    assert received["Subject"] == MESSAGE.subject
    assert "oncall@example.com" in received["To"]
    texts = [text for text in received.walk() if not text.is_multipart()]
    assert [text.get_content_type() for text in texts] == ["text/plain"]
    assert "availability of city ‹b› is 50.0%" in texts[0].get_content()
    assert "image" not in received.as_string()


@pytest.mark.parametrize(
    ("url", "takes"),
    [
        ("mailto://127.0.0.1/a@example.com?from=b@example.com", True),
        (f"discord://{'1' * 18}/{'a' * 64}", True),
        ("slack://xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d/#general", True),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7Q/#general", False),
        ("json://127.0.0.1/hook", False),
    ],
)
def test_pictures_go_to_services_that_show_them(url: str, takes: bool) -> None:
    """Mail, Discord and Slack's bots; Slack's webhooks and the others get the text with its link."""
    opened = apprise.Apprise.instantiate(url)
    assert opened is not None
    assert takes_picture(scheme_of(url), opened) is takes


def test_a_service_gets_text_and_severity(http: Posts) -> None:
    """Through Apprise's JSON."""
    service(http.url()).send(MESSAGE)
    ((path, body),) = http.bodies
    assert path == "/hook"
    assert (body["title"], body["message"], body["type"]) == (
        MESSAGE.subject,
        MESSAGE.body,
        "failure",
    )


@pytest.mark.parametrize("status", [500, 302, 403])
def test_a_service_that_refuses_is_a_failure_that_tells_no_address(
    http: Posts, status: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither the error nor anything logged, at any level, holds the URL or its password;
    redirects are not followed.
    """
    caplog.set_level(logging.DEBUG)
    http.status = status
    with pytest.raises(ChannelFailed, match=f"channel apprise 1: .*it answered {status}") as caught:
        service(http.url("secret-token")).send(MESSAGE)
    printed = capfd.readouterr()
    for text in (str(caught.value), caplog.text, printed.out, printed.err):
        assert PASSWORD not in text
        assert "secret-token" not in text
    assert [path for path, _ in http.bodies] == ["/secret-token"]


def test_a_server_that_is_down_is_a_failure(http: Posts) -> None:
    """Nothing listens on port 1."""
    with pytest.raises(ChannelFailed, match="did not take the message"):
        service("json://127.0.0.1:1/").send(MESSAGE)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T0/B0/hunter2",
        "exec:///bin/sh?hunter2",
        "syslog://hunter2",
        "dbus://hunter2",
        "hunter2",
        "xml://127.0.0.1/hunter2",
        " exec://hunter2",
    ],
)
def test_other_schemes_are_refused(url: str) -> None:
    """Apprise knows many kinds of address, some of which reach into this machine; only the
    listed ones are allowed.
    """
    with pytest.raises(
        ConfigError, match="is not an Apprise URL of a kind that is allowed: discord, gchat"
    ) as caught:
        service(url).send(MESSAGE)
    assert PASSWORD not in str(caught.value)


def test_a_url_that_apprise_does_not_understand_is_told_without_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The scheme is right and the rest is not. Apprise itself would print the URL."""
    with pytest.raises(
        ConfigError, match="does not understand the slack:// URL in the secret"
    ) as caught:
        service("slack://hunter2").send(MESSAGE)
    assert PASSWORD not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "url",
    [
        "json://169.254.169.254/latest",
        "json://2852039166/latest",
        "jsons://[fe80::1]/",
        "json://[fd00:ec2::254]/",
        "json://[::ffff:169.254.169.254]/",
        "json://0.0.0.0/",
        "mailto://example.com/a@example.com?smtp=169.254.169.254&from=b@example.com",
        "workflows://169.254.169.254:80/workflow/signature",
    ],
)
def test_link_local_and_metadata_hosts_are_refused(url: str) -> None:
    """Also written as a number, mapped into IPv6, and as the SMTP server of an address that
    names another host.
    """
    with pytest.raises(ConfigError, match="link-local or metadata address") as caught:
        service(url).send(MESSAGE)
    assert "169" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "is_refused"),
    [
        ("169.254.169.254", True),
        ("fe80::1%eth0", True),
        ("10.0.0.7", False),
        ("::ffff:169.254.169.254", True),
        ("::169.254.169.254", True),
        ("::ffff:0:169.254.169.254", True),
        ("64:ff9b::169.254.169.254", True),
        ("64:ff9b::168.63.129.16", True),
        ("64:ff9b:1::169.254.169.254", True),
        ("64:ff9b:1:a9fe:a9:fe00::", True),
        ("2002:a9fe:a9fe::1", True),
        ("2001:0:a9fe:a9fe::1", True),
        ("64:ff9b::10.0.0.7", False),
        ("2002:c000:201::1", False),
        ("2600:1f18::1", False),
    ],
)
def test_a_name_that_resolves_to_such_an_address_is_refused(address: str, is_refused: bool) -> None:
    """One of several addresses is enough, also one that a gateway takes for an IPv4 address (NAT64,
    6to4) or that ends with one; private networks are allowed.
    """

    def resolve(host: str, port: None) -> list[tuple[Any, ...]]:
        assert host == "innocent.example.com"
        return [(None, None, 0, "", ("192.0.2.1", 0)), (None, None, 0, "", (address, 0))]

    if not is_refused:
        return refuse_internal("innocent.example.com", "apprise 1", resolve)
    with pytest.raises(ConfigError, match="link-local or metadata address"):
        refuse_internal("innocent.example.com", "apprise 1", resolve)
    return None


def test_a_name_that_does_not_resolve_may_pass() -> None:
    """DNS may be down."""

    def resolve(host: str, port: None) -> list[tuple[Any, ...]]:
        raise OSError("Name or service not known")

    with pytest.raises(ChannelFailed, match="cannot be resolved"):
        refuse_internal("nowhere.example.com", "apprise 1", resolve)


def test_one_channel_holds_up_no_other() -> None:
    """Whatever a channel raises is its own outcome."""

    class Broken(Recorder):
        def send(self, message: Message) -> None:
            raise KeyError(PASSWORD)

    good, down, broken = Recorder("good"), Recorder("down", is_down=True), Broken("broken")
    outcomes = send_all([(each.channel, MESSAGE) for each in (broken, down, good)])
    assert outcomes["good"] is None
    assert str(outcomes["down"]) == "channel down: is down"
    assert "KeyError" in str(outcomes["broken"])
    assert PASSWORD not in str(outcomes["broken"])
    assert good.messages == [MESSAGE]


def test_log_writes_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Through the logger `storeavail.alerts`, a line each."""
    (channel,) = open_channels(Alerts(), Aws())
    channel.send(MESSAGE)
    lines = [MESSAGE.subject, *MESSAGE.body.splitlines()]
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("storeavail.alerts", "WARNING", " | ".join(line.strip() for line in lines))
    ]


def test_channels_are_named_by_reference(world: AlertWorld) -> None:
    """Names go into logs and state files, so they hold references, never addresses; a channel
    given twice is one.
    """
    alerts = Alerts.model_validate(
        {
            "channels": [
                "log",
                "log",
                {"apprise": "env:CHAT"},
                {"apprise": "json://127.0.0.1/hunter2"},
            ]
        }
    )
    assert [channel.name for channel in open_channels(alerts, Aws())] == [
        "log",
        "apprise env:CHAT",
        "apprise 4",
    ]


@pytest.fixture
def world(tmp_path: Path) -> AlertWorld:
    return AlertWorld(tmp_path, channels="[{apprise: env:MAIL}, {apprise: env:CHAT}]")


@pytest.fixture
def topic(s3: S3Server) -> tuple[str, Any]:
    """An SNS topic with a queue behind it: its ARN, and a function that gives the messages."""
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    arn = sns.create_topic(Name="storeavail-alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="received")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)

    def received() -> list[dict[str, Any]]:
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    return arn, received


def test_sns_gets_a_short_ascii_subject_and_the_whole_text(topic: tuple[str, Any]) -> None:
    """SNS refuses subjects with other characters, line breaks, or beyond 100 characters."""
    arn, received = topic
    channels: list[Channel] = open_channels(Alerts(channels=(SnsChannel(sns=arn),)), Aws())
    assert send_all([(channels[0], Message("Störung\n" + "x" * 200, MESSAGE.body, None))]) == {
        f"sns {arn}": None
    }
    (message,) = received()
    assert message["Subject"] == "St?rung " + "x" * 92
    assert message["Message"] == MESSAGE.body


def test_an_unknown_topic_is_a_failure(
    topic: tuple[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what SNS says and the right that is needed; also while it does not answer."""
    arn, _ = topic
    with pytest.raises(ChannelFailed, match=r"SNS topic .*-none: .*sns:Publish"):
        publish(Aws(), f"{arn}-none", "subject", "text")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(ChannelFailed, match="SNS topic"):
        publish(Aws(), arn, "subject", "text")


def test_window_age_is_published_where_aws_is_configured(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`storeavail/WindowAge`, in seconds, by country; not without AWS; a CloudWatch that is
    down changes nothing else.

    In a region of its own, because the stand-in remembers what other tests published.
    """
    region = "eu-north-1"
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, region)
    world = AlertWorld(tmp_path)
    cloudwatch = boto3.client("cloudwatch", region_name=region)
    world.complete(FIRST, country="BR")
    world.look(at("10:10"))
    assert cloudwatch.list_metrics(Namespace="storeavail")["Metrics"] == []
    (tmp_path / "second").mkdir()
    with_aws = AlertWorld(tmp_path / "second", more=f", aws: {{region: {region}}}")
    with_aws.complete(FIRST)
    with_aws.look(at("10:10"))
    (metric,) = cloudwatch.list_metrics(Namespace="storeavail")["Metrics"]
    assert (metric["MetricName"], metric["Dimensions"]) == (
        "WindowAge",
        [{"Name": "Country", "Value": "BR"}],
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert with_aws.look(at("10:50")).delivered == ["recorder"]
    with pytest.raises(ChannelFailed, match="CloudWatch metric WindowAge of BR"):
        put_window_age(Aws(region=region), "BR", 180.0)


def test_alert_test_says_which_channels_work(
    world: AlertWorld, mail: tuple[Mailbox, str], http: Posts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clearly marked message through every channel; exit 1, the reason and no address where
    one does not take it.
    """
    mailbox, url = mail
    monkeypatch.setenv("MAIL", url)
    monkeypatch.setenv("CHAT", http.url("secret-token"))
    arguments = ["alert-test", "--country", "BR", "--config", str(world.config)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    assert result.output.split("\n") == [
        "BR",
        "  ok      apprise env:MAIL",
        "  ok      apprise env:CHAT",
        "",
    ]
    assert [message["Subject"] for message in mailbox.messages] == [
        "storeavail BR: TEST, nothing is wrong"
    ]
    http.status = 500
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "  ok      apprise env:MAIL" in result.output
    assert (
        "  failed  apprise env:CHAT: channel apprise env:CHAT: the service did not take the message"
        in result.output
    )
    assert "secret-token" not in result.output
    monkeypatch.delenv("CHAT")
    assert "environment variable is not set" in CliRunner().invoke(main, arguments).output


def test_every_allowed_scheme_is_one_that_apprise_knows() -> None:
    """A scheme that Apprise drops must not stay in the documentation."""
    known: set[str] = set()
    for details in apprise.Apprise().details()["schemas"]:
        known.update(details["protocols"] or (), details["secure_protocols"] or ())
    assert known >= SCHEMES
