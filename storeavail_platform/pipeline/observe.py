"""The one observation of a window: which source is read when, until when, what of it is landed.

The index is read first, because it is the most perishable: it cannot be read for the past. The
stores and their hours follow, and may follow late (`stores_read_at` says so) when PostgreSQL was
down. What was landed once is never read again, but for a gap whose window can still be read, and
for stores and hours where a person asks for them as they are now: the index is never read again. A
reading without one usable id of a store is refused like a source that is down: absent evidence is
no evidence of absence. So is one by a clock that its sources do not bear out (`witnesses.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pyarrow as pa
from tenacity import (
    RetryCallState,
    Retrying,
    before_sleep_log,
    retry_if_exception,
    stop_after_attempt,
    stop_any,
    wait_random_exponential,
)
from tenacity.stop import stop_base

from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.errors import (
    ClockWrong,
    NothingUsable,
    NotObserved,
    ObservationRefused,
    SourceRejected,
    StoreAvailError,
)
from storeavail_platform.domain.hours import local_windows, tzdata_version
from storeavail_platform.domain.log import Log
from storeavail_platform.domain.source import Snapshot, Source
from storeavail_platform.domain.tables.relations import OBSERVATION
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.usable import (
    count_documents,
    count_stores,
    require_documents,
    require_stores,
)
from storeavail_platform.pipeline.witnesses import Witnesses
from storeavail_platform.warehouse.landed_files import LandSplits, in_threads
from storeavail_platform.warehouse.landing import Landing
from storeavail_platform.warehouse.readings import INDEX as INDEX
from storeavail_platform.warehouse.readings import POSTGRES as POSTGRES
from storeavail_platform.warehouse.readings import Reading

ATTEMPTS = 3
"""Readings of a source tried in one run unless it goes on until the deadline."""
LONGEST_PAUSE_SECONDS = 30.0
NOT_OBSERVED: Mapping[str, Any] = {
    "is_observed": False,
    "observed_minute": None,
    "observed_bit": None,
    "listed": None,
    "online": None,
}
"""What is landed of the index for a gap."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Target:
    """What is observed: a window of a country, whose IANA zone stores without one are in."""

    country: str
    timezone: str
    window: Window


@dataclass(frozen=True)
class Sources:
    """A country's sources, and where their splits are read."""

    index: Source
    stores: Source
    land_splits: LandSplits = in_threads


@dataclass(frozen=True)
class Observing:
    """How an observation is made.

    Attributes:
        grace: how long after the window's end the index may still be read.
        until_deadline: go on trying a source that is down until the window's deadline, instead of
            `ATTEMPTS` times.
        record_gap: where nothing of the index was landed until the deadline, land that it was not
            observed; the stores are read now.
        reread: where the window is landed already, read its stores and hours again, as they are
            now.
    """

    grace: timedelta
    until_deadline: bool = False
    record_gap: bool = False
    reread: bool = False


@dataclass(frozen=True)
class Observation:
    """What is landed for a window: the reading of the index and that of PostgreSQL."""

    index: Reading
    stores: Reading

    @property
    def readings(self) -> Mapping[str, Reading]:
        return {INDEX: self.index, POSTGRES: self.stores}

    @property
    def is_observed(self) -> bool:
        """False for a recorded gap."""
        return bool(self.index.details["is_observed"])

    @property
    def observed_at(self) -> datetime | None:
        return self.index.read_at if self.is_observed else None

    @property
    def rows(self) -> int:
        return sum(file.rows for reading in self.readings.values() for file in reading.files)

    def relation(self) -> pa.Table:
        """The one-row relation `observation`."""
        details = self.index.details
        row = {
            "is_observed": self.is_observed,
            "observed_at": self.observed_at,
            "observed_minute": details["observed_minute"],
            "observed_bit": details["observed_bit"],
            "listed": details["listed"],
            "online": details["online"],
            "stores_read_at": self.stores.read_at,
        }
        return pa.Table.from_pylist([row], schema=OBSERVATION)


@dataclass(frozen=True)
class Landed:
    """A window's observation is in the landing."""

    country: str
    window: Window
    observation: Observation


def landed(landing: Landing, country: str, window: Window) -> Observation:
    """The window's landed observation.

    Raises:
        NotObserved: one of its two readings is missing; the message names it.
        LandingDamaged: a landed file is missing or has another size.
    """
    index = landing.find(country, window, INDEX)
    stores = landing.find(country, window, POSTGRES)
    if index is None:
        raise NotObserved(
            f"window {window} of {country} was not observed: no reading of its online index is in"
            " the landing"
        )
    if stores is None:
        raise NotObserved(
            f"window {window} of {country} is half observed: its online index is landed, its "
            "stores are not; run the window again when PostgreSQL answers (stores may be read late)"
        )
    for reading in (index, stores):
        landing.verify(reading)
    return Observation(index, stores)


def observe(
    landing: Landing,
    target: Target,
    sources: Sources,
    how: Observing,
    *,
    log: Log = logger,
    clock: Clock = utc_now,
) -> Observation:
    """Land what is not landed yet of a window's observation.

    Raises:
        ObservationRefused: the window is in the future, or its deadline has passed.
        ClockWrong: this machine's clock is not that of its sources. Nothing was landed.
        SourceUnavailable: a source did not answer, or gave half an answer. Nothing was landed.
        NothingUsable: a source gave not one usable id of a store. Nothing was landed.
        SourceRejected: a source says that the request is wrong.
    """
    witnesses = Witnesses(target.country, target.window, clock, log)
    observer = _Observer(landing, target, sources, how, log, clock, witnesses)
    begun = clock()
    index = observer.land(sources.index, observer.read_index)
    try:
        stores = observer.land_stores(index)
    except ClockWrong as error:
        # by the witness' time nothing was landed since, but by a wrong clock
        if index.landed_at >= min(begun, clock() - error.offset):
            landing.withdraw(index)
        raise
    return Observation(index, stores)


@dataclass(frozen=True)
class _Observer:
    """One observation being made."""

    landing: Landing
    target: Target
    sources: Sources
    how: Observing
    log: Log
    clock: Clock
    witnesses: Witnesses

    def land(self, source: Source, read: Callable[[], Reading]) -> Reading:
        """The reading that is landed, or else a new one, tried for as long as it may help."""
        country, window = self.target.country, self.target.window
        found = self.landing.find(country, window, source.name)
        if found is not None and self.is_early_gap(found):
            self.trying()(self.give_up_gap)
        elif found is not None:
            self.log.info(
                "%s of %s %s was landed at %s; not reading it again",
                *(source.name, country, window, found.landed_at),
            )
            return found
        return self.trying()(read)

    def land_stores(self, index: Reading) -> Reading:
        """The stores and hours that are landed, or else a new reading; one beside it where they
        are asked for again.
        """
        country, window, stores = self.target.country, self.target.window, self.sources.stores
        found = self.landing.find(country, window, stores.name) if self.how.reread else None
        if found is None:
            return self.land(stores, partial(self.read_stores, index))
        self.log.info(
            "%s of %s %s was landed at %s; reading it again, as it is now",
            *(stores.name, country, window, found.landed_at),
        )
        return self.trying(is_late=True)(self.reread_stores)

    def trying(self, *, is_late: bool = False) -> Retrying:
        at_deadline = _StopAt(self.target.window.deadline(self.how.grace), self.clock)
        tries: stop_base = stop_after_attempt(ATTEMPTS)
        if not is_late:
            tries = at_deadline if self.how.until_deadline else stop_any(at_deadline, tries)
        return Retrying(
            retry=retry_if_exception(
                lambda error: isinstance(error, StoreAvailError) and error.may_pass
            ),
            stop=tries,
            wait=wait_random_exponential(multiplier=0.5, max=LONGEST_PAUSE_SECONDS),
            before_sleep=before_sleep_log(self.log, logging.WARNING),
            reraise=True,
        )

    def is_early_gap(self, reading: Reading) -> bool:
        """Whether a gap was recorded of a window that can still be read: by a clock that was
        wrong.
        """
        window, index = self.target.window, self.sources.index
        return (
            not reading.details.get("is_observed", True)
            and window.start <= self.clock() <= window.deadline(self.how.grace)
            and (not index.is_recorded or has_recorded(index, window))
        )

    def give_up_gap(self) -> None:
        """Forget a gap and what was landed with it, on PostgreSQL's word that this is the time."""
        self.witnesses.hear_postgres(self.ask_postgres())
        country, window = self.target.country, self.target.window
        self.log.warning(
            "window %s of %s was recorded as a gap, and can still be read: it is observed",
            *(window, country),
        )
        self.landing.remove(country, window)

    def ask_postgres(self) -> timedelta | None:
        with self.sources.stores.open(self.target.window) as snapshot:
            return snapshot.clock_offset

    def read_index(self) -> Reading:
        window, index = self.target.window, self.sources.index
        is_over = self.clock() > window.deadline(self.how.grace)
        if self.how.record_gap and is_over:
            if not has_recorded(index, window):
                return self._record_gap("was never observed")
            try:
                return self._land_index()
            except NothingUsable as error:
                return self._record_gap(f"has no usable record ({error})")
        return self._land_index()

    def _record_gap(self, why: str) -> Reading:
        country, window, name = self.target.country, self.target.window, self.sources.index.name
        self.log.warning("window %s of %s %s: recorded as a gap", window, country, why)
        return self.landing.record(country, window, name, NOT_OBSERVED, read_at=self.clock())

    def _land_index(self) -> Reading:
        country, window, index = self.target.country, self.target.window, self.sources.index
        if not index.is_recorded:
            refuse_outside(country, window, self.clock(), self.how.grace)
        with index.open(window) as snapshot:
            self.witnesses.hear_index(snapshot.clock_offset, self.ask_postgres)
            refuse_outside(country, window, snapshot.read_at, self.how.grace)
            return land_documents(
                self.landing,
                self.target,
                index,
                snapshot,
                accept=partial(require_documents, country, window),
                land_splits=self.sources.land_splits,
                log=self.log,
            )

    def read_stores(self, index: Reading) -> Reading:
        # a recording says itself when it was made
        is_live = not self.sources.index.is_recorded or not index.details["is_observed"]
        with self.sources.stores.open(self.target.window) as snapshot:
            if is_live:
                self.witnesses.hear_postgres(snapshot.clock_offset)
            return self._land_stores(snapshot, again=False)

    def reread_stores(self) -> Reading:
        # which window it is was decided when the index was read: no clock has a say any more
        with self.sources.stores.open(self.target.window) as snapshot:
            return self._land_stores(snapshot, again=True)

    def _land_stores(self, snapshot: Snapshot, *, again: bool) -> Reading:
        return land_stores(
            self.landing,
            self.target,
            self.sources.stores,
            snapshot,
            accept=partial(require_stores, self.target.country, self.target.window),
            land_splits=self.sources.land_splits,
            again=again,
            log=self.log,
        )


def land_documents(
    landing: Landing, target: Target, index: Source, snapshot: Snapshot, **how: Any
) -> Reading:
    """Land an index's snapshot, with the minute of the window that it stands for.

    Args:
        how: further arguments of `Landing.land`.
    """
    minute = target.window.observed_minute(snapshot.read_at)
    details = {
        "is_observed": True,
        "observed_minute": minute,
        "observed_bit": 2**minute,
        "listed": 0,
        "online": 0,
    }
    return landing.land(
        target.country,
        target.window,
        index,
        snapshot,
        details=details,
        tally=count_documents,
        **how,
    )


def land_stores(
    landing: Landing, target: Target, stores: Source, snapshot: Snapshot, **how: Any
) -> Reading:
    """Land PostgreSQL's snapshot, with the window on every zone's wall clock; see
    `land_documents`.
    """
    return landing.land(
        target.country,
        target.window,
        stores,
        snapshot,
        tables={"local_windows": local_windows(target.window, target.timezone)},
        details={"tzdata": tzdata_version()},
        tally=count_stores,
        **how,
    )


class _StopAt(stop_base):
    """Ends the tries at a moment."""

    def __init__(self, moment: datetime, clock: Clock) -> None:
        self.moment, self.clock = moment, clock

    def __call__(self, retry_state: RetryCallState) -> bool:
        return self.clock() >= self.moment


def has_recorded(index: Source, window: Window) -> bool:
    """Whether an index has a record of a window, so that it can be read at any time."""
    if not index.is_recorded:
        return False
    try:
        with index.open(window):
            return True
    except SourceRejected:
        return False


def refuse_outside(country: str, window: Window, moment: datetime, grace: timedelta) -> None:
    """Refuse a reading outside the window's time.

    Raises:
        ObservationRefused: names the window, the moment, the deadline, and what to do.
    """
    if moment < window.start:
        raise ObservationRefused(
            f"window {window} of {country} starts at {window.start:%Y-%m-%d %H:%M} UTC, and it is "
            f"{moment:%Y-%m-%d %H:%M:%S} UTC: it cannot be observed yet; run it when it has begun, "
            "or check this machine's clock"
        )
    deadline = window.deadline(grace)
    if moment > deadline:
        raise ObservationRefused(
            f"window {window} of {country} could be observed until {deadline:%Y-%m-%d %H:%M:%S} "
            f"UTC, and it is {moment:%Y-%m-%d %H:%M:%S} UTC: a live index cannot be read for the "
            "past, and nothing was landed in time. Run the window in progress instead. Catch-up "
            "records the gap: every store unknown/not_observed; to do it by hand, run the window's "
            "partition from the Dagster UI with `record_gap: true` in the run config of "
            "`observation`"
        )
