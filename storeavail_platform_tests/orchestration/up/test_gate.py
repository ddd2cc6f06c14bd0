"""What the gate refuses and lets through, as ASGI has it; with a browser: `test_foreign_pages.py`."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from storeavail_platform.orchestration.up.gate import LOOPBACK, Gate, refusal
from storeavail_platform_tests.orchestration.up.asked import LET_THROUGH, OWN_NAME, REFUSED, request


@pytest.mark.parametrize(
    "scope",
    LET_THROUGH,
)
def test_what_its_own_pages_and_programs_ask_is_let_through(scope: Scope) -> None:
    assert refusal(scope, {*LOOPBACK, OWN_NAME}) is None


@pytest.mark.parametrize(
    ("scope", "reason"),
    REFUSED,
)
def test_what_another_site_can_send_is_refused(scope: Scope, reason: str) -> None:
    assert reason in (refusal(scope, LOOPBACK) or "")


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
