"""`python -m storeavail_platform_tests.dashboard.screenshot FILE`: the picture of the README,
of made-up stores, taken by the tests' browser.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from storeavail_platform.dashboard import write_country_page
from storeavail_platform_tests.dashboard.conftest import redrawn
from storeavail_testing.browser import address, browser_running, opened_page
from storeavail_testing.pages import NOW, fill, make_stores, runtime_in


def main(target: str) -> None:
    with tempfile.TemporaryDirectory() as folder, browser_running() as browser:
        runtime = runtime_in(Path(folder))
        fill(runtime, "BR", make_stores(1200, 1, {}))
        page = write_country_page(runtime, "BR", NOW)
        with opened_page(browser, viewport={"width": 1280, "height": 1000}) as seen:
            seen.page.clock.install(time=NOW)
            seen.page.goto(address(page.path))
            redrawn(seen)
            seen.page.screenshot(path=target)


if __name__ == "__main__":
    main(*sys.argv[1:])
