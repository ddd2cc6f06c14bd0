"""How a message reaches people: the log, an SNS topic, and through Apprise mail, chat and on-call
services. What is told is not decided here.

Addresses hold passwords and tokens, so they appear in no error and no log: a channel is named by
its secret's reference.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

from storeavail_platform.alerting.alerts import Severity
from storeavail_platform.alerting.hosts import refuse_internal
from storeavail_platform.alerting.messages import Message
from storeavail_platform.config import Alerts, AppriseChannel, Aws, Route, Secret, SnsChannel
from storeavail_platform.domain.errors import ChannelFailed, ConfigError, StoreAvailError

LOGGER = "storeavail.alerts"
SEND_SECONDS = 20
"""Longest time for a message through Apprise; a sensor's tick has 60, its channels side by side."""
SOCKET_SECONDS = 8.0
HOST_IN_URL = {
    "json": "host",
    "jsons": "host",
    "mailto": "smtp_host",
    "mailtos": "smtp_host",
    "workflows": "host",
}
"""Schemes whose URL names the server that is called, and Apprise's attribute for it."""
SCHEMES = {*HOST_IN_URL, "slack", "discord", "gchat", "opsgenie", "pagerduty", "tgram"}
"""The others call their service's own, fixed servers."""
MAIL = {"mailto", "mailtos"}
ChannelSetting = SnsChannel | AppriseChannel | Literal["log"]
HTTP_STATUS = re.compile(r"error=(\d{3})\b")


class About(Protocol):
    """What a message is about, as far as routes ask: an alert, a brief."""

    @property
    def kind(self) -> str: ...
    @property
    def city(self) -> str | None: ...
    @property
    def brand(self) -> str | None: ...


@dataclass(frozen=True)
class Channel:
    """One way to reach people.

    Attributes:
        name: which one, for logs and for what was sent through it; holds no secret.
        send: delivers a message. Raises ChannelFailed: it was not taken, or not in time, trying
            again may help; ConfigError: the channel's configuration is wrong.
        wants: whether it is told of something: by a route to it, or where no route leads
            elsewhere.
    """

    name: str
    send: Callable[[Message], None]
    wants: Callable[[About], bool] = lambda about: True


def _log(logger: logging.Logger, message: Message) -> None:
    """A line on the logger `storeavail.alerts`, and the message to the log of whoever tells."""
    lines = f"{message.subject}\n{message.body}".splitlines()
    own = logging.getLogger(LOGGER)
    own.warning("%s", " | ".join(line.strip() for line in lines if line.strip()))
    if logger is not own:
        logger.warning("%s\n%s", message.subject, message.body)


def print_alerts() -> None:
    """Have the lines of `storeavail.alerts` printed with time and name, as logs are read."""
    own = logging.getLogger(LOGGER)
    if not own.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        own.addHandler(handler)


def _publish(topic: str, aws: Aws, message: Message) -> None:
    """Through SNS, with the country's rights."""
    # boto3 takes long to import and most configurations do not need it
    from storeavail_platform.aws.notices import publish

    publish(aws, topic, message.subject, message.body)


def _notify(secret: Secret, aws: Aws, name: str, message: Message) -> None:
    """Through the service that Apprise knows by the URL that a secret holds."""
    # takes long to import
    import apprise

    # both write addresses with the tokens in them; what Apprise says is read from its result
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
    asset = apprise.AppriseAsset(
        app_id="storeavail",
        app_desc="Store availability",
        app_url="",
        http_redirects=False,
        image_url_mask="",
        image_url_logo="",
    )
    url = secret.resolve(aws)
    service = _service(apprise, asset, url, name)
    scheme = scheme_of(url)
    body, form = message.body, apprise.NotifyFormat.TEXT
    if message.html is not None and scheme in MAIL:
        body, form = message.html, apprise.NotifyFormat.HTML
        service.notify_format = form
        service.inline = True
    kinds = {
        None: apprise.NotifyType.SUCCESS,
        Severity.WARNING: apprise.NotifyType.WARNING,
        Severity.ERROR: apprise.NotifyType.FAILURE,
    }
    result = apprise.Apprise(service, asset=asset).notify(
        body=body,
        title=message.subject,
        notify_type=kinds[message.severity],
        body_format=form,
        attach=_attached(apprise, asset, message) if takes_picture(scheme, service) else None,
        timeout=SEND_SECONDS,
        log_level=logging.WARNING,
    )
    if not result:
        statuses = HTTP_STATUS.findall(" ".join(str(entry) for entry in result.logs()))
        answered = f" (it answered {statuses[-1]})" if statuses else ""
        raise ChannelFailed(
            f"channel {name}: the service did not take the message{answered}; check what"
            " the secret says, the service and the network, then try `storeavail alert-test`"
        )


def scheme_of(url: str) -> str:
    return url.partition("://")[0].strip().lower()


def takes_picture(scheme: str, service: Any) -> bool:
    """Whether a service shows a picture beside the text: mail, Discord, and Slack's bots (its
    webhooks take none).
    """
    return scheme in MAIL or scheme == "discord" or (scheme == "slack" and service.mode == "bot")


def _attached(apprise: Any, asset: Any, message: Message) -> Any:
    """A message's picture as Apprise takes it; None: it has none."""
    if message.picture is None:
        return None
    from apprise.attachment import memory

    attach: Any = memory.AttachMemory
    attached = apprise.AppriseAttachment(asset=asset)
    attached.add(attach(message.picture, name=message.picture_name, mimetype="image/png"))
    return attached


def _service(apprise: Any, asset: Any, url: str, name: str) -> Any:
    scheme = scheme_of(url)
    if scheme not in SCHEMES:
        raise ConfigError(
            f"channel {name}: the secret is not an Apprise URL of a kind that is allowed:"
            f" {', '.join(sorted(SCHEMES))}"
        )
    service = apprise.Apprise.instantiate(url, asset=asset)
    if service is None:
        raise ConfigError(
            f"channel {name}: Apprise does not understand the {scheme}:// URL in the"
            f" secret; see Apprise's documentation of {scheme}"
        )
    if scheme in HOST_IN_URL:
        refuse_internal(getattr(service, HOST_IN_URL[scheme]).strip("[]"), name)
    # a redirect could lead to a host that is refused here; and what the URL says about waiting
    # is not ours
    service.redirects = False
    service.socket_connect_timeout = service.socket_read_timeout = SOCKET_SECONDS
    # plain text also where HTML is the service's default, unless a message has HTML of its own
    service.notify_format = apprise.NotifyFormat.TEXT
    return service


def open_channels(alerts: Alerts, aws: Aws, logger: logging.Logger | None = None) -> list[Channel]:
    """The channels of a country's configuration, in its order, those of routes last; nothing is
    connected.

    Args:
        logger: where `log` writes; by default `storeavail.alerts`.
    """
    ways: list[tuple[Route | None, ChannelSetting]] = [(None, each) for each in alerts.channels]
    ways += [(route, each) for route in alerts.routes for each in route.channels]
    senders: dict[str, Callable[[Message], None]] = {}
    routes: dict[str, list[Route | None]] = {}
    for number, (route, setting) in enumerate(ways, 1):
        name, send = _sender(number, setting, aws, logger or logging.getLogger(LOGGER))
        senders.setdefault(name, send)
        routes.setdefault(name, []).append(route)

    def wants(ways_in: Sequence[Route | None], about: About) -> bool:
        leading = [route for route in alerts.routes if leads(route, about)]
        return any(route in leading for route in ways_in) if leading else None in ways_in

    return [Channel(name, send, partial(wants, routes[name])) for name, send in senders.items()]


def leads(route: Route, about: About) -> bool:
    """Whether a route is an alert's or a brief's: all that it names are its own."""
    pairs = ((route.kind, about.kind), (route.city, about.city), (route.brand, about.brand))
    return all(named in (None, own) for named, own in pairs)


def _sender(
    number: int, setting: ChannelSetting, aws: Aws, logger: logging.Logger
) -> tuple[str, Callable[[Message], None]]:
    if isinstance(setting, SnsChannel):
        return f"sns {setting.sns}", partial(_publish, setting.sns, aws)
    if isinstance(setting, AppriseChannel):
        secret = setting.apprise
        name = f"apprise {number}" if secret.is_literal else f"apprise {secret}"
        return name, partial(_notify, secret, aws, name)
    return "log", partial(_log, logger)


def send_all(messages: Sequence[tuple[Channel, Message]]) -> dict[str, StoreAvailError | None]:
    """Send each channel its message, side by side; a channel that fails holds up no other.

    Returns:
        By channel: None where it took the message, else why not.
    """
    if not messages:
        return {}
    with ThreadPoolExecutor(max_workers=len(messages), thread_name_prefix="alert") as pool:
        jobs = {channel.name: pool.submit(_send, channel, message) for channel, message in messages}
        return {name: job.result() for name, job in jobs.items()}


def _send(channel: Channel, message: Message) -> StoreAvailError | None:
    try:
        channel.send(message)
    except StoreAvailError as error:
        return error
    except Exception as error:  # noqa: BLE001 (whatever a service's library raises must not hold up the other channels)
        # its words could hold the address
        return ChannelFailed(
            f"channel {channel.name}: {type(error).__name__} while sending; this is a fault in the"
            " channel's library"
        )
    return None
