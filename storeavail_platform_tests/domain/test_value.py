"""The value of a month: computed from simulated months whose change is known."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from storeavail_platform.domain.value import Comparison, DateSums, compare

FIRST = date(2026, 8, 31)
"""A Monday: 28 dates of baseline, then 30 of the month."""
KNOWN = 600_000
WEEKDAYS = np.array([0.9, 0.9, 1.0, 1.0, 1.1, 1.3, 1.2])


def dates(
    random: np.random.Generator, first: date, count: int, share: float, minutes: float
) -> list[DateSums]:
    """Dates whose missed share and length of outages vary around these, by weekday and by date."""
    found = []
    for number in range(count):
        day = first + timedelta(days=number)
        usual = share * WEEKDAYS[day.weekday()] * random.lognormal(-0.02, 0.2)
        missing = int(KNOWN * usual)
        outages = int(missing / minutes)
        found.append(
            DateSums(day, KNOWN, missing, outages, missing, int(random.binomial(outages, 0.3)))
        )
    return found


def simulated(seed: int, after: float, minutes: float = 60.0) -> Comparison:
    """Half of what was missed before is `after` = 0.5 of it."""
    random = np.random.default_rng(seed)
    month = FIRST + timedelta(days=28)
    return compare(
        dates(random, FIRST, 28, 0.04, 60.0), dates(random, month, 30, 0.04 * after, minutes)
    )


def true_recovered(after: float) -> float:
    """Minutes that a month with this change recovers on the mean."""
    days = [(FIRST + timedelta(days=28 + number)).weekday() for number in range(30)]
    return float(sum(KNOWN * 0.04 * (1 - after) * WEEKDAYS[day] for day in days))


def test_a_known_change_lies_within_the_bounds() -> None:
    """In about 95 of 100 simulated months, with a change and without one; without one nothing is
    claimed.
    """
    for after in (0.6, 1.0):
        truth = true_recovered(after)
        found = [simulated(seed, after) for seed in range(100)]
        held = sum(each.low <= truth <= each.high for each in found)
        assert 88 <= held <= 100, after
        mean = sum(each.recovered for each in found) / len(found)
        assert mean == pytest.approx(truth, abs=0.06 * KNOWN * 0.04 * 30)
    claimed = sum(each.low > 0 or each.high < 0 for each in found)
    assert claimed <= 12


def test_length_and_repeats_of_outages() -> None:
    """Outages that are half as long are told as such, with bounds that leave no change out; a share
    of repeats that stays has narrow ones around nothing.
    """
    found = simulated(1, 0.6, minutes=30.0)
    length, repeats = found.outage_minutes, found.repeat_share
    assert length.before == pytest.approx(60, rel=0.01)
    assert length.after == pytest.approx(30, rel=0.01)
    assert -31 < length.low <= length.high < -29
    assert -0.03 < repeats.low < repeats.high < 0.03


def test_a_mix_of_weekdays_is_no_change() -> None:
    """A month with more Saturdays than its baseline is held against Saturdays."""
    baseline = [
        DateSums(FIRST + timedelta(days=n), KNOWN, int(KNOWN * 0.04 * WEEKDAYS[n % 7]))
        for n in range(28)
    ]
    saturdays = [
        DateSums(each.day, KNOWN, each.missing) for each in baseline if each.day.weekday() >= 4
    ]
    assert compare(baseline, saturdays).recovered == pytest.approx(0, abs=1)


def test_few_dates_are_not_compared() -> None:
    """Fewer than a week."""
    few = [DateSums(FIRST + timedelta(days=n), 1, 0) for n in range(6)]
    with pytest.raises(ValueError, match="7 dates"):
        compare(few, few)
