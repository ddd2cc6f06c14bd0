"""The shipped nginx refuses what the gate of `storeavail up` refuses, and nothing else."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from storeavail_platform.orchestration.up.gate import LOOPBACK
from storeavail_platform_tests.orchestration.up.asked import LET_THROUGH, OWN_NAME, REFUSED
from storeavail_testing.nginx import PASSWORD, USER, nginx_running
from storeavail_testing.processes import service_folder

REFUSAL, YES, BAD_REQUEST = 403, 204, 400
SCOPES: list[Any] = [getattr(case, "values", case)[0] for case in (*LET_THROUGH, *REFUSED)]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with service_folder("nginx") as folder, nginx_running(folder, [OWN_NAME, *LOOPBACK]) as port:
        yield port


def ask(port: int, scope: dict[str, Any], password: str = PASSWORD) -> int:
    """The status that nginx gives to a request, sent byte for byte."""
    method = "GET" if scope["type"] == "websocket" else scope["method"]
    query = scope["query_string"].decode()
    path = scope["path"].replace("\n", "%0A") + (f"?{query}" if query else "")
    lines = [f"{method} {path} HTTP/1.1"]
    # pages are served by TLS here
    lines += [
        f"{n.decode()}: {v.decode()}".replace("http://", "https://") for n, v in scope["headers"]
    ]
    secret = base64.b64encode(f"{USER}:{password}".encode()).decode()
    lines += [f"Authorization: Basic {secret}", "Connection: close"]
    if scope["type"] == "websocket":
        lines.append("Upgrade: websocket")
    if method not in ("GET", "HEAD"):
        lines.append("Content-Length: 0")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
        context.wrap_socket(plain) as connection,
    ):
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = connection.makefile("rb").readline()
    return int(answer.split()[1])


@pytest.mark.parametrize("scope", SCOPES)
def test_nginx_says_the_same_as_the_gate(port: int, scope: dict[str, Any]) -> None:
    """Case by case; a request without Host is not even HTTP to nginx."""
    let_through = SCOPES.index(scope) < len(LET_THROUGH)
    assert ask(port, scope) in ([YES] if let_through else [REFUSAL, BAD_REQUEST])


def test_the_password_is_asked_for_all_the_same(port: int) -> None:
    assert ask(port, SCOPES[0], "wrong") == 401
