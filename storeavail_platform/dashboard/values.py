"""A month's value report being made: its picture, page and message, and the baseline that is kept
for later months.

    dashboard/<country>/value/<month>/index.html
    dashboard/<country>/.baseline.json          sums of the default baseline, once it is complete
"""

from __future__ import annotations

import time
from datetime import date, datetime
from typing import Any

from pydantic import TypeAdapter

from storeavail_platform.alerting.outbox import VALUE, Due
from storeavail_platform.dashboard.brief_picture import BEFORE, HEIGHTS, NOW, WIDTH, drawn
from storeavail_platform.dashboard.briefs import Report, ReportMade, write_report
from storeavail_platform.dashboard.summaries import FOLDER, VALUES
from storeavail_platform.domain.value import DateSums
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.value import Value, value_of
from storeavail_platform.reading.value_text import value_text
from storeavail_platform.storage.json_files import read_json

NAME = "value.png"
BASELINE = TypeAdapter(list[DateSums])


def make_value(
    runtime: Runtime, country: str, month: date, now: datetime, due_at: datetime
) -> ReportMade:
    """Make a month's value report and write its page.

    Args:
        month: any date of it.
        due_at: when it should come (UTC).

    Raises: as `value_of`; WarehouseError: the page cannot be written.
    """
    started = time.perf_counter()
    path = f"{FOLDER}/{country}/.baseline.json"
    advice = "remove it: it is made anew of the first complete dates that are there"
    kept = read_json(runtime.storage, path, BASELINE, "the baseline", advice)
    value = value_of(runtime, country, month, kept)
    if kept is None and runtime.platform.reports.baseline is None:
        runtime.storage.replace(path, BASELINE.dump_json(list(value.baseline), indent=2))
    key = f"{month:%Y-%m}-{VALUE}"
    due = Due(key, VALUE, due_at, "", "")
    report = Report(country, VALUES, f"{value.month:%Y-%m}", due, NAME, now, started)
    return write_report(runtime, value_text(value), value_picture(value), report)


def value_picture(value: Value) -> bytes:
    """The missed share by date, of the baseline and of the month, as PNG."""
    names = ("baseline", f"{value.month:%B %Y}")
    rows = [
        {"date": each.day.isoformat(), "of": name, "share": each.missing / each.known}
        for name, dates in zip(names, (value.baseline, value.dates), strict=True)
        for each in dates
        if each.known
    ]
    color: dict[str, Any] = {
        "field": "of",
        "type": "nominal",
        "scale": {"domain": list(names), "range": [BEFORE, NOW]},
        "legend": {"orient": "top", "title": None},
    }
    share = {"type": "quantitative", "axis": {"format": ".1%", "title": None}}
    by_date = {
        "mark": "bar",
        "encoding": {
            "x": {
                "field": "date",
                "type": "ordinal",
                "axis": {"title": None, "labelOverlap": True, "labelAngle": -40},
            },
            "y": {"field": "share", **share},
            "color": color,
        },
    }
    means = {
        "mark": {"type": "rule", "strokeWidth": 2, "strokeDash": [6, 4]},
        "encoding": {"y": {"field": "share", "aggregate": "mean", **share}, "color": color},
    }
    return drawn(
        {
            "title": {
                "text": "Missed time by date, as a share of the time that is known (dashes: means)",
                "anchor": "start",
                "fontSize": 12,
            },
            "width": WIDTH,
            "height": sum(HEIGHTS),
            "data": {"values": rows},
            "layer": [by_date, means],
        }
    )
