"""The rows of `window_causes`: of a window's counts, and of what was usual and open before it.

Arrow in, Arrow out; what is searched for and how is `search.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storeavail_platform.domain.causes.counted import KINDS, MARGINS, Coded, sum_of
from storeavail_platform.domain.causes.rates import without_history
from storeavail_platform.domain.causes.scopes import (
    BRAND,
    CITY,
    SINGLE_STORES,
    UNEXPLAINED,
    Flags,
    Floats,
    Ints,
    Pairs,
    Scope,
)
from storeavail_platform.domain.causes.search import LONGEST_POOL, Counts, History, explain
from storeavail_platform.domain.windows import WINDOW_LENGTH

NEARLY_ALL = 0.9
"""Of a scope's known stores: so many in one city, or of one brand, are all of it to people."""


Row = dict[str, Any]


def window_causes(inputs: Mapping[str, pa.Table], schema: pa.Schema) -> pa.Table:
    """The causes of a window, its single stores and what is unexplained, for each kind.

    Args:
        inputs: `availability_summary`, `observation` and `window_settings` of the window;
            `window_rates`, `recent_summaries` and `recent_causes`.
        schema: of the result.

    Returns:
        No rows of a window that was not observed.
    """
    if not inputs["observation"]["is_observed"][0].as_py():
        return schema.empty_table()
    window: datetime = inputs["window_settings"]["window_start"][0].as_py()
    seen = _Seen(window, inputs)
    rows = [row for kind in KINDS for row in seen.rows(kind)]
    return pa.Table.from_pylist(rows, schema=schema)


class _Seen:
    """A window and those right before it."""

    def __init__(self, window: datetime, inputs: Mapping[str, pa.Table]) -> None:
        self.window = window
        summary, recent, rates = (
            inputs[name] for name in ("availability_summary", "recent_summaries", "window_rates")
        )
        self.newest = summary
        self.causes = inputs["recent_causes"].sort_by("window_start").to_pylist()
        coded = Coded.of([summary, recent])
        self.pairs = coded.pairs
        self.newest_pair = coded.places(summary)
        starts = [window - back * WINDOW_LENGTH for back in range(LONGEST_POOL)]
        self.summaries = [
            (summary, self.newest_pair),
            (recent, self._cells(_places(recent, "window_start", starts), coded.places(recent))),
        ]
        self.seen = {0, *_places(recent, "window_start", starts).tolist()}
        kinds = _places(rates, "kind", list(KINDS))
        windows = _places(rates, "window_start", starts)
        # a brand that has left the country has rates yet
        cells = self._cells(windows, coded.places(rates))
        self.usual = np.full((len(KINDS), LONGEST_POOL * len(self.pairs)), np.nan)
        known = (kinds >= 0) & (cells >= 0)
        self.usual[kinds[known], cells[known]] = np.asarray(rates["usual"])[known]
        newest = [
            np.flatnonzero(known & (windows == 0) & (kinds == kind)) for kind in range(len(KINDS))
        ]
        self.rates = {
            kind: rates.slice(int(rows[0]), 1).to_pylist()[0]
            for kind, rows in zip(KINDS, newest, strict=True)
            if rows.size
        }

    def _cells(self, windows: Ints, pairs: Ints) -> Ints:
        """A number for each window and pair; -1 where one of them is not known."""
        return np.where((windows < 0) | (pairs < 0), -1, windows * len(self.pairs) + pairs)

    def rows(self, kind: str) -> list[Row]:
        """The window's rows of a kind."""
        windows, history, rates_date = self._windows(kind)
        before = {
            Scope(row["scope"], row["city"], row["brand"]): row["since"]
            for row in self.causes
            if row["kind"] == kind and row["since"] is not None
        }
        numbers = [self.pairs.number(scope) for scope in before]
        going_on = {number for number in numbers if number is not None}
        verdict = explain(self.pairs, windows, going_on, history)
        counts = windows[0]
        minutes = np.bincount(
            self.newest_pair, sum_of(self.newest, (KINDS[kind].minutes,)), len(self.pairs)
        )
        excess = float((counts.raised - counts.usual).sum())

        def row(scope: Scope, members: Ints | Flags, only_in: str | None = None) -> Row:
            known, raised, usual = (
                float(values[members].sum())
                for values in (counts.known, counts.raised, counts.usual)
            )
            is_single = scope.scope == SINGLE_STORES
            return {
                "kind": kind,
                "scope": scope.scope,
                "city": scope.city,
                "brand": scope.brand,
                "only_in": only_in,
                "known": round(known),
                "raised": round(raised),
                "usual": usual,
                "excess": raised - usual,
                "share_explained": _share(raised - usual, excess),
                "minutes": int(minutes[members].sum()),
                "since": None if is_single else before.get(scope, self.window),
                "past_days": history.past_days,
                "rates_date": rates_date,
            }

        is_rest = np.ones(len(self.pairs), np.bool_)
        found = []
        for number in sorted(verdict.causes):
            members = self.pairs.members(number)
            is_rest[members] = False
            only_in = _only_in(self.pairs, number, counts.known)
            found.append(row(self.pairs.scope(number), members, only_in))
        if verdict.is_unexplained:
            found.append(row(Scope(UNEXPLAINED), is_rest))
            is_rest[:] = False
        return [*found, row(Scope(SINGLE_STORES), is_rest)]

    def _windows(self, kind: str) -> tuple[list[Counts], History, object]:
        """The counts of the window and those right before it, and what the usual ones rest on."""
        known, raised = self._sums(KINDS[kind].known), self._sums((KINDS[kind].raised,))
        usual = self.usual[list(KINDS).index(kind)].reshape(LONGEST_POOL, -1)
        of_rates = self.rates.get(kind)
        found = []
        for back in range(LONGEST_POOL):
            has_rates = not np.isnan(usual[back]).all()
            if back not in self.seen or has_rates != (of_rates is not None):
                break
            rates = (
                _filled(self.pairs, usual[back])
                if has_rates
                else without_history(self.pairs, known[back], raised[back])
            )
            found.append(Counts(known[back], raised[back], known[back] * rates))
        if of_rates is None:
            return found, History(0), None
        margins = {level: of_rates[column] for level, column in MARGINS.items()}
        return found, History(of_rates["past_days"], margins), of_rates["local_date"]

    def _sums(self, columns: Sequence[str]) -> Floats:
        """Stores by window, the newest first, and pair."""
        sums = np.zeros(LONGEST_POOL * len(self.pairs))
        for summary, cell in self.summaries:
            is_in = cell >= 0
            sums += np.bincount(cell[is_in], sum_of(summary, columns)[is_in], len(sums))
        return sums.reshape(LONGEST_POOL, -1)


def _filled(pairs: Pairs, rates: Floats) -> Floats:
    """The rates, those of new pairs by the others of their brand, else of their city, else all."""
    is_new = np.isnan(rates)
    if not is_new.any():
        return rates
    old = np.flatnonzero(~is_new)
    found = np.full(len(rates), rates[old].mean())
    for group, count in ((pairs.city, len(pairs.cities)), (pairs.brand, len(pairs.brands))):
        sizes = np.bincount(group[old], minlength=count)
        means = np.bincount(group[old], rates[old], count) / np.maximum(sizes, 1)
        found = np.where(sizes[group] > 0, means[group], found)
    return np.where(is_new, found, rates)


def _share(excess: float, of: float) -> float | None:
    return min(1.0, max(0.0, excess / of)) if of > 0 else None


def _only_in(pairs: Pairs, number: int, known: Floats) -> str | None:
    """The one city that has nearly all of a brand's stores, or the one brand of a city."""
    scope, members = pairs.scope(number), pairs.members(number)
    if scope.scope not in (CITY, BRAND):
        return None
    largest = members[known[members].argmax()]
    if known[largest] < NEARLY_ALL * known[members].sum():
        return None
    if scope.scope == BRAND:
        return pairs.cities[int(pairs.city[largest])]
    return pairs.brands[int(pairs.brand[largest])]


def _places(rows: pa.Table, column: str, values: Sequence[object]) -> Ints:
    """The place of each row's value among some; -1 where it is none of them."""
    of = rows[column]
    found = pc.index_in(of, value_set=pa.array(values, of.type))
    places: Ints = np.asarray(pc.fill_null(found, -1), np.intp)
    return places
