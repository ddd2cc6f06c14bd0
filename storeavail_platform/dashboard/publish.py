"""Writing the pages below `dashboard/` of the warehouse, each file whole or not at all.

    dashboard/index.html              all countries
    dashboard/<country>/index.html    a country; everything that it needs is in it
    dashboard/<country>/alive.js      what a page asks for before it loads itself again
    dashboard/<country>/summary.json  its figures as a whole; the overview is made of these
    dashboard/<country>/brands/<slug>/index.html    the same of one brand's stores
    dashboard/<country>/.kept/        what `kept.py` spares the next page
    dashboard/<country>/briefs/       briefs by date (`briefs.py`), to the newest of which it leads

A country's page needs only that country's tables; the overview needs no tables.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa

from storeavail_platform.dashboard.brands import figures_of, only, slugs
from storeavail_platform.dashboard.causes import judged, read_incidents, recent
from storeavail_platform.dashboard.figures import DAY_WINDOWS, Scope, summary
from storeavail_platform.dashboard.kept import folder_of
from storeavail_platform.dashboard.now import cities_of_brands, reasons
from storeavail_platform.dashboard.page import (
    ALIVE,
    country_page,
    ended_page,
    overview_page,
    static,
)
from storeavail_platform.dashboard.relations import SHOWN_DAYS
from storeavail_platform.dashboard.stores import detail
from storeavail_platform.dashboard.summaries import (
    BRIEFS,
    FOLDER,
    SUMMARY,
    SUMMARY_VERSION,
    read_summary,
)
from storeavail_platform.dashboard.tables import opened
from storeavail_platform.domain.errors import NotObserved
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading import silences
from storeavail_platform.reading.incidents import Incident
from storeavail_platform.reading.status import unfinished
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.trust import Trust

INDEX = "index.html"
BRANDS = "brands"


@dataclass(frozen=True)
class PageWritten:
    """A page that was written.

    Attributes:
        country: None for the overview.
        path: where it lies: a path, or s3://bucket/key.
        uri: the same as an address that a browser or a catalog takes.
        summary: what the overview knows of the country.
    """

    country: str | None
    path: str
    uri: str
    bytes: int
    seconds: float
    summary: dict[str, Any] | None = None


def write_country_page(runtime: Runtime, country: str, now: datetime) -> PageWritten:
    """Write a country's page and summary from what is committed.

    Raises:
        NotObserved: the country has no complete window yet.
        WarehouseError: the tables cannot be read, or the page not written.
    """
    started = time.perf_counter()
    newest = next(runtime.markers.latest(country, before=Window.containing(now).next()), None)
    if newest is None:
        raise NotObserved(
            f"{country} has no complete window, so there is nothing to show: run one (`storeavail"
            f" run --country {country}`)"
        )
    settings = runtime.country(country)
    window = Window.parse(newest.window)
    waiting, gaps = unfinished(
        runtime, country, now, after=_last_not_shown(runtime, country, window)
    )
    verdicts = Trust(runtime.storage).verdicts(country)
    scope = Scope(country, settings.timezone, window, waiting, gaps, verdicts)
    freshness = settings.alerts.freshness
    incidents = read_incidents(runtime, scope)
    with opened(runtime, country, window) as connection:
        figures = {
            "version": SUMMARY_VERSION,
            "country": country,
            "timezone": settings.timezone,
            "window": window.key,
            "window_end": window.end,
            "next_at": window.next().middle(),
            "written_at": now,
            "objective": settings.alerts.availability.objective,
            "warn_seconds": freshness.warn // timedelta(seconds=1),
            "fail_seconds": freshness.fail // timedelta(seconds=1),
            **summary(connection, scope),
            "reasons": reasons(connection, scope),
        }
        held = silences.current(runtime.storage, country, now)
        figures |= judged(figures, scope, cities_of_brands(connection, scope), incidents, held)
        document, arrays = detail(connection, scope)
    document["incidents"] = recent(incidents, scope)
    _write_brands(runtime, scope, figures, document, arrays, incidents)
    codes = list(runtime.platform.countries)
    brief = newest_brief(runtime.storage, country)
    html = country_page(figures, codes, document, arrays, brief).encode()
    path = f"{FOLDER}/{country}/{INDEX}"
    runtime.storage.replace(path, html)
    _replace_another(runtime.storage, f"{FOLDER}/{country}/{ALIVE}", static(ALIVE).encode())
    runtime.storage.replace(
        f"{FOLDER}/{country}/{SUMMARY}",
        orjson.dumps(figures, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z),
    )
    return _written(runtime.storage, country, path, len(html), started, figures)


def newest_brief(storage: Storage, country: str) -> str | None:
    """The date of the newest brief that is kept; None: there is none."""
    names = storage.names(f"{FOLDER}/{country}/{BRIEFS}")
    return names[-1] if names else None


def _write_brands(
    runtime: Runtime,
    scope: Scope,
    figures: dict[str, Any],
    document: dict[str, Any],
    arrays: dict[str, pa.Array],
    incidents: Sequence[Incident] | None,
) -> None:
    """Write the pages of the brands that are configured and are in the country, where something of
    them changed; remove those of others.
    """
    folder = f"{FOLDER}/{scope.country}/{BRANDS}"
    there = {
        slug: brand
        for brand, slug in slugs(runtime.platform.dashboard.brands).items()
        if brand in document["brands"]
    }
    for slug, brand in there.items():
        own = None if incidents is None else [each for each in incidents if each.brand == brand]
        stores, rows = only(brand, document, arrays)
        stores["incidents"] = recent(own, scope)
        summary_of_brand = figures_of(brand, figures, stores, rows)
        summary_of_brand |= judged(summary_of_brand, scope, {brand: len(stores["cities"])}, own)
        html = country_page(summary_of_brand, [], stores, rows).encode()
        _replace_another(runtime.storage, f"{folder}/{slug}/{INDEX}", html)
    for name in runtime.storage.names(folder):
        if name not in there:
            runtime.storage.delete_tree(f"{folder}/{name}")


def _replace_another(storage: Storage, path: str, data: bytes) -> None:
    if storage.read(path) != data:
        storage.replace(path, data)


def _last_not_shown(runtime: Runtime, country: str, newest: Window) -> str:
    """Key of the window after which a page looks for unfinished ones; empty, for all, where
    that one is not complete.
    """
    last = newest.next(-(SHOWN_DAYS + 1) * DAY_WINDOWS)
    return "" if runtime.markers.whole(country, last) is None else last.key


def write_overview(runtime: Runtime, now: datetime) -> PageWritten:
    """Write the page of all countries from their summaries. A country without one is shown as
    missing.

    The page of a country that is not configured any more ends in words.
    """
    end_pages(runtime)
    started = time.perf_counter()
    html = overview_page(
        {code: read_summary(runtime.storage, code) for code in runtime.platform.countries}, now
    ).encode()
    path = f"{FOLDER}/{INDEX}"
    runtime.storage.replace(path, html)
    return _written(runtime.storage, None, path, len(html), started, None)


def end_pages(runtime: Runtime) -> None:
    """Say on the pages of countries that are not configured any more that nothing is added to
    them.
    """
    for code in runtime.warehouse.left_countries():
        # a page without a summary has ended already
        if runtime.storage.read(f"{FOLDER}/{code}/{SUMMARY}") is not None:
            runtime.storage.replace(f"{FOLDER}/{code}/{INDEX}", ended_page(code).encode())
            runtime.storage.delete_tree(folder_of(code))
            runtime.storage.delete_tree(f"{FOLDER}/{code}/{BRANDS}")
            runtime.storage.delete(f"{FOLDER}/{code}/{SUMMARY}")


def preview(figures: dict[str, Any]) -> str:
    """A country's summary as Markdown, for the Dagster UI."""

    def percent(share: float | None) -> str:
        return "-" if share is None else f"{share:.2%}"

    rows = "\n".join(
        f"| {name} | {percent(period['availability'])} |"
        f" {percent(period['before']['availability'])} | {percent(period['coverage'])} |"
        for name, period in figures["periods"].items()
    )
    stores = ", ".join(f"{count:,} {state}" for state, count in figures["stores"].items())
    return (
        f"Window {figures['window']}, objective {percent(figures['objective'])}\n\n"
        f"| period | availability | before | coverage |\n|---|---|---|---|\n{rows}\n\n"
        f"Stores: {stores}. Outages going on: {figures['outages']:,}."
    )


def _written(
    storage: Storage,
    country: str | None,
    path: str,
    size: int,
    started: float,
    figures: dict[str, Any] | None,
) -> PageWritten:
    seconds = round(time.perf_counter() - started, 3)
    return PageWritten(country, storage.path(path), storage.uri(path), size, seconds, figures)
