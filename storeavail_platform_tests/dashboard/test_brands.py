"""A brand's page: its own stores, and nothing of another's."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from storeavail_platform.config import load_text
from storeavail_platform.dashboard import write_country_page
from storeavail_platform.dashboard.brands import slugs
from storeavail_platform.dashboard.encoding import decode
from storeavail_platform.dashboard.relations import DAYS
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.reading.query import query
from storeavail_platform_tests.dashboard.conftest import Pages, show
from storeavail_platform_tests.dashboard.test_figures import SHARE, percent
from storeavail_testing.browser import Seen
from storeavail_testing.pages import BRANDS, CONFIG, LAST, NOW

BRAND = "Grill 42"


def test_slugs_are_unique() -> None:
    """Each brand has an address of its own, whatever its name is made of, and always the same."""
    names = ["Pão & Cia", "PAO - CIA", "寿司", "🍕", "../../x", "a" * 300]
    found = slugs(names)
    assert len(set(found.values())) == len(names)
    assert all(re.fullmatch(r"[a-z0-9-]{1,80}", slug) for slug in found.values())
    assert found == slugs(names)
    assert slugs(["Galeto Dourado"]) == {"Galeto Dourado": "galeto-dourado"}


def test_a_brands_page_has_its_stores_alone(pages: Pages) -> None:
    """Neither the file nor the numbers packed in it name a store or a brand of another."""
    text = (pages.folder / "BR" / "brands" / "grill-42" / "index.html").read_text()
    packed = re.findall(r'id="(?:data|below)">([^<]+)<', text)
    (document, arrays), (below, days) = map(decode, packed)
    own = query(
        pages.runtime,
        "SELECT DISTINCT store_id, name FROM daily_store_availability WHERE country = 'BR' AND"
        f" brand = '{BRAND}'",
    ).to_pylist()
    others = query(
        pages.runtime,
        "SELECT DISTINCT name FROM daily_store_availability WHERE country = 'BR' AND brand <>"
        f" '{BRAND}'",
    ).to_pylist()
    assert set(document["ids"]) == {row["store_id"] for row in own}
    assert document["brands"] == [BRAND]
    assert len(arrays["run_count"]) == len(arrays["store_brand"]) == len(own) > 3
    assert len(days["day_missing"]) == len(own) * DAYS
    page_text = re.sub(r'id="(?:data|below)">[^<]+<', "<", text) + str(document) + str(below)
    named = [row["name"] for row in others if row["name"] and row["name"] in page_text]
    assert named == []
    assert [brand for brand in BRANDS if brand != BRAND and brand in page_text] == []


def test_its_figures_are_its_stores(pages: Pages, seen: Seen) -> None:
    """Availability of each period is what SQL gives for the brand; it leads to no other page."""
    show(seen, pages.address("BR/brands/grill-42"))
    for period, condition in (
        ("now", f"window_start = '{LAST.start}'"),
        ("24h", f"window_start > '{LAST.next(-96).start}'"),
    ):
        sql = f"SELECT {SHARE} AS share FROM store_availability WHERE country = 'BR' AND brand ="
        (row,) = query(pages.runtime, f"{sql} '{BRAND}' AND {condition}").to_pylist()
        shown = seen.page.locator(f"#card-{period} .figure").inner_text()
        assert shown == percent(row["share"]), period
    for days in (7, 30):
        (row,) = query(
            pages.runtime,
            f"SELECT {SHARE} AS share FROM daily_store_availability WHERE country = 'BR' AND brand"
            f" = '{BRAND}' AND local_date > DATE '2026-11-23' - {days}",
        ).to_pylist()
        assert seen.page.locator(f"#card-{days}d .figure").inner_text() == percent(row["share"])
    assert seen.page.locator("#verdict").inner_text().startswith(f"{BRAND}: ")
    assert seen.page.locator("a[href]").count() == 0
    assert not seen.page.locator("#brand").is_visible()
    assert seen.page.get_by_role("heading", name="Top offenders: brands").count() == 0
    assert f"the average of {BRAND}" in seen.page.locator("#lists").inner_text()
    assert "whole country" not in seen.page.locator("main").inner_text()
    assert "missing share rose" not in seen.page.content()


def test_pages_of_brands_come_and_go(pages: Pages) -> None:
    """One is written where something of it changed (that it is written later is nothing), and goes
    with its brand.
    """
    folder = pages.folder / "BR" / "brands"
    path = folder / "grill-42" / "index.html"
    before = path.stat().st_mtime_ns
    write_country_page(pages.runtime, "BR", NOW + timedelta(minutes=3))
    assert path.stat().st_mtime_ns == before
    base = Path(pages.runtime.storage.path("")).parent
    fewer = CONFIG.replace(", Grill 42]", "]")
    assert fewer != CONFIG
    runtime = build_runtime(load_text(fewer, base=base, origin="test.yaml"))
    write_country_page(runtime, "BR", NOW)
    assert {each.name for each in folder.iterdir()} == {"pao-cia"}
    write_country_page(pages.runtime, "BR", NOW)
    assert path.exists()
