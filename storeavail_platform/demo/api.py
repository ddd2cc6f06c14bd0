"""The app's API of a simulated country, for a second opinion: of most stores that are missing it
says so too, of a few it says that they are open.

Its port is in the configuration file; where something else has it, nobody answers, as it happens.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from urllib.parse import unquote

COUNTRY = "CL"
"""The country whose missing stores are asked about."""
CONTRADICTED_SHARE = 0.1
POLL_SECONDS = 0.05
ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/stores/\{store_id\}/availability")
PATH = re.compile(r"/stores/([^/]+)/availability")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # an answer is two writes
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        found = PATH.fullmatch(self.path)
        body = json.dumps({"listing": {"status": status_of(unquote(found[1]))}} if found else {})
        self.send_response(200 if found else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


class _Server(ThreadingHTTPServer):
    # as many as ask at once: a connection that finds no place would be tried again after a second
    request_queue_size = 64


def status_of(store_id: str) -> str:
    """What it says of a store that the index does not show as open: `OPEN` or `CLOSED`."""
    is_open = Random(f"{COUNTRY} {store_id} asked").random() < CONTRADICTED_SHARE
    return "OPEN" if is_open else "CLOSED"


def address(port: int) -> str:
    return f"http://127.0.0.1:{port}/stores/{{store_id}}/availability"


def free_port() -> int:
    """A port that nobody has now."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        return server.server_port


@contextlib.contextmanager
def api_running(config_path: Path) -> Iterator[None]:
    """The API at the address that a demo's configuration names, if it does and it is free."""
    named = (
        ADDRESS.search(config_path.read_text(encoding="utf-8")) if config_path.exists() else None
    )
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            if named is not None:
                server = stack.enter_context(_Server(("127.0.0.1", int(named[1])), _Handler))
                serve = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,))
                serve.daemon = True
                serve.start()
                stack.callback(server.shutdown)
        yield
