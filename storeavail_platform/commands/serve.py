"""The pages over HTTP on this machine alone, from a folder or from S3.

For people who look; a company's own proxy serves others.
"""

from __future__ import annotations

import contextlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from storeavail_platform.dashboard.serving import answer
from storeavail_platform.storage.local import Storage

HOST = "127.0.0.1"
NOWHERE = ""
IDLE_SECONDS = 30.0


def pages_server(
    storage: Storage, port: int, idle_seconds: float = IDLE_SECONDS
) -> ThreadingHTTPServer:
    """A server on the loopback interface; port 0 takes a free one.

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
            # A foreign site's name that resolves to this machine must not read the pages through
            # the visitor's browser.
            host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
            path = self.path.partition("?")[0] if host in (HOST, "localhost") else NOWHERE
            found = answer(storage, path, self.headers.get("Accept-Encoding"))
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

    return ThreadingHTTPServer((HOST, port), Pages)
