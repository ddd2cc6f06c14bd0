"""An HTTP server of a test's own, on a free port of this machine, for as long as it is needed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

POLL_SECONDS = 0.01
"""How often it looks whether it is to end."""


class QuietHandler(BaseHTTPRequestHandler):
    """Prints nothing of what it is asked."""

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


class _Server(ThreadingHTTPServer):
    # a connection that finds no place would be tried again after a second
    request_queue_size = 256


@contextlib.contextmanager
def http_server(handler: type[BaseHTTPRequestHandler]) -> Iterator[ThreadingHTTPServer]:
    """A server that answers by a handler; its port is `server_port`."""
    with serving(_Server(("127.0.0.1", 0), handler)) as server:
        yield server


@contextlib.contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[ThreadingHTTPServer]:
    """A server that is there already, answering in a thread."""
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
