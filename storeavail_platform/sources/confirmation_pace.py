"""When the next request of a partition may be made: at its rate, later where the server asks for
it, and hardly at all while the server does not answer (a circuit breaker).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

FAILURES = 20
"""Requests in a row without a usable answer after which the circuit is open."""
TRIALS = 3
"""Stores that an open circuit is tried with; if none is answered, nobody is asked any more."""
TRIAL_SECONDS = 2.0
BURST_SECONDS = 0.1
"""How much of a delay of its own a partition may make up for."""
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 8.0


class Pace:
    """Shared by all requests of a partition."""

    def __init__(self, rate: float, time: Callable[[], float]) -> None:
        """
        Args:
            rate: requests a second.
            time: seconds, steady.
        """
        self.interval = 1 / rate
        self.time = time
        self.at = time()
        self.failures = 0
        self.trials = 0
        self.is_given_up = False
        self._lock = asyncio.Lock()

    async def turn(self) -> bool:
        """Wait until a request may be made; False: none may be made any more."""
        async with self._lock:
            while not self.is_given_up and (wait := self.at - self.time()) > 0:
                await asyncio.sleep(wait)
            if self.failures >= FAILURES:
                self.is_given_up = self.is_given_up or self.trials >= TRIALS
                self.trials += 1
                self.at = self.time() + TRIAL_SECONDS
            else:
                self.at = max(self.at, self.time() - BURST_SECONDS) + self.interval
            return not self.is_given_up

    def pause(self, seconds: float) -> None:
        """Make no request for so long: the server asks for it."""
        self.at = max(self.at, self.time() + seconds)

    def heard(self, *, is_usable: bool) -> None:
        """A request has ended."""
        if is_usable:
            if self.failures >= FAILURES:
                self.at = self.time()
            self.failures = self.trials = 0
            return
        self.failures += 1
        if self.failures == FAILURES:
            self.pause(TRIAL_SECONDS)


def jitter(attempt: int) -> float:
    """Seconds before a store is asked about again: anything up to twice the last one's bound."""
    return random.uniform(0, min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt))
