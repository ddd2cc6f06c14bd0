"""What a country's page says is what `storeavail query` says, of the whole country and of what
is chosen.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby
from typing import Any

import pytest
from playwright.sync_api import Page

from storeavail_platform.dashboard.page import static
from storeavail_platform.domain.availability import availability, coverage
from storeavail_platform.reading.query import query
from storeavail_platform_tests.dashboard.conftest import (
    STORE_COUNT,
    Pages,
    drawn,
    redrawn,
    show,
)
from storeavail_platform_tests.domain.test_availability import CASES
from storeavail_testing.browser import Seen
from storeavail_testing.pages import LAST, RECORDED_GAP, SUSPECT

SHARE = "SUM(available_minutes) / NULLIF(SUM(expected_minutes - unknown_minutes), 0)"
COVERAGE = "1 - SUM(unknown_minutes) / NULLIF(SUM(expected_minutes), 0)"
STARTS = {"now": LAST.next(-1), "24h": LAST.next(-96)}
DAYS = {"7d": 7, "30d": 30}
TODAY = "DATE '2026-11-23'"


def rows(pages: Pages, sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = query(pages.runtime, sql).to_pylist()
    return found


def percent(share: float | None, digits: int = 2) -> str:
    """A share as the page shows it: a tie goes up, as JavaScript's toFixed has it."""
    return (
        "–"
        if share is None
        else f"{Decimal(share * 100).quantize(Decimal(10) ** -digits, ROUND_HALF_UP)} %"
    )


def duration(minutes: int) -> str:
    """Minutes of one store as the page shows them."""
    hours, over = divmod(int(minutes), 60)
    if not hours:
        return f"{over} min"
    return f"{hours} h {over:02d} min" if over else f"{hours} h"


def wanted(pages: Pages, period: str, condition: str = "TRUE") -> tuple[str, str]:
    """Availability and coverage of a period by SQL, as text."""
    if period in DAYS:
        table, time = (
            "daily_store_availability",
            f"local_date > {TODAY} - {DAYS[period]} AND local_date <= {TODAY}",
        )
    else:
        table, time = (
            "store_availability",
            f"window_start > '{STARTS[period].start}' AND window_start <= '{LAST.start}'",
        )
    (row,) = rows(
        pages,
        f"SELECT {SHARE} AS share, {COVERAGE} AS coverage FROM {table} WHERE country = 'BR' AND"
        f" {time} AND {condition}",
    )
    return percent(row["share"]), percent(row["coverage"])


def card(page: Page, period: str) -> tuple[str, str]:
    text = page.locator(f"#card-{period}").inner_text()
    coverage = re.search(r"coverage (\S+ %|–)", text)
    assert coverage is not None, text
    return page.locator(f"#card-{period} .figure").inner_text(), coverage[1]


def table(page: Page, title: str) -> list[list[str]]:
    """The cells of the table with a title, all its rows."""
    panel = page.locator(
        "section.panel", has=page.get_by_role("heading", name=title, exact=True)
    ).last
    more = panel.get_by_role("button", name="Show all")
    if more.count():
        more.click()
    return [row.locator("td").all_inner_texts() for row in panel.locator("tbody tr").all()]


def test_the_browser_computes_as_python_does(seen: Seen) -> None:
    """Shares by the page's script, to the last bit; null where the divisor is 0."""
    shares = seen.page.evaluate(
        f"""(cases) => {{
          {static("sums.js")}
          return cases.map(([available, expected, unknown]) => {{
            const minutes = {{ available, expected, unknown }};
            return [availability(minutes), coverage(minutes)];
          }});
        }}""",
        list(CASES.values()),
    )
    assert shares == [
        [availability(available=a, expected=e, unknown=u), coverage(expected=e, unknown=u)]
        for a, e, u in CASES.values()
    ]


@pytest.mark.parametrize("period", ["now", "24h", "7d", "30d"])
def test_a_countrys_figures_are_those_of_the_tables(pages: Pages, seen: Seen, period: str) -> None:
    """Availability and coverage of each period equal what SQL over the facts and the dates
    gives.
    """
    show(seen, pages.address("BR"))
    assert card(seen.page, period) == wanted(pages, period)


def test_a_filter_changes_every_figure(pages: Pages, seen: Seen) -> None:
    """City and brand together: each card is what SQL gives for these stores alone; the number
    of stores says so.
    """
    show(seen, pages.address("BR"))
    before = drawn(seen)
    seen.page.select_option("#city", "Rio de Janeiro")
    seen.page.select_option("#brand", "Sushi Kai")
    redrawn(seen, str(int(before) + 1))
    condition = "city = 'Rio de Janeiro' AND brand = 'Sushi Kai'"
    for period in ("now", "24h", "7d", "30d"):
        assert card(seen.page, period) == wanted(pages, period, condition)
    (chosen,) = rows(
        pages,
        "SELECT COUNT(DISTINCT store_id) AS n FROM daily_store_availability WHERE country = 'BR'"
        f" AND {condition}",
    )
    assert seen.page.locator("#chosen").inner_text() == f"{chosen['n']} of 300 stores"


def test_the_counts_filter(pages: Pages, seen: Seen) -> None:
    """The counts at the top are those of the newest window, by status and reason; a click on one
    leaves these stores alone, a second click all of them again.
    """
    show(seen, pages.address("BR"))
    found = rows(
        pages,
        "SELECT status, reason, COUNT(*) AS n FROM store_availability WHERE country = 'BR' AND"
        f" window_start = '{LAST.start}' GROUP BY ALL",
    )
    for status in ("available", "missing", "rogue", "unknown", "closed"):
        number = sum(row["n"] for row in found if row["status"] == status)
        tile = seen.page.locator(f"#tile-{status}")
        assert tile.locator(".count").inner_text() == f"{number} {status}"
        if status in ("missing", "rogue"):
            assert set(tile.locator(".link").all_inner_texts()) == {
                f"{row['n']} {row['reason'].replace('_', ' ')}"
                for row in found
                if row["status"] == status
            }
    missing = sum(row["n"] for row in found if row["reason"] == "offline")
    button = seen.page.locator("#tile-missing .link").first
    for chosen, pressed in ((missing, "true"), (STORE_COUNT, "false")):
        before = drawn(seen)
        button.click()
        redrawn(seen, before)
        assert seen.page.locator("#chosen").inner_text() == f"{chosen} of 300 stores"
        assert button.get_attribute("aria-pressed") == pressed


def test_what_is_missing_and_what_closed_are_two_lists(pages: Pages, seen: Seen) -> None:
    """Missing stores are those of the newest window, each once; what was down when it closed is
    the outages that go on of the others. Both say the minutes missed of opening hours, and the
    second when it opened a day ago.
    """
    show(seen, pages.address("BR"))
    missing = {
        row["store_id"]
        for row in rows(
            pages,
            "SELECT store_id FROM store_availability WHERE country = 'BR' AND status = 'missing'"
            f" AND window_start = '{LAST.start}'",
        )
    }
    outages = {
        row["store_id"]: row["missed"]
        for row in rows(
            pages,
            "SELECT o.store_id, MAX(o.missed_minutes_total) AS missed FROM store_outages o JOIN"
            " store_availability s ON s.country = o.country AND s.store_id = o.store_id AND"
            f" s.window_start = '{LAST.start}' WHERE o.country = 'BR' AND o.ended_at IS NULL AND"
            " s.status NOT IN ('available', 'rogue') GROUP BY ALL",
        )
    }
    lists = {name: table(seen.page, name) for name in ("Missing stores", "Was down when it closed")}
    assert [{row[1] for row in shown} for shown in lists.values()] == [
        missing,
        outages.keys() - missing,
    ]
    shown = [row for shown in lists.values() for row in shown]
    assert len(shown) == len(missing | outages.keys()) > len(missing) > 0
    assert {row[1]: row[5] for row in shown} == {
        store: duration(minutes) for store, minutes in outages.items()
    }


def test_offenders_have_two_bad_readings(pages: Pages, seen: Seen) -> None:
    """Stores by missed minutes over 24 hours: those with more than one reading's, with the dates
    of 30 on which they were missing.
    """
    show(seen, pages.address("BR"))
    expected = rows(
        pages,
        f"""SELECT store_id, SUM(missing_minutes) AS missed,
          (SELECT COUNT(*) FROM daily_store_availability d WHERE d.country = 'BR'
            AND d.store_id = a.store_id AND d.local_date > {TODAY} - 30
            AND d.missing_minutes > 0) AS dates
        FROM store_availability a WHERE country = 'BR' AND window_start > '{LAST.next(-96).start}'
        GROUP BY store_id HAVING SUM(missing_minutes) > 15""",
    )
    shown = table(seen.page, "Top offenders: stores")
    assert {row[1]: (row[5], row[6]) for row in shown} == {
        row["store_id"]: (duration(row["missed"]), f"{row['dates']} of 30") for row in expected
    }


def test_cities_are_ranked_by_excess(pages: Pages, seen: Seen) -> None:
    """Cities over 30 days by what they missed beyond the country's share; their shares are those
    of SQL, and a click on a heading sorts by it.
    """
    show(seen, pages.address("BR", "period=30d"))
    expected = rows(
        pages,
        f"""SELECT city, {SHARE} AS share, SUM(missing_minutes) AS missing,
          SUM(missing_minutes) - SUM(expected_minutes - unknown_minutes)
            * (SELECT SUM(missing_minutes) / SUM(expected_minutes - unknown_minutes)
               FROM daily_store_availability
               WHERE country = 'BR' AND local_date > {TODAY} - 30) AS excess
        FROM daily_store_availability WHERE country = 'BR' AND local_date > {TODAY} - 30
          AND city IS NOT NULL GROUP BY city HAVING missing > 0 ORDER BY excess DESC""",
    )
    title = "Top offenders: cities"
    shown = [row for row in table(seen.page, title) if row[0] != "–"]
    assert [row[:2] for row in shown] == [
        [row["city"], percent(row["share"], 1)] for row in expected
    ]
    panel = seen.page.locator("section.panel", has=seen.page.get_by_role("heading", name=title))
    panel.get_by_role("button", name="Missed").click()
    assert panel.locator("th[aria-sort=descending]").inner_text().startswith("Missed")
    assert [row[0] for row in table(seen.page, title) if row[0] != "–"] == [
        row["city"] for row in sorted(expected, key=lambda row: -row["missing"])
    ]


def test_rogue_stores_are_listed(pages: Pages, seen: Seen) -> None:
    """The list of rogue stores is the newest window's."""
    show(seen, pages.address("BR"))
    expected = rows(
        pages,
        "SELECT store_id FROM store_availability WHERE country = 'BR' AND window_start ="
        f" '{LAST.start}' AND status = 'rogue'",
    )
    assert {row[1] for row in table(seen.page, "Rogue stores")} == {
        row["store_id"] for row in expected
    }


def test_suspect_windows_and_gaps_are_shown_with_their_reason(pages: Pages, seen: Seen) -> None:
    """The table of troubles names the suspect window and the gap, and the timeline says how
    many there are.
    """
    show(seen, pages.address("BR"))
    found = {(row[1], row[2]) for row in table(seen.page, "Suspect windows, gaps, waiting windows")}
    assert {("suspect", "missing share rose"), ("gap", "never observed")} <= found
    label = seen.page.locator("#timeline").get_attribute("aria-label") or ""
    assert re.search(r"[1-9]\d* windows are suspect, gaps or waiting", label)
    assert SUSPECT.start > RECORDED_GAP.start > LAST.next(-192).start


def test_the_distribution_counts_every_store_once(pages: Pages, seen: Seen) -> None:
    """The bars of 7 days add up to the stores of which something is known, and the bar at 100 %
    to those without a missed minute.
    """
    show(seen, pages.address("BR", "period=7d"))
    label = seen.page.locator("#distribution").get_attribute("aria-label") or ""
    counts = [int(number) for number in re.findall(r"(\d+) (?:below|\d+)", label)]
    (row,) = rows(
        pages,
        "SELECT COUNT(*) AS known, COUNT(*) FILTER (missing = 0) AS perfect FROM (SELECT"
        " SUM(missing_minutes) AS missing FROM daily_store_availability WHERE country = 'BR' AND"
        f" local_date > {TODAY} - 7 GROUP BY store_id HAVING SUM(expected_minutes -"
        " unknown_minutes) > 0)",
    )
    assert sum(counts) == row["known"]
    assert counts[-1] == row["perfect"]


def test_a_stores_timeline_is_its_facts(pages: Pages, seen: Seen) -> None:
    """A click on a store opens its 48 hours as runs: each window's status and reason is the
    fact row's.
    """
    show(seen, pages.address("BR"))
    (worst,) = rows(
        pages,
        "SELECT store_id FROM daily_store_availability WHERE country = 'BR' AND local_date ="
        f" {TODAY} ORDER BY missing_minutes DESC, store_id LIMIT 1",
    )
    store = worst["store_id"]
    before = drawn(seen)
    seen.page.fill("#search", str(store))
    redrawn(seen, before)
    before = drawn(seen)
    panel = seen.page.locator(
        "section.panel",
        has=seen.page.get_by_role("heading", name="Top offenders: stores", exact=True),
    )
    panel.locator("td button.link").first.click()
    redrawn(seen, before)
    facts = rows(
        pages,
        "SELECT status, reason, expected_minutes FROM store_availability WHERE country = 'BR' AND"
        f" store_id = '{store}' AND window_start > '{LAST.next(-192).start}' ORDER BY window_start"
        " DESC",
    )
    runs = [
        key
        for key, _ in groupby(
            (row["status"], (row["reason"] or "").replace("_", " ")) for row in facts
        )
    ]
    shown = [tuple(row[2:4]) for row in table(seen.page, "48 hours")]
    # a window without rows splits a run
    assert [key for key, _ in groupby(shown)] == runs
    assert f"({store})" in seen.page.locator("#store h2").first.inner_text()
    days = rows(
        pages,
        f"SELECT local_date, {SHARE} AS share FROM daily_store_availability WHERE country = 'BR'"
        f" AND store_id = '{store}' AND local_date > {TODAY} - 30 AND expected_minutes > 0 GROUP BY"
        " local_date ORDER BY local_date DESC",
    )
    assert [row[:2] for row in table(seen.page, "30 days")] == [
        [str(row["local_date"]), percent(row["share"], 1)] for row in days
    ]


def test_the_page_of_all_countries_is_made_of_summaries(pages: Pages, seen: Seen) -> None:
    """Each country's own figure is there with a link to its page; one without a page is shown
    as missing, and first. The total is that of all facts.
    """
    show(seen, pages.address())
    assert seen.page.locator("#country-BR .figure").inner_text() == wanted(pages, "now")[0]
    assert "this country's page is missing" in seen.page.locator("#country-AR").inner_text()
    order = [row.get_attribute("id") for row in seen.page.locator("tbody tr").all()]
    assert order[0] == "country-AR", "what needs attention comes first"
    both = f"country IN ('BR', 'CL') AND window_start = '{LAST.start}'"
    (total,) = rows(pages, f"SELECT {SHARE} AS share FROM store_availability WHERE {both}")
    assert seen.page.locator("tfoot .figure").inner_text() == percent(total["share"])
    seen.page.get_by_role("link", name="Chile").click()
    redrawn(seen)
    assert seen.page.title() == "CL store availability"
