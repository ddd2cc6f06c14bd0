"""A real headless Chromium for the tests of pages: without network, with everything that a page
asks for or complains about written down.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

BROWSER_VARIABLE = "STOREAVAIL_TEST_BROWSER"
DESKTOP = {"width": 1440, "height": 1000}
TIMEOUT_MS = 20_000


@dataclass
class Seen:
    """A page, and what it did: addresses it asked for (its own file included), errors and
    warnings of its console.
    """

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def executable() -> str:
    """The browser of this machine.

    Raises:
        RuntimeError: there is none.
    """
    found = os.environ.get(BROWSER_VARIABLE) or shutil.which("chromium")
    if found is None:
        raise RuntimeError(
            "the tests of pages need Chromium: run scripts/ensure-browser, or set"
            f" {BROWSER_VARIABLE} to its path"
        )
    return found


@contextlib.contextmanager
def browser_running(*arguments: str) -> Iterator[Browser]:
    """One browser for many pages.

    Args:
        arguments: of Chromium's command line.
    """
    with sync_playwright() as playwright:
        # as root Chromium starts without its sandbox only; the pages are the tests' own
        browser = playwright.chromium.launch(
            executable_path=executable(), args=["--no-sandbox", *arguments]
        )
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def opened_page(browser: Browser, **options: Any) -> Iterator[Seen]:
    """An empty page of a visitor of its own, whose network is off.

    Args:
        options: of playwright's `new_context`, such as `viewport` and `color_scheme`.
    """
    chosen: dict[str, Any] = {
        "viewport": DESKTOP,
        "accept_downloads": True,
        "offline": True,
    } | options
    context = browser.new_context(**chosen)
    try:
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        seen = Seen(page)
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on("console", lambda message: _note(seen, message.type, message.text))
        page.on("pageerror", lambda error: seen.complaints.append(f"exception: {error}"))
        yield seen
    finally:
        context.close()


def _note(seen: Seen, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        seen.complaints.append(f"{kind}: {text}")


def address(path: str | Path, fragment: str = "") -> str:
    """The file:// address of a page."""
    return Path(path).as_uri() + (f"#{fragment}" if fragment else "")
