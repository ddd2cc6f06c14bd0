"""Incidents from causes by window: where they begin and end, and what their id rests on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from storeavail_platform.domain.causes.incidents import incidents
from storeavail_platform.domain.tables.causes import INCIDENTS
from storeavail_platform.domain.tables.relations import COUNTRY_DATE, DATE_CAUSES, SUSPECT_WINDOWS
from storeavail_platform.domain.windows import Window

FIRST = Window.parse("2026-11-23T1000")
DAY = date(2026, 11, 23)
Row = dict[str, Any]


def story(text: str, *, first: Window = FIRST, since: Window | None = None) -> list[Row]:
    """Windows, a character each: x is down, . is calm, a blank was never judged."""
    rows: list[Row] = []
    start = since
    for number, character in enumerate(text):
        window = first.next(number)
        base = {"window_start": window.start, "kind": "missing", "known": 100, "minutes": 0}
        if character != " ":
            rows.append(
                base | {"scope": "single_stores", "raised": 3, "usual": 3.0, "past_days": 9}
            )
        if text[max(0, number - 1) : number + 1] == "..":
            start = None
        if character == "x":
            start = start or window
            rows.append(
                base
                | {"scope": "city", "city": "Recife", "raised": 60 + number, "usual": 2.0}
                | {"since": start.start, "past_days": 9, "minutes": 900}
            )
    return rows


def fold(rows: Sequence[Row], day: date = DAY, suspect: Sequence[Window] = ()) -> list[Row]:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    row = {
        "local_date": day,
        "timezone": "UTC",
        "first_window": midnight,
        "until_window": midnight.replace(day=day.day + 1),
    }
    inputs = {
        "date_causes": pa.Table.from_pylist(list(rows), schema=DATE_CAUSES),
        "country_date": pa.Table.from_pylist([row], schema=COUNTRY_DATE),
        "suspect_windows": pa.Table.from_pylist(
            [{"window_start": window.start} for window in suspect], schema=SUSPECT_WINDOWS
        ),
    }
    found: list[Row] = incidents(inputs, INCIDENTS.computed_schema()).to_pylist()
    return found


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("..xxx..", [(2, 5)]),
        # one window between changes nothing, two end it
        (".x.x..x", [(1, 4), (6, None)]),
        (".xx", [(1, None)]),
        (".xx.", [(1, None)]),
        # windows that nobody judged are not there
        (".xx    .xx", [(1, None)]),
        (".xx   . .", [(1, 6)]),
    ],
)
def test_spans(text: str, spans: list[tuple[int, int | None]]) -> None:
    """An incident ends with the first of two judged windows in a row without its cause."""
    found = [(row["started_at"], row["ended_at"]) for row in fold(story(text))]
    assert found == [
        (FIRST.next(begin).start, None if end is None else FIRST.next(end).start)
        for begin, end in spans
    ]


def test_a_suspect_window_ends_nothing() -> None:
    """Two calm windows of which one is suspect are one; the cause's windows say that it goes on."""
    assert fold(story("xx.."))[0]["ended_at"] == FIRST.next(2).start
    assert fold(story("xx.."), suspect=[FIRST.next(2)])[0]["ended_at"] is None
    rows = [*story("xx.."), *story("x", first=FIRST.next(4), since=FIRST)]
    (row,) = fold(rows, suspect=[FIRST.next(2)])
    assert (row["started_at"], row["ended_at"]) == (FIRST.start, None)


def test_figures() -> None:
    """The most, the newest, and the minutes of all its windows."""
    (row,) = fold(story(".xxx."))
    assert (row["stores"], row["known"], row["peak_share"]) == (63, 100, 0.63)
    assert (row["stores_now"], row["last_window"]) == (63, FIRST.next(3).start)
    assert (row["missed_minutes"], row["usual"], row["past_days"]) == (2700, 2.0, 9)
    assert row["earliest_start"] == FIRST.next(-2).start


def test_the_id_is_the_same_on_the_next_date() -> None:
    """A date whose windows begin in the middle of an incident goes by since when it was."""
    evening = Window.parse("2026-11-23T2330")
    rows = story("xxxx", first=evening)
    (first,), (second,) = fold(rows), fold(rows[4:], date(2026, 11, 24))
    assert first["incident_id"] == second["incident_id"]
    assert second["started_at"] == evening.start
    assert (first["missed_minutes"], second["missed_minutes"]) == (1800, 1800)


def test_single_stores_are_no_incident() -> None:
    """Windows without a named cause open nothing."""
    assert fold(story("....")) == []
