"""Requests as browsers and programs send them, as ASGI has them: what the gate and nginx let
through, and what both refuse.
"""

from __future__ import annotations

from typing import Any

import pytest

HOST = "127.0.0.1:3000"
OWN = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
OWN_NAME = "dagster.example.com"
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


LET_THROUGH = [
    pytest.param(request("POST", "/graphql?op=RunsQuery", OWN | JSON), id="the UI's question"),
    pytest.param(request("POST", "/graphql", OWN | JSON), id="without its name"),
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
    pytest.param(request("GET", "/", host=OWN_NAME), id="its own name"),
]
REFUSED = [
    (request("GET", "/graphql?query=mutation{x}"), "a POST of JSON"),
    (request("GET", "/graphql\n?query=mutation{x}"), "a POST of JSON"),
    (request("HEAD", "/graphql"), "a POST of JSON"),
    (request("POST", "/graphql?query=mutation{x}"), "of no type"),
    (request("POST", "/graphql?op=x&query=mutation{x}", JSON), "in its body"),
    (request("POST", "/graphql?query=mutation{x}", JSON), "in its body"),
    (
        request("POST", "/graphql", {"content-type": "text/plain; application/json"}),
        "text/plain",
    ),
    (request("POST", "/graphql", {"content-type": "application/graphql"}), "application/graph"),
    (request("POST", "/report_asset_materialization/stores"), "of no type"),
    (request("POST", "/report_asset_check/stores?passed=true", JSON), "in its body"),
    (
        request(
            "POST", "/report_asset_observation/stores", JSON | {"sec-fetch-site": "cross-site"}
        ),
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
]
