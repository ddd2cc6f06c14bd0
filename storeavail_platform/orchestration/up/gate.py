"""The gate before the webserver: what a page of another site may not do through the browser of
somebody who may.

Dagster's webserver asks nobody who they are. It carries out what comes in an address or a form,
from any site and under any name; a page that an operator happens to open could stop a schedule. A
browser says where a request comes from, so that is asked here: `Host` (a foreign name that resolves
to this machine), `Origin` (also of websockets) and `Sec-Fetch-Site`. What changes anything is a
POST of JSON that has all of it in its body, which another site cannot send unasked.

Whoever reaches the port by a program of their own is not held up: the port is this machine's alone.
`deploy/nginx.conf` says the same in production.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
READING = frozenset({"GET", "HEAD"})
GRAPHQL = "/graphql"
OWN_SITES = frozenset({"same-origin", "none"})
"""What `Sec-Fetch-Site` says of the UI's own pages, and of what a person typed."""
JSON = "application/json"
NAMED = re.compile(rb"(op=\w+)?")
"""The query string of a POST: empty, or the name of the question, as the UI writes it."""
POLICY_VIOLATION = 1008

logger = logging.getLogger(__name__)


class Gate:
    """An ASGI application that hands on what `refusal` lets through, and answers 403 to the rest.

    No other site may show the pages in a frame, where a click could be led astray.

    Args:
        hosts: names under which it is reached besides those of this machine's loopback interface,
            without ports.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = ()) -> None:
        self.app = app
        self.hosts = LOOPBACK.union(name.lower() for name in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refused = refusal(scope, self.hosts)
        if refused is None:
            await self.app(scope, receive, _unframed(send))
            return
        logger.warning("%s %r refused: %r", scope.get("method", "WS"), scope["path"], refused)
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refused})
        else:
            await PlainTextResponse(f"refused: {refused}\n", 403)(scope, receive, send)


def refusal(scope: Scope, hosts: Iterable[str]) -> str | None:
    """Why a request is refused, in words; None: it is not.

    Args:
        scope: ASGI's, of a request or a websocket.
        hosts: names under which the webserver may be reached, in small letters, without ports.
    """
    host = _only(scope, "host").lower()
    if _name(host) not in hosts:
        return (
            f"this is not {host or 'a request without Host'}; a name of its own is that of"
            " `dagster_url` in the configuration"
        )
    origins = _all(scope, "origin")
    if any(urlsplit(origin.lower()).netloc != host for origin in origins):
        return f"it comes from a page of {', '.join(origins)}"
    if scope["type"] == "websocket":
        return _of_another_site(scope)
    if scope["method"] in READING:
        if scope["path"].startswith(GRAPHQL):
            return "GraphQL is asked by a POST of JSON"
        return None if _is_link(scope) else _of_another_site(scope)
    return _of_another_site(scope) or _not_json(scope)


def _of_another_site(scope: Scope) -> str | None:
    sites = set(_all(scope, "sec-fetch-site"))
    return None if sites <= OWN_SITES else f"it comes from another site ({', '.join(sites)})"


def _is_link(scope: Scope) -> bool:
    """Whether somebody opens a page by a link, such as one of an alert."""
    return (_all(scope, "sec-fetch-mode"), _all(scope, "sec-fetch-dest")) == (
        ["navigate"],
        ["document"],
    )


def _not_json(scope: Scope) -> str | None:
    if scope["method"] != "POST":
        return f"nothing is asked by {scope['method']}"
    types = [text.partition(";")[0].strip().lower() for text in _all(scope, "content-type")]
    if types != [JSON]:
        return f"a POST has to be {JSON}, not {', '.join(types) or 'of no type'}"
    if not NAMED.fullmatch(scope["query_string"]):
        return "a POST's query string says what is asked in its body, and nothing else"
    return None


def _all(scope: Scope, name: str) -> list[str]:
    """A header's values, however often it was sent."""
    wanted = name.encode()
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == wanted]


def _only(scope: Scope, name: str) -> str:
    found = _all(scope, name)
    return found[0] if len(found) == 1 else ""


def _name(host: str) -> str:
    """A host without its port; brackets of an IPv6 address stay."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host


def _unframed(send: Send) -> Send:
    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            # a page that says more itself keeps it
            MutableHeaders(scope=message).setdefault("X-Frame-Options", "SAMEORIGIN")
        await send(message)

    return send_on
