"""The search for causes on windows made by hand: what is named, and what is not."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pytest

from storeavail_platform.domain.causes.rates import without_history
from storeavail_platform.domain.causes.scopes import Pairs, Scope
from storeavail_platform.domain.causes.search import Counts, History, Verdict, explain

CITIES, BRANDS, STORES = 8, 10, 25
"""Each brand has so many stores in each city."""
PAIRS = Pairs.of(
    [(f"city {city}", f"brand {brand}") for city in range(CITIES) for brand in range(BRANDS)]
)
USUAL = 0.04
KNOWN = History(28)
CITY, BRAND = Scope("city", city="city 2"), Scope("brand", brand="brand 3")
PAIR = Scope("city_brand", "city 5", "brand 7")


def window(faults: Mapping[Scope, float], *, usual: float = USUAL) -> Counts:
    """Exactly the usual number of stores off, and a share of those of the faults."""
    known = np.full(len(PAIRS), float(STORES))
    up = np.full(len(PAIRS), 1 - usual)
    for scope, share in faults.items():
        up[PAIRS.members(number(scope))] *= 1 - share
    return Counts(known, np.round(known * (1 - up)), known * usual)


def number(scope: Scope) -> int:
    found = PAIRS.number(scope)
    assert found is not None
    return found


def named(verdict: Verdict) -> set[Scope]:
    return {PAIRS.scope(number) for number in verdict.causes}


def judge(*windows: Counts, going_on: Collection[Scope] = (), history: History = KNOWN) -> Verdict:
    """Judge the last of some windows."""
    numbers = [number(scope) for scope in going_on]
    return explain(PAIRS, list(reversed(windows)), numbers, history)


@pytest.mark.parametrize(
    "faults",
    [
        {},
        {Scope("country"): 0.4},
        {CITY: 0.5},
        {BRAND: 0.5},
        {PAIR: 0.6},
        {CITY: 0.6, BRAND: 0.9},
        {CITY: 0.8, PAIR: 0.8},
        {BRAND: 0.5, PAIR: 1.0},
    ],
    ids=str,
)
def test_the_smallest_set_is_named(faults: dict[Scope, float]) -> None:
    """A brand in all its cities is one cause, a city is not down because one brand in it is, and
    two faults that overlap are two.
    """
    verdict = judge(window(faults))
    assert named(verdict) == set(faults)
    assert {PAIRS.scope(n): share for n, share in verdict.causes.items()} == {
        scope: pytest.approx(share, abs=0.1) for scope, share in faults.items()
    }


def test_what_is_usually_weak_is_no_cause() -> None:
    """A city where a quarter is always off is usual as it is."""
    counts = window({CITY: 0.25})
    usual = counts.known * (
        1 - (1 - USUAL) * (1 - np.isin(np.arange(len(PAIRS)), PAIRS.members(number(CITY))) * 0.25)
    )
    assert named(judge(Counts(counts.known, counts.raised, usual))) == set()


def test_small_faults_add_up() -> None:
    """A share that one window cannot tell is told by four."""
    calm, weak = window({}), window({PAIR: 0.24})
    assert named(judge(calm, weak)) == set()
    assert named(judge(weak, weak, weak, weak)) == {PAIR}


def test_a_finished_fault_is_over() -> None:
    """The windows before keep nothing alive that is not raised in the newest one."""
    down = window({CITY: 0.9})
    assert named(judge(down, down, down, window({}), going_on=[CITY])) == set()


def test_an_open_fault_goes_on_when_half_of_it_is_back() -> None:
    """What would be too little to open it is enough for it to stay."""
    half = window({PAIR: 0.2})
    assert named(judge(half)) == set()
    assert named(judge(half, going_on=[PAIR])) == {PAIR}


def test_an_excess_all_over_is_unexplained() -> None:
    """Stores that are off by no cause are said to be so at the second window, and no scope is
    forced.
    """
    scattered = window({}, usual=USUAL + 0.06)
    counts = Counts(scattered.known, scattered.raised, scattered.known * USUAL)
    once, twice = judge(window({}), counts), judge(counts, counts)
    assert (named(once), once.is_unexplained) == (set(), False)
    assert (named(twice), twice.is_unexplained) == (set(), True)


def test_without_history_only_large_faults_are_named() -> None:
    """The window itself says what is usual: a weak city is none, most of a brand is."""
    found = {}
    for scope, share in ((CITY, 0.2), (BRAND, 0.8)):
        counts = window({scope: share})
        rates = without_history(PAIRS, counts.known, counts.raised)
        verdict = judge(
            Counts(counts.known, counts.raised, counts.known * rates), history=History(0)
        )
        found[scope] = named(verdict)
    assert found == {CITY: set(), BRAND: {BRAND}}


def test_stores_without_a_city_are_no_scope() -> None:
    """They count for the country and for their brand; nobody is told that None is down."""
    names: list[tuple[str | None, str | None]] = [(None, f"brand {n}") for n in range(10)]
    pairs = Pairs.of([*names, *((f"city {n}", "brand 0") for n in range(10))])
    known = np.full(len(pairs), 100.0)
    raised = np.where(np.arange(len(pairs)) < 10, 80.0, 4.0)
    verdict = explain(pairs, [Counts(known, raised, known * USUAL)], (), KNOWN)
    scopes = {pairs.scope(n) for n in verdict.causes}
    assert scopes
    assert all(scope.scope in ("country", "brand") for scope in scopes)
