"""Incidents: one cause over consecutive windows, from the rows of `window_causes`.

An incident begins with the first window that names its scope, and ends with the first of two that
do not: one window between changes nothing. Windows that nobody judged are not there.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from storeavail_platform.domain.causes.scopes import SINGLE_STORES, Scope
from storeavail_platform.domain.causes.search import LONGEST_POOL
from storeavail_platform.domain.windows import WINDOW_LENGTH

CALM_WINDOWS = 2
"""So many judged windows in a row without its cause end an incident."""
Row = Mapping[str, Any]


def incident_id(kind: str, scope: Scope, started_at: datetime) -> str:
    """The id of an incident: of what it is and when it began, so that a rerun gives the same."""
    name = "\n".join((kind, scope.scope, scope.city or "", scope.brand or ""))
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{kind}-{scope.scope}-{started_at:%Y%m%dT%H%M}-{digest}"


@dataclass
class _Run:
    """The windows of an incident, oldest first."""

    rows: list[Row]
    ended_at: datetime | None = None

    @property
    def started_at(self) -> datetime:
        first: datetime = min(self.rows[0]["since"], self.rows[0]["window_start"])
        return first


def incidents(inputs: Mapping[str, pa.Table], schema: pa.Schema) -> pa.Table:
    """The incidents that have a window on a local date.

    Args:
        inputs: `date_causes`, rows of `window_causes` from the date's first window on, those of
            later ones too, as far as they tell the end; `country_date`, the date and its windows;
        `suspect_windows`, which end nothing.
        schema: of the result.
    """
    (asked,) = inputs["country_date"].to_pylist()
    first, until = asked["first_window"], asked["until_window"]
    rows = inputs["date_causes"].sort_by("window_start").to_pylist()
    suspect = set(inputs["suspect_windows"]["window_start"].to_pylist())
    windows = sorted({row["window_start"] for row in rows} - suspect)
    found = []
    for (kind, scope), own in _by_scope(rows).items():
        for run in _runs(own, windows):
            of_date = [row for row in run.rows if first <= row["window_start"] < until]
            if of_date:
                found.append(_incident(kind, scope, run, of_date))
    found.sort(key=lambda row: (row["started_at"], row["incident_id"]))
    return pa.Table.from_pylist(found, schema=schema)


def _by_scope(rows: Iterable[Row]) -> dict[tuple[str, Scope], list[Row]]:
    found: dict[tuple[str, Scope], list[Row]] = {}
    for row in rows:
        if row["scope"] != SINGLE_STORES:
            key = row["kind"], Scope(row["scope"], row["city"], row["brand"])
            found.setdefault(key, []).append(row)
    return found


def _runs(rows: Sequence[Row], windows: Sequence[datetime]) -> list[_Run]:
    """A scope's windows as incidents.

    Args:
        windows: every judged window that is evidence, in order.
    """
    runs: list[_Run] = []
    for row in rows:
        if runs and _goes_on(runs[-1].rows[-1], row, windows):
            runs[-1].rows.append(row)
        else:
            runs.append(_Run([row]))
    for run in runs:
        calm = bisect_right(windows, run.rows[-1]["window_start"])
        if len(windows) - calm >= CALM_WINDOWS:
            run.ended_at = windows[calm]
    return runs


def _goes_on(before: Row, row: Row, windows: Sequence[datetime]) -> bool:
    """Whether a window is of the incident of one before: it says so itself, or there are too few
    calm ones between (the earlier one was computed later).
    """
    first, last = before["window_start"], row["window_start"]
    calm = bisect_left(windows, last) - bisect_right(windows, first)
    return bool(row["since"] <= first) or calm < CALM_WINDOWS


def _incident(kind: str, scope: Scope, run: _Run, of_date: Sequence[Row]) -> dict[str, Any]:
    largest = max(of_date, key=lambda row: row["raised"])
    newest = of_date[-1]
    return {
        "incident_id": incident_id(kind, scope, run.started_at),
        "kind": kind,
        "scope": scope.scope,
        "city": scope.city,
        "brand": scope.brand,
        "only_in": newest["only_in"],
        "started_at": run.started_at,
        "earliest_start": run.started_at - (LONGEST_POOL - 1) * WINDOW_LENGTH,
        "ended_at": run.ended_at,
        "is_ongoing": run.ended_at is None,
        "last_window": newest["window_start"],
        "stores": largest["raised"],
        "known": largest["known"],
        "peak_share": max(row["raised"] / max(1, row["known"]) for row in of_date),
        "stores_now": newest["raised"],
        "known_now": newest["known"],
        "missed_minutes": sum(row["minutes"] for row in of_date),
        "usual": newest["usual"],
        "share_explained": newest["share_explained"],
        "past_days": newest["past_days"],
    }
