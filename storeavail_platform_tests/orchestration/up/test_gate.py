"""What the gate refuses and lets through, as ASGI has it; with a browser: `test_foreign_pages.py`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from storeavail_platform.orchestration.up.gate import LOOPBACK, Gate, refusal

HOST = "127.0.0.1:3000"
OWN = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
JSON = {"content-type": "application/json"}
LINK = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def request(
    method: str, address: str, headers: dict[str, str] | None = None, host: str | None = HOST
) -> dict[str, Any]:
    """A request as ASGI has it; `method` WS is a websocket."""
    path, _, query = address.partition("?")
    sent = ({} if host is None else {"host": host}) | (headers or {})
    return {
        "type": "websocket" if method == "WS" else "http",
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
    } | ({} if method == "WS" else {"method": method})


@pytest.mark.parametrize(
    "scope",
    [
        pytest.param(request("POST", "/graphql", OWN | JSON), id="the UI's own question"),
        pytest.param(request("POST", "/graphql", JSON), id="a program's question"),
        pytest.param(
            request("POST", "/graphql", {"content-type": "Application/JSON; charset=utf-8"}),
            id="with a character set",
        ),
        pytest.param(request("WS", "/graphql", OWN), id="the UI's live updates"),
        pytest.param(request("GET", "/runs", {"sec-fetch-site": "none"}), id="typed"),
        pytest.param(request("GET", "/runs?view=1", LINK), id="a link in an alert"),
        pytest.param(request("GET", "/assets", host="localhost:8080"), id="through a tunnel"),
        pytest.param(request("GET", "/assets", host="[::1]:3000"), id="IPv6"),
        pytest.param(request("GET", "/", host="Dagster.example.com"), id="its own name"),
    ],
)
def test_what_its_own_pages_and_programs_ask_is_let_through(scope: Scope) -> None:
    assert refusal(scope, {*LOOPBACK, "dagster.example.com"}) is None


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (request("GET", "/graphql?query=mutation{x}"), "a POST of JSON"),
        (request("GET", "/graphql\n?query=mutation{x}"), "a POST of JSON"),
        (request("HEAD", "/graphql"), "a POST of JSON"),
        (request("POST", "/graphql?query=mutation{x}"), "of no type"),
        (request("POST", "/graphql?query=mutation{x}", JSON), "no query string"),
        (
            request("POST", "/graphql", {"content-type": "text/plain; application/json"}),
            "text/plain",
        ),
        (request("POST", "/graphql", {"content-type": "application/graphql"}), "application/graph"),
        (request("POST", "/report_asset_materialization/stores"), "of no type"),
        (request("POST", "/report_asset_check/stores?passed=true", JSON), "no query string"),
        (
            request("POST", "/report_asset_observation/stores", JSON | {"sec-fetch-site": "none "}),
            "another site",
        ),
        (request("PUT", "/anything", OWN | JSON), "nothing is asked by PUT"),
        (request("OPTIONS", "/graphql", OWN), "nothing is asked by OPTIONS"),
        (request("POST", "/graphql", JSON | {"origin": "https://elsewhere.example"}), "elsewhere"),
        (request("POST", "/graphql", JSON | {"origin": "null"}), "a page of null"),
        (request("POST", "/graphql", JSON | {"origin": "http://127.0.0.1:8321"}), "8321"),
        (request("POST", "/graphql", JSON | {"sec-fetch-site": "same-site"}), "same-site"),
        (request("GET", "/runs", {"sec-fetch-site": "cross-site"}), "cross-site"),
        (request("GET", "/runs", LINK | {"sec-fetch-dest": "iframe"}), "cross-site"),
        (request("WS", "/graphql", {"origin": "https://elsewhere.example"}), "elsewhere"),
        (request("WS", "/graphql", {"sec-fetch-site": "cross-site"}), "cross-site"),
        (request("GET", "/", host="rebound.example:3000"), "not rebound.example:3000"),
        (request("GET", "/", host="localhost.:3000"), "not localhost.:3000"),
        (request("GET", "/", host=None), "without Host"),
        (request("GET", "/", {"Host": HOST}), "without Host"),
        (request("WS", "/graphql", host="rebound.example"), "not rebound.example"),
    ],
)
def test_what_another_site_can_send_is_refused(scope: Scope, words: str) -> None:
    assert words in (refusal(scope, LOOPBACK) or "")


async def answer(scope: Scope) -> tuple[list[Message], bool]:
    """What the gate sends, and whether the application behind it was asked."""
    sent: list[Message] = []
    asked = False

    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal asked
        asked = True
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await Gate(behind)(scope, receive, send)
    return sent, asked


def test_what_is_refused_does_not_reach_the_webserver() -> None:
    """A request is answered 403 with the reason, a websocket is closed; what is let through may not
    be shown in another site's frame.
    """
    sent, asked = asyncio.run(answer(request("GET", "/graphql?query=mutation{x}")))
    assert (sent[0]["status"], asked) == (403, False)
    assert b"GraphQL is asked by a POST of JSON" in sent[1]["body"]
    sent, asked = asyncio.run(answer(request("WS", "/graphql", {"origin": "http://x.example"})))
    assert ([message["type"] for message in sent], asked) == (["websocket.close"], False)
    sent, asked = asyncio.run(answer(request("GET", "/runs")))
    assert (sent[0]["status"], asked) == (200, True)
    assert (b"x-frame-options", b"SAMEORIGIN") in sent[0]["headers"]
