"""Connecting to an index: which product answers, in which version, with whose rights.

Servers that no test can have (Elasticsearch 7, a proxy's page) are played by one of Python's.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from storeavail_platform.config import Aws, ElasticsearchIndex
from storeavail_platform.domain.errors import SourceRejected, SourceUnavailable
from storeavail_platform.sources.index_client import date_of
from storeavail_platform.sources.index_connection import connected
from storeavail_testing.http_server import QuietHandler, http_server
from storeavail_testing.index_server import IndexServer

ELASTIC = {"x-elastic-product": "Elasticsearch"}
OPENSEARCH_3 = {"version": {"distribution": "opensearch", "number": "3.4.0"}}


@dataclass
class Played:
    """A server that answers each path with a status, headers and a body, and keeps what it was
    asked.
    """

    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, body: Any, status: int = 200, **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        kinds = {"content-type": "application/json"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = (status, {**kinds, **named}, data)


@pytest.fixture
def played() -> Iterator[Played]:
    state = Played()

    class Handler(QuietHandler):
        def reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            sent = {name.lower(): value for name, value in self.headers.items()}
            state.asked.append((self.command, self.path, sent, body))
            unknown = (404, {"content-type": "application/json"}, b"{}")
            path = urlsplit(self.path).path
            status, headers, data = state.answers.get(path, unknown)
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = reply

    with http_server(Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        yield state


def product(url: str, aws: Aws | None = None, **settings: Any) -> str:
    config = ElasticsearchIndex.model_validate({"url": url, "index": "stores", **settings})
    with connected(config, aws, timedelta(seconds=20)) as client:
        client.request("GET", "/stores/_settings")
        return client.product


def test_the_server_is_asked(index_server: IndexServer) -> None:
    """Each real server is known, whether it tells its version or not."""
    index_server.fill("stores", [{"store_id": "1"}])
    expected = "OpenSearch" if "opensearch" in type(index_server).__name__.lower() else "Elastic"
    assert product(index_server.url).startswith(expected)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ({"number": "7.17.9"}, r"Elasticsearch 127.0.0.1:\d+ is version 7.17.9: 8 and 9 can be"),
        ({"number": "6.8.0"}, "is version 6.8.0"),
        ({"number": "1.3.0", "distribution": "opensearch"}, r"OpenSearch .* is version 1.3.0: 2"),
        ({"number": "2.3.0", "distribution": "opensearch"}, r"version 2.3.0: 2 \(from 2.4\) and 3"),
    ],
)
def test_an_old_version_is_refused(played: Played, version: dict[str, str], message: str) -> None:
    """By its number, with those that can be read."""
    played.answer("/", {"version": version})
    with pytest.raises(SourceRejected, match=message):
        product(played.url)


def test_who_may_not_ask_for_the_version_may_read(played: Played) -> None:
    """The right to read an index is not the right to ask for the version: another answer tells."""
    forbidden = {"error": {"type": "security_exception", "reason": "no permissions"}}
    played.answer("/", forbidden, 403)
    played.answer("/stores/_field_caps", {"indices": ["stores"], "fields": {}})
    played.answer("/stores/_settings", {})
    assert product(played.url) == "OpenSearch"
    played.answer("/", forbidden, 403, x_elastic_product="Elasticsearch")
    played.answer("/stores/_settings", {}, x_elastic_product="Elasticsearch")
    assert product(played.url) == "Elasticsearch"


def test_a_domain_that_plays_an_old_elasticsearch_is_read(played: Played) -> None:
    """A domain may say 7.10 for the sake of old clients, and still which distribution it is."""
    played.answer("/", {"version": {"number": "7.10.2", "distribution": "opensearch"}})
    played.answer("/stores/_settings", {})
    assert product(played.url) == "OpenSearch"


@pytest.mark.parametrize("distribution", ["elasticsearch", "opensearch"])
def test_the_date_of_an_answer_says_what_time_it_is(played: Played, distribution: str) -> None:
    """Whichever product: the clock of the server, or of what lies before it. An answer that was
    kept in a cache says nothing.
    """
    number = "8.17.0" if distribution == "elasticsearch" else "2.11.0"
    version = {"number": number, "distribution": distribution}
    played.answer("/", {"version": version}, x_elastic_product="Elasticsearch")
    played.answer("/stores/_settings", {}, x_elastic_product="Elasticsearch")
    played.answer("/kept/_settings", {}, x_elastic_product="Elasticsearch", age="7")
    config = ElasticsearchIndex.model_validate({"url": played.url, "index": "stores"})
    with connected(config, None, timedelta(seconds=20)) as client:
        client.request("GET", "/stores/_settings")
        assert client.answered_at is not None
        assert abs(datetime.now(UTC) - client.answered_at) < timedelta(minutes=1)
        client.request("GET", "/kept/_settings")
        assert client.answered_at is None


@pytest.mark.parametrize("date", ["", "now", "Sat, 99 Nov 2026 01:00:00 GMT"])
def test_a_date_that_is_none_says_nothing(date: str) -> None:
    """It is a proxy's, and no reason to fail."""
    assert date_of({"date": date}) is None
    assert date_of({}) is None


def test_what_is_no_server_is_told(played: Played) -> None:
    """Neither product: another service, or a proxy's page, whose text is cut to what helps."""
    played.answer("/", b"<html>hello</html>", content_type="text/html")
    played.answer("/stores/_field_caps", b"<html>hello</html>", content_type="text/html")
    with pytest.raises(SourceRejected, match="neither Elasticsearch nor OpenSearch"):
        product(played.url)
    page = b"<html>\n  <h1>502 Bad Gateway</h1>\n" + b"x " * 100_000
    played.answer("/", page, 502, content_type="text/html")
    played.answer("/stores/_field_caps", page, 502, content_type="text/html")
    with pytest.raises(SourceUnavailable, match="cannot be read now") as refused:
        product(played.url)
    assert len(str(refused.value)) < 600
    assert "\n" not in str(refused.value)


def test_credentials_that_nobody_knows(played: Played) -> None:
    """401 is told at once, whatever the server is."""
    played.answer("/", {"error": {"type": "security_exception", "reason": "who?"}}, 401)
    with pytest.raises(SourceRejected, match="does not know these credentials"):
        product(played.url)


@pytest.mark.parametrize("answer", [OPENSEARCH_3, {"version": {"number": "8.17.0"}}])
def test_logins(played: Played, answer: dict[str, Any]) -> None:
    """An API key and basic authentication go with every request, to either product."""
    played.answer("/", answer, x_elastic_product="Elasticsearch")
    played.answer("/stores/_settings", {}, x_elastic_product="Elasticsearch")
    product(played.url, api_key="a2V5")
    assert {sent["authorization"] for _, _, sent, _ in played.asked} == {"ApiKey a2V5"}
    played.asked.clear()
    product(played.url, username="ana", password="sé:1")
    assert {sent["authorization"] for _, _, sent, _ in played.asked} == {"Basic YW5hOnPDqTox"}


def test_one_login() -> None:
    """A signature and a login are two ways; a domain is one of the first."""
    settings = {"url": "http://127.0.0.1:1", "index": "i"}
    with pytest.raises(ValueError, match="api_key and auth"):
        ElasticsearchIndex.model_validate({**settings, "api_key": "k", "auth": "aws"})
    with pytest.raises(ValueError, match="give auth: aws too"):
        ElasticsearchIndex.model_validate({**settings, "domain": "stores"})


def test_requests_are_signed(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """`auth: aws`: each request carries a signature by the country's session, in its region, that
    a server which knows the secret works out itself.
    """
    for name, value in (("ID", "AKIDEXAMPLE"), ("KEY", "not so secret")):
        monkeypatch.setenv(f"AWS_{'ACCESS_KEY' if name == 'ID' else 'SECRET_ACCESS'}_{name}", value)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    played.answer("/stores/_settings", {})
    played.answer("/_search", {"took": 1})
    config = ElasticsearchIndex.model_validate(
        {"url": played.url, "index": "stores", "auth": "aws"}
    )
    with connected(config, Aws(region="sa-east-1"), timedelta(seconds=20)) as client:
        client.request("GET", "/stores/_settings", params={"flat_settings": "true", "a": "b,c"})
        client.request("POST", "/_search", body={"size": 1})
    assert client.product == "OpenSearch"
    assert len(played.asked) == 2
    for method, target, sent, body in played.asked:
        assert sent["x-amz-security-token"] == "token"
        assert "/sa-east-1/es/aws4_request" in sent["authorization"]
        assert sent["authorization"].endswith(
            signature("not so secret", method, target, sent, body)
        )


def signature(secret: str, method: str, target: str, sent: dict[str, str], body: bytes) -> str:
    """By AWS's own description of version 4, apart from any library."""
    _, credential, names, _ = sent["authorization"].split(" ")
    scope = credential.removeprefix("Credential=").rstrip(",").partition("/")[2]
    signed = names.removeprefix("SignedHeaders=").rstrip(",").split(";")
    path, _, query = target.partition("?")
    canonical = "\n".join(
        [
            *(method, path, "&".join(sorted(query.split("&")))),
            *(f"{name}:{sent[name]}" for name in signed),
            *("", ";".join(signed), hashlib.sha256(body).hexdigest()),
        ]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", sent["x-amz-date"], scope, digest])
    key = f"AWS4{secret}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


def test_no_credentials_of_aws(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials, or a region, there is no signature: said before anything is asked."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(SourceRejected, match="no AWS credentials were found"):
        product(played.url, Aws(region="sa-east-1"), auth="aws")
    assert not played.asked
