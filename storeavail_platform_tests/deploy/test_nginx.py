"""The shipped nginx refuses what the gate of `storeavail up` refuses, and nothing else; and each
person gets the pages of theirs, which lie on an S3 that enforces their server's role.
"""

from __future__ import annotations

import base64
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from http.client import parse_headers
from typing import Any

import orjson
import pytest
from storeavail_deploy.pages import HEALTH, THEIRS, answering

from storeavail_platform.commands.serve import server_of
from storeavail_platform.domain.errors import StorageRefused
from storeavail_platform.orchestration.up.gate import LOOPBACK
from storeavail_platform.pipeline.runtime import open_storage
from storeavail_platform.storage.s3 import S3Storage
from storeavail_platform.warehouse.layout import layout_of
from storeavail_platform_tests.deploy.aws import configuration
from storeavail_platform_tests.deploy.enforced import EnforcedS3
from storeavail_platform_tests.deploy.test_roles import policies
from storeavail_platform_tests.orchestration.up.asked import LET_THROUGH, OWN_NAME, REFUSED
from storeavail_platform_tests.storage.test_json_files import SUMMARY
from storeavail_testing.http_server import serving
from storeavail_testing.nginx import PASSWORD, USER, nginx_running
from storeavail_testing.processes import service_folder

REFUSAL, YES, BAD_REQUEST = 403, 204, 400
SCOPES: list[Any] = [getattr(case, "values", case)[0] for case in (*LET_THROUGH, *REFUSED)]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with service_folder("nginx") as folder, nginx_running(folder, [OWN_NAME, *LOOPBACK]) as port:
        yield port


@dataclass(frozen=True)
class Answered:
    status: int
    body: str
    location: str | None


def sent(port: int, lines: list[str], person: str, password: str = PASSWORD) -> Answered:
    """What nginx answers to a request, sent byte for byte."""
    secret = base64.b64encode(f"{person}:{password}".encode()).decode()
    lines = [*lines, f"Authorization: Basic {secret}", "Connection: close"]
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
        context.wrap_socket(plain) as connection,
    ):
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = connection.makefile("rb")
        status, headers = int(answer.readline().split()[1]), parse_headers(answer)
        return Answered(status, answer.read().decode(), headers["Location"])


def ask(port: int, scope: dict[str, Any], password: str = PASSWORD) -> int:
    """The status that nginx gives to a request."""
    method = "GET" if scope["type"] == "websocket" else scope["method"]
    query = scope["query_string"].decode()
    path = scope["path"].replace("\n", "%0A") + (f"?{query}" if query else "")
    lines = [f"{method} {path} HTTP/1.1"]
    # pages are served by TLS here
    lines += [
        f"{n.decode()}: {v.decode()}".replace("http://", "https://") for n, v in scope["headers"]
    ]
    if scope["type"] == "websocket":
        lines.append("Upgrade: websocket")
    if method not in ("GET", "HEAD"):
        lines.append("Content-Length: 0")
    return sent(port, lines, USER, password).status


@pytest.mark.parametrize("scope", SCOPES)
def test_nginx_says_the_same_as_the_gate(port: int, scope: dict[str, Any]) -> None:
    """Case by case; a request without Host is not even HTTP to nginx."""
    let_through = SCOPES.index(scope) < len(LET_THROUGH)
    assert ask(port, scope) in ([YES] if let_through else [REFUSAL, BAD_REQUEST])


def test_the_password_is_asked_for_all_the_same(port: int) -> None:
    assert ask(port, SCOPES[0], "wrong") == 401


READERS = {
    "chief": "all",
    "bruno": "BR AR",
    "carla": "CL",
    "galeto": "BR/brands/galeto-dourado",
    "agency": "BR/brands/galeto-dourado AR/brands/massa",
    "vera": "",
    "typo": "br",
}
"""`vera` may look at Dagster, and is in no line of readers.map."""
PAGES = [
    "index.html",
    *(f"{code}/{name}" for code in ("BR", "AR", "CL") for name in ("index.html", "alive.js")),
    "BR/brands/galeto-dourado/index.html",
    "BR/brands/massa/index.html",
    "AR/brands/massa/index.html",
    "BR/briefs/2026-11-22/index.html",
    "BR/reports/recife/2026-11-22/index.html",
    "BR/value/2026-10/index.html",
    "BR/.outbox/due/2026-11-22-brief.json",
    "BR/.outbox/index.html",
    "BR/.kept/days.parquet",
    "BR/secret.txt",
]
SEEN = {
    "/dashboard/BR/": "chief bruno",
    "/dashboard/BR/?refresh=off": "chief bruno",
    "/dashboard/BR/index.html": "chief bruno",
    "/dashboard/BR/summary.json": "chief bruno",
    "/dashboard/AR/": "chief bruno",
    "/dashboard/CL/": "chief carla",
    "/dashboard/CL/summary.json": "chief carla",
    "/dashboard/BR/alive.js": "chief bruno galeto agency",
    "/dashboard/AR/alive.js": "chief bruno agency",
    "/dashboard/CL/alive.js": "chief carla",
    "/dashboard/BR/brands/galeto-dourado/": "chief bruno galeto agency",
    "/dashboard/BR/brands/massa/": "chief bruno",
    "/dashboard/AR/brands/massa/index.html": "chief bruno agency",
    "/dashboard/BR/briefs/2026-11-22/": "chief bruno",
    "/dashboard/BR/reports/recife/2026-11-22/": "chief bruno",
    "/dashboard/BR/value/2026-10/": "chief bruno",
}
"""Who sees a page; everybody else is refused it."""
NOBODYS = [
    "/dashboard/BR/.outbox/due/2026-11-22-brief.json",
    "/dashboard/BR/.outbox/",
    "/dashboard/BR/.outbox/index.html",
    "/dashboard/BR/.kept/days.parquet",
    "/dashboard/BR/secret.txt",
    "/dashboard/BR",
    "/dashboard/br/",
    "/dashboard/BR/brands/",
    "/dashboard/BR/brands/../",
    "/dashboard/CL/../BR/",
    "/dashboard/BR/brands/galeto-dourado/../../",
    "/dashboard/./BR/",
    "/dashboard//BR/",
    "/dashboard/%42R/",
    "/dashboard/BR%2findex.html",
    "/dashboard/%2e%2e/dashboard/BR/",
    "/dashboard/BR/%2eoutbox/due/2026-11-22-brief.json",
    "/dashboard/BR/..%2f../dashboard/BR/",
    "/dashboard/../dashboard/BR/",
    "/runs/../dashboard/BR/",
    "/dashboard/BR/index.html/",
    "/dashboard/BR/index.html%00",
    "/dashboard/BR/;x",
    "/dashboard/BR/\\..",
]
"""No page's address, whoever asks."""


@pytest.fixture(scope="module")
def dashboard() -> Iterator[int]:
    """The proxy before the pages' server, whose role is what S3 goes by."""
    s3 = EnforcedS3()
    s3.start()
    with pytest.MonkeyPatch.context() as patched, service_folder("nginx") as folder:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            patched.delenv(name, raising=False)
        for name, value in s3.environment.items():
            patched.setenv(name, value)
        platform = configuration(bucket=s3.create_bucket().removeprefix("s3://"))
        storage = open_storage(platform)
        layout_of(storage)
        written = S3Storage(platform.warehouse)
        for name in PAGES:
            written.replace(f"dashboard/{name}", f"this is {name}".encode())
        for code in ("BR", "AR", "CL"):
            summary = {**SUMMARY, "country": code, "verdict": f"the figures of {code}"}
            written.replace(f"dashboard/{code}/summary.json", orjson.dumps(summary))
        server = server_of(lambda path, headers: answering(storage, path, headers), "127.0.0.1", 0)
        with (
            s3.role(policies(platform)["storeavail-pages"]),
            serving(server),
            nginx_running(folder, [OWN_NAME], READERS, server.server_port) as port,
        ):
            yield port
    s3.stop()


def get(port: int, person: str, path: str, *headers: str) -> Answered:
    """What a person gets by a path."""
    return sent(port, [f"GET {path} HTTP/1.1", f"Host: {OWN_NAME}", *headers], person)


@pytest.mark.parametrize("person", [USER, *READERS])
def test_each_person_sees_the_pages_of_theirs(dashboard: int, person: str) -> None:
    """Person by page: what is theirs is answered with what lies there, everything else is not;
    to run something in Dagster is another right.
    """
    for path, seen in SEEN.items():
        found = get(dashboard, person, path)
        assert found.status == (200 if person in seen.split() else 403), path
        if found.status == 200 and not path.endswith(".json"):
            below = re.sub(r"/$", "/index.html", path.removeprefix("/dashboard/").split("?")[0])
            assert found.body == f"this is {below}"
    for path in NOBODYS:
        found = get(dashboard, person, path)
        assert found.status in (400, 403, 404), path
        assert "this is" not in found.body, path
    # where it leads out of the dashboard it is Dagster's to answer, and as ever to whom
    outside = get(dashboard, person, "/dashboard/BR/..%2f..%2fwarehouse.json")
    assert outside.status == get(dashboard, person, "/warehouse.json").status
    assert get(dashboard, "nobody", "/dashboard/BR/").status == 401


@pytest.mark.parametrize("header", [THEIRS, THEIRS.lower(), THEIRS.replace("-", "_"), "X-User"])
def test_nobody_says_by_a_header_what_is_theirs(dashboard: int, header: str) -> None:
    """What a client sends is replaced, where the proxy has nothing to say too."""
    for person in ("carla", "vera", "galeto", "typo"):
        for forged in ("all", "BR", "chief"):
            lines = (f"{header}: {forged}", "X-Forwarded-User: chief", "X-Original-URI: /")
            assert get(dashboard, person, "/dashboard/BR/", *lines).status == 403
            assert get(dashboard, person, "/dashboard/", *lines).body != "this is index.html"


def test_the_first_page_has_figures_of_their_countries_alone(dashboard: int) -> None:
    """Whose the brands are is led to them; who sees all has the page that was written."""
    for person, own in {"bruno": {"BR", "AR"}, "carla": {"CL"}}.items():
        for path in ("/dashboard/", "/dashboard/index.html"):
            found = get(dashboard, person, path)
            assert found.status == 200
            assert set(re.findall(r"the figures of (\w\w)", found.body)) == own
    assert get(dashboard, "chief", "/dashboard/").body == "this is index.html"
    of_brand = get(dashboard, "galeto", "/dashboard/")
    assert (of_brand.status, of_brand.location) == (302, "/dashboard/BR/brands/galeto-dourado/")
    places = get(dashboard, "agency", "/dashboard/").body.split()
    assert places == [f"/dashboard/{place}/" for place in READERS["agency"].split()]
    for person in ("vera", USER):
        assert get(dashboard, person, "/dashboard/").status == 403
    assert "'br' is no country" in get(dashboard, "typo", "/dashboard/").body


def test_who_sees_some_pages_sees_nothing_of_dagster(dashboard: int) -> None:
    """It shows every country: those who are sent a brand's page are led to the pages instead."""
    status = {name: get(dashboard, name, "/runs").status for name in (USER, *READERS)}
    assert status == {USER: 204, "chief": 202, "vera": 202} | dict.fromkeys(
        ("bruno", "carla", "galeto", "agency"), 404
    ) | {"typo": 403}
    assert get(dashboard, "galeto", "/").location == "/dashboard/"
    question = ["POST /graphql HTTP/1.1", f"Host: {OWN_NAME}", "Content-Type: application/json"]
    found = sent(dashboard, [*question, "Content-Length: 0"], "galeto")
    assert found.status == 501


def test_a_storage_that_does_not_answer_is_told_to_the_log_alone(
    dashboard: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Addresses of buckets are not for brands; the health of the server is that it can read."""

    class Broken(S3Storage):
        def read_own(self, relative: str) -> bytes | None:
            raise StorageRefused(f"s3://company/{relative}: no")

    broken = Broken("s3://company/warehouse")
    for path in ("/dashboard/BR/", HEALTH):
        headers = Message()
        headers[THEIRS] = "BR"
        found = answering(broken, path, headers)
        assert found.status == 503
        assert b"s3://" not in found.body
    assert "s3://company/dashboard/BR/index.html: no" in caplog.text
    assert get(dashboard, "galeto", HEALTH).status == 200
