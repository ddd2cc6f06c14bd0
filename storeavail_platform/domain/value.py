"""What a month was worth beside a baseline: a pure function over sums by date.

    missed share   missing minutes over known ones (should have been open, and something is known)
    recovered      the minutes that the month would have missed at the baseline's share of the same
                   weekday, less those that it did miss
    uncertainty    a bootstrap over dates: each weekday of the baseline and of the month is drawn
                   again, with one date fewer than it has (J. N. K. Rao and C. F. J. Wu, 1988: so
                   that few dates do not look surer than they are); 95 % of the results lie between
                   the bounds

Dates are taken as independent of each other, so that an outage of many days makes the bounds
narrower than they should be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

RESAMPLES = 4000
BOUNDS = (2.5, 97.5)
"""Percentiles of the results that the bounds are."""
LEAST_DATES = 7
"""Dates below which nothing is compared."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DateSums:
    """A local date, without windows that are no evidence.

    Attributes:
        known: minutes that stores should have been open and something is known of.
        missing: of these, missing ones.
        outages: those that began on the date.
        outage_minutes: missing minutes of these from beginning to end.
        repeats: of these, those of a store whose last outage had ended within seven days.
    """

    day: date
    known: int
    missing: int
    outages: int = 0
    outage_minutes: int = 0
    repeats: int = 0


@dataclass(frozen=True)
class Estimate:
    """A figure of the baseline and of the month; low and high bound of the month's less the
    baseline's. None: there were no outages.
    """

    before: float | None
    after: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """A month beside a baseline.

    Attributes:
        missed_share: 0..1.
        outage_minutes: mean length of an outage, in minutes of opening hours.
        repeat_share: outages that came again within seven days, 0..1.
        recovered: minutes of stores, negative where more were missed; `low` and `high` bound it.
    """

    missed_share: Estimate
    outage_minutes: Estimate
    repeat_share: Estimate
    recovered: float
    low: float
    high: float


def compare(
    baseline: Sequence[DateSums], month: Sequence[DateSums], *, seed: int = 0
) -> Comparison:
    """A month beside a baseline; the same seed gives the same bounds.

    Raises:
        ValueError: one of them has fewer dates than LEAST_DATES.
    """
    if min(len(baseline), len(month)) < LEAST_DATES:
        raise ValueError(f"{LEAST_DATES} dates of each are needed")
    random = np.random.default_rng(seed)
    before, after = _Drawn(baseline, random), _Drawn(month, random)
    recovered = _recovered(before, after)
    low, high = (float(each) for each in np.percentile(recovered[1:], BOUNDS))
    return Comparison(
        _estimate(before, after, "missing", "known"),
        _estimate(before, after, "outage_minutes", "outages"),
        _estimate(before, after, "repeats", "outages"),
        float(recovered[0]),
        low,
        high,
    )


class _Drawn:
    """Sums by weekday: of the dates as they are (first row), and as they were drawn."""

    def __init__(self, dates: Sequence[DateSums], random: np.random.Generator) -> None:
        by_weekday = [[each for each in dates if each.day.weekday() == n] for n in range(7)]
        drawn = [_draw(len(each), random) for each in by_weekday]
        self.sums = {
            name: np.stack(
                [
                    weights @ np.array([getattr(each, name) for each in of], float)
                    for of, weights in zip(by_weekday, drawn, strict=True)
                ],
                axis=1,
            )
            for name in ("known", "missing", "outages", "outage_minutes", "repeats")
        }

    def total(self, name: str) -> Floats:
        found: Floats = self.sums[name].sum(axis=1)
        return found


def _draw(count: int, random: np.random.Generator) -> Floats:
    """How often each of some dates counts: once, then as drawn."""
    weights = np.ones((RESAMPLES + 1, count))
    if count > 1:
        chosen = random.integers(0, count, (RESAMPLES, count - 1))
        drawn = np.zeros((RESAMPLES, count))
        np.add.at(drawn, (np.arange(RESAMPLES)[:, None], chosen), count / (count - 1))
        weights[1:] = drawn
    return weights


def _recovered(before: _Drawn, after: _Drawn) -> Floats:
    overall = (before.total("missing") / np.maximum(before.total("known"), 1))[:, None]
    known, missing = before.sums["known"], before.sums["missing"]
    # a weekday that the baseline does not have is like all of it
    shares = np.where(known > 0, missing / np.maximum(known, 1), overall)
    found: Floats = (after.sums["known"] * shares - after.sums["missing"]).sum(axis=1)
    return found


def _estimate(before: _Drawn, after: _Drawn, share: str, whole: str) -> Estimate:
    values = [each.total(share) / np.maximum(each.total(whole), 1) for each in (before, after)]
    low, high = (float(each) for each in np.percentile((values[1] - values[0])[1:], BOUNDS))
    known = [bool(each.total(whole)[0]) for each in (before, after)]
    first, second = (
        float(value[0]) if is_known else None for value, is_known in zip(values, known, strict=True)
    )
    return Estimate(first, second, low, high)
