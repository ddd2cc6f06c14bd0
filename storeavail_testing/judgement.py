"""How well causes are found: kinds of faults with known truth, and what share of them is named
exactly. `benchmarks/incidents.py` prints all of it, the tests run a part.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from storeavail_platform.domain.causes.rates import PAST_DAYS, SLOTS
from storeavail_platform.domain.causes.scopes import (
    BRAND,
    CITY,
    CITY_BRAND,
    COUNTRY,
    LEVELS,
    Scope,
)
from storeavail_platform.domain.causes.search import Counts, Verdict
from storeavail_testing.faults import (
    Country,
    Estimated,
    Fault,
    Random,
    country,
    counts,
    day,
    estimated,
    judged,
)

BEGINS = 4
"""The window in which a fault begins; those before it are calm."""
NOON, NIGHT, OPENING = 56, 8, 36
"""Quarter hours of the day: 14:00, 02:00, 09:00."""
LARGE, SMALL_CITY = 20, (9, 12)
SAME = 0.9
"""Scopes that have so many of their known stores in common are the same to people."""
COUNTRIES = 30
CLOSED_BY = 2
"""The second calm window without it closes an incident: it is over by the third."""


@dataclass(frozen=True)
class Simulated:
    """A country with the rates that its past gives."""

    country: Country
    before: Estimated | None


def simulated(
    random: Random, count: int, past_days: int = PAST_DAYS, **how: float
) -> list[Simulated]:
    """Countries of one kind."""
    found = []
    for _ in range(count):
        one = country(random, **how)  # type: ignore[arg-type]
        found.append(Simulated(one, estimated(one, past_days)))
    return found


def scope_of(
    of: Country, level: str, known: Counts, least: float, most: float = np.inf
) -> Scope | None:
    """A scope of a level at random, of so many known stores; None where there is none."""
    sizes = of.pairs.sums(known.known)
    fits = (of.pairs.level == LEVELS.index(level)) & (sizes >= least) & (sizes <= most)
    numbers = np.flatnonzero(fits)
    return of.pairs.scope(int(of.random.choice(numbers))) if numbers.size else None


def is_named(of: Country, verdict: Verdict, known: Counts, truth: set[Scope]) -> bool:
    """Whether a verdict names exactly the true scopes, or ones of the same stores."""
    wanted = [of.pairs.number(scope) for scope in truth]
    found = list(verdict.causes)
    return len(found) == len(wanted) and all(
        any(number is not None and _is_same(of, number, other, known) for other in found)
        for number in wanted
    )


def _is_same(of: Country, one: int, other: int, known: Counts) -> bool:
    if one == other:
        return True
    first, second = (set(of.pairs.members(number).tolist()) for number in (one, other))
    stores = known.known
    both, either = (float(stores[list(pairs)].sum()) for pairs in (first & second, first | second))
    return both >= SAME * either


def named_at_second_window(of: Simulated, faults: list[Fault], slot: int = NOON) -> bool:
    """Whether the causes of a fault's second window are exactly the true ones."""
    slots = range(slot, slot + BEGINS + 2)
    found = judged(of.country, day(of.country, 0, faults, slots), slots, of.before)
    known, verdict = found[BEGINS + 1]
    return is_named(of.country, verdict, known, {fault.scope for fault in faults})


def one_fault(
    of: Simulated,
    levels: tuple[str, ...],
    shares: tuple[float, float],
    *,
    least: float = 8,
    most: float = np.inf,
    slot: int = NOON,
) -> bool | None:
    """One scope of these levels is off; None where the country has none of this size."""
    scope = _scope_at(of, levels, slot, least, most)
    if scope is None:
        return None
    share = float(of.country.random.uniform(*shares))
    return named_at_second_window(of, [Fault(scope, share, BEGINS)], slot)


def _scope_at(
    of: Simulated, levels: tuple[str, ...], slot: int, least: float, most: float = np.inf
) -> Scope | None:
    one = of.country
    at = slot + BEGINS + 1
    now = counts(one, day(one, 0, slots=range(at, at + 1)), at, of.before)
    return scope_of(one, str(one.random.choice(levels)), now, least, most)


def two_faults(of: Simulated) -> bool | None:
    """Two scopes are off at once, overlapping or not; none of them a part of the other."""
    levels = (CITY, BRAND, CITY_BRAND)
    first, second = (_scope_at(of, levels, NOON, LARGE) for _ in range(2))
    if first is None or second is None or first == second:
        return None
    pairs = of.country.pairs
    members = [set(pairs.members(pairs.number(scope) or 0).tolist()) for scope in (first, second)]
    if members[0] <= members[1] or members[1] <= members[0]:
        return None
    shares = of.country.random.uniform(0.4, 1.0, 2)
    faults = [
        Fault(scope, float(share), BEGINS)
        for scope, share in zip((first, second), shares, strict=True)
    ]
    return named_at_second_window(of, faults)


def half_recovers(of: Simulated) -> bool | None:
    """Half of the stores of a scope come back, later the others: one incident, closed in time."""
    scope = _scope_at(of, (CITY, BRAND), NOON, 60)
    if scope is None:
        return None
    ends, slots = BEGINS + 8, range(NOON, NOON + BEGINS + 8 + 4)
    share = float(of.country.random.uniform(0.6, 1.0))
    fault = Fault(scope, share, BEGINS, recovers=BEGINS + 4, ends=ends)
    found = judged(of.country, day(of.country, 0, [fault], slots), slots, of.before)
    named = [number for number, (known, verdict) in enumerate(found) if verdict.causes]
    is_exact = all(
        is_named(of.country, found[number][1], found[number][0], {scope}) for number in named
    )
    # one window between changes nothing, two end it
    is_one = all(after - before <= CLOSED_BY for before, after in itertools.pairwise(named))
    return bool(named) and is_exact and is_one and named[0] <= BEGINS + 1 and named[-1] <= ends


def false_openings(of: Simulated, slots: range = range(SLOTS)) -> int:
    """Incidents of a date on which nothing is down."""
    found = judged(of.country, day(of.country, 0, slots=slots), slots, of.before)
    opened, recent = 0, [set[int](), set[int]()]
    for _, verdict in found:
        named = set(verdict.causes)
        opened += len(named - recent[0] - recent[1])
        recent = [recent[1], named]
    return opened


def scattered(of: Simulated) -> tuple[bool, bool]:
    """Stores all over the country are off: whether that is said, and whether a scope is forced."""
    share = float(of.country.random.uniform(0.05, 0.08))
    slots = range(NOON, NOON + BEGINS + 2)
    fault = Fault(Scope(COUNTRY), share, BEGINS)
    _, verdict = judged(of.country, day(of.country, 0, [fault], slots), slots, of.before)[-1]
    return verdict.is_unexplained, bool(verdict.causes)


@dataclass(frozen=True)
class Outcome:
    """A row of the judgement: what was reached and the goal, as shares or, where `is_most`, as
    what may at most be.
    """

    fault: str
    goal: float
    reached: float
    cases: int
    is_most: bool = False

    @property
    def is_met(self) -> bool:
        return self.reached <= self.goal if self.is_most else self.reached >= self.goal


Case = Callable[[Simulated], bool | None]


def share_of(case: Case, of: list[Simulated], cases: int) -> tuple[float, int]:
    """The share of cases that go well, and how many there were."""
    found: list[bool] = []
    tried = 0
    while len(found) < cases and tried < 4 * cases:
        outcome = case(of[tried % len(of)])
        tried += 1
        if outcome is not None:
            found.append(outcome)
    return (sum(found) / len(found) if found else 0.0), len(found)


def false_share(of: list[Simulated], dates: int) -> tuple[float, int]:
    """False openings in 1,000 windows, and how many windows there were."""
    opened = [false_openings(of[number % len(of)]) for number in range(dates)]
    return 1000 * sum(opened) / (dates * SLOTS), dates * SLOTS


WIDE: Mapping[str, Case] = {
    "country, 25-100 % off": partial(one_fault, levels=(COUNTRY,), shares=(0.25, 1.0)),
    "city, 25-100 %": partial(one_fault, levels=(CITY,), shares=(0.25, 1.0), least=60),
    "brand, 25-100 %": partial(one_fault, levels=(BRAND,), shares=(0.25, 1.0), least=60),
}


def outcomes(random: Random, cases: int, countries: int = COUNTRIES) -> Iterator[Outcome]:
    """The judgement, row by row.

    Args:
        cases: faults a row.
    """
    usual = simulated(random, countries)
    yield from _with_history(usual, random, cases, countries)
    for past_days, wide, narrow, false in (
        (3, 0.95, 0.88, 2.0),
        (1, 0.93, 0.80, 3.0),
        (0, 0.85, 0.70, 15.0),
    ):
        young = simulated(random, max(1, countries // 2), past_days)
        name = f"{past_days} days of past" if past_days else "no past"
        for what, levels, least, goal in (
            ("cities and brands", (CITY, BRAND), 60, wide),
            ("a brand in a city", (CITY_BRAND,), LARGE, narrow),
        ):
            case = partial(one_fault, levels=levels, shares=(0.6, 1.0), least=least)
            yield Outcome(f"{name}: {what}, 60-100 %", goal, *share_of(case, young, cases))
        yield Outcome(
            f"{name}: false openings in 1,000 windows",
            false,
            *false_share(young, max(1, cases // 12)),
            is_most=True,
        )


def _with_history(
    usual: list[Simulated], random: Random, cases: int, countries: int
) -> Iterator[Outcome]:
    drifting = simulated(random, max(1, countries // 2), drifting=2.0)
    late = simulated(random, max(1, countries // 3), late_share=0.4)
    dates = max(1, cases // 5)
    for name, of in (("nothing", usual), ("rates drift by 0.5-2", drifting)):
        found = false_share(of, dates)
        yield Outcome(f"{name}: false openings in 1,000 windows", 1.0, *found, is_most=True)
    for name, case in WIDE.items():
        yield Outcome(name, 0.97, *share_of(case, usual, cases))
    for shares, goal in (((0.4, 1.0), 0.97), ((0.25, 1.0), 0.90)):
        case = partial(one_fault, levels=(CITY_BRAND,), shares=shares, least=LARGE)
        name = f"a brand in a city, 20 stores or more, {100 * shares[0]:.0f}-100 %"
        yield Outcome(name, goal, *share_of(case, usual, cases))
    yield Outcome("two at once, 40-100 %", 0.92, *share_of(two_faults, usual, cases))
    small = partial(
        one_fault,
        levels=(CITY,),
        shares=(1.0, 1.0),
        least=SMALL_CITY[0],
        most=SMALL_CITY[1],
        slot=NIGHT,
    )
    yield Outcome("a city of 10 stores at night, all off", 0.95, *share_of(small, usual, cases))
    opening = partial(one_fault, levels=(CITY, BRAND), shares=(0.4, 1.0), least=LARGE, slot=OPENING)
    yield Outcome("begins at the opening hour", 0.95, *share_of(opening, usual, cases))
    yield Outcome(
        "half recovers: one incident, closed in time", 0.95, *share_of(half_recovers, usual, cases)
    )
    calm, count = share_of(lambda of: not false_openings(of), late, max(1, cases // 3))
    yield Outcome("40 % late openers: dates without an incident", 0.98, calm, count)
    said = [scattered(usual[number % len(usual)]) for number in range(cases)]
    yield Outcome(
        "5-8 % of all stores: unexplained", 0.75, float(np.mean([one for one, _ in said])), cases
    )
    yield Outcome(
        "5-8 % of all stores: a scope forced",
        0.05,
        float(np.mean([one for _, one in said])),
        cases,
        is_most=True,
    )
