"""The pages over HTTP on this machine alone, from a folder or from S3, for people who look; and the
server itself, which the one behind a company's proxy is too (`storeavail_deploy/pages.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from storeavail_platform.dashboard.serving import Answer, answer
from storeavail_platform.storage.local import Storage

HOST = "127.0.0.1"
NOWHERE = ""
IDLE_SECONDS = 30.0


def pages_server(
    storage: Storage, port: int, idle_seconds: float = IDLE_SECONDS
) -> ThreadingHTTPServer:
    """A server on the loopback interface; port 0 takes a free one. The rest as `server_of`."""

    def answering(path: str, headers: Message) -> Answer:
        # A foreign site's name that resolves to this machine must not read the pages through the
        # visitor's browser.
        host = (headers.get("Host") or "").rsplit(":", 1)[0]
        shown = path if host in (HOST, "localhost") else NOWHERE
        return answer(storage, shown, headers.get("Accept-Encoding"))

    return server_of(answering, HOST, port, idle_seconds)


def server_of(
    answering: Callable[[str, Message], Answer],
    host: str,
    port: int,
    idle_seconds: float = IDLE_SECONDS,
) -> ThreadingHTTPServer:
    """A server of what `answering` gives for a path, without its query, and a request's headers.

    Args:
        idle_seconds: how long a connection may ask nothing, or take nothing.

    Raises:
        OSError: the port is taken.
    """

    class Pages(BaseHTTPRequestHandler):
        # whoever connects and asks nothing, or takes no answer, is let go
        timeout = idle_seconds
        server_version, sys_version = "storeavail", ""

        def do_GET(self) -> None:
            found = answering(self.path.partition("?")[0], self.headers)
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            # whoever has gone meanwhile wants no page
            with contextlib.suppress(ConnectionError, TimeoutError):
                if self.command != "HEAD":
                    self.wfile.write(found.body)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: people look at the page, not at the terminal."""

    return ThreadingHTTPServer((host, port), Pages)
