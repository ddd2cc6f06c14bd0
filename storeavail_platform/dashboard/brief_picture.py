"""The picture of a brief, drawn by Vega-Lite as PNG: the date by quarter hour beside the usual, and
the store-hours that were missed on the dates before. No figures are made here.
"""

from __future__ import annotations

from typing import Any

from storeavail_platform.domain.hours import local_start
from storeavail_platform.reading.brief import Brief

NAME = "brief.png"
WIDTH = 560
HEIGHTS = (150, 110)
SCALE = 1.5
"""Pixels a point, for screens with many of them."""
NOW, BEFORE, BAD = "#0b5cad", "#9aa4af", "#cf222e"
LABEL = "utcFormat(toDate(datum.value + 'T00:00Z'), '%a %-d %b')"
BEFORE_NAME = "same weekday, four weeks"


def picture_of(brief: Brief) -> bytes:
    """PNG, WIDTH points wide and as many pixels as SCALE says."""
    return drawn({"vconcat": [_by_quarter(brief), _by_date(brief)], "spacing": 14})


def drawn(chart: dict[str, Any]) -> bytes:
    """A Vega-Lite chart as PNG; nothing is loaded from anywhere."""
    # starts an engine of its own, which takes a second
    import vl_convert

    config = {"view": {"stroke": None}, "axis": {"gridColor": "#eaeef2", "labelColor": "#57606a"}}
    found: bytes = vl_convert.vegalite_to_png(
        vl_spec={"background": "white", "padding": 8, "config": config, **chart},
        scale=SCALE,
        allowed_base_urls=[],
    )
    return found


def _by_quarter(brief: Brief) -> dict[str, Any]:
    of_date = f"{brief.local_date:%a %-d %b}"
    rows = [
        {"hour": each.minute / 60, "of": name, "availability": value}
        for each in brief.quarters
        for name, value in ((of_date, each.now), (BEFORE_NAME, each.before))
    ]
    lost = [(each.minute / 60) for each in brief.quarters if each.minute in _lost(brief)]
    line = {
        "mark": {"type": "line", "strokeWidth": 2, "invalid": "break-paths-show-domains"},
        "data": {"values": rows},
        "encoding": {
            "x": _axis("hour", 0, 24),
            "y": {
                "field": "availability",
                "type": "quantitative",
                "axis": {"format": ".1%", "title": None, "tickCount": 5},
                "scale": {"zero": False, "nice": True},
            },
            "color": {
                "field": "of",
                "type": "nominal",
                "scale": {"domain": [of_date, BEFORE_NAME], "range": [NOW, BEFORE]},
                "legend": {"orient": "top", "title": None},
            },
        },
    }
    gaps = {
        "mark": {"type": "rect", "color": BEFORE, "opacity": 0.35},
        "data": {"values": [{"from": hour, "to": hour + 0.25} for hour in lost]},
        "encoding": {
            "x": {"field": "from", "type": "quantitative"},
            "x2": {"field": "to"},
        },
    }
    title = "Availability by quarter hour" + (" (grey: lost windows)" if lost else "")
    return {
        "title": {"text": title, "anchor": "start", "fontSize": 12},
        "width": WIDTH,
        "height": HEIGHTS[0],
        "layer": [gaps, line] if lost else [line],
    }


def _by_date(brief: Brief) -> dict[str, Any]:
    rows = [
        {
            "date": day.isoformat(),
            "hours": sums.missing / 60,
            "colour": BAD if day == brief.local_date else BEFORE,
        }
        for day, sums in brief.dates.items()
    ]
    weekly = [day.isoformat() for day in brief.dates if day.weekday() == brief.local_date.weekday()]
    return {
        "title": {"text": "Store-hours missed by date", "anchor": "start", "fontSize": 12},
        "width": WIDTH,
        "height": HEIGHTS[1],
        "data": {"values": rows},
        "mark": "bar",
        "encoding": {
            "x": {
                "field": "date",
                "type": "ordinal",
                "axis": {"title": None, "values": weekly, "labelAngle": 0, "labelExpr": LABEL},
            },
            "y": {"field": "hours", "type": "quantitative", "axis": {"title": None}},
            "color": {"field": "colour", "type": "nominal", "scale": None},
        },
    }


def _lost(brief: Brief) -> set[int]:
    """The minutes of the day at which lost windows begin."""
    return {local_start(window, brief.timezone)[1] for window in brief.lost}


def _axis(field: str, first: int, last: int) -> dict[str, Any]:
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"domain": [first, last]},
        "axis": {"title": None, "values": list(range(first, last + 1, 3)), "format": "02d"},
    }
