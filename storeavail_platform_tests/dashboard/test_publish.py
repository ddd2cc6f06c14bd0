"""When pages are written and what becomes of them: one country's trouble is its own, the
catalog is not needed, nobody else is served.
"""

from __future__ import annotations

import gzip
import http.client
import os
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import orjson
import pytest

from scripts.vega import library
from storeavail_platform.commands.serve import HOST, pages_server
from storeavail_platform.dashboard import write_country_page, write_overview
from storeavail_platform.dashboard.page import as_made, drawing_library
from storeavail_platform.dashboard.publish import preview
from storeavail_platform.dashboard.summaries import FOLDER, read_summary
from storeavail_platform.domain.errors import NotObserved, WarehouseError
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform_tests.dashboard.conftest import Pages
from storeavail_testing.pages import NOW, fill, make_stores, runtime_in


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    runtime = runtime_in(tmp_path_factory.mktemp("small"))
    for country in ("BR", "CL"):
        fill(runtime, country, make_stores(20, 3, {}), days=3, is_calm=True)
    return runtime


@pytest.fixture(scope="module")
def port(pages: Pages) -> Iterator[int]:
    server = pages_server(pages.runtime.storage, 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def answered(
    port: int, method: str, path: str, headers: Mapping[str, str] | None = None
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(HOST, port)
    connection.request(method, path, headers={"Host": f"{HOST}:{port}", **(headers or {})})
    return connection.getresponse()


def asked(port: int, path: str, host: str = HOST) -> tuple[int, bytes]:
    answer = answered(port, "GET", path, {"Host": f"{host}:{port}"})
    return answer.status, answer.read()


def test_a_country_without_windows_says_so(small: Runtime) -> None:
    """There is nothing to show of it, and the error says how to change that."""
    with pytest.raises(NotObserved, match="storeavail run --country AR"):
        write_country_page(small, "AR", NOW)


def test_a_damaged_country_stops_no_other(small: Runtime) -> None:
    """CL's page is written with a file of BR's fact gone; BR's own is refused with an error
    that names it, and its last page stays.
    """
    write_country_page(small, "BR", NOW)
    before = small.storage.read(f"{FOLDER}/BR/index.html")
    files = sorted(
        Path(small.storage.path("")).glob("**/storeavail_br/store_availability/**/*.parquet")
    )
    kept = {file: file.read_bytes() for file in files}
    for file in files:
        file.unlink()
    try:
        write_country_page(small, "CL", NOW)
        with pytest.raises(WarehouseError, match="BR"):
            write_country_page(small, "BR", NOW)
    finally:
        for file, data in kept.items():
            file.write_bytes(data)
    assert small.storage.read(f"{FOLDER}/BR/index.html") == before


def test_pages_are_written_while_the_catalog_is_down(small: Runtime) -> None:
    """The newest committed state is found by pointer."""
    catalog = next(Path(small.storage.path("")).parent.rglob("catalog.db"))
    hidden = catalog.rename(catalog.with_suffix(".away"))
    try:
        page = write_country_page(small, "BR", NOW)
    finally:
        hidden.rename(catalog)
    assert page.summary is not None
    assert page.summary["window"] == "2026-11-23T1815"


def test_a_summary_that_cannot_be_read_is_a_missing_country(small: Runtime) -> None:
    """Half a file, or one of another version, shows the country as missing and the others as
    they are.
    """
    write_country_page(small, "BR", NOW)
    write_country_page(small, "CL", NOW)
    for data in (b'{"version": 1, "coun', b"[]", orjson.dumps({"version": 999})):
        small.storage.replace(f"{FOLDER}/CL/summary.json", data)
        assert read_summary(small.storage, "CL") is None
        assert read_summary(small.storage, "BR") is not None
        write_overview(small, NOW)


def test_nothing_that_runs_comes_from_the_warehouse(small: Runtime) -> None:
    """Every country may write there: what lies where the library was once kept is in no page."""
    for name in (f"{version('vl-convert-python')}.js", "vega.js"):
        small.storage.replace(f"{FOLDER}/.vega/{name}", b"document.title = 'taken over'")
    write_country_page(small, "BR", NOW)
    page = small.storage.read(f"{FOLDER}/BR/index.html")
    assert page is not None
    assert b"taken over" not in page


def test_the_library_that_draws_is_what_it_was_made_as() -> None:
    """The locked package makes it, byte for byte; another one is refused."""
    assert drawing_library() == library()
    with pytest.raises(WarehouseError, match=r"vega\.js of the package .* is not what it was made"):
        as_made(f"{library()}document.title = 'taken over'")


def test_the_preview_has_the_figures(small: Runtime) -> None:
    """The text in the Dagster UI has each period's availability, the period before and coverage."""
    page = write_country_page(small, "BR", NOW)
    assert page.summary is not None
    text = preview(page.summary)
    for name, period in page.summary["periods"].items():
        shown = "-" if period["availability"] is None else f"{period['availability']:.2%}"
        assert f"| {name} | {shown} |" in text


@pytest.mark.parametrize(
    "path", ["/", "/index.html", "/BR/", "/BR/index.html?x=1", "/BR/summary.json"]
)
def test_pages_are_served(port: int, path: str) -> None:
    """The pages and the summaries, byte for byte."""
    status, body = asked(port, path)
    assert status == 200
    assert body.startswith((b"<!doctype html>", b"{"))


@pytest.mark.parametrize(
    "path",
    [
        "/AR/",
        "/.vega/",
        "/../catalog.db",
        "/BR/../../catalog.db",
        "/BR/%2e%2e/%2e%2e/catalog.db",
        "/data/",
        "//etc/passwd",
    ],
)
def test_nothing_else_is_served(port: int, path: str) -> None:
    """Not a country without a page, not the warehouse beside the pages."""
    assert asked(port, path)[0] == 404


def test_a_foreign_name_of_this_machine_is_not_answered(port: int) -> None:
    """A site whose name resolves to this machine cannot read the pages through a visitor's
    browser.
    """
    assert asked(port, "/BR/", host="attacker.example")[0] == 404
    assert asked(port, "/BR/", host="localhost")[0] == 200


def test_what_is_served_keeps_to_itself(port: int, pages: Pages) -> None:
    """It is in no other site's frame and is taken for nothing else, errors too; the header forbids
    frames and nothing more, as each of the page's own scripts would need its hash in it.
    """
    for path, status in (("/BR/", 200), ("/AR/", 404)):
        answer = answered(port, "GET", path)
        assert answer.status == status
        assert answer.getheader("X-Frame-Options") == "DENY"
        assert answer.getheader("X-Content-Type-Options") == "nosniff"
        assert answer.headers.get_all("Content-Security-Policy") == ["frame-ancestors 'none'"]


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ("gzip, deflate, br", True),
        ("br;q=1.0, *;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=none", False),
        ("identity", False),
    ],
)
def test_a_page_travels_packed_where_the_browser_takes_it(
    port: int, accepted: str, is_packed: bool
) -> None:
    """The same page, in a third of the bytes; HEAD says what GET would send, and sends nothing."""
    plain = answered(port, "GET", "/BR/").read()
    answer = answered(port, "GET", "/BR/", {"Accept-Encoding": accepted})
    body = answer.read()
    assert (answer.getheader("Content-Encoding") == "gzip") == is_packed
    assert (gzip.decompress(body) if is_packed else body) == plain
    assert len(body) == int(answer.headers["Content-Length"])
    assert (len(body) < len(plain) / 2) == is_packed
    head = answered(port, "HEAD", "/BR/", {"Accept-Encoding": accepted})
    assert head.status == 200
    assert head.read() == b""
    assert head.headers["Content-Length"] == str(len(body))
    assert answered(port, "HEAD", "/AR/").status == 404


def test_no_link_is_followed(port: int, pages: Pages, tmp_path: Path) -> None:
    """Neither a page that is a link nor one in a folder that is: it could be any file of this
    machine. A pipe in the place of a page is not waited for.
    """
    secret = tmp_path / "index.html"
    secret.write_text("a secret of this machine")
    folder = Path(pages.runtime.storage.path(FOLDER))
    (folder / "XA").symlink_to(tmp_path)
    (folder / "XB").mkdir()
    (folder / "XB" / "index.html").symlink_to(secret)
    (folder / "XC").mkdir()
    os.mkfifo(folder / "XC" / "index.html")
    try:
        for code in ("XA", "XB", "XC"):
            assert asked(port, f"/{code}/")[0] == 404, code
    finally:
        (folder / "XA").unlink()
        for code in ("XB", "XC"):
            shutil.rmtree(folder / code)


def test_whoever_asks_nothing_is_let_go(pages: Pages) -> None:
    """A connection that says nothing, or half a request, is closed by the server; others are
    answered meanwhile.
    """
    server = pages_server(pages.runtime.storage, 0, idle_seconds=0.2)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    port = server.server_address[1]
    try:
        for begun in (b"", b"GET / HT"):
            with socket.create_connection((HOST, port)) as idle:
                idle.sendall(begun)
                assert asked(port, "/BR/")[0] == 200
                assert idle.recv(1) == b"", "the server ends it"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
