"""HTML of the pages: templates, styles, scripts and data in one file that opens from anywhere. No
figures are made here.

Every script stands in the page, is named by its hash in the Content-Security-Policy, and nothing
else may run or load, but for ALIVE, which lies beside the pages and is named by its hash too. All
scripts are of this package: none is read from the warehouse, where every country writes. Data is
JSON in which `<` is escaped; the scripts put it on the page as text only.

A country's page begins with what its first screen needs: that stands before the rest has come. The
library that draws, which takes longer to compile than all else, is the last, and text until it is
asked to draw.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

import orjson
import pyarrow as pa

from storeavail_platform.dashboard.encoding import encode
from storeavail_platform.dashboard.summaries import BRIEFS, together
from storeavail_platform.domain.errors import WarehouseError
from storeavail_platform.domain.masking import masked_page
from storeavail_platform.reading.formats import csv_cells

SHARED = ("text.js", "state.js", "dom.js", "table.js", "refresh.js")
COUNTRY = (
    "data.js", "sums.js", "charts.js", "hours.js", "first.js", "lists.js", "store.js", "country.js",
)  # fmt: skip
OVERVIEW = ("overview.js",)
VEGA = "vega.js"
"""The library that draws: Vega, Vega-Lite and Vega-Embed as one script. `scripts/vega.py` makes it
of the package vl-convert-python.
"""
VEGA_SHA256 = "373b1f84072b31010f15ceb787be6b415c53936411aae267c8c2b2b6ccde46e7"
ALIVE = "alive.js"
"""A script without a statement: that it loads says that the server is there."""
BELOW = ("day_", "heat", "addresses")
"""How the names begin of what is not on the first screen, and is most of the numbers."""
ALL_COUNTRIES = '<a href="../index.html">All countries</a> / '


def country_page(
    summary: Mapping[str, Any],
    countries: Sequence[str],
    detail: Mapping[str, Any],
    arrays: Mapping[str, pa.Array],
    brief: str | None = None,
) -> str:
    """A country's page, or of a country and a brand.

    Args:
        summary: what lies in the country's summary.json; of a brand with its `brand`.
        countries: codes of all countries, for the way to their pages; none: it leads nowhere.
        detail, arrays: from `stores.detail`.
        brief: the date of the newest brief, to which the page leads; None: there is none.
    """
    to_brief = f'<a href="{BRIEFS}/{brief}/index.html">Brief of {brief}</a>'
    return _page(
        "country.html",
        scripts(*SHARED, *COUNTRY),
        library=drawing_library(),
        title=f"{summary.get('brand') or summary['country']} store availability",
        up=ALL_COUNTRIES if countries else "",
        brief="" if brief is None else to_brief,
        words=static("words.html"),
        # in the page itself: it can be read before a script has run
        verdict=masked_page(html.escape(summary.get("verdict", ""))),
        summary=json_text({**summary, "countries": list(countries)}),
        data=_packed(detail, arrays, is_below=False),
        below=_packed(detail, arrays, is_below=True),
    )


def overview_page(summaries: Mapping[str, Mapping[str, Any] | None], now: datetime) -> str:
    """The page of all countries from their summaries; None where a country has none.

    Args:
        now: when it is written (UTC).
    """
    return _page(
        "overview.html",
        scripts(*SHARED, *OVERVIEW),
        title="Store availability",
        words=static("words.html"),
        summary=json_text(
            {"written_at": now, "countries": summaries, "total": together(summaries.values())}
        ),
    )


def ended_page(country: str) -> str:
    """In the place of the page of a country that is not configured any more."""
    return _page(
        "ended.html",
        title=f"{country} store availability",
        text=(
            f"{country} is not in the configuration any more: no window is added. What was observed"
            " can still be asked for by storeavail query."
        ),
    )


def report_page_of(**values: str) -> str:
    """A page of text and a picture in which nothing runs, of HTML that is escaped."""
    return _page("report.html", **values)


def json_text(value: Any) -> str:
    """JSON that cannot end the script element it stands in, and has no secret."""
    text = masked_page(orjson.dumps(value, option=orjson.OPT_UTC_Z).decode())
    return text.replace("<", "\\u003c")


@cache
def scripts(*names: str) -> str:
    """Own scripts as one, in a scope of its own."""
    known = f'const CSV_RULE = {json_text(csv_cells.RULE)}, ALIVE = "{_digest(static(ALIVE))}";\n'
    return '"use strict";(() => {\n' + known + "".join(map(static, names)) + "})();"


@cache
def static(name: str) -> str:
    """A file of `static/`, also from a zip."""
    return (files("storeavail_platform.dashboard") / "static" / name).read_text(encoding="utf-8")


@cache
def drawing_library() -> str:
    """The library that draws, which is what it was when this package was made.

    Raises:
        WarehouseError: the file is another.
    """
    return as_made(static(VEGA))


def as_made(text: str) -> str:
    found = hashlib.sha256(text.encode()).hexdigest()
    if found != VEGA_SHA256:
        raise WarehouseError(
            f"{VEGA} of the package storeavail_platform is not what it was made with (its SHA-256"
            f" is {found}): install the package again; no page is written with it"
        )
    return text


def _packed(detail: Mapping[str, Any], arrays: Mapping[str, pa.Array], *, is_below: bool) -> str:
    """The numbers of the first screen, or of what lies below it."""
    document, numbers = (
        {name: value for name, value in of.items() if name.startswith(BELOW) == is_below}
        for of in (detail, arrays)
    )
    return encode(document, numbers)


def _page(template: str, script: str = "", *, library: str = "", **values: str) -> str:
    """A template with its style and policy, and values that are HTML already.

    Args:
        script: what runs as the page is read.
        library: what the script runs when it needs it.
    """
    style = static("style.css")
    allowed = [text for text in (script, library, static(ALIVE)) if text]
    policy = (
        f"default-src 'none'; script-src {' '.join(map(_hash, allowed))};"
        f" style-src {_hash(style)}; img-src data:; base-uri 'none'; form-action 'none'"
    )
    return Template(static("head.html") + static(template)).substitute(
        policy=policy,
        style=style,
        script=script,
        library=library,
        **values,
    )


def _hash(text: str) -> str:
    return f"'{_digest(text)}'"


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
