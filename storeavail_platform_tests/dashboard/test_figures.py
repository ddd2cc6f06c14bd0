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
from storeavail_platform_tests.dashboard.conftest import Pages, drawn, redrawn, show
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


def test_stores_now_are_counted_by_status(pages: Pages, seen: Seen) -> None:
    """The counts below the cards are those of the newest window."""
    show(seen, pages.address("BR"))
    counts = {
        row["status"]: row["n"]
        for row in rows(
            pages,
            "SELECT status, COUNT(*) AS n FROM store_availability "
            f"WHERE country = 'BR' AND window_start = '{LAST.start}' GROUP BY status",
        )
    }
    text = seen.page.locator("#states").inner_text()
    assert text == "Stores now: " + ", ".join(
        f"{counts.get(status, 0)} {status}"
        for status in ("available", "missing", "rogue", "unknown", "closed")
    )


def test_outages_going_on_are_those_of_the_table(pages: Pages, seen: Seen) -> None:
    """Every store that is down now has its outage; none that is up has one."""
    show(seen, pages.address("BR"))
    going_on = rows(
        pages,
        "SELECT DISTINCT o.store_id FROM store_outages o JOIN store_availability s "
        f"ON s.country = o.country AND s.store_id = o.store_id AND s.window_start = '{LAST.start}' "
        "WHERE o.country = 'BR' AND o.ended_at IS NULL AND s.status NOT IN ('available', 'rogue')",
    )
    shown = table(seen.page, "Current outages")
    assert {row[1] for row in shown} == {row["store_id"] for row in going_on}
    assert len(shown) == len(going_on) > 0


def test_offenders_are_ranked_by_missed_minutes(pages: Pages, seen: Seen) -> None:
    """Cities by missed minutes over 30 days: the order and the shares are those of SQL."""
    show(seen, pages.address("BR", "period=30d"))
    expected = rows(
        pages,
        f"SELECT city, SUM(missing_minutes) AS missing, {SHARE} AS share FROM"
        f" daily_store_availability WHERE country = 'BR' AND local_date > {TODAY} - 30 AND city IS"
        " NOT NULL GROUP BY city HAVING SUM(missing_minutes) > 0",
    )
    of = {row["city"]: row for row in expected}
    shown = [row for row in table(seen.page, "Top offenders: cities") if row[0] != "–"]
    assert {row[0] for row in shown} == set(of)
    missed = [of[row[0]]["missing"] for row in shown]
    assert missed == sorted(missed, reverse=True)
    for row in shown:
        assert percent(of[row[0]]["share"], 1) in row


def test_rogue_stores_are_listed(pages: Pages, seen: Seen) -> None:
    """The list of rogue stores is the newest window's."""
    show(seen, pages.address("BR"))
    expected = rows(
        pages,
        "SELECT store_id FROM store_availability WHERE country = 'BR' AND window_start ="
        f" '{LAST.start}' AND status = 'rogue'",
    )
    assert {row[1] for row in table(seen.page, "Rogue stores now")} == {
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
    panel.locator("button.link").first.click()
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
    as missing.
    """
    show(seen, pages.address())
    assert seen.page.locator("#country-BR .figure").inner_text() == wanted(pages, "now")[0]
    assert "missing" in seen.page.locator("#country-AR").inner_text()
    seen.page.get_by_role("link", name="CL").click()
    redrawn(seen)
    assert seen.page.title() == "CL store availability"
