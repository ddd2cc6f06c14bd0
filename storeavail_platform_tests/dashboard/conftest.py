"""Fixtures of the pages' tests: a browser, and countries whose pages are written once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from storeavail_platform.dashboard import write_country_page, write_overview
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading import silences
from storeavail_platform.reading.incidents import incidents_since
from storeavail_testing.browser import Seen, address, browser_running, opened_page
from storeavail_testing.pages import NOW, fill, make_stores, runtime_in

HOSTILE = {
    4: "</script><script>document.title='owned'</script>",
    3: '<img src=x onerror="document.title=1">',
    7: '=HYPERLINK("http://example.invalid";"x"),y',
    5: "'; DROP TABLE stores; --",
    6: "\u202egnp.exe \u0000$policy ${x} <!--",
}
STORE_COUNT = 300


@dataclass(frozen=True)
class Pages:
    """A warehouse in which BR and CL have pages and AR has none, and where the pages lie."""

    runtime: Runtime
    folder: Path

    def address(self, country: str = "", fragment: str = "", query: str = "?refresh=off") -> str:
        """Of a country's page, or of all countries'. Their windows are past: unless the query says
        so, a page would load itself again during a test.
        """
        page = address(self.folder / country / "index.html")
        return page + query + (f"#{fragment}" if fragment else "")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with browser_running() as running:
        yield running


@pytest.fixture(scope="package")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    runtime = runtime_in(tmp_path_factory.mktemp("dashboard"))
    # of this seed a store is missing, and another was when it closed
    fill(runtime, "BR", make_stores(STORE_COUNT, 1, HOSTILE), seed=8, down="Grill 42")
    fill(runtime, "CL", make_stores(40, 2, {}), is_calm=True, days=8)
    silences.begin(
        runtime.storage, "BR", NOW, timedelta(hours=1), "they <b>know</b>", brand="Brand 1"
    )
    (incident,) = incidents_since(runtime.warehouse, "BR", NOW.date())
    acknowledged = f"BR/incident/{incident.incident_id}"
    silences.begin(runtime.storage, "BR", NOW, timedelta(days=1), "tills", alert=acknowledged)
    for country in ("BR", "CL"):
        write_country_page(runtime, country, NOW)
    overview = write_overview(runtime, NOW)
    return Pages(runtime, Path(overview.path).parent)


@pytest.fixture
def seen(browser: Browser) -> Iterator[Seen]:
    """An empty page whose network is off.

    At the end it must not have complained, nor asked for anything but files beside it.
    """
    with opened_page(browser) as opened:
        yield opened
        assert opened.complaints == []
        assert [
            url
            for url in opened.requests
            if not url.startswith(("file://", "blob:file://", "data:"))
        ] == []


def show(seen: Seen, url: str) -> None:
    """Open a page and wait until it has drawn itself."""
    seen.page.goto(url)
    redrawn(seen)


def redrawn(seen: Seen, before: str = "0") -> None:
    """Wait until the page has drawn itself again.

    Not by a function, which would be evaluated in the page: its content policy refuses that.
    """
    seen.page.locator(f'body[data-ready]:not([data-ready="{before}"])').wait_for(state="attached")


def drawn(seen: Seen) -> str:
    """How often the page has drawn itself."""
    return str(seen.page.evaluate("document.body.dataset.ready"))
