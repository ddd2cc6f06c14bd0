"""How the pages behave in a browser: what is chosen is kept, age shows, text is inert,
everybody can read them.
"""

from __future__ import annotations

import csv
import getpass
import io
import re
import threading
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from storeavail_platform.commands.serve import HOST, pages_server
from storeavail_platform.dashboard.page import static
from storeavail_platform_tests.dashboard.conftest import HOSTILE, Pages, drawn, redrawn, show
from storeavail_platform_tests.dashboard.test_figures import table
from storeavail_testing.browser import Seen, opened_page
from storeavail_testing.http_server import QuietHandler, http_server
from storeavail_testing.pages import NOW


def csv_of(page: Page, title: str) -> list[list[str]]:
    """The rows of a table's CSV file, as a spreadsheet reads them."""
    with page.expect_download() as started:
        page.get_by_role("button", name=f"{title}: save as CSV").click()
    text = Path(started.value.path()).read_text(encoding="utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def test_what_is_chosen_outlives_a_reload(pages: Pages, seen: Seen) -> None:
    """City, search, period and the store that is open stand in the address: a reload and a sent
    link show the same.
    """
    show(seen, pages.address("BR"))
    before = drawn(seen)
    seen.page.select_option("#city", "Recife")
    seen.page.select_option("#period", "7d")
    redrawn(seen, str(int(before) + 1))
    before = drawn(seen)
    seen.page.locator("#lists td button.link").first.click()
    place = "document.querySelector('#store').getBoundingClientRect().top"
    assert abs(seen.page.evaluate(place)) < 1
    redrawn(seen, before)
    shown = seen.page.locator("main").inner_text()
    url = seen.page.url
    seen.page.reload()
    redrawn(seen)
    assert seen.page.locator("main").inner_text() == shown
    assert seen.page.input_value("#city") == "Recife"
    assert seen.page.input_value("#period") == "7d"
    assert seen.page.locator("#store").is_visible()
    assert all(text in url for text in ("city=Recife", "period=7d", "store="))


def test_what_is_held_back_is_shown_with_who_and_why(pages: Pages, seen: Seen) -> None:
    """Who looks after a cause stands beside it, other silences in a list, and what an API said of
    the missing stores; nothing where there is none.
    """
    show(seen, pages.address("BR"))
    who = f"by {getpass.getuser()}"
    held = seen.page.get_by_role("list", name="Alerts that are held back")
    assert held.inner_text() == (
        f"Alerts silenced (brand Brand 1) {who}: they ‹b›know‹/b›; until Mon 16:24 (UTC−3)"
    )
    (cause,) = table(seen.page, "Down by cause")
    assert f"looked after (Grill 42) {who}: tills; until Tue 15:24" in cause[0]
    asked = seen.page.locator("#confirmation")
    assert asked.inner_text() == (
        "Missing stores: 31 of 36 confirmed by the app's API (3 contradicted, 2 not answered)."
    )
    show(seen, pages.address("CL"))
    assert not held.is_visible()
    assert not asked.is_visible()


def test_clear_shows_all_stores_again(pages: Pages, seen: Seen) -> None:
    """The button takes back every filter, and so does the one beside the words that say what is
    shown.
    """
    show(seen, pages.address("BR", "city=Recife&search=burger"))
    assert not seen.page.locator("#chosen").inner_text().startswith("300 ")
    scope = seen.page.locator("#scope")
    assert re.fullmatch(r"Below: Recife · burger, \d+ of 300 stores. Show all", scope.inner_text())
    before = drawn(seen)
    scope.get_by_role("button", name="Show all").click()
    redrawn(seen, before)
    assert not scope.is_visible()
    assert seen.page.locator("#chosen").inner_text() == "300 of 300 stores"
    before = drawn(seen)
    seen.page.select_option("#city", "Recife")
    redrawn(seen, before)
    before = drawn(seen)
    seen.page.get_by_role("button", name="Clear").click()
    redrawn(seen, before)
    assert seen.page.locator("#chosen").inner_text() == "300 of 300 stores"
    assert seen.page.input_value("#search") == ""


def test_a_choice_that_nothing_matches_is_empty_and_whole(pages: Pages, seen: Seen) -> None:
    """A search without a result shows dashes and empty lists, no error."""
    show(seen, pages.address("BR", "search=no such store"))
    assert seen.page.locator("#chosen").inner_text() == "0 of 300 stores"
    assert seen.page.locator("#card-24h .figure").inner_text() == "–"
    assert "clear a filter" in seen.page.locator("#nothing").inner_text()
    before = drawn(seen)
    seen.page.goto(pages.address("BR", "city=Atlantis"))
    redrawn(seen, before)
    assert (
        seen.page.locator("#nothing").inner_text() == "No city of this page is called “Atlantis”."
    )


@pytest.mark.parametrize(("country", "place"), [("BR", "#freshness"), ("", "#country-BR .badge")])
def test_a_page_turns_stale_by_itself(pages: Pages, seen: Seen, country: str, place: str) -> None:
    """Fresh with the time of the next figures at first; late and then stale as the clock goes
    on, without a reload.
    """
    badge = seen.page.locator(place)
    seen.page.clock.install(time=NOW)
    show(seen, pages.address(country))
    assert badge.inner_text() == "observed 15:22 (UTC−3), next about 15:37"
    assert "fresh" in (badge.get_attribute("class") or "")
    seen.page.clock.fast_forward(timedelta(minutes=25).seconds * 1000)
    assert "late" in (badge.get_attribute("class") or "")
    seen.page.clock.fast_forward(timedelta(minutes=60).seconds * 1000)
    assert "stale" in (badge.get_attribute("class") or "")
    assert "ago, newer figures are late" in badge.inner_text()
    row = seen.page.locator("body" if country else "#country-BR")
    assert "old" in (row.get_attribute("class") or "").split()
    assert "now" not in seen.page.locator("main [data-now]").all_inner_texts()
    if country:
        assert seen.page.locator("#card-now h2").inner_text() == "Available at 15:22"


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1280, 800), (390, 844)])
def test_the_first_screen_says_what_is_down(
    pages: Pages, browser: Browser, width: int, height: int
) -> None:
    """Without scrolling: the sentence, the counts, what is down by cause, and the first of the
    stores that are missing.
    """
    with opened_page(browser, viewport={"width": width, "height": height}) as seen:
        show(seen, pages.address("BR"))
        sentence = seen.page.locator("#verdict").inner_text()
        assert re.fullmatch(
            r"BR: [\d.]+ %\. Grill 42 is down in all \d cities since 13:45: (\d+) of \d+ missing"
            r" stores\. Otherwise as usual\.",
            sentence,
        ), sentence
        for place in ("#verdict", "#tile-closed", "#down td .link >> nth=0", "#missing tbody tr"):
            box = seen.page.locator(place).first.bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= height, place
        show(seen, pages.address("CL"))
        assert seen.page.get_by_text("Causes are not judged yet.").is_visible()


def test_the_first_screen_waits_for_nothing_below_it(pages: Pages, browser: Browser) -> None:
    """While what lies below is still on its way, sentence, counts, causes and missing stores can be
    read; the rest comes when it is there, a store's dates too.
    """
    whole = (pages.folder / "BR" / "index.html").read_bytes()
    half = whole.index(b'id="below"')
    go_on = threading.Event()

    class Slow(QuietHandler):
        def do_GET(self) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(whole[:half])
            self.wfile.flush()
            go_on.wait()
            self.wfile.write(whole[half:])

    with http_server(Slow) as server, opened_page(browser, offline=False) as seen:
        try:
            place = f"http://{HOST}:{server.server_address[1]}/?refresh=off"
            seen.page.goto(place, wait_until="commit")
            for part in ("#verdict", "#tile-closed .count", "#down td .link", "#missing tbody tr"):
                seen.page.locator(part).first.wait_for()
            seen.page.locator("#tile-missing .count").click()
            seen.page.locator("#scope").get_by_text("Below: missing").wait_for()
            seen.page.locator("#missing td .link").first.click()
            assert seen.page.locator("#lists *").count() == 0
            go_on.set()
            redrawn(seen)
            assert seen.page.locator("#timeline canvas").is_visible()
            assert seen.page.locator("#store h2").all_inner_texts()[1:] == ["48 hours", "30 days"]
        finally:
            go_on.set()


def test_a_page_loads_itself_again(pages: Pages, seen: Seen) -> None:
    """A minute after the next window is due, with filter and place kept; not where the address
    says that it should not.
    """
    seen.page.clock.install(time=NOW)
    show(seen, pages.address("BR", "city=Recife", query=""))
    seen.page.evaluate("scrollTo(0, 500)")
    with seen.page.expect_navigation():
        seen.page.clock.fast_forward(timedelta(minutes=15).seconds * 1000)
    redrawn(seen)
    seen.page.clock.run_for(100)
    assert seen.page.input_value("#city") == "Recife"
    assert seen.page.evaluate("scrollY") == 500
    show(seen, pages.address("BR"))
    seen.page.evaluate("document.title = 'the same page'")
    seen.page.clock.fast_forward(timedelta(minutes=40).seconds * 1000)
    assert seen.page.title() == "the same page"


def test_half_a_page_loads_itself_again(pages: Pages, browser: Browser, tmp_path: Path) -> None:
    """Where a page's end was lost on its way, its first screen stands, and the next page comes."""
    whole = (pages.folder / "BR" / "index.html").read_bytes()
    half = tmp_path / "index.html"
    half.write_bytes(whole[: whole.index(b'id="below"') + 1000])
    with opened_page(browser) as seen:
        seen.page.clock.install(time=NOW)
        with seen.page.expect_event("pageerror"):
            seen.page.goto(half.as_uri())
        seen.page.locator("#missing tbody tr").first.wait_for()
        with seen.page.expect_navigation():
            seen.page.clock.fast_forward(timedelta(minutes=15).seconds * 1000)


@pytest.mark.parametrize("path", ["", "CL/", "BR/brands/grill-42/"])
def test_over_http_the_last_figures_stay_while_no_server_answers(
    pages: Pages, browser: Browser, path: str
) -> None:
    """A page asks whether its server is there, within its policy: it is loaded again by one that
    answers, and stays as it is where none does.
    """
    server = pages_server(pages.runtime.storage, 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with opened_page(browser, offline=False) as seen:
            seen.page.clock.install(time=NOW)
            with seen.page.expect_event("requestfinished", lambda asked: "alive.js" in asked.url):
                show(seen, f"http://{HOST}:{server.server_address[1]}/{path}")
            seen.page.evaluate("document.title = 'the same page'")
            seen.page.context.set_offline(True)
            with seen.page.expect_event("requestfailed"):
                seen.page.clock.fast_forward(timedelta(minutes=20).seconds * 1000)
            assert seen.page.title() == "the same page"
            seen.page.context.set_offline(False)
            with seen.page.expect_navigation():
                seen.page.clock.fast_forward(timedelta(minutes=20).seconds * 1000)
            redrawn(seen)
            assert seen.page.title() != "the same page"
            assert all("ERR_INTERNET_DISCONNECTED" in each for each in seen.complaints)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def csv_of_a_reader(pages: Pages, browser: Browser, language: str) -> tuple[str, str]:
    """Name and text of the CSV file of offenders in Recife, as a reader of a language gets it."""
    with opened_page(browser, locale=language) as seen:
        show(seen, pages.address("BR", "period=30d&city=Recife"))
        with seen.page.expect_download() as started:
            seen.page.get_by_role("button", name="Top offenders: stores: save as CSV").click()
        text = Path(started.value.path()).read_text(encoding="utf-8-sig")
        return started.value.suggested_filename, text


def test_csv_is_what_is_shown(pages: Pages, seen: Seen, browser: Browser) -> None:
    """The file has the shown rows, filtered as the page is, each with country, status, reason and
    the local time of its observation; units stand in the headings, the filter in the file's name,
    and separator and decimal sign are those of the reader's language.
    """
    show(seen, pages.address("BR", "period=30d&city=Recife"))
    shown = table(seen.page, "Top offenders: stores")
    name, text = csv_of_a_reader(pages, browser, "en-GB")
    assert name == "BR-stores-Recife-2026-11-23-15-15.csv"
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["Id"] for row in rows] == [row[1] for row in shown]
    assert len(rows) > 3
    assert {(row["Country"], row["City"]) for row in rows} == {("BR", "Recife")}
    assert {row["Observed (America/Sao_Paulo)"] for row in rows} == {"2026-11-23 15:22"}
    assert {row["Status"] for row in rows} <= {"available", "missing", "closed"}
    assert {"Missed (minutes)", "Availability (%)", "Reason"} <= rows[0].keys()
    _, other = csv_of_a_reader(pages, browser, "pt-BR")
    others = list(csv.DictReader(io.StringIO(other, newline=""), delimiter=";"))
    assert [row["Availability (%)"].replace(",", ".") for row in others] == [
        row["Availability (%)"] for row in rows
    ]
    assert any("," in row["Availability (%)"] for row in others)


def test_hostile_names_are_inert(pages: Pages, seen: Seen) -> None:
    """Names that are HTML, script, template or formula stand on the page as text, in CSV as
    text, and run nowhere.
    """
    show(seen, pages.address("BR", "period=30d"))
    assert seen.page.title() == "BR store availability"
    assert seen.page.locator("img").count() == 0
    rows = csv_of(seen.page, "Top offenders: stores")
    names = {int(row[2]): row[1] for row in rows[1:]}
    shown = {int(row[1]): row[0] for row in table(seen.page, "Top offenders: stores")}
    present = set(HOSTILE) & set(names)
    assert {4, 7} <= present
    for store in present:
        assert " ".join(shown[store].split()).startswith(" ".join(HOSTILE[store].split()))
    assert names[7] == f"'{HOSTILE[7]}"
    show(seen, pages.address("BR", f"city={HOSTILE[4]}&store={HOSTILE[3]}&search={HOSTILE[4]}"))
    assert seen.page.title() == "BR store availability"


def test_the_page_forbids_what_it_does_not_need(pages: Pages, seen: Seen) -> None:
    """Its Content-Security-Policy allows scripts by hash alone: one that is put into the page
    does not run.
    """
    show(seen, pages.address("CL"))
    seen.page.evaluate(
        "() => { const made = document.createElement('script'); made.textContent = 'document.title"
        " = 1'; document.body.append(made); }"
    )
    assert seen.page.title() == "CL store availability"
    assert any("Content Security Policy" in text for text in seen.complaints)
    seen.complaints.clear()
    policy = seen.page.locator("meta[http-equiv]").get_attribute("content") or ""
    assert re.fullmatch(
        r"default-src 'none'; script-src( 'sha256-[\w+/=]+')+; style-src 'sha256-[\w+/=]+';"
        r" img-src data:; base-uri 'none'; form-action 'none'",
        policy,
    )


def test_dark_mode_follows_the_system_and_the_button(pages: Pages, browser: Browser) -> None:
    """A dark system gives a dark page; the button changes it, and the choice is kept in the
    address.
    """
    background = "getComputedStyle(document.body).backgroundColor"
    with opened_page(browser, color_scheme="dark") as seen:
        show(seen, pages.address("BR"))
        dark = seen.page.evaluate(background)
        before = drawn(seen)
        seen.page.get_by_role("button", name="Light").click()
        redrawn(seen, before)
        light = seen.page.evaluate(background)
        assert dark == "rgb(13, 17, 23)"
        assert light == "rgb(246, 248, 250)"
        assert "theme=light" in seen.page.url


@pytest.mark.parametrize("width", [360, 1280, 3840])
@pytest.mark.parametrize("country", ["", "BR"])
def test_nothing_is_cut_off(pages: Pages, browser: Browser, country: str, width: int) -> None:
    """On a phone, a desk and a wall screen nothing is wider than the screen or its panel, and no row
    is cut, a store's own page included.
    """
    with opened_page(browser, viewport={"width": width, "height": 900}) as seen:
        show(seen, pages.address(country, "store=3"))
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        is_cut = "e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight + 1"
        cut = f"[...document.querySelectorAll('.scroll')].filter(e => {is_cut})"
        assert seen.page.evaluate(f"{cut}.map(e => e.ariaLabel)") == []
        if country:
            chart = seen.page.locator("#timeline canvas").bounding_box()
            assert chart is not None
            assert chart["width"] > width / 2


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("country", ["", "BR", "BR/brands/grill-42"])
def test_everybody_can_read_it(pages: Pages, browser: Browser, country: str, theme: str) -> None:
    """axe finds nothing (contrast, names, roles, keyboard) in either theme: with the filters and a
    store opened, and with a choice that names nothing and figures that are old.
    """
    with opened_page(browser) as seen:
        seen.page.clock.install(time=NOW)
        store = "" if "brands" in country else "&store=3"
        show(seen, pages.address(country, f"theme={theme}{store}"))
        for folded in seen.page.locator("details").all():
            folded.evaluate("details => { details.open = true; }")
        assert found_by_axe(seen.page) == []
        seen.page.clock.fast_forward(timedelta(hours=2).seconds * 1000)
        show(seen, pages.address(country, f"theme={theme}&city=Atlantis&status=rogue"))
        assert found_by_axe(seen.page) == []


def found_by_axe(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found]


def test_a_store_says_where_it_is_and_when_it_opens(pages: Pages, seen: Seen) -> None:
    """Address, city, brand, the hours of today and tomorrow by their weekdays, and the reason of
    each run of a status; one that is closed on Mondays and was down on Sunday opens on Tuesday.
    """
    show(seen, pages.address("BR"))
    closed = {row[1]: row for row in table(seen.page, "Was down when it closed")}
    store = next(id for id in closed if int(id) % 10 == 0)
    opens = 9 + int(store) % 3
    assert f"Tue {opens:02d}:00" in closed[store]
    show(seen, pages.address("BR", f"store={store}"))
    text = seen.page.locator("#store").inner_text()
    assert re.search(r"Rua \w+.* \d+ · [\w ]+ · [\w ]+", text)
    hours = f"{opens:02d}:00–{opens + 12}:00"
    assert f"Opening hours today: closed; tomorrow: {hours} (UTC−3)" in text
    place = seen.page.locator("#store").bounding_box()
    assert place is not None
    assert place["y"] < 400, "a sent link shows it without scrolling"
    show(seen, pages.address("BR", "store=4"))
    assert (
        "Opening hours today: 10:00–22:00; tomorrow: 10:00–22:00"
        in seen.page.locator("#store").inner_text()
    )
    bars = seen.page.locator("#store .runs")
    open_until = bars.nth(1).locator(".run").last.bounding_box()
    axis = seen.page.locator("#store .axis span", has_text="18:00").last.bounding_box()
    assert open_until is not None
    assert axis is not None
    assert open_until["x"] + open_until["width"] > axis["x"]
    runs = table(seen.page, "48 hours")
    assert {(row[2], row[3]) for row in runs} <= {
        ("available", ""),
        ("missing", "offline"),
        ("closed", "outside hours"),
        ("unknown", "not observed"),
    }
    assert len(runs) > 3


def test_the_overview_on_a_phone(pages: Pages, browser: Browser) -> None:
    """Where there is no room for columns, sentence and trend stand below the country's name; all
    countries together have a total, and no objective to be good or bad by. Old figures are grey from
    the beginning, and after the table was sorted.
    """
    with opened_page(browser, viewport={"width": 390, "height": 844}) as seen:
        seen.page.clock.install(time=NOW + timedelta(hours=2))
        show(seen, pages.address())
        assert seen.page.locator("#country-BR").get_attribute("class") == "old"
        seen.page.get_by_role("button", name="Missing").click()
        assert seen.page.locator("#country-BR").get_attribute("class") == "old"
        text = seen.page.locator("#country-BR").inner_text()
        assert "Grill 42 is down in all" in text
        assert re.search(r"24 hours: [\d.]+ % \([±+−][\d.]+ points\)", text)
        total = seen.page.locator("tfoot tr")
        assert total.inner_text().startswith("All countries")
        assert total.locator(".figure").get_attribute("class") == "figure "


def test_before_the_first_window_it_is_not_night(seen: Seen) -> None:
    """The timeline shades windows in which few stores should be open, not those without rows."""
    shaded = seen.page.evaluate(
        f"""() => {{
          {"".join(map(static, ("text.js", "sums.js", "charts.js")))}
          const minutes = [0, 0, 0, 15].map((expected) => ({{ ...noMinutes(), expected }}));
          const windows = ["none", "gap", "complete", "complete"].map((kind) => [0, 0, kind, null]);
          const shown = timelinePoints({{ windows, week_before: [] }}, minutes, clockOf("UTC"));
          return shown.map((point) => point.night);
        }}"""
    )
    assert shaded == [0, 0, 1, 0]
