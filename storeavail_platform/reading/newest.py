"""Which window of a country is its newest, for the views of what is so now."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import pyarrow as pa

from storeavail_platform.domain.tables.relations import TIMESTAMP
from storeavail_platform.domain.tables.views import VIEWS, View
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.standing import Standing

NEWEST_FACTS, NEWEST_WINDOWS = "newest_facts", "newest_windows"
"""Names under which a connection has the facts of the newest windows' files, and these windows."""
NEWEST_SQL = (
    f"(SELECT f.* FROM {NEWEST_FACTS} f JOIN {NEWEST_WINDOWS} w ON w.country = f.country AND"
    " w.window_start = f.window_start)"
)


def recent_name(table: str) -> str:
    """The name under which a connection has the last days of a table."""
    return f"recent_{table}"


def known_views(tables: Collection[str]) -> list[View]:
    """The views whose tables are there."""
    return [view for view in VIEWS if set(view.tables) <= set(tables)]


def newest_windows(
    runtime: Standing, countries: Sequence[str], as_of: datetime | None
) -> dict[str, Window]:
    """The newest complete window of each country, as of a moment; none of one without any."""
    found = {}
    for country in countries:
        for marker in runtime.markers.latest(country):
            if as_of is None or marker.completed_at <= as_of:
                found[country] = Window.parse(marker.window)
                break
    return found


def windows_table(windows: Mapping[str, Window]) -> pa.Table:
    """Columns `country`, `window_start`."""
    rows = [{"country": code, "window_start": window.start} for code, window in windows.items()]
    schema = pa.schema([pa.field("country", pa.string()), pa.field("window_start", TIMESTAMP)])
    return pa.Table.from_pylist(rows, schema=schema)
