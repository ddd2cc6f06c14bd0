"""The rows of `window_causes`: of a window's counts, and of what was usual and open before it.

Arrow in, Arrow out; what is searched for and how is `search.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
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
        self.newest, self.recent = inputs["availability_summary"], inputs["recent_summaries"]
        self.rates = inputs["window_rates"]
        self.causes = inputs["recent_causes"].sort_by("window_start").to_pylist()
        coded = Coded.of([self.newest, self.recent])
        self.pairs = coded.pairs
        self.newest_pair, self.recent_pair, self.rate_pair = (
            coded.places(rows) for rows in (self.newest, self.recent, self.rates)
        )

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
        minutes = self._by_pair(self.newest, self.newest_pair, (KINDS[kind].minutes,))
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
        usual, history, rates_date = self._usual(kind, self.window)
        found = [self._counts(kind, self.newest, self.newest_pair, usual)]
        for back in range(1, LONGEST_POOL):
            start = self.window - back * WINDOW_LENGTH
            is_row = _is_equal(self.recent["window_start"], start)
            usual, _, date = self._usual(kind, start)
            if not is_row.any() or (date is None) != (rates_date is None):
                break
            rows = np.flatnonzero(is_row)
            found.append(self._counts(kind, self.recent.take(rows), self.recent_pair[rows], usual))
        return found, history, rates_date

    def _counts(self, kind: str, summary: pa.Table, pair: Ints, usual: Floats | None) -> Counts:
        known = self._by_pair(summary, pair, KINDS[kind].known)
        raised = self._by_pair(summary, pair, (KINDS[kind].raised,))
        if usual is None:
            usual = without_history(self.pairs, known, raised)
        return Counts(known, raised, known * usual)

    def _by_pair(self, summary: pa.Table, pair: Ints, columns: tuple[str, ...]) -> Floats:
        sums = np.bincount(pair, sum_of(summary, columns), len(self.pairs))
        return sums.astype(np.float64)

    def _usual(self, kind: str, start: datetime) -> tuple[Floats | None, History, object]:
        """The usual rates of a window by pair, and what they rest on; None where there are none."""
        # a brand that has left the country has rates yet
        is_row = _is_equal(self.rates["window_start"], start) & (self.rate_pair >= 0)
        is_row &= _is_equal(self.rates["kind"], kind)
        rows = np.flatnonzero(is_row)
        if not rows.size:
            return None, History(0), None
        (first,) = self.rates.slice(int(rows[0]), 1).to_pylist()
        margins = {level: first[column] for level, column in MARGINS.items()}
        usual = np.full(len(self.pairs), np.nan)
        usual[self.rate_pair[rows]] = np.asarray(self.rates["usual"].take(rows))
        return (
            _filled(self.pairs, usual),
            History(first["past_days"], margins),
            first["local_date"],
        )


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


def _is_equal(column: pa.ChunkedArray, value: object) -> Flags:
    flags: Flags = np.asarray(pc.equal(column, pa.scalar(value, column.type)), np.bool_)
    return flags
