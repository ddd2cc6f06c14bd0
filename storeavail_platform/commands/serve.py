"""The pages over HTTP on this machine alone, from a folder or from S3.

For people who look; a company's own proxy serves others.
"""

from __future__ import annotations

import contextlib
import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from storeavail_platform.dashboard.publish import INDEX
from storeavail_platform.dashboard.summaries import FOLDER
from storeavail_platform.dashboard.transfer import HEADERS, packed
from storeavail_platform.domain.errors import StoreAvailError
from storeavail_platform.storage.local import Storage

HOST = "127.0.0.1"
IDLE_SECONDS = 30.0
PAGE = re.compile(r"/((?:[A-Z][A-Z0-9]{1,7}/)?)((?:index\.html|summary\.json)?)")
"""The addresses there are: everything else below the warehouse stays unseen."""
TYPES = {"html": "text/html; charset=utf-8", "json": "application/json"}


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
            found = (
                PAGE.fullmatch(self.path.partition("?")[0]) if host in (HOST, "localhost") else None
            )
            name = found and f"{FOLDER}/{found[1]}{found[2] or INDEX}"
            try:
                data = storage.read_own(name) if name else None
            except StoreAvailError as error:
                self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, explain=str(error))
                return
            if name is None or data is None:
                self.send_error(
                    HTTPStatus.NOT_FOUND,
                    "There is no such page; `storeavail dashboard` writes them",
                )
                return
            body, headers = packed(data, self.headers.get("Accept-Encoding"))
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", TYPES[name.rsplit(".", 1)[1]])
            self.send_header("Content-Length", str(len(body)))
            for header, value in headers.items():
                self.send_header(header, value)
            self.end_headers()
            # whoever has gone meanwhile wants no page
            with contextlib.suppress(ConnectionError, TimeoutError):
                if self.command != "HEAD":
                    self.wfile.write(body)

        do_HEAD = do_GET

        def end_headers(self) -> None:
            for header, value in HEADERS.items():
                self.send_header(header, value)
            super().end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: people look at the page, not at the terminal."""

    return ThreadingHTTPServer((HOST, port), Pages)
