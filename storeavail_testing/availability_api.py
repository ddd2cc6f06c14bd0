"""An HTTP API that says of a store whether it is online, with every fault that such an API has."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from storeavail_testing.http_server import QuietHandler, http_server

LONGEST_HANG_SECONDS = 60
RESET = struct.pack("ii", 1, 0)
"""Closed with this SO_LINGER, a connection is reset."""


@dataclass(frozen=True)
class Reply:
    """How the API behaves once.

    Attributes:
        body: None: the API hangs, until the test is over.
        after: seconds before the answer.
        is_reset: the connection is reset instead.
        is_slow: the answer comes byte by byte, so that each read is short and the whole is not.
    """

    status: int = 200
    body: bytes | None = b'{"online": false}'
    headers: tuple[tuple[str, str], ...] = ()
    after: float = 0.0
    is_reset: bool = False
    is_slow: bool = False


OFFLINE, ONLINE = Reply(), Reply(body=b'{"online": true}')
HANGS = Reply(body=None)
RESETS = Reply(is_reset=True)


def says(value: object) -> Reply:
    """An answer with a JSON document."""
    return Reply(body=json.dumps(value).encode())


@dataclass
class AvailabilityApi:
    """The API, and what it was asked.

    Attributes:
        replies: by the path that is asked for, how it behaves: one after another, the last for
            good.
        otherwise: how it behaves about all others.
        asked: paths, as they were sent, in order.
        sent: headers of the last request, by name in small letters.
        connections: how many there were.
        most_at_once: requests that were there at once.
    """

    url: str = ""
    replies: dict[str, Sequence[Reply]] = field(default_factory=dict)
    otherwise: Reply = OFFLINE
    asked: list[str] = field(default_factory=list)
    sent: dict[str, str] = field(default_factory=dict)
    connections: int = 0
    most_at_once: int = 0
    at_once: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    times: Counter[str] = field(default_factory=Counter)

    def reply_to(self, path: str) -> Reply:
        plan = self.replies.get(path)
        number = self.times[path]
        self.times[path] += 1
        return self.otherwise if plan is None else plan[min(number, len(plan) - 1)]


class _Handler(QuietHandler):
    """Answers as the API that it is a class of."""

    api: AvailabilityApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        with self.api.lock:
            self.api.connections += 1

    def handle(self) -> None:
        # a client that has waited long enough goes away
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            super().handle()

    def do_GET(self) -> None:
        api = self.api
        with api.lock:
            api.asked.append(self.path)
            api.sent = {name.lower(): value for name, value in self.headers.items()}
            reply = api.reply_to(self.path)
            api.at_once += 1
            api.most_at_once = max(api.most_at_once, api.at_once)
        try:
            self.answer(reply)
        finally:
            with api.lock:
                api.at_once -= 1

    def answer(self, reply: Reply) -> None:
        if reply.after:
            self.api.is_over.wait(reply.after)
        if reply.body is None:
            self.api.is_over.wait(LONGEST_HANG_SECONDS)
            self.close_connection = True
        elif reply.is_reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.close_connection = True
        else:
            self.send(reply, reply.body)

    def send(self, reply: Reply, body: bytes) -> None:
        self.send_response(reply.status)
        headers = {"content-type": "application/json", "content-length": str(len(body))}
        for name, value in {**headers, **dict(reply.headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        if not reply.is_slow:
            self.wfile.write(body)
            return
        for byte in body:
            self.wfile.write(bytes([byte]))
            if self.api.is_over.wait(0.1):
                return


@contextlib.contextmanager
def availability_api(tls: tuple[Path, Path] | None = None) -> Iterator[AvailabilityApi]:
    """The API at a free port; its `url` has a place for the store's id.

    Args:
        tls: certificate and key, as PEM files; without, it is not encrypted.
    """
    api = AvailabilityApi()
    with http_server(type("Handler", (_Handler,), {"api": api})) as server:
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            # the handshake is the handler's, in its own thread
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        scheme = "http" if tls is None else "https"
        api.url = f"{scheme}://localhost:{server.server_port}/stores/{{store_id}}/availability"
        try:
            yield api
        finally:
            api.is_over.set()
