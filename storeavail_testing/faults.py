"""Simulated countries whose faults are known, as counts of stores a window: what the search for
causes is judged on. Nothing of the platform's own tables or servers.

Stores differ by city, brand and pair; they go off by themselves and stay so for a while; rates drift
over weeks, differ by hour, and a day is noisy. A fault takes a share of a scope's stores, the same
ones in all its windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storeavail_platform.domain.causes.incidents import CALM_WINDOWS
from storeavail_platform.domain.causes.rates import (
    PAST_DAYS,
    SLOTS,
    Cells,
    Past,
    fit,
    margins,
    without_history,
)
from storeavail_platform.domain.causes.scopes import Floats, Ints, Pairs, Scope
from storeavail_platform.domain.causes.search import (
    LONGEST_POOL,
    Counts,
    History,
    Verdict,
    explain,
)

STAYS = 0.5
"""The chance that a store is as it was a window before."""
OPEN_AT_NIGHT = 0.03
WEAK_CITY = -1.3
"""The logit of a city that is always weak: a fifth of its stores are off."""
Random = np.random.Generator


@dataclass(frozen=True)
class Country:
    """A country's stores.

    Attributes:
        pair: number of each store's pair.
        is_open: by quarter hour and store.
        logit: of being off by itself, by quarter hour and pair, on the date that is judged.
        drift: how much lower that was a day before, by pair.
        noise: spread of a day's levels, on the logit.
        late: stores that open late, and by how many quarter hours.
    """

    random: Random
    pairs: Pairs
    pair: Ints
    is_open: npt.NDArray[np.bool_]
    logit: Floats
    drift: Floats
    noise: float
    late: Ints


@dataclass(frozen=True)
class Fault:
    """A share of a scope's stores off from a window on; a half recovers from another."""

    scope: Scope
    share: float
    begins: int = 0
    recovers: int | None = None
    ends: int | None = None


def country(
    random: Random,
    *,
    stores: int | None = None,
    noise: float = 0.1,
    drifting: float = 0.0,
    late_share: float = 0.0,
    sizes: tuple[int, int] | None = None,
) -> Country:
    """A country of its own.

    Args:
        drifting: the most that a city's and a brand's logit drift over four weeks.
        late_share: of the stores of one brand, those that open late every day.
        sizes: how many cities and brands, all of one size.
    """
    cities, brands = sizes or (int(random.integers(12, 31)), int(random.integers(20, 61)))
    count = stores or int(random.integers(10_000, 12_001))
    city = random.choice(cities, count, p=_skewed(cities, 1.0 if sizes is None else 0.0))
    brand = random.choice(brands, count, p=_skewed(brands, 0.8 if sizes is None else 0.0))
    both, pair = np.unique(city * brands + brand, return_inverse=True)
    pairs = Pairs.of([(f"city {key // brands}", f"brand {key % brands}") for key in both])
    of_city, of_brand = both // brands, both % brands
    level = -3.1 + random.normal(0, 0.3, cities)[of_city] + random.normal(0, 0.4, brands)[of_brand]
    level[of_city == int(random.integers(cities // 2, cities))] = WEAK_CITY
    level += random.normal(0, 0.3, len(both))
    hours = np.arange(SLOTS) / SLOTS * 2 * np.pi
    daily = 0.3 * np.sin(hours)[:, None] + (
        random.normal(0, 0.2, brands)[of_brand] * np.cos(hours[:, None])
    )
    drift = np.zeros(len(both))
    if drifting:
        drift[of_city == 0] += random.uniform(0.5, drifting) * random.choice([-1, 1])
        drift[of_brand == 1] += random.uniform(0.5, drifting) * random.choice([-1, 1])
    opens = random.integers(32, 45, count)
    closes = random.integers(84, SLOTS, count)
    slots = np.arange(SLOTS)[:, None]
    is_open = (slots >= opens) & (slots < closes)
    is_open[:, random.random(count) < OPEN_AT_NIGHT] = True
    late = np.zeros(count, np.intp)
    if late_share:
        is_late = (of_brand[pair] == 2) & (random.random(count) < late_share)
        late[is_late] = opens[is_late] + random.integers(2, 4, int(is_late.sum()))
    return Country(random, pairs, pair, is_open, level + daily, drift / PAST_DAYS, noise, late)


def _skewed(count: int, power: float) -> Floats:
    weights = np.arange(1, count + 1, dtype=np.float64) ** -power
    shares: Floats = weights / weights.sum()
    return shares


@dataclass(frozen=True)
class Day:
    """A date's stores by quarter hour and pair: known, and of these off."""

    known: Cells
    raised: Cells


def day(
    of: Country,
    days_before: int,
    faults: Sequence[Fault] = (),
    slots: range = range(SLOTS),
) -> Day:
    """A simulated date; windows of the faults count from the first of `slots`."""
    random, pairs = of.random, of.pairs
    levels = (
        (random.normal(0, of.noise, len(pairs.cities))[pairs.city])
        + (random.normal(0, of.noise, len(pairs.brands))[pairs.brand])
    )
    rate = 1 / (1 + np.exp(-(of.logit - days_before * of.drift + levels)))
    struck = [(fault, _stores(of, fault, slots.start + fault.begins)) for fault in faults]
    known, raised = (np.zeros((SLOTS, len(pairs)), np.float32) for _ in range(2))
    off = random.random(len(of.pair)) < rate[slots.start, of.pair]
    for slot in slots:
        fresh = random.random(len(of.pair)) >= STAYS
        again = random.random(int(fresh.sum())) < rate[slot, of.pair[fresh]]
        off[fresh] = again
        down = off | (slot < of.late)
        for fault, stores in struck:
            down[_off_at(fault, stores, slot - slots.start)] = True
        is_open = of.is_open[slot]
        known[slot] = np.bincount(of.pair[is_open], minlength=len(pairs))
        raised[slot] = np.bincount(of.pair[is_open & down], minlength=len(pairs))
    return Day(known, raised)


def _stores(of: Country, fault: Fault, slot: int) -> Ints:
    """The stores that a fault takes, of those that are open when it begins."""
    number = of.pairs.number(fault.scope)
    assert number is not None, f"there is no {fault.scope}"
    is_member = np.isin(of.pair, of.pairs.members(number))
    # those that open later are taken as well
    stores = np.flatnonzero(is_member)
    opened = np.flatnonzero(is_member & of.is_open[slot])
    taken = of.random.permutation(opened)[: round(fault.share * len(opened))]
    others = np.setdiff1d(stores, opened)
    return np.concatenate(
        [taken, of.random.permutation(others)[: round(fault.share * len(others))]]
    )


def _off_at(fault: Fault, stores: Ints, window: int) -> Ints:
    if window < fault.begins or (fault.ends is not None and window >= fault.ends):
        return stores[:0]
    if fault.recovers is not None and window >= fault.recovers:
        return stores[::2]
    return stores


@dataclass(frozen=True)
class Estimated:
    """What the platform makes of a country's past: rates of the date that is judged."""

    rates: Cells
    history: History


def estimated(of: Country, past_days: int = PAST_DAYS) -> Estimated | None:
    """The rates from a simulated past; None where there is none."""
    if not past_days:
        return None
    days = {before: day(of, before) for before in range(past_days, 0, -1)}
    past, until_yesterday = Past(of.pairs), Past(of.pairs)
    for before, one in days.items():
        is_weekend = before % 7 in (1, 2)
        past.add(one.known, one.raised, days_before=before, is_weekend=is_weekend)
        if before > 1:
            until_yesterday.add(
                one.known, one.raised, days_before=before - 1, is_weekend=is_weekend
            )
    deviations = {}
    if until_yesterday.days:
        expected = fit(until_yesterday, is_weekend=True)
        deviations = margins(of.pairs, days[1].known, days[1].raised, expected)
    return Estimated(fit(past, is_weekend=False), History(past_days, deviations))


def counts(of: Country, on: Day, slot: int, before: Estimated | None) -> Counts:
    """A window as the search takes it."""
    known, raised = on.known[slot].astype(np.float64), on.raised[slot].astype(np.float64)
    rates = without_history(of.pairs, known, raised) if before is None else before.rates[slot]
    return Counts(known, raised, known * rates)


def judged(
    of: Country, on: Day, slots: range, before: Estimated | None
) -> list[tuple[Counts, Verdict]]:
    """The windows of a date as the platform judges them, one after another."""
    windows: list[Counts] = []
    found: list[tuple[Counts, Verdict]] = []
    history = History(0) if before is None else before.history
    for slot in slots:
        windows.insert(0, counts(of, on, slot, before))
        going_on = {number for _, verdict in found[-CALM_WINDOWS:] for number in verdict.causes}
        verdict = explain(of.pairs, windows[:LONGEST_POOL], going_on, history)
        found.append((windows[0], verdict))
    return found
