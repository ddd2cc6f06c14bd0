"""The usual rates of a local date, from the dates before it: how many of a pair's stores are
missing (or rogue, or unknown) in an ordinary window, by quarter hour of its city's day.

The rates are sums of effects on the logit, each drawn to nothing as far as the past says little of
it (a penalised logit): the country's, the hour's, a city's, a brand's, those of a brand at an hour,
and so on. One after another they are fitted to what those before leave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from storeavail_platform.domain.causes.scopes import LEVELS, Floats, Ints, Pairs

Cells = npt.NDArray[np.floating[Any]]
"""Values by quarter hour and pair, [96, pairs]."""
SLOTS = 96
WEEK_WEIGHTS = (1.0, 0.6, 0.36, 0.22)
"""What a week counts, the last one first: rates drift."""
PAST_DAYS = 7 * len(WEEK_WEIGHTS)
START = float(np.log(0.05 / 0.95))
INDEPENDENT = 0.5
"""What a store's window counts: it is much like the one before."""
LONGEST_STEP = 1.5
STEPS = 2
NO_HISTORY_RATES = (0.03, 0.15)
LAST_DAY = 0.3
"""How far the level of the last date may lead away from that of the weeks before."""


@dataclass(frozen=True)
class Fitted:
    """The usual rates of a date.

    Attributes:
        rates: by quarter hour of the city's day and pair.
        margins: by level, how much higher a rate may be on an ordinary day, on the logit.
    """

    pairs: Pairs
    rates: Cells
    margins: Mapping[str, float]
    past_days: int


class Past:
    """The counts of the dates before one, added up as the rates need them.

    Cells of [weekday or weekend, quarter hour, pair]; the last date's beside them.
    """

    def __init__(self, pairs: Pairs) -> None:
        shape = (2, SLOTS, len(pairs))
        self.pairs = pairs
        self.known, self.raised = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.last_known, self.last_raised = (np.zeros(shape[1:], np.float32) for _ in range(2))
        self.last_weekend = 0
        self.days = 0

    def add(self, known: Cells, raised: Cells, *, days_before: int, is_weekend: bool) -> None:
        """Add a date.

        Args:
            known, raised: stores by quarter hour and pair; 0 where a cell is left out.
            days_before: how many days before the date whose rates are made, from 1.
        """
        weight = WEEK_WEIGHTS[min((days_before - 1) // 7, len(WEEK_WEIGHTS) - 1)]
        self.known[int(is_weekend)] += weight * known
        self.raised[int(is_weekend)] += weight * raised
        self.days += 1
        if days_before == 1:
            self.last_known, self.last_raised = known, raised
            self.last_weekend = int(is_weekend)


def fit(past: Past, *, is_weekend: bool) -> Cells:
    """The rates of a date by quarter hour and pair."""
    logit = np.full(past.known.shape, START, np.float32)
    fitting = _Fitting(past.pairs, past.known, past.raised, logit)
    fitting.effect(_everywhere, 2.0)
    fitting.effect(_by_slot, 1.0)
    again: dict[str, Cells] = {}
    for _ in range(2):
        for name, by, width in (
            ("city", fitting.by_city, 1.0),
            ("brand", fitting.by_brand, 1.0),
            ("pair", _by_pair, 0.4),
        ):
            again[name] = fitting.effect(by, width, again.get(name))
    fitting.effect(_by_day_and_slot, 1.0)
    fitting.effect(fitting.by_brand_and_slot, 0.7)
    fitting.effect(fitting.by_city_and_slot, 0.3)
    fitting.effect(fitting.by_brand_day_and_slot, 0.4)
    fitting.effect(_by_pair_and_slot, 0.5)
    if past.last_known.any():
        _follow_last_day(past, logit)
    rates: Cells = _expit(logit[int(is_weekend)])
    return rates


def _follow_last_day(past: Past, logit: Cells) -> None:
    """Move the levels towards those of the last date."""
    day = logit[past.last_weekend : past.last_weekend + 1].copy()
    before = day.copy()
    last = _Fitting(past.pairs, past.last_known[None], past.last_raised[None], day)
    for by in (_everywhere, last.by_city, last.by_brand, _by_pair):
        last.effect(by, LAST_DAY)
    # each of these is the same at all hours
    logit += (day - before)[:, :1, :]


def margins(pairs: Pairs, known: Cells, raised: Cells, rates: Cells) -> dict[str, float]:
    """By level, twice the spread of a scope's logit on an ordinary date around what was expected.

    Args:
        known, raised: of a date by quarter hour and pair.
        rates: those made for the date before it began.
    """
    excess = np.zeros((SLOTS, pairs.scopes))
    variance = np.zeros_like(excess)
    for slot in np.flatnonzero(known.any(axis=1)):
        usual = known[slot] * rates[slot]
        excess[slot] = pairs.sums((raised[slot] - usual).astype(np.float64))
        variance[slot] = pairs.sums((usual * (1 - rates[slot])).astype(np.float64))
    found = {}
    for place, level in enumerate(LEVELS):
        is_level = pairs.level == place
        own_excess, own_variance = excess[:, is_level], variance[:, is_level]
        total = float((own_variance**2).sum())
        deviation = float((own_excess**2 - own_variance).sum()) / total if total else 0.0
        found[level] = 2 * float(np.sqrt(max(0.0, deviation)))
    return found


Group = Callable[[Cells], Cells]
"""Sums cells over all but what an effect differs by, and gives each cell its group's sum."""


class _Fitting:
    """A logit that effects are added to."""

    def __init__(self, pairs: Pairs, known: Cells, raised: Cells, logit: Cells) -> None:
        self.known, self.raised, self.logit = known, raised, logit
        self._city, self._brand = _Grouped(pairs.city), _Grouped(pairs.brand)

    def effect(self, by: Group, width: float, found: Cells | None = None) -> Cells:
        """Fit an effect by Newton's steps; gives it, for another time.

        Args:
            width: of the normal distribution that it is drawn from.
            found: what was found of it before.
        """
        effect = np.zeros(1, np.float32) if found is None else found
        for _ in range(STEPS):
            rates = _expit(self.logit)
            usual = self.known * rates
            slope = by(INDEPENDENT * (self.raised - usual)) - effect / width**2
            curve = by(INDEPENDENT * usual * (1 - rates)) + 1 / width**2
            step = np.clip(slope / curve, -LONGEST_STEP, LONGEST_STEP)
            effect = effect + step
            self.logit += step
        return effect

    def by_city(self, cells: Cells) -> Cells:
        return self._city.sum_by_pair(cells.sum(axis=(0, 1), keepdims=True))

    def by_brand(self, cells: Cells) -> Cells:
        return self._brand.sum_by_pair(cells.sum(axis=(0, 1), keepdims=True))

    def by_city_and_slot(self, cells: Cells) -> Cells:
        return self._city.sum_by_pair(cells.sum(axis=0, keepdims=True))

    def by_brand_and_slot(self, cells: Cells) -> Cells:
        return self._brand.sum_by_pair(cells.sum(axis=0, keepdims=True))

    def by_brand_day_and_slot(self, cells: Cells) -> Cells:
        return self._brand.sum_by_pair(cells)


class _Grouped:
    """Pairs by their city, or by their brand."""

    def __init__(self, group: Ints) -> None:
        self.group = group
        self.order = np.argsort(group, kind="stable")
        self.starts = np.flatnonzero(np.diff(group[self.order], prepend=-1))

    def sum_by_pair(self, cells: Cells) -> Cells:
        """Each pair's value replaced by the sum over its group."""
        sums = np.add.reduceat(cells[..., self.order], self.starts, axis=-1)
        by_pair: Cells = sums[..., self.group]
        return by_pair


def _everywhere(cells: Cells) -> Cells:
    return np.asarray(cells.sum(keepdims=True))


def _by_slot(cells: Cells) -> Cells:
    return np.asarray(cells.sum(axis=(0, 2), keepdims=True))


def _by_day_and_slot(cells: Cells) -> Cells:
    return np.asarray(cells.sum(axis=2, keepdims=True))


def _by_pair(cells: Cells) -> Cells:
    return np.asarray(cells.sum(axis=(0, 1), keepdims=True))


def _by_pair_and_slot(cells: Cells) -> Cells:
    return np.asarray(cells.sum(axis=0, keepdims=True))


def _expit(logit: Cells) -> Cells:
    return np.asarray(1 / (1 + np.exp(-logit)))


def without_history(pairs: Pairs, known: Floats, raised: Floats) -> Floats:
    """The rates of a window that nothing is known before: the lower of the medians over cities and
    over brands.
    """
    medians = []
    for group, count in ((pairs.city, len(pairs.cities)), (pairs.brand, len(pairs.brands))):
        stores = np.bincount(group, known, count)
        off = np.bincount(group, raised, count)
        has_stores = stores > 0
        if has_stores.any():
            medians.append(float(np.median(off[has_stores] / stores[has_stores])))
    rate = np.clip(min(medians, default=0.0), *NO_HISTORY_RATES)
    return np.full(len(pairs), rate)
