"""The rows of `usual_rates`: the past of a country, date by date, as counts that rates are fitted
to.

What was down is no part of what is usual: a pair's windows inside a named scope are left out, and
all pairs' of an unexplained window. A past that nobody has judged is judged on the way, oldest date
first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storeavail_platform.domain.causes.counted import KINDS, MARGINS, Coded, Kind, sum_of
from storeavail_platform.domain.causes.rates import (
    SLOTS,
    Cells,
    Past,
    fit,
    margins,
    without_history,
)
from storeavail_platform.domain.causes.scopes import (
    UNEXPLAINED,
    Flags,
    Floats,
    Ints,
    Pairs,
    Scope,
)
from storeavail_platform.domain.causes.search import (
    FLOORS,
    LONGEST_POOL,
    Counts,
    History,
    explain,
)
from storeavail_platform.domain.windows import WINDOW_LENGTH, WINDOW_MINUTES

SATURDAY = 5
REPLAYED_DAYS = 7
"""How far back an unjudged past is judged; what is older is left out."""
NEW_LEVEL = timedelta(days=7)
"""After so long what is down counts as usual: a city whose stores have left for good."""
DECIMALS = 5
"""Of a rate: what files hold of it."""


def usual_rates(inputs: Mapping[str, pa.Table], schema: pa.Schema) -> pa.Table:
    """The usual rates of a date.

    Args:
        inputs: `past_summaries`, `past_causes`, `city_zones` and `country_date`.
        schema: of the result.

    Returns:
        No rows without a past.
    """
    (asked,) = inputs["country_date"].to_pylist()
    summaries, causes = inputs["past_summaries"], inputs["past_causes"]
    days = local_dates(summaries["window_start"], asked["timezone"])
    if not len(days):
        return schema.empty_table()
    newest = summaries.filter(pa.array(days == days.max()))
    maker = RateMaker(asked["local_date"], asked["timezone"], newest, inputs["city_zones"])
    of_causes = local_dates(causes["window_start"], asked["timezone"])
    for day in np.unique(days):
        maker.add(
            day.item(),
            summaries.filter(pa.array(days == day)),
            causes.filter(pa.array(of_causes == day)),
        )
    return maker.rows(schema)


def local_dates(starts: pa.ChunkedArray, timezone: str) -> npt.NDArray[Any]:
    """The date on a zone's clock of each window."""
    local = pc.local_timestamp(pc.cast(starts, pa.timestamp("us", tz=timezone)))
    return np.asarray(pc.cast(pc.floor_temporal(local, unit="day"), pa.date32()), "datetime64[D]")


class RateMaker:
    """Makes a date's rates of the dates before it, which are added oldest first.

    Args:
        newest: `availability_summary` of the last date before it: its pairs have rates.
        city_zones: `city`, `timezone`; a city that has none is on the country's clock.

    Attributes:
        seen_days: dates of the past that have windows, those that the rates cannot rest on too.
    """

    def __init__(
        self, local_date: date, timezone: str, newest: pa.Table, city_zones: pa.Table
    ) -> None:
        self.local_date, self.zone = local_date, ZoneInfo(timezone)
        self.coded = Coded.of([newest])
        self.pairs = self.coded.pairs
        zones = dict(
            zip(*(city_zones[name].to_pylist() for name in ("city", "timezone")), strict=True)
        )
        self.city_zones = [ZoneInfo(zones.get(city) or timezone) for city in self.pairs.cities]
        self.of_kinds = [_OfKind(name, kind, self.pairs) for name, kind in KINDS.items()]
        self.seen_days = 0

    def add(self, day: date, summaries: pa.Table, causes: pa.Table) -> None:
        """Add a date.

        Args:
            summaries: `availability_summary` of its windows that are evidence.
            causes: `window_causes` of them.
        """
        self.seen_days += 1
        days_before = (self.local_date - day).days
        starts = pc.unique(summaries["window_start"]).sort().to_pylist()
        judged = set(causes["window_start"].to_pylist())
        if days_before > REPLAYED_DAYS:
            # what was down then is not known
            starts = [start for start in starts if start in judged]
        if not starts:
            return
        slots = np.array([self._slot(start) for start in starts])
        date_of = _Date(
            days_before,
            day.weekday() >= SATURDAY,
            starts,
            slots,
            (slots[:, None] + self._shift(day)) % SLOTS,
            [start not in judged for start in starts],
        )
        value_set = pa.array(starts, summaries.schema.field("window_start").type)
        window = np.asarray(
            pc.fill_null(pc.index_in(summaries["window_start"], value_set=value_set), -1), np.intp
        )
        pair = self.coded.places(summaries)
        rows = np.flatnonzero((window >= 0) & (pair >= 0))
        cell = window[rows] * len(self.pairs) + pair[rows]
        size = len(starts) * len(self.pairs)
        for of_kind in self.of_kinds:
            known, raised = (
                np.bincount(cell, sum_of(summaries, columns)[rows], size)
                .astype(np.float64)
                .reshape(len(starts), -1)
                for columns in (of_kind.kind.known, (of_kind.kind.raised,))
            )
            of_kind.add(date_of, known, raised, causes)

    def rows(self, schema: pa.Schema) -> pa.Table:
        """The rows of `usual_rates`."""
        slots = (np.arange(SLOTS)[:, None] + self._shift(self.local_date)) % SLOTS
        place = schema.get_field_index("seen_days")
        made = pa.concat_tables(
            [
                of_kind.rows(
                    slots, schema.remove(place), is_weekend=self.local_date.weekday() >= SATURDAY
                )
                for of_kind in self.of_kinds
            ]
        )
        seen = pa.repeat(pa.scalar(self.seen_days, schema.field(place).type), made.num_rows)
        return made.add_column(place, schema.field(place), seen)

    def _slot(self, start: datetime) -> int:
        local = start.astimezone(self.zone)
        return (local.hour * 60 + local.minute) // WINDOW_MINUTES

    def _shift(self, day: date) -> Ints:
        """How many quarter hours each pair's city is before the country's clock."""
        noon = datetime.combine(day, time(12), UTC)
        own = noon.astimezone(self.zone).utcoffset() or timedelta()
        shifts = [
            ((noon.astimezone(zone).utcoffset() or timedelta()) - own) // WINDOW_LENGTH
            for zone in self.city_zones
        ]
        found: Ints = np.array(shifts, np.intp)[self.pairs.city]
        return found


@dataclass(frozen=True)
class _Date:
    """The windows of a date.

    Attributes:
        slots: of the country's clock.
        city_slots: of each pair's city, by window.
        is_unjudged: whether nobody has said what was down in a window.
    """

    days_before: int
    is_weekend: bool
    starts: Sequence[datetime]
    slots: Ints
    city_slots: Ints
    is_unjudged: Sequence[bool]


class _OfKind:
    """The past of a kind."""

    def __init__(self, name: str, kind: Kind, pairs: Pairs) -> None:
        self.name, self.kind, self.pairs = name, kind, pairs
        self.past = Past(pairs)
        self.margins: Mapping[str, float] = FLOORS
        self.named: list[frozenset[int]] = []
        self.last: list[tuple[datetime, Counts]] = []

    def add(self, on: _Date, known: Floats, raised: Floats, causes: pa.Table) -> None:
        """Add a date's windows; counts by window and pair."""
        is_last = on.days_before == 1
        expected = None
        if self.past.days and (is_last or any(on.is_unjudged)):
            fitted = fit(self.past, is_weekend=on.is_weekend)
            expected = np.take_along_axis(fitted, on.city_slots, axis=0)
        is_usual = self._judged(on, causes)
        for place, is_unjudged in enumerate(on.is_unjudged):
            if is_unjudged:
                rates = None if expected is None else expected[place]
                start = on.starts[place]
                is_usual[place] &= ~self._replay(start, known[place], raised[place], rates)
        usual, off = (self._cells(on, np.where(is_usual, counts, 0)) for counts in (known, raised))
        if is_last and expected is not None:
            self.margins = margins(self.pairs, usual, off, fitted)
        self.past.add(usual, off, days_before=on.days_before, is_weekend=on.is_weekend)

    def _cells(self, on: _Date, counts: Floats) -> Cells:
        """Counts by quarter hour of the city's day and pair."""
        count = len(self.pairs)
        cell = on.city_slots * count + np.arange(count)
        sums = np.bincount(cell.ravel(), counts.ravel(), SLOTS * count)
        return sums.reshape(SLOTS, count).astype(np.float32)

    def _judged(self, on: _Date, causes: pa.Table) -> Flags:
        """By window and pair: whether no judgement has named it."""
        is_usual = np.ones((len(on.starts), len(self.pairs)), np.bool_)
        place = {start: number for number, start in enumerate(on.starts)}
        for row in causes.filter(pc.equal(causes["kind"], self.name)).to_pylist():
            start, since = row["window_start"], row["since"]
            if since is None or start not in place or start - since >= NEW_LEVEL:
                continue
            if row["scope"] == UNEXPLAINED:
                is_usual[place[start]] = False
                continue
            number = self.pairs.number(Scope(row["scope"], row["city"], row["brand"]))
            if number is not None:
                is_usual[place[start], self.pairs.members(number)] = False
        return is_usual

    def _replay(
        self, start: datetime, known: Floats, raised: Floats, rates: Floats | None
    ) -> Flags:
        """Judge a window that nobody has; gives the pairs that are inside what is named."""
        if rates is None:
            rates = without_history(self.pairs, known, raised)
        self.last = [
            (start, Counts(known, raised, known * rates)),
            *(before for before in self.last if start - before[0] < LONGEST_POOL * WINDOW_LENGTH),
        ]
        pooled = [
            counts
            for back, (at, counts) in enumerate(self.last)
            if start - at == back * WINDOW_LENGTH
        ]
        going_on = frozenset().union(*self.named)
        verdict = explain(self.pairs, pooled, going_on, History(self.past.days, self.margins))
        self.named = [*self.named[-1:], frozenset(verdict.causes)]
        is_named = np.full(len(self.pairs), verdict.is_unexplained)
        for number in verdict.causes:
            is_named[self.pairs.members(number)] = True
        return is_named

    def rows(self, slots: Ints, schema: pa.Schema, *, is_weekend: bool) -> pa.Table:
        if not self.past.days:
            return schema.empty_table()
        rates = np.take_along_axis(fit(self.past, is_weekend=is_weekend), slots, axis=0)
        count = rates.size
        pair = np.tile(np.arange(len(self.pairs)), SLOTS)
        history = History(self.past.days, self.margins)
        columns = {
            "kind": pa.repeat(pa.scalar(self.name), count),
            "local_slot": np.repeat(np.arange(SLOTS, dtype=np.int32), len(self.pairs)),
            "city": pa.array(self.pairs.cities, pa.string()).take(self.pairs.city[pair]),
            "brand": pa.array(self.pairs.brands, pa.string()).take(self.pairs.brand[pair]),
            "usual": np.round(rates.ravel().astype(np.float64), DECIMALS),
            **{
                column: pa.repeat(pa.scalar(history.margin(level)), count)
                for level, column in MARGINS.items()
            },
            "past_days": pa.repeat(pa.scalar(self.past.days, pa.int32()), count),
        }
        return pa.table(columns).select(schema.names).cast(schema)
