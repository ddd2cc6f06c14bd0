"""A small part of the judgement on simulated countries; the whole is `python -m
benchmarks.incidents`.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from storeavail_platform.domain.causes.scopes import BRAND, CITY, CITY_BRAND, COUNTRY
from storeavail_testing.judgement import (
    LARGE,
    Case,
    Simulated,
    false_openings,
    half_recovers,
    one_fault,
    scattered,
    share_of,
    simulated,
    two_faults,
)

PAST_DAYS, CASES = 8, 6


@pytest.fixture(scope="module")
def countries() -> list[Simulated]:
    """Two countries of 3,000 stores with eight days of past."""
    return simulated(np.random.default_rng(3), 2, PAST_DAYS, stores=3_000)


@pytest.mark.parametrize(
    "case",
    [
        partial(one_fault, levels=(COUNTRY,), shares=(0.25, 1.0)),
        partial(one_fault, levels=(CITY, BRAND), shares=(0.3, 1.0), least=60),
        partial(one_fault, levels=(CITY_BRAND,), shares=(0.6, 1.0), least=LARGE),
        two_faults,
        half_recovers,
    ],
    ids=["country", "city or brand", "pair", "two at once", "half recovers"],
)
def test_faults_are_named_exactly(case: Case, countries: list[Simulated]) -> None:
    """At the second window, of rates that were estimated from the simulated past."""
    share, cases = share_of(case, countries, CASES)
    assert cases == CASES
    assert share >= 5 / 6


def test_a_calm_date_opens_nothing(countries: list[Simulated]) -> None:
    """Noise, a weak city and the hours of the day are usual."""
    assert sum(false_openings(of) for of in countries) == 0


def test_scattered_stores_force_no_scope(countries: list[Simulated]) -> None:
    """A share of all stores at random is unexplained."""
    found = [scattered(countries[number % 2]) for number in range(CASES)]
    assert not any(is_forced for _, is_forced in found)
    assert sum(is_said for is_said, _ in found) >= CASES - 1
