"""`python -m storeavail_platform_tests.dashboard.screenshot FOLDER`: the README's picture and scenes
of the pages, of made-up stores, taken by the tests' browser.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser

from storeavail_platform.dashboard import write_country_page, write_overview
from storeavail_platform.dashboard.briefs import make_brief
from storeavail_platform.domain.tables.causes import WINDOW_CAUSES
from storeavail_platform.domain.windows import Window
from storeavail_platform_tests.dashboard.conftest import redrawn
from storeavail_testing.browser import address, browser_running, opened_page
from storeavail_testing.pages import (
    LAST,
    NOW,
    as_usual,
    fill,
    make_stores,
    runtime_in,
    write,
)

STORES = 1200
BRAND = "Grill 42"
PATIENCE_MS = 120_000
"""A picture may be taken on a busy machine."""
MORNING = Window.parse("2026-11-23T1200")
"""9:00 in Sao Paulo, when the first stores open."""
EVENING = Window.parse("2026-11-24T0245")
"""The last window of Monday in Sao Paulo."""
BRIEF_OF, EIGHT = date(2026, 11, 23), datetime(2026, 11, 24, 11, tzinfo=UTC)


@dataclass(frozen=True)
class Scene:
    """A picture: its name, the screen, and what is chosen on the page of a country (or of all)."""

    name: str
    width: int
    height: int
    country: str = "BR"
    fragment: str = "theme=light"


AFTERNOON = (
    Scene("dashboard", 1280, 1000),
    Scene("wall", 1920, 1080, fragment="theme=dark"),
    Scene("phone", 390, 844, fragment=f"theme=light&brand={BRAND}&status=missing"),
    Scene("overview", 1280, 420, country=""),
)
AT_NINE = (Scene("laptop", 1280, 800),)


def main(target: str) -> None:
    with browser_running() as browser:
        take_brief(browser, Path(target))
        for last, down, scenes in ((LAST, BRAND, AFTERNOON), (MORNING, None, AT_NINE)):
            with tempfile.TemporaryDirectory() as folder:
                now = NOW + (last.start - LAST.start)
                runtime = runtime_in(Path(folder))
                fill(runtime, "BR", make_stores(STORES, 1, {}), last=last, down=down)
                if down is None:
                    write(runtime, "BR", WINDOW_CAUSES, as_usual("BR", last))
                fill(runtime, "CL", make_stores(40, 2, {}), last=last, is_calm=True, days=8)
                for country in ("BR", "CL"):
                    write_country_page(runtime, country, now)
                pages = Path(write_overview(runtime, now).path).parent
                for scene in scenes:
                    take(browser, scene, pages, now, Path(target))


def take_brief(browser: Browser, target: Path) -> None:
    """The brief of a Monday whose evening has an incident that goes on."""
    with tempfile.TemporaryDirectory() as folder:
        runtime = runtime_in(Path(folder))
        fill(runtime, "BR", make_stores(STORES, 1, {}), last=EVENING, down=BRAND, days=40)
        made = make_brief(runtime, "BR", BRIEF_OF, EIGHT, EIGHT)
        with opened_page(browser, viewport={"width": 760, "height": 600}) as seen:
            seen.page.goto(address(Path(made.path)))
            seen.page.screenshot(path=target / "brief.png", full_page=True)


def take(browser: Browser, scene: Scene, pages: Path, now: datetime, target: Path) -> None:
    size = {"width": scene.width, "height": scene.height}
    with opened_page(browser, viewport=size) as seen:
        seen.page.clock.install(time=now + timedelta(seconds=1))
        seen.page.set_default_timeout(PATIENCE_MS)
        seen.page.goto(address(pages / scene.country / "index.html", scene.fragment))
        redrawn(seen)
        seen.page.screenshot(path=target / f"{scene.name}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
