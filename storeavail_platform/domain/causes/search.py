"""The causes of a window: the smallest set of scopes whose raised rates explain its excess.

A fault is a noisy or: a store is off by itself, by a nameless background, or by a fault of a scope
that it is part of. Scopes are taken one after another while what they explain is worth more than
naming them costs. The last one, two and four windows are looked at together, so that small faults
add up; evidence is a log likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from storeavail_platform.domain.causes.scopes import COUNTRY, LEVELS, Flags, Floats, Ints, Pairs

POOLED = {1: 1.0, 2: 0.8, 4: 0.5}
"""How many windows are looked at together, and how much their evidence counts: a store that is off
in one window is likely to be off in the next.
"""
LONGEST_POOL = max(POOLED)
SHARES = np.array(
    [0.12, 0.16, 0.2, 0.23, 0.27, 0.31, 0.36, 0.43, 0.5, 0.58, 0.66, 0.75, 0.84, 0.92, 0.97, 0.995]
)
"""The shares of a scope's stores that a fault can have off."""
BACKGROUNDS = np.array([0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12])
RATES = (0.01, 0.97)
"""The usual rate lies between these: nothing is certain."""
FEWEST_KNOWN = 8
FEWEST_EXCESS = 3.0
MOST_CAUSES = 6
FALSE_ALARM = 0.001
"""False openings that are admitted a window, over all scopes."""
PRIOR = 2.0
"""How much cheaper a scope is where the usual rates are well known."""
SMALL, SMALL_COST = 20, 4.0
"""With fewer known stores a scope costs more: what is usual of few is the least certain."""
OPEN_COST = 1.5
FURTHER_COST = 3.0
"""What a second cause and any further one costs more."""
POOLING_COST = 3.0
BACKGROUND_COST = 6.0
STILL_RAISED = 0.5
"""Of the share that is off, how much must be off in the newest window too."""
SWAP_GAIN = 0.5
STILL_OPEN = 0.75
WEAK_DAYS = 7
"""With fewer past dates the usual rates are weak."""
FLOORS = {"country": 0.7, "city": 0.5, "brand": 0.5, "city_brand": 0.25}
MOST_MARGIN = 0.9
WEAK_MARGIN, WEAK_SHARE = 0.5, 0.27
NO_MARGIN, NO_SHARE = 1.2, 0.36
"""Margin and least share of a fault with a weak history, and with none."""
UNEXPLAINED_STORES, UNEXPLAINED_SD = 10.0, 4.0
USUAL_SPREAD, WEAK_SPREAD = 0.12, 0.3
"""How far the whole country's rate differs from the usual on an ordinary day, as a share of it."""


@dataclass(frozen=True)
class History:
    """What the usual rates unexplained on.

    Attributes:
        past_days: local dates; 0: none.
        margins: by level, how much higher a rate may be on an ordinary day, on the logit.
    """

    past_days: int
    margins: Mapping[str, float] = field(default_factory=lambda: FLOORS)

    def margin(self, level: str) -> float:
        if self.past_days == 0:
            return NO_MARGIN
        least = FLOORS[level] if self.past_days >= WEAK_DAYS else max(WEAK_MARGIN, FLOORS[level])
        return min(max(self.margins.get(level, least), least), MOST_MARGIN)

    @property
    def least_share(self) -> float:
        if self.past_days == 0:
            return NO_SHARE
        return WEAK_SHARE if self.past_days < WEAK_DAYS else float(SHARES[0])

    @property
    def least_open_share(self) -> float:
        """The same of a scope that is open: less, because half of its stores may be back."""
        return max(float(SHARES[0]), STILL_OPEN * self.least_share)


@dataclass(frozen=True)
class Counts:
    """A window's stores by pair: known, of these raised (missing, rogue or unknown), and how many
    would be raised in an ordinary window.
    """

    known: Floats
    raised: Floats
    usual: Floats


@dataclass(frozen=True)
class Verdict:
    """What explains a window.

    Attributes:
        causes: numbers of the scopes, and the share of their stores that is off.
        is_unexplained: there is an excess that no scope explains.
        score: by how much the evidence is worth more than what the causes cost.
    """

    causes: Mapping[int, float]
    is_unexplained: bool = False
    score: float = 0.0


def explain(
    pairs: Pairs, windows: Sequence[Counts], going_on: Collection[int], history: History
) -> Verdict:
    """The causes of the newest of some windows.

    Args:
        windows: newest first, one right after the other: at most four are looked at.
        going_on: numbers of the scopes whose incidents are open.
    """
    best = Verdict({})
    for count in POOLED:
        if count > len(windows):
            break
        found = _Search(pairs, windows[:count], going_on, history).run()
        if count == 1 or found.score > best.score + POOLING_COST:
            best = found
    return Verdict(best.causes, _is_unexplained(pairs, windows, best.causes, history), best.score)


def _is_unexplained(
    pairs: Pairs, windows: Sequence[Counts], causes: Mapping[int, float], history: History
) -> bool:
    """Whether two windows in a row have an excess beyond chance that no cause explains."""
    if history.past_days == 0 or len(windows) < 2:
        return False
    up = np.ones(len(pairs))
    for number, share in causes.items():
        up[pairs.members(number)] *= 1 - share
    usual_deviation = USUAL_SPREAD if history.past_days >= WEAK_DAYS else WEAK_SPREAD
    for counts in windows[:2]:
        rate = 1 - (1 - _rates(counts)) * up
        expected = counts.known * rate
        unexplained = float((counts.raised - expected).sum())
        variance = (
            float((expected * (1 - rate)).sum())
            + (usual_deviation * float(counts.usual.sum())) ** 2
        )
        if unexplained < UNEXPLAINED_STORES or unexplained < UNEXPLAINED_SD * math.sqrt(variance):
            return False
    return True


def _rates(counts: Counts) -> Floats:
    shares = counts.usual / np.maximum(counts.known, 1)
    return np.clip(shares, *RATES)


class _Search:
    """The search over some windows taken together."""

    def __init__(
        self,
        pairs: Pairs,
        windows: Sequence[Counts],
        going_on: Collection[int],
        history: History,
    ) -> None:
        self.pairs, self.history, self.newest = pairs, history, windows[0]
        count = len(windows)
        pooled = Counts(
            *(
                np.sum([getattr(counts, name) for counts in windows], axis=0)
                for name in ("known", "raised", "usual")
            )
        )
        self.open = frozenset(going_on)
        # stores of an open fault are the same in each window: they count once
        weight = np.full(len(pairs), POOLED[count])
        for number in self.open:
            weight[pairs.members(number)] = 1 / count
        self.raised = weight * pooled.raised
        self.well = weight * (pooled.known - pooled.raised)
        self.known = weight * pooled.known
        self.base = 1 - _rates(pooled)
        self.newest_base = 1 - _rates(self.newest)
        known, excess = pairs.sums(pooled.known), pairs.sums(pooled.raised - pooled.usual)
        is_large = (known >= FEWEST_KNOWN * count) & pairs.is_named
        self.can_be = is_large & (excess >= FEWEST_EXCESS * count)
        self.costs = self._costs(is_large, known / count)
        self.chosen: dict[int, float] = {}
        self.background = 0.0

    def _costs(self, is_large: Flags, known: Floats) -> Floats:
        sizes = np.bincount(self.pairs.level[is_large], minlength=len(LEVELS))
        of_level = np.log(4 * np.maximum(sizes, 1) / FALSE_ALARM) + math.log(3)
        if self.history.past_days >= WEAK_DAYS:
            of_level -= PRIOR
        costs: Floats = of_level[self.pairs.level] + SMALL_COST * (known < SMALL)
        costs[list(self.open)] = OPEN_COST
        return costs

    def run(self) -> Verdict:
        if not self.can_be.any():
            return Verdict({})
        self._fit_background()
        while len(self.chosen) < MOST_CAUSES:
            number, share, score = self._best()
            if score <= 0:
                break
            self.chosen[number] = share
            self._refit()
            if number not in self.chosen:
                break
        self._swap()
        return Verdict(dict(self.chosen), score=self._total())

    def _up(self, base: Floats, without: int | None = None) -> Floats:
        """The share of each pair's stores that are up, by what is chosen."""
        up = base * (1 - self.background)
        for number, share in self.chosen.items():
            if number != without:
                up[self.pairs.members(number)] *= 1 - share
        return up

    def _best(self, without: int | None = None) -> tuple[int, float, float]:
        """The best further scope, the share of it that is off, and by how much it pays."""
        numbers = np.flatnonzero(self.can_be)
        taken = [number for number in self.chosen if number != without]
        numbers = numbers[~np.isin(numbers, taken)]
        if not numbers.size:
            return 0, 0.0, 0.0
        gains, shares = self._gains(numbers, without)
        scores = gains - self.costs[numbers] - (FURTHER_COST if taken else 0)
        best = int(np.argmax(scores))
        return int(numbers[best]), float(shares[best]), float(scores[best])

    def _gains(self, numbers: Ints, without: int | None) -> tuple[Floats, Floats]:
        """What each scope explains beyond a mere shift of its rates, and at which share."""
        up = self._up(self.base, without)
        is_off = np.flatnonzero(self.raised)
        down = 1 - up[is_off]
        well = self.pairs.sums(self.well)[numbers]
        gains = np.empty((len(SHARES), len(numbers)))
        values = np.zeros(len(self.pairs))
        for place, share in enumerate(SHARES):
            values[is_off] = self.raised[is_off] * np.log1p(share * up[is_off] / down)
            gains[place] = self.pairs.sums(values)[numbers] + math.log1p(-share) * well
        best = gains.argmax(axis=0)
        shares = SHARES[best]
        found = gains[best, np.arange(len(numbers))] - self._shifted(numbers, up)
        is_open = np.isin(numbers, list(self.open))
        # the likeliest share, not one that is likelier than none: a weak city is no large fault
        least = np.where(is_open, self.history.least_open_share, self.history.least_share)
        found[shares < least] = -np.inf
        found[~self._is_raised_now(numbers, shares, without)] = -np.inf
        return found, shares

    def _shifted(self, numbers: Ints, up: Floats) -> Floats:
        """What a shift of the rates within the margin explains."""
        found = np.zeros(len(numbers))
        levels = self.pairs.level[numbers]
        for place, level in enumerate(LEVELS):
            is_level = levels == place
            if not is_level.any():
                continue
            for shift in (self.history.margin(level) / 2, self.history.margin(level)):
                values = self.raised * shift - self.known * np.log(up + (1 - up) * math.exp(shift))
                explained = self.pairs.sums(values)[numbers[is_level]]
                found[is_level] = np.maximum(found[is_level], explained)
        return found

    def _is_raised_now(self, numbers: Ints, shares: Floats, without: int | None) -> Flags:
        """Whether enough of each scope is off in the newest window too."""
        up = self._up(self.newest_base, without)
        could_be_off = self.pairs.sums(self.newest.known * up)[numbers]
        excess = self.pairs.sums(self.newest.raised - self.newest.known * (1 - up))[numbers]
        flags: Flags = (excess >= STILL_RAISED * shares * could_be_off) & (excess > 0)
        return flags

    def _refit(self) -> None:
        """Fit all shares anew, and drop what no longer pays."""
        for _ in range(2):
            for number in list(self.chosen):
                gains, shares = self._gains(np.array([number]), number)
                further = FURTHER_COST if len(self.chosen) > 1 else 0
                if gains[0] <= self.costs[number] + further:
                    del self.chosen[number]
                else:
                    self.chosen[number] = float(shares[0])
            self._fit_background()

    def _swap(self) -> None:
        """Take each chosen scope against the best other once."""
        for number in list(self.chosen):
            if number not in self.chosen:
                continue
            gains, _ = self._gains(np.array([number]), number)
            own = float(gains[0]) - self.costs[number]
            own -= FURTHER_COST if len(self.chosen) > 1 else 0
            other, share, score = self._best(without=number)
            if other != number and score > own + SWAP_GAIN:
                del self.chosen[number]
                self.chosen[other] = share
                self._refit()

    def _total(self) -> float:
        """What the chosen scopes explain together, less what they cost."""
        if not self.chosen:
            return 0.0
        before, after = self.base * (1 - self.background), self._up(self.base)
        gain = self.raised * np.log((1 - after) / (1 - before)) + self.well * np.log(after / before)
        cost = sum(self.costs[number] for number in self.chosen)
        return float(gain.sum() - cost - FURTHER_COST * (len(self.chosen) - 1))

    def _fit_background(self) -> None:
        """The share of stores that is off all over the country, by no cause of its own."""
        self.background = 0.0
        if self.pairs.starts[COUNTRY] in self.chosen:
            return
        up, well = self._up(self.base), float(self.well.sum())
        gains = [
            float((self.raised * np.log1p(share * up / (1 - up))).sum()) + math.log1p(-share) * well
            for share in BACKGROUNDS
        ]
        best = int(np.argmax(gains))
        if gains[best] > BACKGROUND_COST:
            self.background = float(BACKGROUNDS[best])
